//! Ending and revoking over HTTP: what an operator, a help desk or another program may ask of a gate
//! while it runs.
//!
//! [`GateHandle`](crate::GateHandle) does it in Rust. [`Operator`] is the same as a service. It
//! authenticates nobody: it stands behind a gate, the one whose sessions it ends or another, and
//! asks of each caller a scope that you name.
//!
//! ```
//! use http::{Request, StatusCode};
//! use http_body_util::Full;
//! use portcullis::{Stack, operator::Operator, step_up::Requirement};
//! use tower::{Layer as _, ServiceExt as _};
//! # use portcullis::{Authenticator, Check, Description, Evidence, EvidenceKind, RequestView, Scopes, Verdict};
//! # struct Tokens;
//! # impl Authenticator for Tokens {
//! #     fn describe(&self) -> Description { Description::bearer("tokens") }
//! #     fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
//! #         let scopes = Scopes::parse("agent.operate").unwrap();
//! #         let root = Evidence::new(EvidenceKind::User, "https://idp.example", "root").with_scopes(scopes);
//! #         Check::Done(request.bearer().map_or(Verdict::Absent, |_| Verdict::accept(root)))
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Tokens)
//!     .build()?;
//! let operator = Operator::builder(&handle)
//!     .with_requirement(Requirement::new().with_scopes("agent.operate"))
//!     .build()?;
//!
//! let request = Request::post("/revocations")
//!     .header("host", "agent.example")
//!     .header("authorization", "Bearer of-root")
//!     .header("content-type", "application/x-www-form-urlencoded")
//!     .body(Full::from("kind=subject&issuer=https%3A%2F%2Fidp.example&subject=alice"))?;
//! let answer = gate.layer(operator).oneshot(request).await?;
//! assert_eq!(answer.status(), StatusCode::NO_CONTENT);
//! # Ok(())
//! # }
//! ```
//!
//! Customised: beside the agent, below a path; and to shut out a whole issuer takes an
//! authentication of the last five minutes.
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use std::time::Duration;
//! use portcullis::{Stack, operator::Operator, step_up::Requirement};
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Tokens;
//! # impl Authenticator for Tokens {
//! #     fn describe(&self) -> Description { Description::bearer("tokens") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Tokens)
//!     .build()?;
//! let operator = Operator::builder(&handle)
//!     .with_requirement(Requirement::new().with_scopes("agent.operate"))
//!     .require(
//!         "operator.revoke.issuer",
//!         Requirement::new().with_max_age(Duration::from_secs(300)),
//!     )
//!     .build()?;
//! let agent = axum::Router::new().nest_service("/operator", operator);
//! let served = gate.guard(agent);
//! # let _ = served;
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # What can be asked for
//!
//! Each is a `POST` of a form (`application/x-www-form-urlencoded`) of at most 32 KiB.
//!
//! | path | members | operation | answer |
//! |---|---|---|---|
//! | `/sessions/end` | `issuer`, `subject` | `operator.end_sessions` | 200, `{"ended":2}` |
//! | `/revocations` | `kind`, `issuer`, what the kind has, and `cut_off`, `kept_for` where wanted | `operator.revoke.<kind>` | 204 |
//! | `/revoke` | `token`, and `token_type_hint`, which changes nothing | `operator.revoke_token` | 200, empty |
//!
//! The kinds, and what each has besides `issuer`; see [`revocation`](crate::revocation) for what
//! they reach:
//!
//! | `kind` | members |
//! |---|---|
//! | `issuer` | none |
//! | `subject`, `client`, `session`, `device`, `tenant`, `credential` | one, of the name of the kind |
//! | `grant` | `subject`, `client` |
//! | `token` | `token_id`: its `jti` |
//!
//! `cut_off` is a Unix time in seconds: what was issued later is not over; now by default. `kept_for`
//! is for how many seconds it has to be remembered; for ever by default. Nothing else may stand in the
//! form, and nothing twice. `/sessions/end` ends the sessions that there are, and keeps nobody out who
//! authenticates anew; see [`GateHandle::end_sessions`](crate::GateHandle::end_sessions).
//!
//! `/revoke` has the shape of RFC 7009, so that a client which revokes tokens at an authorization
//! server can be pointed here. The authenticators of the gate are asked whose token it is, as if it came as a
//! bearer token. One that none of them takes, because it has expired, say, is answered 200 and
//! changes nothing (§2.2); one that has no id of its own 400, `unsupported_token_type`. An API key
//! that travels in a header of its own is revoked by `kind=credential`.
//!
//! What is answered with a success is durable, as far as the stores are, and what runs on this server
//! has been ended. It is done to the end, also when whoever asked goes away.
//!
//! # Who may
//!
//! Whoever has what [`with_requirement`](OperatorBuilder::with_requirement) says, and what the
//! `step_up` layers further out require of everything: decided and recorded as a
//! [call](crate::authorize) of the operation. There has to be a scope in it: without one, everybody
//! could end the sessions of everybody. Whoever came by a [cookie](crate::session::SessionCookie) may
//! not, whatever it stands for: a page on another site can send forms.
//!
//! **An operator is not confined to a tenant or an issuer**: it may end whatever it names. Where that
//! matters, build an endpoint of your own over [`GateHandle`](crate::GateHandle).
//!
//! # What is answered
//!
//! | | status | reason | record |
//! |---|---|---|---|
//! | done | as above | `operator_revoked`, `operator_sessions_ended` | `operator` |
//! | a token that nobody takes | 200 | `operator_token_unknown` | `operator` |
//! | a token that has no id | 400 | `operator_token_unsupported` | `operator` |
//! | a store, or whoever knows the token, cannot say | 503, `Retry-After` | `operator_unavailable` | `operator` |
//! | a caller who may not | as of [`step_up`](crate::step_up) and [`authorize`](crate::authorize) | theirs | `call` |
//! | a caller by a cookie | 403 | `operator_cookie` | `call` |
//! | another path, another method | 404, 405 | `operator_path`, `operator_method` | `call` |
//! | another media type, a body that is too long, or does not come | 415, 413, 400, 408 | `operator_media_type`, `body_too_large`, `operator_unread` | `call` |
//! | a form that does not say what is to be done | 400 | `operator_form` | `call` |
//! | no gate in front | 500 | `stack_misordered` | `decision` |
//!
//! After a 503 a part may have been done. To ask again does no harm. The record of kind
//! [`Operator`](crate::audit::RecordKind::Operator) has who asked, and
//! [what](crate::audit::Record::revoked) is over.

mod builder;
mod order;
mod perform;
mod service;

pub use self::{
    builder::OperatorBuilder,
    service::{Operator, OperatorFuture},
};

/// The name in records.
const LAYER: &str = "operator";

/// Every operation that an [`Operator`] asks for, as requirements and records name it.
pub const OPERATIONS: [&str; 11] = [
    "operator.end_sessions",
    "operator.revoke.client",
    "operator.revoke.credential",
    "operator.revoke.device",
    "operator.revoke.grant",
    "operator.revoke.issuer",
    "operator.revoke.session",
    "operator.revoke.subject",
    "operator.revoke.tenant",
    "operator.revoke.token",
    "operator.revoke_token",
];
