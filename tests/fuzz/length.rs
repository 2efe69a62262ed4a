//! How long a run is, and where its chance comes from.

use std::{
    env,
    time::{Duration, Instant},
};

/// Set by `cargo xtask fuzz`: how many seconds each target runs.
const SECONDS: &str = "PORTCULLIS_FUZZ_SECONDS";
/// Set by `cargo xtask fuzz`, or by whoever repeats a run.
const SEED: &str = "PORTCULLIS_FUZZ_SEED";

/// When a run is over.
pub(crate) enum Length {
    /// After so many executions, so that it is the same run on every machine.
    Executions(u64),
    Until(Instant),
}

impl Length {
    pub(crate) fn chosen(ordinary: u64) -> Self {
        match number(SECONDS) {
            Some(seconds) => Self::Until(now() + Duration::from_secs(seconds)),
            None => Self::Executions(ordinary),
        }
    }

    pub(crate) fn is_over(&self, executions: u64) -> bool {
        match self {
            Self::Executions(most) => executions >= *most,
            // The clock is not looked at each time.
            Self::Until(end) => executions.is_multiple_of(64) && now() >= *end,
        }
    }
}

/// The seed of the run.
pub(crate) fn seed() -> u64 {
    number(SEED).unwrap_or_default()
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number")),
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "the length of a run is measured, and decides nothing"
)]
fn now() -> Instant {
    Instant::now()
}
