//! Nothing that holds a secret shows it: not by `Debug`, not in an error about a setting, not in a
//! log at TRACE, not where a handler panics with all that it was given.
//!
//! What a whole server shows while it runs is looked through in the tests of `examples/agent-server`.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be set up fails the test"
)]

mod panics;
mod settings;
mod types;
mod visits;

use std::{
    fmt::Debug,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use portcullis_tests::canaries::Canaries;
use tracing_subscriber::fmt::MakeWriter;

#[tokio::test]
async fn nothing_that_holds_a_secret_shows_it() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .init();
    let mut canaries = Canaries::new();
    types::play(&mut canaries).await;
    settings::play(&mut canaries);
    visits::play(&mut canaries).await;
    panics::play(&mut canaries).await;
    let logged = log.bytes().clone();
    assert!(!logged.is_empty(), "nothing was logged");
    canaries.search("log", &logged);
    let problems: Vec<String> = canaries
        .leaks()
        .iter()
        .map(|leak| format!("{leak:#?}"))
        .collect();
    assert!(problems.is_empty(), "{canaries}\n{}", problems.join("\n"));
    println!("{canaries}");
}

/// Looks at what is printed of something, in both ways.
fn show(canaries: &mut Canaries, value: &impl Debug) {
    let text = format!("{value:?}\n{value:#?}");
    assert!(text.len() > 3, "it shows nothing at all");
    canaries.search("`Debug`", text.as_bytes());
}

/// Looks at an error and all its causes, in every way.
fn told(canaries: &mut Canaries, error: &(dyn std::error::Error + 'static)) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = format!("{error}\n{error:?}\n{error:#?}");
        canaries.search("errors", text.as_bytes());
        cause = error.source();
    }
}

/// All that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
