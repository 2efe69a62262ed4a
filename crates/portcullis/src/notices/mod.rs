//! What issuers tell us: that something which they have issued is over.
//!
//! A user logs out at the identity provider, an administrator disables an account, a device is no
//! longer compliant. The issuer says so, and what was let in with its tokens ends here: by the same
//! way, and within the same time, as with [`GateHandle::revoke`](crate::GateHandle::revoke). See
//! [`revocation`](crate::revocation) for what that reaches.
//!
//! A receiver is added to the stack. `portcullis-jwt` has two: `BackChannelLogout` (OpenID Connect
//! Back-Channel Logout 1.0), and `SharedSignals` (OpenID Shared Signals Framework 1.0, with the events
//! of CAEP and RISC, pushed or polled). Another one implements [`NoticeReceiver`]:
//!
//! ```
//! use http::{Request, StatusCode};
//! use http_body_util::Full;
//! use portcullis::{
//!     ReasonCode, RevocationKey, Secret, Stack,
//!     notices::{
//!         AcceptedNotices, Notice, NoticeDelivery, NoticeReceipt, NoticeReceiver, NoticeReply,
//!         ReceiverDescription, RefusedNotices,
//!     },
//! };
//! use tower::ServiceExt as _;
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! /// The personnel office posts the name of whoever has left, and a secret with it.
//! struct Leavers(Secret);
//!
//! impl NoticeReceiver for Leavers {
//!     fn describe(&self) -> ReceiverDescription {
//!         ReceiverDescription::new("leavers").with_path("/leavers").with_max_body(256)
//!     }
//!
//!     async fn receive(&self, delivery: &NoticeDelivery<'_>) -> NoticeReceipt {
//!         let refused = |status, code| {
//!             let reply = NoticeReply::new(status);
//!             NoticeReceipt::Refuse(RefusedNotices::new(ReasonCode::new(code), reply))
//!         };
//!         if !delivery.request().bearer().is_some_and(|text| self.0.matches(text.as_bytes())) {
//!             return refused(StatusCode::UNAUTHORIZED, "leavers_sender");
//!         }
//!         let Ok(name) = std::str::from_utf8(delivery.body()) else {
//!             return refused(StatusCode::BAD_REQUEST, "leavers_name");
//!         };
//!         let key = RevocationKey::Subject("https://idp.example".into(), name.into());
//!         NoticeReceipt::Accept(AcceptedNotices::new(
//!             vec![Notice::new(key)],
//!             ReasonCode::new("leavers_gone"),
//!             NoticeReply::new(StatusCode::NO_CONTENT),
//!         ))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Keys)
//!     .add_notice_receiver(Leavers(Secret::from("7a1f9c")))
//!     .build()?;
//! let request = Request::post("/leavers")
//!     .header("host", "agent.example")
//!     .header("authorization", "Bearer 7a1f9c")
//!     .body(Full::<bytes::Bytes>::from("alice"))?;
//! let answer = gate.endpoints().oneshot(request).await?;
//! assert_eq!(answer.status(), StatusCode::NO_CONTENT);
//! assert_eq!(handle.stats().not_admitted["leavers_gone"], 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Where they come in
//!
//! At the path that the receiver declares, from the root of the server. A gate that stands there
//! answers for it by itself, between `perimeter` and `authn`. One that is nested does not see these
//! requests: mount [`Gate::endpoints`](crate::Gate::endpoints) outside of it.
//!
//! Either way the perimeter looks at them first: the `Host` is one of ours, and a sender that has
//! spent its budget of refusals is answered 429. So name the proxies in front of the server
//! (`add_trusted_proxy`), or strangers and issuers share one budget.
//!
//! # What is answered
//!
//! | delivery | status | reason |
//! |---|---|---|
//! | good, and carried out | the receiver's | the receiver's |
//! | that the receiver refuses | the receiver's | the receiver's |
//! | that a store could not carry out | 503, `Retry-After` | `notice_store_unavailable` |
//! | longer than the receiver takes | 413 | `body_too_large` |
//! | that breaks off, or takes more than ten seconds | 400, 408 | `notice_unread` |
//! | by another method than `POST` | 405, `Allow` | `notice_method` |
//! | from a sender that has spent its budget of refusals | 429, `Retry-After` | `budget_spent` |
//!
//! Each has one record, with the layer `notices`. What is answered with a success is durable, as far
//! as the store is: whoever is answered 503 sends it again. What a receiver learns without a request
//! has a record of the kind [`Notice`](crate::audit::RecordKind::Notice), and is counted in
//! [`Stats::notices`](crate::audit::Stats::notices).
//!
//! # Tasks
//!
//! What a receiver does beside, such as asking the issuer, is a task of the gate. It begins when the
//! gate is built within a runtime, otherwise with [`ready`](crate::GateHandle::ready), and ends with
//! [`shutdown`](crate::GateHandle::shutdown) or with the last of gate and handle.

mod desk;
mod receivers;
mod step;

pub use portcullis_core::{
    AcceptedNotices, CarryingOut, IntoNoticeReceiver, Notice, NoticeDelivery, NoticeDesk,
    NoticeMark, NoticeReceipt, NoticeReceiver, NoticeReply, ReceiverDescription, RefusedNotices,
};

pub(crate) use self::{
    receivers::{NoticeSettings, Receivers},
    step::ReceiveNotices,
};

/// The name of the layer in records.
const LAYER: &str = "notices";
