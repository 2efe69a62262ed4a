//! How long a caller is in: sessions that end, and end what runs in them.
//!
//! Neither MCP nor a bearer token knows a session, and most agent servers check a caller once
//! and then stream for hours. This layer gives every caller a session, found by who is calling:
//! the kind of credential, issuer, subject, client, the session at the issuer and the proof key,
//! if there are any. Nothing that the caller can choose takes part, so there is no id to fix, and
//! none to steal unless you ask for a [cookie](#cookies); a token that is refreshed keeps its session.
//!
//! ```
//! use portcullis::session::SessionLayer;
//!
//! let layer = SessionLayer::builder().build()?;
//! # let _ = layer;
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! Customised, and in a stack:
//!
//! ```
//! use std::time::Duration;
//! use portcullis::{Stack, session::{MemorySessions, SessionLayer}};
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Keys)
//!     .with_session(
//!         SessionLayer::builder()
//!             .with_idle(Duration::from_secs(15 * 60))
//!             .with_absolute(Duration::from_secs(12 * 3600))
//!             .with_limit(5)
//!             .add_passive_route("/feed")
//!             .with_store(MemorySessions::with_capacity(10_000)),
//!     )
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # What ends a session, and what opens it again
//!
//! | credential | idle, or too old | ended or revoked |
//! |---|---|---|
//! | of a user | a later authentication (`auth_time`) | a later authentication |
//! | of a client application | a token that was issued later | a token that was issued later |
//! | that stands, as an API key or a certificate does | at once, as a new session | a key that was issued later |
//! | that a proxy vouches for with each request | at once, as a new session | at once; a revocation keeps it out |
//!
//! "Later" is later than the latest that the ended session has seen, by the issuer's own
//! clock (a time that is more than a minute ahead is none), and later than that of every other
//! session of the same subject and client that is over. A token that leads to another session
//! by another `sid` is no way around it. A key has to be issued later than the end itself, by
//! this server's clock, and has to say when it was; those that were there before stay out, also
//! once the new one is in. Credentials of different kinds have sessions of their own, and open
//! or keep out nobody of another kind.
//!
//! Who a proxy with single sign-on vouches for shows nothing that could be later: when somebody has to
//! log in again is for the proxy to decide, and whoever is to be kept out here is
//! [revoked](crate::GateHandle::revoke). That holds for as long as the revocation is kept, whatever the
//! proxy says meanwhile.
//!
//! A session is active while a request of it runs that was let in, at most for
//! [`with_max_running`](SessionBuilder::with_max_running). Requests that were refused, `HEAD`
//! and [passive routes](SessionBuilder::add_passive_route) are no activity. A session is there
//! once a handler has answered in it, has worked on an answer for a second, or has worked when its
//! client went away: a first request that a layer further in refuses leaves none behind. Its start has one record, however many
//! requests it begins with.
//!
//! # What runs in it
//!
//! When a session is over, or the credential that a request came with and no later one of the
//! same session covers it, then
//!
//! - a handler that has not answered yet is dropped, and the client is answered 401;
//! - a response that streams is ended: server-sent events at the end of an event, with a last
//!   one, `event: session-ended`, or what the protocol has for it (see
//!   [`goodbye`](crate::goodbye)); everything else with an error, so that nobody takes what he
//!   has for the whole;
//! - what a handler has spawned with [`Session::run`] is dropped;
//! - [`Session::ended`] completes.
//!
//! What may finish is a setting: after a deadline, for a
//! [grace](SessionBuilder::with_grace); after the end of a credential, to its own
//! [end](SessionBuilder::with_credential_expiry). After a revocation nothing may.
//!
//! That happens within a second, also where the client has stopped reading (then the body
//! itself waits for the connection, but nothing works for it any more). That another server has
//! ended a session is seen at once where both have a [bus](crate::signal), otherwise within 15
//! seconds, where the store has to be asked for it; by [`authorize`](crate::authorize) at once. New
//! requests ask the store, unless its answers are [kept](crate::signal#what-is-kept-of-stores).
//!
//! A gate that is [shut down](crate::GateHandle::shutdown) ends what runs in the same way, with other
//! words: 503, and `event: shutting-down` or that of the protocol. The sessions are not over by that.
//!
//! # From elsewhere
//!
//! Where a session came from is no part of what finds it, or whoever travels would be logged out
//! and a thief could open a session of his own beside the owner's. The layer
//! [`binding`](crate::binding), further in, compares it, and refuses one request at most.
//!
//! # What is answered
//!
//! | request | status | challenge |
//! |---|---|---|
//! | session idle or too old, credential of a user | 401 | `error="insufficient_user_authentication"`, `max_age` |
//! | last authentication too old ([`with_reauthentication`](SessionBuilder::with_reauthentication)) | 401 | `error="insufficient_user_authentication"`, `max_age` |
//! | session idle or too old, other credentials; ended, revoked or forgotten | 401 | `error="invalid_token"` |
//! | with a session id of MCP that is not of this session ([`with_mcp_sessions`](SessionBuilder::with_mcp_sessions)) | 404 | none |
//! | as many sessions as the principal may have | 429 | none, `Retry-After` |
//! | as many streams ([`with_max_streams`](SessionBuilder::with_max_streams)) | 429 | none, `Retry-After` |
//! | the store is full, or cannot say | 503 | none, `Retry-After` |
//! | what is kept in the session does not open, and the handler asks for it | 503 | none, `Retry-After` |
//!
//! # What a handler keeps in it
//!
//! [`Session::put`] and [`Session::get`] keep a value for as long as the session lasts. It is sealed
//! before a store sees it: encrypted and authenticated (XChaCha20-Poly1305) with a key that is derived
//! from [`with_key`](SessionBuilder::with_key), which no store has, and bound to this session of this
//! owner. So what a store holds says neither who is in nor what is kept, and a value that somebody
//! writes, changes, cuts short or moves to another session is an error and never taken for nothing.
//! [`with_sealing_key`](SessionBuilder::with_sealing_key) is for who has to change the key.
//!
//! # Cookies
//!
//! A browser keeps no token, and a script that keeps one can be robbed of it. So with
//! [`with_cookie`](SessionBuilder::with_cookie) a handler that has let somebody in by a token can
//! [give the browser a cookie](Session::issue_cookie), with which he is let in from then on:
//!
//! ```
//! use portcullis::{Stack, session::{Session, SessionCookie, SessionLayer}};
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Keys)
//!     .with_session(SessionLayer::builder().with_cookie(SessionCookie::new("session")))
//!     .build()?;
//!
//! /// `POST /login`, with a token. In a `GET` anybody could have a browser do it.
//! async fn login(session: Session) -> Result<&'static str, String> {
//!     session.issue_cookie().await.map_err(|problem| problem.to_string())?;
//!     Ok("in")
//! }
//!
//! /// `POST /logout`, with the cookie, which is taken away with the answer.
//! async fn logout(session: Session) -> Result<&'static str, String> {
//!     session.end().await.map_err(|problem| problem.to_string())?;
//!     Ok("out")
//! }
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! - It holds 256 random bits and leads to one record, which holds a keyed hash of them, and, sealed, by
//!   what its holder was let in. So a request with a cookie has the same principal as the one that
//!   asked for it, is revoked by the same keys, counts for the same quota, and ends with the session.
//! - Each authentication, and each [`issue_cookie`](Session::issue_cookie), makes the id before it void;
//!   requests that are on their way then have a [grace](SessionCookie::with_grace).
//! - It is read in one form, once: two of that name, another spelling, quotes, or a token beside it
//!   are 400. What leads nowhere is 401, and nobody's id is ever taken over. No id is read anywhere else.
//! - What may change something (all but `GET`, `HEAD`, `OPTIONS` and `TRACE`) has to come from a page of
//!   this server, by `Sec-Fetch-Site` and `Origin`, of which every browser sends one; otherwise it is 403.
//!   A handler for `GET` must change nothing. Nor does a page of another site log anybody in by a `POST`.
//! - The handler does not see it; all other cookies come through. When it
//!   [ends the session](Session::end), the answer takes the cookie away, and has the browser forget what
//!   the site has kept (`Clear-Site-Data`).
//!
//! # What it costs an attacker
//!
//! Without a credential nobody makes the server remember anything. A store that is full refuses
//! new sessions with 503 and never ends one that lives. A store that cannot answer is 503, and
//! opens nothing.

mod aal;
mod ahead;
mod builder;
mod cache;
mod cookie;
mod credential;
mod decide;
mod handle;
mod keys;
mod known;
mod layer;
mod listed;
mod mcp;
mod memory;
mod payload;
mod policy;
mod refusals;
mod registry;
mod rules;
mod running;
mod sealing;
mod shared;
mod signalled;
mod store;
mod streams;
mod sweep;
mod touching;

pub use portcullis_core::{
    BindingReference, Change, Commit, EndReason, FamilyKey, InvalidSessionBytes, OwnerKey,
    Revision, SessionData, SessionId, SessionKey, SessionRecord, SessionState, SessionStore,
    Sessions, StoreError, StoredData,
};

pub use self::{
    aal::Aal,
    builder::SessionBuilder,
    cookie::{CookieError, SameSite, SessionCookie},
    handle::{Ended, Run, Session, SessionValue},
    layer::{SessionLayer, WithSession},
    listed::ListedSession,
    memory::MemorySessions,
    policy::AtExpiry,
};
pub(crate) use self::{
    ahead::{Ahead, Loaded},
    builder::SessionSettings,
    cookie::{CookieAuthenticator, CookieId, Cookies, NAME as COOKIE_NAME, Site},
    decide::{AllSessions, KeepSession, at_once},
    handle::{Looked, Looking},
    policy::Policy,
    refusals::{challenge, store_unavailable, too_many_streams},
    running::Running,
};
