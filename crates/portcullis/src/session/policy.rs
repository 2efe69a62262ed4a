//! How long sessions last.

use std::time::Duration;

/// The settings that the rules need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// How long a session may be inactive.
    pub(super) idle: Duration,
    /// How long it may last.
    pub(super) absolute: Duration,
    /// How many a principal may have at once.
    pub(super) limit: Option<u32>,
    /// How long one request counts as activity.
    pub(super) max_running: Duration,
    /// Whether a token that was issued later opens a user's session again where the issuer
    /// says nothing of when the user authenticated.
    pub(super) reopens_by_issue: bool,
    /// For how long something may run of which nobody can say whether its session lives.
    pub(super) max_unconfirmed: Option<Duration>,
}

impl Default for Policy {
    /// An hour and a day: what NIST SP 800-63B-4 recommends for AAL2 at most.
    fn default() -> Self {
        Self {
            idle: Duration::from_hours(1),
            absolute: Duration::from_hours(24),
            limit: Some(100),
            max_running: Duration::from_hours(1),
            reopens_by_issue: false,
            max_unconfirmed: None,
        }
    }
}

/// For how long a session counts that nobody has answered in yet.
pub(super) const PROVISIONAL: Duration = Duration::from_mins(5);
