//! Asking for an operation inside a request.
//!
//! A request that was let in is not yet a payment that may be made. The agent behind it runs
//! for minutes, in a stream that was opened when nobody knew what the model would want to do.
//! So a handler asks again, at the moment when it matters and for the one thing that is to be
//! done:
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use portcullis::{Denial, Exchange, Permit};
//!
//! struct Transfer { to: String, cents: u64 }
//!
//! /// A tool that cannot be called without a permit.
//! fn transfer(permit: Permit<Transfer>) -> String {
//!     let Transfer { to, cents } = permit.spend();
//!     format!("sent {cents} to {to}")
//! }
//!
//! async fn pay(exchange: Exchange) -> Result<String, Denial> {
//!     let wanted = Transfer { to: "bob".into(), cents: 500 };
//!     let permit = exchange.authorize("payments.transfer", wanted).await?;
//!     Ok(transfer(permit))
//! }
//! # let _: axum::Router = axum::Router::new().route("/pay", axum::routing::post(pay));
//! ```
//!
//! # What decides
//!
//! The requirement that [`step_up`](crate::step_up) names for the operation, held against the
//! credential of this request at this moment: an authentication that was recent when the stream
//! was opened need not be recent now. What would refuse a request to a route with that
//! requirement refuses the call, for the same reason and with the same challenge.
//!
//! A [session](crate::session) that is over permits nothing, and no more does a credential that
//! has expired, unless a later one of the same session grants as much. A credential that has been
//! [revoked](crate::revocation) permits nothing, whatever else the session has seen. A store that
//! has to be asked for the session or for a revocation is asked at each call, so that what
//! another server has ended permits nothing from then on. A store that cannot say is a refusal
//! with 503.
//!
//! An operation that nobody has named is refused, and an ERROR log says so once: a developer
//! who adds a tool and forgets its requirement finds out at the first call. So is every
//! operation in a handler that has no `step_up` layer around it. Names are compared byte for
//! byte: nothing about a name that a model makes up, neither case nor blanks nor a letter that
//! looks like another, makes it that of another operation.
//!
//! The exchange is that of the request in which the call is made. One that was kept from
//! another request permits nothing while this one runs.
//!
//! With a [strict audit sink](crate::audit::AuditSink::is_strict) a permit also waits until the
//! record of it is durable. Where that fails the call is refused with 503, and nothing is done.
//!
//! # What a permit is
//!
//! A [`Permit`] owns the arguments it was asked for with, and gives them out once: by
//! [`spend`](Permit::spend), which takes the permit. It has no constructor, and no copy can be
//! made of it. A tool that takes its arguments as `Permit<Transfer>` cannot be reached by a way
//! that leads around the question, and what it does is what was asked for: there are no second
//! arguments beside the permit that could have become others meanwhile.
//!
//! Two operations may take arguments of one type. A tool that is dangerous looks at
//! [`operation`](Permit::operation), or has a type of its own.
//!
//! # What a refusal is
//!
//! A [`Denial`] is told to three:
//!
//! - **To the model**, in plain words and with nothing in it that helps to get around it:
//!   [`for_model`](Denial::for_model). It can tell its user, or do something else.
//! - **To the client**, with the challenge: [`for_client`](Denial::for_client), to be written
//!   into the stream as an event. The client fetches a better token as it would after a refused
//!   request, and asks again. In an answer whose head is not sent yet, return the `Denial`
//!   itself (feature `axum`): a challenge that comes with status 200 is one that most clients
//!   never see.
//! - **To the record**, with the reason: each call has one of kind `call`, whether it was
//!   permitted or not; one that is dropped before that is known is `abandoned`.
//!
//! ```
//! use portcullis::Exchange;
//!
//! /// What an agent does with a call that its model wants, in a stream of server-sent events.
//! async fn call(exchange: &Exchange, cents: u64, events: &mut Vec<String>) -> String {
//!     match exchange.authorize("payments.transfer", cents).await {
//!         Ok(permit) => format!("sent {}", permit.spend()),
//!         Err(denial) => {
//!             events.push(format!("event: denial\ndata: {}\n\n", denial.for_client()));
//!             denial.for_model()
//!         }
//!     }
//! }
//! ```
//!
//! # What it asks of the arguments
//!
//! Nothing. [`Exchange::authorize`](crate::Exchange::authorize) is an ordinary function, the
//! future that it returns borrows neither the exchange nor the name, and whether it can be sent
//! to another thread is a matter of the arguments alone. A call that is dropped before it is polled
//! was never made, and has no record; one that is dropped while a store is asked has one, with the
//! reason `abandoned`.

mod decide;
mod denial;
mod future;
mod permit;

pub use self::{denial::Denial, future::Authorize, permit::Permit};
