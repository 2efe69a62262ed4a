//! The settings of what streams.

use std::{sync::Arc, time::Duration};

use super::{super::AtExpiry, SessionBuilder};
use crate::goodbye::Goodbye;

impl SessionBuilder {
    /// For how long what runs may run on when its time is up: when its session was idle or too old,
    /// the last authentication was, or the credential has expired. Not at all by default.
    ///
    /// Nothing new is let in meanwhile, and [calls](crate::authorize) are refused: what is there may
    /// finish. [`Session::ended`](crate::session::Session::ended) completes when that is over. What is ended
    /// or revoked is cut at once all the same.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::session::{AtExpiry, SessionLayer};
    ///
    /// let layer = SessionLayer::builder()
    ///     .with_grace(Duration::from_secs(30))
    ///     .with_credential_expiry(AtExpiry::CutAtExp)
    ///     .build()?;
    /// # let _ = layer;
    /// # Ok::<(), portcullis::ConfigErrors>(())
    /// ```
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.settings.policy.grace = grace;
        self
    }

    /// Lets what runs run on for so long also when its session was ended or its credential was
    /// revoked. For that long, a thief who has been found out goes on reading.
    pub fn dangerously_with_grace_after_revocation(mut self, grace: Duration) -> Self {
        self.settings.policy.grace_after_revocation = grace;
        self
    }

    /// What becomes of an answer that runs when its credential expires:
    /// [`CutAtExp`](AtExpiry::CutAtExp) by default. Servers that let it finish have their clients
    /// come with tokens that live for minutes, and not for days.
    pub fn with_credential_expiry(mut self, at_expiry: AtExpiry) -> Self {
        self.settings.policy.at_expiry = at_expiry;
        self
    }

    /// How many answers of a principal may stream at once, on this server: as many as it likes by
    /// default. What streams is an answer of the type `text/event-stream`, `application/x-ndjson`,
    /// `application/jsonl` or `application/x-jsonlines` without a `Content-Length`, and a connection
    /// that goes on in another protocol. One more is answered 429, whatever its client and session; a
    /// place is free again when the stream ends, or its session does, even if its client has stopped
    /// reading. Who is anonymous has no session, and is not counted.
    ///
    /// It is known that an answer streams when the handler gives its head. So the handler of a
    /// request that is refused has run as far as that, and what it has begun should be in the body,
    /// as it is with streams of axum. A request that accepts `text/event-stream` and nothing else is
    /// refused before its handler runs.
    ///
    /// ```
    /// use portcullis::session::SessionLayer;
    ///
    /// let layer = SessionLayer::builder().with_max_streams(8).build()?;
    /// # let _ = layer;
    /// # Ok::<(), portcullis::ConfigErrors>(())
    /// ```
    ///
    /// With a deadline for each of them:
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::{Stack, session::{AtExpiry, SessionLayer}};
    /// # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
    /// # struct Keys;
    /// # impl Authenticator for Keys {
    /// #     fn describe(&self) -> Description { Description::bearer("keys") }
    /// #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
    /// # }
    ///
    /// let (gate, handle) = Stack::builder()
    ///     .with_resource("https://agent.example/")
    ///     .add_authenticator(Keys)
    ///     .with_session(
    ///         SessionLayer::builder()
    ///             .with_max_streams(4)
    ///             .with_max_running(Duration::from_secs(600))
    ///             .with_credential_expiry(AtExpiry::AllowFinish),
    ///     )
    ///     .build()?;
    /// # let _ = (gate, handle);
    /// # Ok::<(), portcullis::ConfigErrors>(())
    /// ```
    pub fn with_max_streams(mut self, streams: u32) -> Self {
        self.settings.policy.max_streams = Some(streams);
        self
    }

    /// Lets a principal have as many streams as it likes.
    pub fn without_max_streams(mut self) -> Self {
        self.settings.policy.max_streams = None;
        self
    }

    /// Binds the sessions of MCP up to 2025-11-25 to the principal and the session that they are
    /// given to. Off by default; later versions have no sessions.
    ///
    /// A server of those versions, as the SDKs are, gives out an id in the header `Mcp-Session-Id`
    /// and takes whoever sends it for the same client. With this, what the client is given is that
    /// id and a keyed hash of it, the principal and the session here; with each request the hash is
    /// checked, and the server sees its own id. One that somebody else was given, that is from a
    /// session before this one, or that nobody gave out is answered 404, whatever else stands in the
    /// request (`Last-Event-ID`), and a client begins anew with `initialize`. Nothing is kept.
    ///
    /// Callers without a session (anonymous ones) are given no id. The hash is made with
    /// [`with_key`](Self::with_key): servers that share sessions share the key.
    ///
    /// ```
    /// use portcullis::session::SessionLayer;
    ///
    /// let layer = SessionLayer::builder().with_mcp_sessions().build()?;
    /// # let _ = layer;
    /// # Ok::<(), portcullis::ConfigErrors>(())
    /// ```
    ///
    /// On a server that has an endpoint of MCP, with its goodbyes:
    ///
    /// ```
    /// use portcullis::{Stack, goodbye::Mcp, session::SessionLayer};
    /// # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
    /// # struct Keys;
    /// # impl Authenticator for Keys {
    /// #     fn describe(&self) -> Description { Description::bearer("keys") }
    /// #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
    /// # }
    ///
    /// let (gate, handle) = Stack::builder()
    ///     .with_resource("https://agent.example/mcp")
    ///     .add_authenticator(Keys)
    ///     .with_session(SessionLayer::builder().with_mcp_sessions())
    ///     .with_goodbye(Mcp)
    ///     .build()?;
    /// # let _ = (gate, handle);
    /// # Ok::<(), portcullis::ConfigErrors>(())
    /// ```
    pub fn with_mcp_sessions(mut self) -> Self {
        self.settings.has_mcp_sessions = true;
        self
    }

    /// What a stream says last when it is ended: [`Plain`](crate::goodbye::Plain) by default. In a
    /// stack, set it [there](crate::stack::StackBuilder::with_goodbye). See
    /// [`goodbye`](crate::goodbye).
    pub fn with_goodbye(mut self, goodbye: impl Goodbye) -> Self {
        self.settings.goodbye = Some(Arc::new(goodbye));
        self
    }
}
