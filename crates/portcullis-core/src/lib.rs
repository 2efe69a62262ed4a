//! Plain data and plug-in traits of portcullis.
//!
//! This crate is what a plug-in author depends on: small, slow to change, and without any
//! layer in it. Whoever only *uses* portcullis needs the `portcullis` crate, which
//! re-exports everything here.
//!
//! - An [`Authenticator`] looks at a [`RequestView`] and returns a [`Verdict`]. What it
//!   accepted is [`Evidence`]: plain data that anybody can construct, and that therefore
//!   proves nothing. Only `portcullis` turns evidence into a `Principal`.
//! - A [`ProofVerifier`] says whether the sender of a credential that is bound to a key holds it.
//! - An [`AuditSink`] is given a [`Record`] of each decision, with a stable [`ReasonCode`].
//! - A [`NoticeReceiver`] hears from an issuer that something is over.
//! - A [`SignalBus`] tells servers that share their stores where to look again.
//! - An [`ApiKeyStore`](api_keys::ApiKeyStore) keeps API keys.
//! - A [`QuotaStore`] keeps what was spent of quotas that several servers have together.
//! - Time comes from a [`Clock`], which a test can replace; randomness from [`entropy`].
//!
//! # Writing an authenticator
//!
//! One method is enough when the answer needs no I/O:
//!
//! ```
//! use portcullis_core::{
//!     Authenticator, Check, Description, Evidence, EvidenceKind, ReasonCode, Rejection,
//!     RequestView, Verdict,
//! };
//!
//! /// Knows one secret, kept as a [`portcullis_core::Secret`] so that nothing prints it.
//! struct OneToken(portcullis_core::Secret);
//!
//! impl Authenticator for OneToken {
//!     fn describe(&self) -> Description {
//!         Description::bearer("one_token")
//!     }
//!
//!     fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
//!         let Some(token) = request.bearer() else {
//!             return Check::Done(Verdict::Absent);
//!         };
//!         if !token.starts_with("one_") {
//!             return Check::Done(Verdict::NotMine);
//!         }
//!         Check::Done(if self.0.matches(token.as_bytes()) {
//!             Verdict::accept(Evidence::new(EvidenceKind::Standing, "one_token", "robot"))
//!         } else {
//!             Verdict::Reject(Rejection::invalid_token(ReasonCode::new("one_token_unknown")))
//!         })
//!     }
//! }
//! # let auth = OneToken(portcullis_core::Secret::from("one_abc"));
//! # let (parts, ()) = http::Request::builder()
//! #     .header("authorization", "Bearer one_abc").body(()).unwrap().into_parts();
//! # let view = RequestView::new(&parts, portcullis_core::Timestamp::UNIX_EPOCH);
//! # assert!(matches!(auth.check(&view), Check::Done(Verdict::Accept(_))));
//! ```
//!
//! One that has to ask somebody returns [`Check::NeedsIo`] and is then called a second time,
//! through [`Authenticator::verify`].

mod already_hashed;
pub mod api_keys;
mod audit;
mod authenticator;
mod clock;
mod config;
mod description;
pub mod entropy;
mod evidence;
mod hash;
mod layout;
mod notice;
mod peer_certificate;
mod possession;
mod quota;
mod reason;
mod replay;
mod request_view;
mod revocation;
#[doc(hidden)]
pub mod sabotage;
mod scope;
mod secret;
mod session;
mod signal;
mod timestamp;
mod trace_parent;
mod verdict;

#[doc(hidden)]
pub use already_hashed::AlreadyHashed;
pub use audit::{AuditSink, Durable, Outcome, Record, RecordKind, RequestId, SinkError};
pub use authenticator::{Authenticator, IntoAuthenticator, NotReady, Site};
pub use clock::{Clock, Sleep, SystemClock};
pub use config::{ConfigError, ConfigErrors};
pub use description::Description;
pub use evidence::{
    Actor, Confirmation, Evidence, EvidenceKind, InvalidEvidence, InvalidEvidenceBytes,
    RevocationKey, Withdrawal,
};
pub use notice::{
    AcceptedNotices, CarryingOut, IntoNoticeReceiver, Notice, NoticeDelivery, NoticeDesk,
    NoticeMark, NoticeReceipt, NoticeReceiver, NoticeReply, ReceiverDescription, RefusedNotices,
};
pub use peer_certificate::PeerCertificate;
pub use possession::{
    IntoProofVerifier, ProofDescription, ProofRejection, ProofRejectionKind, ProofVerdict,
    ProofVerifier,
};
pub use quota::{Budget, Charged, QuotaCharge, QuotaKey, QuotaRate, QuotaStore};
pub use reason::ReasonCode;
pub use replay::{ReplayKey, ReplayOwner, ReplayStore, Taken};
pub use request_view::{Authorization, MalformedAuthorization, RequestView};
pub use revocation::{RevocationStore, RevokedKey};
pub use scope::{InvalidScope, Scopes};
pub use secret::Secret;
pub use session::{
    BindingReference, Change, Commit, EndReason, FamilyKey, InvalidSessionBytes, OwnerKey,
    Revision, SessionData, SessionId, SessionKey, SessionRecord, SessionState, SessionStore,
    Sessions, StoreError, StoredData,
};
pub use signal::{Heard, Signal, SignalBus, SignalListener, SignalListeners};
pub use timestamp::Timestamp;
pub use trace_parent::{InvalidTraceParent, ParentId, TraceId, TraceParent};
pub use verdict::{Check, Rejection, RejectionKind, Spent, Unavailable, Verdict};
