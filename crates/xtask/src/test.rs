//! `cargo xtask test`: every test of the workspace, summed.

use std::io::{self, BufRead, BufReader, Write};
use std::process::Stdio;

use crate::process;
use crate::setup;

/// Sets the machine up, runs the tests and ends with `N passed, M failed`.
///
/// # Errors
/// If the machine cannot be made ready or the tests cannot be started.
pub(crate) fn run(filters: &[&str]) -> Result<bool, String> {
    setup::ready()?;
    // Neither `--all-targets`, which would leave the examples in the documentation out,
    // nor `--all-features`: what a user builds is what is proved, and each feature
    // alone is compiled by `check`.
    let mut command = process::cargo();
    command
        .args("test --workspace --locked --no-fail-fast --".split(' '))
        .args(filters)
        .stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| process::cannot_start(&command, &error))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        relay(&mut BufReader::new(output), &mut io::stdout(), &mut tally)
            .map_err(|error| format!("cannot relay the output of the tests: {error}"))?;
    }
    let succeeded = child
        .wait()
        .map_err(|error| format!("lost track of the tests: {error}"))?
        .success();

    if !succeeded && tally.failed == 0 {
        // A build error or an abort prints no result line, and must not read as zero.
        println!("cargo failed outside of any test: counted as one failure");
        tally.failed = 1;
    }
    if succeeded && tally.passed == 0 {
        println!("no test ran: a run that proves nothing fails");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(succeeded && tally.failed == 0 && tally.passed > 0)
}

/// What the result lines add up to.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Adds `test result: ok. 3 passed; 0 failed; 0 ignored; …`; other lines are nothing.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        for count in counts.split([';', '.']) {
            let mut words = count.split_whitespace();
            match (
                words.next().and_then(|number| number.parse::<u64>().ok()),
                words.next(),
            ) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                _ => {}
            }
        }
    }
}

/// Passes every line on as it comes, and counts on the way.
fn relay(from: &mut impl BufRead, to: &mut impl Write, tally: &mut Tally) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        tally.add(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_every_result_line_and_nothing_else() {
        let output = "running 2 tests\n\
            test a ... ok\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.03s\n\
            a note: test result: ok. 90 passed; 90 failed\n\
            test result: FAILED. 5 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.00s\n\
            without an end";
        let (mut relayed, mut tally) = (Vec::new(), Tally::default());
        relay(&mut output.as_bytes(), &mut relayed, &mut tally).unwrap();
        assert_eq!(
            tally,
            Tally {
                passed: 7,
                failed: 3
            }
        );
        assert_eq!(relayed, output.as_bytes());
    }
}
