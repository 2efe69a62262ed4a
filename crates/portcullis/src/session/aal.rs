//! Deadlines by assurance level.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// An authentication assurance level of NIST SP 800-63B-4 (July 2025), as the deadlines that it
/// names for sessions: see [`with_assurance_level`](super::SessionBuilder::with_assurance_level).
///
/// | level | overall timeout | inactivity timeout | where |
/// |---|---|---|---|
/// | `Aal1` | should be no more than 30 days | may be applied | section 2.1.3 |
/// | `Aal2` | should be no more than 24 hours | should be no more than an hour | section 2.2.3 |
/// | `Aal3` | shall be no more than 12 hours | should be no more than 15 minutes | section 2.3.3 |
///
/// These are deadlines alone. How somebody authenticates, with which factors and authenticators, is
/// the other part of a level: require it with [`step_up`](crate::step_up), by the `acr` or `amr` that
/// your issuer has for it.
///
/// ```
/// use portcullis::session::{Aal, SessionLayer};
///
/// let layer = SessionLayer::builder()
///     .with_assurance_level(Aal::Aal2)
///     .build()?;
/// # let _ = layer;
/// # Ok::<(), portcullis::ConfigErrors>(())
/// ```
///
/// A setting of its own goes before the level, whichever is called first:
///
/// ```
/// use std::time::Duration;
/// use portcullis::session::{Aal, SessionLayer};
///
/// let layer = SessionLayer::builder()
///     .with_idle(Duration::from_secs(5 * 60))
///     .with_assurance_level(Aal::Aal3)
///     .build()?;
/// assert_eq!(Aal::Aal3.overall(), Duration::from_secs(12 * 3600));
/// # let _ = layer;
/// # Ok::<(), portcullis::ConfigErrors>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Aal {
    /// Some confidence: one factor.
    Aal1,
    /// High confidence: two factors.
    Aal2,
    /// Very high confidence: a key in hardware that resists phishing, and another factor.
    Aal3,
}

impl Aal {
    /// For how long somebody is in after an authentication, at most.
    #[must_use]
    pub const fn overall(self) -> Duration {
        Duration::from_secs(match self {
            Self::Aal1 => 30 * DAY,
            Self::Aal2 => DAY,
            Self::Aal3 => 12 * HOUR,
        })
    }

    /// For how long a session may be inactive, at most. At `Aal1`, which asks for no such deadline,
    /// as long as the overall timeout.
    #[must_use]
    pub const fn idle(self) -> Duration {
        Duration::from_secs(match self {
            Self::Aal1 => 30 * DAY,
            Self::Aal2 => HOUR,
            Self::Aal3 => 15 * MINUTE,
        })
    }
}
