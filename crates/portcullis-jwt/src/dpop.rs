//! Proofs of possession: DPoP (RFC 9449).
//!
//! A token that is bound to a key (`cnf` with `jkt`) is worth nothing to whoever steals it: each
//! request comes with a proof that its sender holds the key. [`Dpop`] is the configuration of what
//! checks these proofs; give it to a stack.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use portcullis_core::{IntoProofVerifier, Site, SystemClock};
//! use portcullis_jwt::dpop::Dpop;
//! # use portcullis_core::{ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp};
//! # struct MemoryReplays;
//! # impl ReplayStore for MemoryReplays {
//! #     async fn take(&self, _: ReplayOwner, _: ReplayKey, _: Timestamp, _: Timestamp)
//! #         -> Result<Taken, StoreError> { Ok(Taken::Full) }
//! #     fn is_volatile(&self) -> bool { true }
//! # }
//!
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! // `Stack::builder().with_proof_of_possession(Dpop::new(MemoryReplays::default()))` does this.
//! let site = Site::new(Arc::new(SystemClock::new())).with_resource("https://notes.example/mcp");
//! let verifier = Dpop::new(MemoryReplays).into_proof_verifier(&site)?;
//! # Ok(())
//! # }
//! ```
//!
//! Customised: nonces, which bound how long a proof that was made beforehand can be used, and a key
//! that several servers with one store share.
//!
//! ```
//! use std::time::Duration;
//!
//! use portcullis_core::Secret;
//! use portcullis_jwt::{Algorithm, dpop::Dpop};
//! # use portcullis_core::{ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp};
//! # struct SharedReplays;
//! # impl ReplayStore for SharedReplays {
//! #     async fn take(&self, _: ReplayOwner, _: ReplayKey, _: Timestamp, _: Timestamp)
//! #         -> Result<Taken, StoreError> { Ok(Taken::Full) }
//! # }
//! # let key_of_the_deployment = [7; 32];
//!
//! let dpop = Dpop::new(SharedReplays)
//!     .with_algorithms([Algorithm::Es256, Algorithm::Ps256])
//!     .with_window(Duration::from_secs(30))
//!     .with_nonces(Duration::from_mins(5))
//!     .with_key(Secret::new(key_of_the_deployment));
//! ```
//!
//! # What is checked
//!
//! In this order; whatever fails ends it, with a code of [`reason`](crate::reason):
//!
//! 1. There is one header `DPoP`, of at most 8 KiB, and it is one JWT in its canonical form.
//! 2. `typ` is `dpop+jwt`, `alg` is one of [`with_algorithms`](Dpop::with_algorithms), and nothing
//!    in the header changes what the signature means.
//! 3. `jti`, `htm`, `htu`, `iat` and `ath` are there. What else there is, is ignored.
//! 4. `htm` is the method, and `htu` the URL without query and fragment: the origin of the resource
//!    (or [`with_origin`](Dpop::with_origin)) and the path that the client asked for. No header of
//!    the request takes part. Both are compared in the form of RFC 3986 §6.2.2 and §6.2.3: case of
//!    scheme and host, default port, needless escapes and dots do not matter; `%2F` is no `/`.
//! 5. `iat` is at most a [window](Dpop::with_window) from now, before or after. With
//!    [nonces](Dpop::with_nonces), `nonce` is one of ours instead, and `iat` may be anything.
//! 6. `ath` is the hash of the token that comes with it.
//! 7. `jwk` is a public key whose thumbprint (RFC 7638) the token is bound to.
//! 8. The signature is that of `jwk`.
//! 9. The proof has not been used before.
//!
//! A proof that fails uses nothing up: the store is told last.
//!
//! # Stricter than the RFC
//!
//! RFC 9449 §11.1 lets a server remember a `jti` for each URL. Here a `jti` counts once for its key,
//! whatever the URL: a client that draws them at random notices nothing.

mod htu;
mod nonce;
mod proof;
mod settings;
pub(crate) mod store;
mod verifier;

pub use self::{settings::Dpop, verifier::DpopVerifier};
