//! The settings of when a user has to authenticate again.

use std::time::Duration;

use super::{Aal, SessionBuilder};

impl SessionBuilder {
    /// How long ago a user may have authenticated: without a bound by default. It counts from the
    /// latest authentication (`auth_time`) that the session has seen, and is apart from
    /// [`with_idle`](Self::with_idle) and [`with_absolute`](Self::with_absolute): when it is past,
    /// nothing new is let in and what runs is cut, with 401 and the challenge
    /// `insufficient_user_authentication` with `max_age` (RFC 9470); the session and what it keeps
    /// go on after a later authentication. For users alone, since nobody else can authenticate
    /// again.
    ///
    /// A credential that does not say when its user authenticated is refused, unless the session
    /// has seen one that does, or [`with_reopening_by_issue_time`](Self::with_reopening_by_issue_time)
    /// takes the time of issue for it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::session::SessionLayer;
    ///
    /// let layer = SessionLayer::builder()
    ///     .with_absolute(Duration::from_secs(7 * 24 * 3600))
    ///     .with_reauthentication(Duration::from_secs(8 * 3600))
    ///     .build()?;
    /// # let _ = layer;
    /// # Ok::<(), portcullis::ConfigErrors>(())
    /// ```
    ///
    /// With time to finish what was begun:
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::session::SessionLayer;
    ///
    /// let layer = SessionLayer::builder()
    ///     .with_reauthentication(Duration::from_secs(4 * 3600))
    ///     .with_grace(Duration::from_secs(60))
    ///     .build()?;
    /// # let _ = layer;
    /// # Ok::<(), portcullis::ConfigErrors>(())
    /// ```
    pub fn with_reauthentication(mut self, interval: Duration) -> Self {
        self.settings.reauthentication = Some(Some(interval));
        self
    }

    /// Lets users be in however long ago they authenticated, within the other deadlines.
    pub fn without_reauthentication(mut self) -> Self {
        self.settings.reauthentication = Some(None);
        self
    }

    /// The deadlines of a level of assurance of NIST SP 800-63B-4: its inactivity timeout for
    /// [`with_idle`](Self::with_idle), its overall timeout for
    /// [`with_reauthentication`](Self::with_reauthentication) and, so that it holds for whoever is
    /// no user as well, for [`with_absolute`](Self::with_absolute). Each of these, where it is
    /// called as well, goes before, in whatever order. See [`Aal`].
    pub fn with_assurance_level(mut self, level: Aal) -> Self {
        self.settings.level = Some(level);
        self
    }
}
