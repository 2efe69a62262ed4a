//! Events that an issuer signals (OpenID Shared Signals Framework 1.0, CAEP 1.0).
//!
//! An account was disabled, a session was revoked, a device is no longer compliant: the issuer, or
//! whoever watches over devices and risks, tells those who rely on it. [`SharedSignals`] hears it,
//! pushed by the transmitter (RFC 8935) or polled from it (RFC 8936).
//!
//! ```
//! use portcullis_jwt::{Issuer, SharedSignals};
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! // A stack does this: `add_notice_receiver(signals)`. The audience is its resource.
//! let signals = SharedSignals::push(Issuer::new("https://idp.example"));
//! # let site = portcullis_core::Site::new(std::sync::Arc::new(portcullis_core::SystemClock::new()))
//! #     .with_resource("https://notes.example");
//! # portcullis_core::IntoNoticeReceiver::into_notice_receiver(signals, &site)?;
//! # Ok(())
//! # }
//! ```
//!
//! Customised: polled every five seconds, from a transmitter that speaks of the users of another
//! issuer, with a policy of one's own for credentials and risks, and subjects that are email addresses.
//!
//! ```
//! use std::time::Duration;
//! use portcullis_core::{RevocationKey, Secret};
//! use portcullis_jwt::{
//!     Issuer, SharedSignals,
//!     shared_signals::{Reaction, SecurityEvent},
//! };
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! let signals = SharedSignals::poll(Issuer::new("https://mdm.example"), "https://mdm.example/poll")
//!     .with_token(Secret::from("of-this-receiver"))
//!     .with_poll_interval(Duration::from_secs(5))
//!     .with_subject_issuers(["https://idp.example"])
//!     .with_reaction(SecurityEvent::RiskMedium, Reaction::Revoke)
//!     .with_reaction(SecurityEvent::CredentialChanged, Reaction::Note)
//!     .with_subjects_by(|name| match (name.format, name.name) {
//!         ("email", "alice@example.com") => {
//!             vec![RevocationKey::Subject("https://idp.example".into(), "alice".into())]
//!         }
//!         _ => Vec::new(),
//!     });
//! # let site = portcullis_core::Site::new(std::sync::Arc::new(portcullis_core::SystemClock::new()))
//! #     .with_resource("https://notes.example");
//! # portcullis_core::IntoNoticeReceiver::into_notice_receiver(signals, &site)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is checked
//!
//! One JWT, strictly read; `typ` is `secevent+jwt`; `iss` is the issuer; `alg` is asymmetric and allowed,
//! the signature the issuer's; `aud` names this server; there is neither `exp` nor `sub` (RFC 8417 §4);
//! `jti` and `iat` are there, and `iat` is not ahead; `events` has exactly one member, an object, as the
//! interoperability profile has it.
//!
//! The same token may come again, as often as it likes: it is answered as before, and what it ends is
//! over up to the time of the event, whenever it comes and in whatever order. So no store of used
//! tokens is needed.
//!
//! # What an event does
//!
//! | event | by default |
//! |---|---|
//! | `session-revoked` | what the subject names is over |
//! | `token-claims-change` | the same: the next token says what is true |
//! | `credential-change`: `revoke`, `delete` | the same: the user authenticates with what is left |
//! | `credential-change`: `create`, `update` | noted |
//! | `credential-compromise` (RISC 1.0) | over |
//! | `assurance-level-change`, unless it is an `increase` | over |
//! | `device-compliance-change`, unless it is `compliant` | over |
//! | `risk-level-change`: `HIGH` | over |
//! | `risk-level-change`: `MEDIUM` | noted |
//! | `account-disabled`, `account-purged`, `sessions-revoked` (RISC 1.0) | over |
//! | `verification`, `stream-updated` | see below |
//! | everything else | acknowledged, and counted as `set_unknown_event` |
//!
//! Another policy is one call each: [`with_reaction`](SharedSignals::with_reaction).
//! "Over" is what was issued up to `event_timestamp` (or `toe`, or else `iat`): who has authenticated
//! since is in. Where the user is to authenticate anew, that is told by `auth_time`.
//!
//! # Whom it is about
//!
//! | `sub_id` | what is over |
//! |---|---|
//! | `iss_sub`, `opaque` | the subject; of an `opaque` one of `session-revoked`, also the session of that id |
//! | `jwt_id` | the one token |
//! | `email`, `phone_number`, `account`, `did`, `uri` | what [`with_subjects_by`](SharedSignals::with_subjects_by) says |
//! | `aliases` | all of them |
//! | `complex` | the narrowest of its members that is known here: `session`, `device`, `user` with `application`, `user`; then `application`, `tenant` |
//!
//! A `device` or a `tenant` is known here where the evidence carries it:
//! [`with_devices`](SharedSignals::with_devices), [`with_tenants`](SharedSignals::with_tenants). Where it
//! does not, a device stands for its user. So does a session, if
//! [no token has one](SharedSignals::without_sessions). A tenant never stands for a user whom nobody
//! here knows.
//! A transmitter speaks of the subjects of its own issuer, and of
//! [others that are named](SharedSignals::with_subject_issuers), and of nobody else's.
//!
//! Who cannot be told is acknowledged, logged as a warning, and counted as `set_subject_unknown` or
//! `set_subject_foreign`: sending it again would not help.
//!
//! # When nothing comes any more
//!
//! A receiver whose stream is `paused` or `disabled` is blind, and so is one that has heard nothing
//! for [a time](SharedSignals::with_max_silence). What counts is when a token was issued, so one that
//! somebody sends again, or late, is not heard now. While it is blind
//!
//! - there is one ERROR in the log, one record, and a counter (`set_stream_paused`, `set_stream_disabled`,
//!   `set_silent`), and an INFO with `set_stream_enabled` when it is over;
//! - everybody of that issuer has to have authenticated within the last
//!   [hour](SharedSignals::with_fail_safe): what would have been signalled lives no longer than that.
//!
//! That is over when the transmitter says that the stream is `enabled`, or sends anything that it has
//! issued since. Whether a stream is paused is not kept over a restart, nor where the settings of a gate
//! are replaced.
//!
//! # What a push is answered
//!
//! | | status | `err` |
//! |---|---|---|
//! | taken, and carried out; also if it has come before | 202, no body | |
//! | the media type, the form or the claims are wrong | 400 | `invalid_request` |
//! | no key, or not its signature | 400 | `invalid_key` |
//! | of another issuer, for another audience | 400 | `invalid_issuer`, `invalid_audience` |
//! | without the [token](SharedSignals::with_token) that it has to bring | 400 | `authentication_failed` |
//! | a verification with another state than the one that was sent | 400 | `invalid_state` |
//! | keys or stores cannot be had | 503, `Retry-After` | |
//!
//! The `description` is one fixed text for each `err`. What is polled is refused with the same codes,
//! in `setErrs`; what could not be carried out is not acknowledged, and comes again.
//!
//! # The stream
//!
//! It is made and looked after at the transmitter, with its own tools: with `aud` the resource of this
//! server, `delivery` to this path or by poll, and one stream for each receiver.
//!
//! Where several servers are behind one address, or poll one stream, each event comes to one of them. So
//! they have to share their revocations, or each has a stream of its own. Each looks after its own
//! silence: have verifications come so often that all of them hear some.

mod alarm;
mod build;
mod claims;
mod event;
mod poll;
mod push;
mod receiver;
mod settings;
mod subject;
mod watch;

pub use self::{
    event::{Reaction, SecurityEvent},
    receiver::SignalsReceiver,
    settings::SharedSignals,
    subject::SubjectName,
};

/// The name in records.
const NAME: &str = "shared_signals";
