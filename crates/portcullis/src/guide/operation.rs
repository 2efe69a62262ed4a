//! Running a server behind a gate: from its start to its end.
//!
//! Everything here is done with the [`GateHandle`](crate::GateHandle) that `build` returns beside the
//! gate. It is cheap to clone, and no handler needs it: keep it where the server is started and
//! stopped, and for whoever may log people out.
//!
//! # Start
//!
//! [`build`](crate::stack::StackBuilder::build) names every setting that cannot work, all at once, and
//! logs one line at INFO with the layers as they stand. [`ready`](crate::GateHandle::ready) completes
//! when every authenticator can decide; a server that must not start without its keys awaits it before
//! it listens. Requests do not wait for it: until the keys are there, they are answered 503.
//!
//! Two questions that are easily taken for one: whether the process *lives* is for a route outside of
//! the gate, because a gate that cannot decide, or is being shut down, says 503, and nobody should kill
//! it for that; whether it is *ready* is for the gate's own answer, or for a route that asks `ready`.
//!
//! With an [audit log](crate::audit#a-sink-that-everything-waits-for) in files, hold it against the head
//! that was remembered elsewhere before it is opened: see the feature `audit-log`, module `audit::log`.
//!
//! Where answers stream, set `TCP_NODELAY` on the connections (with `axum::serve`: `tap_io` of
//! `axum::serve::ListenerExt`). The end of a stream is a few bytes behind a few others, and otherwise
//! they may lie in the kernel for some 40 ms until the others are acknowledged.
//!
//! What a restart forgets depends on the stores. Sessions, revocations and quotas are kept in the
//! memory of the process by default, and the start says so; what is spent of a quota may be kept in
//! a store that servers share ([`with_store`](crate::quota::QuotaBuilder::with_store)). API keys are where you keep them: in
//! what a `KeyRing` is loaded from, or in the store of a `KeyRegistry` (feature `api-keys`, module
//! `api_keys`), of which `MemoryApiKeys` is one that ends with the process.
//!
//! # While it runs
//!
//! | you want to know | look at |
//! |---|---|
//! | who was let in, who was not, and why | the records: [`audit`](crate::audit) |
//! | how often, right now | [`stats`](crate::GateHandle::stats), or [metrics](crate::audit#metrics) |
//! | what the agent's own lines belong to | the span of each request: [`spans`](super::spans) |
//! | whether the records are as they were written | `audit::log::verify` (feature `audit-log`) |
//! | what a code means | [`reason`](crate::reason), and [`answers`](super::answers) for its statuses |
//! | what became of one request that somebody complains about | the id in his answer is that of its records |
//!
//! | you want to | do |
//! |---|---|
//! | see where somebody is signed in, and end one of these | [`sessions`](crate::GateHandle::sessions), [`end_session`](crate::GateHandle::end_session) |
//! | log somebody out, everywhere and at once | [`end_sessions`](crate::GateHandle::end_sessions) |
//! | take a credential, a client or a subject out of use | [`revoke`](crate::GateHandle::revoke) |
//! | have a help desk or a program do that over HTTP | [`operator`](crate::operator) |
//! | have it done when an issuer says so | [`notices`](crate::notices) |
//! | know what is guaranteed while a store is down | [`stores`](super::stores) |
//! | add an issuer, change a requirement or any other setting | [`replace`](crate::GateHandle::replace) |
//! | tell somebody why his API key is refused | `explain` of its `KeyRing` or `KeyRegistry` (feature `api-keys`) |
//!
//! What deserves an alarm: `records_lost` and the reason
//! [`AUDIT_UNAVAILABLE`](crate::reason::AUDIT_UNAVAILABLE), because decisions go unrecorded, or nobody
//! is let in; the reasons that end in `_unavailable`, because something that the gate has to ask is
//! down; [`STACK_MISORDERED`](crate::reason::STACK_MISORDERED), which is a mistake in the program; and a
//! rise of `drift_…` or of [`BUDGET_SPENT`](crate::reason::BUDGET_SPENT), which is somebody at work.
//!
//! # Stop
//!
//! A server with streams does not end by waiting for them. [`shutdown`](crate::GateHandle::shutdown)
//! lets nothing more in, gives what runs a grace, says goodbye to what is left, and has the records
//! durable; then the server can be dropped. Its page shows it with `axum::serve`.
//!
//! ```
//! # use portcullis::{Authenticator, Check, Description, RequestView, Stack, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! use std::time::Duration;
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Keys)
//!     .build()?;
//! handle.ready().await?;
//! // Here the server runs.
//! let shutdown = handle.shutdown(Duration::from_secs(20)).await;
//! assert_eq!((shutdown.ended, shutdown.left), (0, 0));
//! shutdown.audit?;
//! // Here it is dropped. An audit log is closed at last: `log.close()`.
//! # drop(gate);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A client sees `event: shutting-down` at the end of its stream and comes back, to another server or
//! to the next one; its session is still there if the store is. Whoever is cut off in a way that can
//! not be told from a broken connection was reading something else than server-sent events.
