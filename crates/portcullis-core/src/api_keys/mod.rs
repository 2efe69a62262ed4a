//! What is kept of an API key, and what a store of keys owes.
//!
//! Plain data, without the secret: whom a key speaks for ([`Grant`]), what is kept of it
//! ([`StoredKey`]), and who keeps it ([`ApiKeyStore`]). Keys are cut, and judged, by `portcullis`.

mod bytes;
mod grant;
mod hash;
mod store;
mod stored_key;

pub use self::{
    bytes::InvalidKeyBytes,
    grant::{Grant, KeyLimit},
    hash::{InvalidKeyHash, KeyHash},
    store::ApiKeyStore,
    stored_key::{StoredKey, Superseded},
};
