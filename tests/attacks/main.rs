//! Plays the attacks, prints what became of each, and ends with what got through.
#![expect(clippy::print_stdout, reason = "the report is what it is for")]

mod guard;
mod harness;
mod keys;
mod rows;

use std::process::ExitCode;

fn main() -> ExitCode {
    let is_verbose = std::env::args().any(|argument| argument == "--verbose");
    let Some(harness) = harness::Harness::play() else {
        println!("attacks: the runtime cannot be started");
        return ExitCode::FAILURE;
    };
    for line in harness.report(is_verbose) {
        println!("{line}");
    }
    if harness.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
