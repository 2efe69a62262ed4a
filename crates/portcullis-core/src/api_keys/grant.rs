//! Whom a key speaks for, what it may do, and when.

use std::{borrow::Cow, time::Duration};

use crate::{Scopes, Timestamp};

/// What the subject of a key without a user begins with.
const APPLICATION: &str = "application:";

/// Whom a key speaks for, what it may do, and when.
///
/// A key belongs to a user, to an application, or to an application that acts for a user.
/// Without scopes it may do only what needs none; without an end it lasts until it is
/// revoked.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use portcullis_core::{Scopes, Timestamp, api_keys::Grant};
///
/// let nightly = Grant::for_application("reporting")
///     .with_user("alice")
///     .with_scopes(Scopes::parse("notes.read")?)
///     .with_expires_at(Timestamp::from_unix_seconds(1_798_761_600))
///     .with_limit(600, Duration::from_secs(60));
/// assert_eq!(nightly.application(), Some("reporting"));
/// assert_eq!(nightly.user(), Some("alice"));
/// assert_eq!(nightly.subject(), "alice");
/// # Ok::<(), portcullis_core::InvalidScope>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Grant {
    // Never both `None`: each constructor sets one, and no setter takes one away.
    user: Option<Box<str>>,
    application: Option<Box<str>>,
    scopes: Scopes,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    limit: Option<KeyLimit>,
}

impl Grant {
    /// A key of an application.
    pub fn for_application(name: impl Into<Box<str>>) -> Self {
        Self {
            user: None,
            application: Some(name.into()),
            scopes: Scopes::default(),
            not_before: None,
            expires_at: None,
            limit: None,
        }
    }

    /// A key of a user.
    pub fn for_user(name: impl Into<Box<str>>) -> Self {
        Self {
            user: Some(name.into()),
            application: None,
            scopes: Scopes::default(),
            not_before: None,
            expires_at: None,
            limit: None,
        }
    }

    /// The application that holds the key.
    pub fn with_application(mut self, name: impl Into<Box<str>>) -> Self {
        self.application = Some(name.into());
        self
    }

    /// The user for whom the key acts.
    pub fn with_user(mut self, name: impl Into<Box<str>>) -> Self {
        self.user = Some(name.into());
        self
    }

    /// What the key may do.
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    /// When the key begins: it is good at this point, not before it.
    pub fn with_not_before(mut self, time: Timestamp) -> Self {
        self.not_before = Some(time);
        self
    }

    /// When the key ends: it is good before this point, not at it.
    pub fn with_expires_at(mut self, time: Timestamp) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// How often the key may be used: so many requests in a period, all of them at once after a
    /// while of silence, and otherwise at a steady rate. Whoever sends more is answered 429.
    ///
    /// Each server counts for itself. Without this, only the quotas of the gate count.
    pub fn with_limit(mut self, requests: u32, period: Duration) -> Self {
        self.limit = Some(KeyLimit { requests, period });
        self
    }

    /// The application that holds the key: the client of the evidence.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// The user for whom the key acts.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The subject of the evidence: the user, or `application:` and the application's name,
    /// so that an application that is called like a user is not taken for that user.
    #[must_use]
    pub fn subject(&self) -> Cow<'_, str> {
        match (&self.user, &self.application) {
            (Some(user), _) => Cow::Borrowed(user),
            (None, application) => format!(
                "{APPLICATION}{}",
                application.as_deref().unwrap_or_default()
            )
            .into(),
        }
    }

    /// What the key may do.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// When the key begins.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// When the key ends.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// How often the key may be used.
    #[must_use]
    pub fn limit(&self) -> Option<KeyLimit> {
        self.limit
    }

    /// Whether the key has ended at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether the key has yet to begin at `now`.
    #[must_use]
    pub fn is_early(&self, now: Timestamp) -> bool {
        self.not_before.is_some_and(|start| now < start)
    }
}

/// How often a key may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyLimit {
    requests: u32,
    period: Duration,
}

impl KeyLimit {
    /// How many requests in the period.
    #[must_use]
    pub fn requests(self) -> u32 {
        self.requests
    }

    /// The period.
    #[must_use]
    pub fn period(self) -> Duration {
        self.period
    }
}
