//! What is logged.

use tracing::level_filters::LevelFilter;

/// Logs to the standard output, up to a level, what every crate in the program says.
///
/// No level shows a credential. portcullis prints none, and the crates of others that speak here at
/// TRACE (h2, hyper-util, reqwest, rustls, tower-http) name addresses, frames and states, and no
/// value of a header; so nothing is filtered out. Two settings of theirs would print some:
/// `connection_verbose` of reqwest, and `include_headers` of tower-http's `TraceLayer`, which stands
/// outside of the gate and sees what callers send. Neither is on. `tests/secrecy` looks through all
/// that is logged; run it anew after adding a crate that logs.
pub(crate) fn start(level: LevelFilter) {
    tracing_subscriber::fmt().with_max_level(level).init();
}
