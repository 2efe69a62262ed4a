//! What is kept of an API key.
//!
//! Plain data, without the secret: whom a key speaks for ([`Grant`]), and what is kept of it
//! ([`StoredKey`]). Keys are cut, and judged, by `portcullis`.

mod grant;
mod hash;
mod stored_key;

pub use self::{
    grant::Grant,
    hash::{InvalidKeyHash, KeyHash},
    stored_key::{StoredKey, Superseded},
};
