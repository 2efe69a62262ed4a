//! API keys: long random secrets for callers without a person at the screen.
//!
//! A key belongs to an application, to a user, or to an application that acts for a user. It
//! is sent as `Authorization: Bearer`, beside the tokens of people on the same endpoint, and
//! told apart from them by its prefix.
//!
//! # Example
//!
//! ```
//! use portcullis::{Clock as _, Secret, SystemClock};
//! use portcullis::api_keys::{ApiKeys, Grant, KeyRing};
//!
//! // 32 random bytes, drawn once and kept where the server's other secrets are.
//! let pepper = Secret::new([7; 32]);
//! let keys = KeyRing::new("acme", &pepper);
//!
//! // For `Stack::add_authenticator`. The ring stays a live handle on the same keys.
//! let authenticator = ApiKeys::new(keys.clone());
//!
//! let issued = keys.issue(Grant::for_application("reporting"), SystemClock::new().now())?;
//! assert!(issued.expose().starts_with("acme_"));
//! # let (parts, ()) = http::Request::builder()
//! #     .header("authorization", format!("Bearer {}", issued.expose()))
//! #     .body(()).unwrap().into_parts();
//! # use portcullis::{Authenticator as _, IntoAuthenticator as _};
//! # let site = portcullis::Site::new(std::sync::Arc::new(SystemClock::new()));
//! # let check = authenticator.into_authenticator(&site).unwrap()
//! #     .check(&portcullis::RequestView::new(&parts, SystemClock::new().now()));
//! # assert!(matches!(check, portcullis::Check::Done(portcullis::Verdict::Accept(_))));
//! # Ok::<(), portcullis::api_keys::KeyError>(())
//! ```
//!
//! Keys that outlive the process are in your database, with an issuer, scopes and an end, and
//! are rotated while both secrets work for a day:
//!
//! ```
//! use std::time::Duration;
//!
//! use http::HeaderName;
//! use portcullis::{Scopes, Secret, Timestamp};
//! use portcullis::api_keys::{ApiKeys, Grant, KeyHash, KeyRing, StoredKey};
//!
//! # let pepper = Secret::new([7; 32]);
//! # let now = Timestamp::from_unix_seconds(1_767_225_600);
//! let grant = Grant::for_application("reporting")
//!     .with_user("alice")
//!     .with_scopes(Scopes::parse("notes.read")?)
//!     .with_expires_at(Timestamp::from_unix_seconds(1_798_761_600));
//! // A row: the id, the hash, and what the grant is made of.
//! let row = StoredKey::new("0123456789ABCde", KeyHash::from_hex(&"ab".repeat(32))?, grant);
//!
//! let keys = KeyRing::new("acmelive", &pepper)
//!     .with_issuer("https://keys.example")
//!     .add_keys([row]);
//! let authenticator =
//!     ApiKeys::new(keys.clone()).with_header(HeaderName::from_static("x-api-key"));
//!
//! let rotated = keys.rotate("0123456789ABCde", Duration::from_secs(86_400), now)?;
//! // Write `rotated.stored()` to its row, then show `rotated.expose()` once.
//! assert_eq!(rotated.stored().id(), "0123456789ABCde");
//! assert!(rotated.stored().superseded().is_some());
//!
//! keys.revoke("0123456789ABCde")?;
//! # use portcullis::IntoAuthenticator as _;
//! # let site = portcullis::Site::new(std::sync::Arc::new(portcullis::SystemClock::new()));
//! # authenticator.into_authenticator(&site)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The form of a key
//!
//! ```text
//! acme_000000000000000_00000000000000000000000000000000000000000000LWWfN
//! ^    ^               ^                                          ^
//! |    public id       secret                                     checksum
//! prefix
//! ```
//!
//! - The prefix is yours: 2 to 16 lower-case letters and digits, a letter first. Name the
//!   service and the environment. Two rings of one server need different prefixes.
//! - The id is 15 characters of base 62. It is public: records and revocation name it.
//! - The secret is 256 random bits in 43 characters of base 62.
//! - The checksum is the CRC-32 (of zlib and PNG) of all before it, as a number in base 62,
//!   filled to 6 characters with `0`. The digits of base 62 are `0-9A-Za-z` in this order.
//!
//! A secret scanner finds keys by `\b[a-z][a-z0-9]{1,15}_[0-9A-Za-z]{15}_[0-9A-Za-z]{49}\b`,
//! better with your own prefix, and confirms each by the checksum, offline. The checksum
//! proves nothing else: who can make up a key can make up its checksum.
//!
//! # What is decided, and why
//!
//! | The request has | Verdict | Reason |
//! |---|---|---|
//! | no bearer token, or not the own header | absent | |
//! | a credential with another prefix | not mine | |
//! | the own header twice | reject, `invalid_request` | `api_key_repeated` |
//! | another length, character or checksum | reject, `invalid_token` | `api_key_malformed` |
//! | an id that is not in the ring | reject, `invalid_token` | `api_key_unknown` |
//! | the id of a key, and not its secret | reject, `invalid_token` | `api_key_secret` |
//! | a key at or after its end | reject, `invalid_token` | `api_key_expired` |
//! | a key before its begin | reject, `invalid_token` | `api_key_not_yet_valid` |
//! | the old secret, at or after the end of the overlap | reject, `invalid_token` | `api_key_superseded` |
//!
//! Times are looked at only once a secret has matched. A secret is good before its end, not
//! at it. What is accepted is evidence of the kind
//! [`Standing`](portcullis_core::EvidenceKind::Standing): its client is the application, its
//! subject the user, or, for a key without a user, `application:` and the application's
//! name.
//!
//! # Security
//!
//! - Only HMAC-SHA-256 of a key under the pepper is kept. A slow hash such as Argon2 would add
//!   nothing: it protects what can be guessed, and 256 random bits cannot. The hash covers the
//!   prefix and the id, so a row's hash is worthless in another row.
//! - An unknown id and a wrong secret cost the same hash and the same comparisons, which take
//!   constant time. Whether an *id* exists is not protected beyond that: a look-up that finds
//!   something takes a few nanoseconds more, and ids are public.
//! - Who can write to the database can make a key say anything: the owner and the scopes of a
//!   row are not sealed.
//! - There is no rotation of the pepper: another pepper ends every key. To change it, open a
//!   second ring with the new pepper and another prefix, add both, move the holders over,
//!   and drop the first.
//! - A ring knows of a revocation or rotation by another server only when it is told:
//!   [`KeyRing::replace_all`].
//! - Revoking a key here refuses later requests. To have it permitted nothing more in an answer
//!   that runs, revoke it at the gate as well, by its issuer and id: [`Revocation::credential`].
//! - A key is a bearer secret: whoever reads it can use it. Give it an end, few scopes, and
//!   one holder.
//!
//! [`Revocation::credential`]: crate::revocation::Revocation::credential

mod authenticator;
mod entry;
mod error;
mod format;
mod hash;
mod issued_key;
mod ring;
#[cfg(test)]
mod tests;

pub use authenticator::{ApiKeyAuthenticator, ApiKeys};
pub use error::{KeyError, KeyErrorKind};
pub use issued_key::IssuedKey;
pub use portcullis_core::api_keys::{Grant, InvalidKeyHash, KeyHash, StoredKey, Superseded};
pub use ring::KeyRing;
