//! `cargo xtask fuzz`: the fuzz targets, for longer than a test may take.
//!
//! The targets are tests that run for as long as a variable says. So what is found here is
//! found again by an ordinary run, once its input lies in a corpus.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::thread;

use crate::process;

/// One folder each target.
const CORPORA: &str = "tests/fuzz/corpus";
/// How long each target runs.
const SECONDS: &str = "PORTCULLIS_FUZZ_SECONDS";
/// Where the mutations come from. Whoever sets it has a run once more.
const SEED: &str = "PORTCULLIS_FUZZ_SEED";
/// How long the whole takes if nobody says otherwise.
const MINUTES: u64 = 10;

/// Fuzzes for so many minutes in all: the named targets, or every one.
///
/// # Errors
/// If there is no such target, or cargo cannot be started.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, String> {
    let known = targets(&process::root().join(CORPORA))?;
    let wish = Wish::parse(arguments, &known)?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let seconds = wish.seconds_each(threads);
    let seed = match env::var(SEED) {
        Ok(seed) => seed,
        Err(_) => RandomState::new().hash_one(()).to_string(),
    };
    println!(
        "fuzz: {} targets, {seconds} seconds each, {threads} at a time; to repeat it, set \
         {SEED}={seed}",
        wish.targets.len()
    );
    process::succeeds(
        process::cargo()
            .args("test --profile fuzz --locked -p portcullis-tests --test fuzz --".split(' '))
            .args(["--exact", "--nocapture"])
            .arg(format!("--test-threads={threads}"))
            .args(&wish.targets)
            .env(SECONDS, seconds.to_string())
            .env(SEED, seed),
    )
}

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Wish {
    minutes: u64,
    targets: Vec<String>,
}

impl Wish {
    /// `[minutes] [target..]`
    fn parse(arguments: &[&str], known: &BTreeSet<String>) -> Result<Self, String> {
        let (minutes, named) = match arguments.split_first() {
            Some((first, rest)) if first.parse::<u64>().is_ok() => {
                (first.parse().unwrap_or(MINUTES), rest)
            }
            _ => (MINUTES, arguments),
        };
        if minutes == 0 {
            return Err("no minutes: an ordinary run is `cargo xtask test`".to_owned());
        }
        let is_unknown = |name: &&&str| !known.contains(**name);
        if let Some(unknown) = named.iter().find(is_unknown) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(format!(
                "no target is called {unknown}: choose from {}",
                known.join(", ")
            ));
        }
        let targets = if named.is_empty() {
            known.iter().cloned().collect()
        } else {
            named.iter().map(|name| (*name).to_owned()).collect()
        };
        Ok(Self { minutes, targets })
    }

    /// So many run side by side that the whole takes the minutes.
    fn seconds_each(&self, threads: usize) -> u64 {
        let rounds = self.targets.len().div_ceil(threads.max(1)).max(1);
        let seconds = self.minutes.saturating_mul(60) / rounds as u64;
        seconds.max(1)
    }
}

fn targets(corpora: &Path) -> Result<BTreeSet<String>, String> {
    let at = |error| format!("{}: {error}", corpora.display());
    fs::read_dir(corpora)
        .map_err(at)?
        .map(|entry| {
            let entry = entry.map_err(at)?;
            Ok(entry.file_name().to_string_lossy().into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Wish, String> {
        let known = ["path", "token"].map(str::to_owned).into();
        Wish::parse(arguments, &known)
    }

    #[test]
    fn minutes_come_first_and_a_wrong_name_names_the_right_ones() {
        let wish = |minutes, targets: &[&str]| {
            let targets = targets.iter().map(|name| (*name).to_owned()).collect();
            Ok(Wish { minutes, targets })
        };
        assert_eq!(parse(&[]), wish(10, &["path", "token"]));
        assert_eq!(parse(&["3"]), wish(3, &["path", "token"]));
        assert_eq!(parse(&["token"]), wish(10, &["token"]));
        assert_eq!(parse(&["3", "token"]), wish(3, &["token"]));
        let message = parse(&["3", "paths"]).unwrap_err();
        assert!(
            message.contains("called paths") && message.contains("token"),
            "{message}"
        );
        assert!(parse(&["0"]).is_err());
        assert!(parse(&["token", "3"]).is_err());
    }

    #[test]
    fn the_minutes_are_those_of_the_whole() {
        let wish = |count: usize| Wish {
            minutes: 1,
            targets: vec![String::new(); count],
        };
        assert_eq!(wish(7).seconds_each(2), 15);
        assert_eq!(wish(7).seconds_each(8), 60);
        assert_eq!(wish(1).seconds_each(2), 60);
        assert_eq!(wish(700).seconds_each(1), 1);
    }

    #[test]
    fn a_target_is_a_folder_of_the_corpus() {
        let found = targets(&process::root().join(CORPORA)).unwrap();
        assert!(found.contains("path"), "{found:?}");
    }
}
