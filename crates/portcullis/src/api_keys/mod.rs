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
//! Keys that outlive the process, or that several servers share, are in a store:
//!
//! ```
//! use std::time::Duration;
//!
//! use http::HeaderName;
//! use portcullis::{Clock as _, Scopes, Secret, SystemClock};
//! use portcullis::api_keys::{ApiKeys, Grant, KeyRegistry, MemoryApiKeys};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let pepper = Secret::new([7; 32]);
//! # let now = SystemClock::new().now();
//! // An `ApiKeyStore` of yours takes the place of the one in memory.
//! let keys = KeyRegistry::new("acmelive", &pepper, MemoryApiKeys::default())
//!     .with_issuer("https://keys.example");
//! let authenticator = ApiKeys::from_registry(keys.clone())
//!     .with_header(HeaderName::from_static("x-api-key"))
//!     .with_last_use_interval(Duration::from_secs(3600));
//!
//! let grant = Grant::for_application("reporting")
//!     .with_user("alice")
//!     .with_scopes(Scopes::parse("notes.read")?)
//!     .with_expires_at(now + Duration::from_secs(90 * 86_400));
//! let issued = keys.issue(grant, now).await?;
//! // Show `issued.expose()` once. It is kept nowhere.
//!
//! for key in keys.list("alice", None, 100).await? {
//!     println!("{} used at {:?}", key.id(), key.last_used_at());
//! }
//! // Both secrets work for a day.
//! let rotated = keys.rotate(issued.stored().id(), Duration::from_secs(86_400), now).await?;
//! keys.revoke(rotated.stored().id(), now).await?;
//! # use portcullis::IntoAuthenticator as _;
//! # let site = portcullis::Site::new(std::sync::Arc::new(SystemClock::new()));
//! # authenticator.into_authenticator(&site)?;
//! # Ok(())
//! # }
//! ```
//!
//! # A ring or a registry?
//!
//! A [`KeyRing`] is a table in memory, for keys that stand in a configuration or that the program
//! writes down itself; its calls wait for nobody. A [`KeyRegistry`] asks an [`ApiKeyStore`] for
//! each key that is presented, so that a change by one server holds for all, and has the last use
//! of each key written there. What a store keeps of a key is the same plain data, a [`StoredKey`],
//! in fields or as [bytes](StoredKey::to_bytes).
//!
//! | | ring | registry |
//! |---|---|---|
//! | issued, rotated, revoked | here, and you write it down | in the store |
//! | listed | all of them | by owner, page by page |
//! | a revoked key | is forgotten | stays in the list, until it is removed |
//! | last use | is not noted | is noted, by default every 5 minutes |
//! | another server's changes | when the ring is told | with the next request |
//! | a store that is down | | 503 |
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
//! better with your own prefix, and confirms each by the checksum, offline: [`PATTERN`] and
//! [`is_well_formed`]. The checksum proves nothing else: who can make up a key can make up its
//! checksum.
//!
//! Why a key is refused, [`KeyRing::explain`] and [`KeyRegistry::explain`] say check by check.
//!
//! # What is decided, and why
//!
//! | The request has | Verdict | Reason |
//! |---|---|---|
//! | no bearer token, or not the own header | absent | |
//! | a credential with another prefix | not mine | |
//! | the own header twice | reject, `invalid_request` | `api_key_repeated` |
//! | another length, character or checksum | reject, `invalid_token` | `api_key_malformed` |
//! | an id that nobody has | reject, `invalid_token` | `api_key_unknown` |
//! | the id of a key, and not its secret | reject, `invalid_token` | `api_key_secret` |
//! | a key at or after its end | reject, `invalid_token` | `api_key_expired` |
//! | a key before its begin | reject, `invalid_token` | `api_key_not_yet_valid` |
//! | the old secret, at or after the end of the overlap | reject, `invalid_token` | `api_key_superseded` |
//! | a key that is revoked | reject, `invalid_token` | `api_key_revoked` |
//! | a key whose row in the store makes no sense | reject, `invalid_token` | `api_key_unusable` |
//! | a key that has spent the [limit](Grant::with_limit) of its own | spent, 429 | `api_key_limit` |
//! | a key, while the store cannot say | unavailable | `api_key_store_unavailable` |
//!
//! Times, and whether a key is revoked, are looked at only once a secret has matched: who has not
//! got it is told nothing about the key. A secret is good before its end, not
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
//!   [`KeyRing::replace_all`]. A registry asks its store for each request.
//! - A sender that is refused too often is let in with a good key, if the store can say at once
//!   that it is good. One that has to be asked is not asked for him.
//! - Revoking a key here refuses later requests. To have it permitted nothing more in an answer
//!   that runs, revoke it at the gate as well, by its issuer and id: [`Revocation::credential`].
//! - A limit counts only requests whose secret has matched: nobody uses up the limit of a key that
//!   he has not got. Both secrets of a key count for one. Each server counts for itself, in bounded
//!   memory, and for all keys of an owner together counts the [quota](crate::quota).
//! - A key is a bearer secret: whoever reads it can use it. Give it an end, few scopes, and
//!   one holder.
//!
//! [`Revocation::credential`]: crate::revocation::Revocation::credential

mod authenticator;
mod entry;
mod error;
mod explanation;
mod format;
mod hash;
mod issued_key;
mod known;
mod limits;
mod memory;
mod mint;
mod registered;
mod registry;
mod ring;
mod store;
#[cfg(test)]
mod tests;

pub use portcullis_core::{
    Commit, Revision, StoreError,
    api_keys::{
        ApiKeyStore, Grant, InvalidKeyBytes, InvalidKeyHash, KeyHash, KeyLimit, StoredKey,
        Superseded,
    },
};

pub use self::{
    authenticator::{ApiKeyAuthenticator, ApiKeys},
    error::{KeyError, KeyErrorKind},
    explanation::{KeyExplanation, KeyStepOutcome},
    format::{PATTERN, is_well_formed},
    issued_key::IssuedKey,
    memory::MemoryApiKeys,
    registry::KeyRegistry,
    ring::KeyRing,
};
