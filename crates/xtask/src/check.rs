//! `cargo xtask check`: what holds whatever the code does.

use crate::process::{cargo, succeeds};
use crate::tools::{DENY, HACK, MACHETE};

/// A name to ask for it by, and how it is run.
struct Check(&'static str, fn() -> Result<bool, String>);

const CHECKS: [Check; 7] = [
    Check("fmt", fmt),
    Check("clippy", clippy),
    Check("docs", docs),
    Check("features", features),
    Check("deny", deny),
    Check("machete", machete),
    Check("structure", structure),
];

/// Runs the named checks, or all of them, and never stops at the first that fails.
///
/// # Errors
/// If a name is no check.
pub(crate) fn run(names: &[&str]) -> Result<bool, String> {
    let chosen = choose(names)?;
    let mut failed = Vec::new();
    for Check(name, run) in &chosen {
        println!("check: {name}");
        match run() {
            Ok(true) => {}
            Ok(false) => failed.push(format!("failed: {name}")),
            Err(message) => failed.push(format!("failed: {name}: {message}")),
        }
    }
    for line in &failed {
        println!("{line}");
    }
    println!(
        "checks: {} passed, {} failed",
        chosen.len() - failed.len(),
        failed.len()
    );
    Ok(failed.is_empty())
}

fn choose(names: &[&str]) -> Result<Vec<&'static Check>, String> {
    if let Some(unknown) = names
        .iter()
        .find(|name| CHECKS.iter().all(|check| check.0 != **name))
    {
        let known: Vec<&str> = CHECKS.iter().map(|check| check.0).collect();
        return Err(format!(
            "no check is called {unknown}: choose from {}",
            known.join(", ")
        ));
    }
    Ok(CHECKS
        .iter()
        .filter(|check| names.is_empty() || names.contains(&check.0))
        .collect())
}

fn fmt() -> Result<bool, String> {
    succeeds(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<bool, String> {
    succeeds(cargo().args("clippy --workspace --all-targets --locked -- -D warnings".split(' ')))
}

fn docs() -> Result<bool, String> {
    // With all features, as the published pages are. Without the benches, which have no page
    // and would have the crates of others built that they measure.
    succeeds(
        cargo()
            .args("doc --workspace --exclude portcullis-benches".split(' '))
            .args("--no-deps --all-features --locked".split(' '))
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// Each feature of each published crate alone, and all together.
///
/// By clippy, because `cargo check` has no switch that makes warnings errors without
/// building every dependency again. Without `--no-dev-deps`, which edits the manifests
/// while it runs: it would break whatever else is built in this checkout, and buys
/// nothing, because the resolver of this workspace leaves the features of dev
/// dependencies out of a build that has no tests.
fn features() -> Result<bool, String> {
    let lint = "--lib --locked --keep-going -- -D warnings";
    let each = succeeds(
        HACK.command()?
            .args("clippy --workspace --ignore-private --each-feature".split(' '))
            .args("--exclude portcullis-jwt".split(' '))
            .args(lint.split(' ')),
    )?;
    // One of two backends must be there, so a feature alone means: beside a backend.
    let beside_backend = succeeds(
        HACK.command()?
            .args("clippy -p portcullis-jwt --feature-powerset --depth 2".split(' '))
            .args("--at-least-one-of aws-lc-rs,rust-crypto".split(' '))
            .args(lint.split(' ')),
    )?;
    Ok(each && beside_backend)
}

fn deny() -> Result<bool, String> {
    // Everything that the lock file names, for every platform; from there on offline.
    if !succeeds(cargo().args(["fetch", "--locked"]))? {
        return Err("the packages of Cargo.lock cannot be fetched".to_owned());
    }
    succeeds(
        DENY.command()?
            .args("--all-features --locked --offline check licenses bans sources".split(' ')),
    )
}

fn machete() -> Result<bool, String> {
    succeeds(MACHETE.command()?.args(["--skip-target-dir", "."]))
}

fn structure() -> Result<bool, String> {
    succeeds(cargo().args("test -p portcullis-tests --test structure --locked".split(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> Vec<&'static str> {
        choose(names).unwrap().iter().map(|check| check.0).collect()
    }

    #[test]
    fn no_name_means_all_and_a_wrong_one_names_the_right_ones() {
        assert_eq!(chosen(&[]).len(), CHECKS.len());
        assert_eq!(chosen(&["clippy", "fmt"]), ["fmt", "clippy"]);
        let message = choose(&["fmt", "lint"]).err().unwrap();
        assert!(
            message.contains("called lint") && message.contains("clippy"),
            "{message}"
        );
    }
}
