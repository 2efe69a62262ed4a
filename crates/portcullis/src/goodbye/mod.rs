//! What a stream says last when it is ended: goodbyes in the words of a protocol.
//!
//! An answer that streams is ended when its session is over or the server is shut down. A client
//! that is told so comes back in order; one that sees a broken connection guesses. What it
//! understands depends on the protocol, so it is a setting:
//!
//! ```
//! use portcullis::{goodbye::Mcp, session::SessionLayer};
//!
//! let layer = SessionLayer::builder().with_goodbye(Mcp).build()?;
//! # let _ = layer;
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! Customised: a server that speaks several protocols, and one of its own.
//!
//! ```
//! use portcullis::{
//!     Stack,
//!     goodbye::{A2a, Cut, Goodbye, LastWords, Mcp},
//! };
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! struct Ours;
//!
//! impl Goodbye for Ours {
//!     fn say(&self, cut: &Cut<'_>) -> LastWords {
//!         match cut.exchange().path() {
//!             "/mcp" => Mcp.say(cut),
//!             "/a2a" => A2a.say(cut),
//!             _ => LastWords::event(Some("goodbye"), r#"{"again":true}"#),
//!         }
//!     }
//!
//!     fn reads_calls(&self) -> bool {
//!         Mcp.reads_calls()
//!     }
//! }
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Keys)
//!     .with_goodbye(Ours)
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # What is said
//!
//! | setting | the last of a stream of events | the last of JSON lines |
//! |---|---|---|
//! | [`Plain`], the default | `event: session-ended` or `event: shutting-down`, without data | an error |
//! | [`Mcp`] | the result or the error of the JSON-RPC request that is answered; where its id is not known, as `Plain` | an error |
//! | [`A2a`] | nothing: the stream ends, and whoever subscribes again is answered 401 or 503 | an error |
//! | [`JsonLines`] | as `Plain` | `{"event":"session-ended"}` or `{"event":"shutting-down"}` |
//! | [`Reset`] | an error | an error |
//!
//! An error is what a body of any other type is ended with: the connection is closed in the middle
//! of the body, or the stream reset in HTTP/2, so that nobody takes what he has for the whole.
//!
//! Whatever the setting, nothing is written in the middle of an event or of a line, since what is
//! there of it would be taken for the whole of it; nothing into a body whose length is known, nor
//! into one with a `Content-Encoding`. There it is an error, too.
//!
//! # Whose words they answer
//!
//! MCP wants the id of the JSON-RPC request at the end. It is known in two ways:
//!
//! - **The request says so.** A gate looks at the bodies of `POST`s with `application/json` while the
//!   handler reads them, as far as 16 KiB: one request with one `id` and one `method`, no batch.
//!   It keeps no body, and changes none. Loose layers look at none.
//! - **The handler says so,** by a [`RpcCall`] in the extensions of its response, which goes before.
//!
//! Where neither does, the goodbye is that of [`Plain`].

mod call;
mod ready;
mod words;

use portcullis_core::EndReason;

pub(crate) use self::{call::Look, words::Words};
pub use self::{
    call::{RpcCall, RpcId},
    ready::{A2a, JsonLines, Mcp, Plain, Reset},
    words::LastWords,
};
use crate::exchange::Exchange;

/// Says what a stream that is ended says last.
pub trait Goodbye: Send + Sync + 'static {
    /// What is said. Asked once, and only where something can be written: in a stream of events or
    /// of JSON lines, between two of them. What does not fit the format is an error to the client.
    fn say(&self, cut: &Cut<'_>) -> LastWords;

    /// Whether [`Cut::call`] is read, so that a gate looks for the JSON-RPC call in the bodies of
    /// requests. It does not by default.
    fn reads_calls(&self) -> bool {
        false
    }
}

/// A stream that is ended.
#[derive(Debug)]
pub struct Cut<'a> {
    pub(crate) over: Option<EndReason>,
    pub(crate) format: StreamFormat,
    pub(crate) exchange: &'a Exchange,
    pub(crate) call: Option<&'a RpcCall>,
}

/// In which format a body streams.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamFormat {
    /// Server-sent events: `text/event-stream`.
    Events,
    /// One JSON value a line: `application/x-ndjson`, `application/jsonl`.
    JsonLines,
}

impl<'a> Cut<'a> {
    /// Why the session is over; `None` where the server is shut down.
    #[must_use]
    pub fn session_over(&self) -> Option<EndReason> {
        self.over.filter(|reason| *reason != EndReason::Shutdown)
    }

    /// In which format it streams.
    #[must_use]
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// The request that it answers.
    #[must_use]
    pub fn exchange(&self) -> &'a Exchange {
        self.exchange
    }

    /// The JSON-RPC call that it answers, if that is known. See the [module docs](self).
    #[must_use]
    pub fn call(&self) -> Option<&'a RpcCall> {
        self.call
    }
}
