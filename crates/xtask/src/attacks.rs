//! `cargo xtask attacks`: the attacks, and the proof that they would notice.
//!
//! An attack that is refused proves little by itself: it may be refused for a reason
//! that has nothing to do with the check it was written for. So the product names each
//! security check in its source, and `--sabotage` turns one after the other off: then
//! some attack must get through, or nothing would notice if the check were lost.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{process, wrapper};

/// Names the check that is to be off.
const SABOTAGE: &str = "PORTCULLIS_SABOTAGE";

/// Runs the attacks against the product as it is.
///
/// # Errors
/// If cargo cannot be started.
pub(crate) fn run() -> Result<bool, String> {
    process::succeeds(
        process::cargo()
            .args("run -p portcullis-tests --bin attacks --locked".split(' '))
            .env_remove(SABOTAGE),
    )
}

/// Runs the attacks once for each security check, with that check off.
///
/// # Errors
/// If the harness cannot be built, or lets an attack through while nothing is off.
pub(crate) fn sabotage() -> Result<bool, String> {
    let names = names(&process::root().join("crates"))?;
    let harness = build()?;

    println!("attacks with every check on");
    let clean = attack(Command::new(&harness).env_remove(SABOTAGE))?;
    match clean {
        Some(Tally { tried: 0, .. }) => return Err("no attack was tried".to_owned()),
        Some(Tally { accepted: 0, tried }) => println!("tried {tried}, accepted 0"),
        Some(Tally { accepted, .. }) => {
            return Err(format!(
                "{accepted} attacks are accepted with every check on: run `cargo xtask attacks`"
            ));
        }
        None => return Err("the attacks came to no end: run `cargo xtask attacks`".to_owned()),
    }

    let mut gaps = Vec::new();
    for name in &names {
        match attack(Command::new(&harness).env(SABOTAGE, name))? {
            Some(Tally { accepted, .. }) => {
                println!("{name}: accepted {accepted}");
                if accepted == 0 {
                    gaps.push(name);
                }
            }
            // A harness that breaks has not noticed anything.
            None => {
                println!("{name}: came to no end");
                gaps.push(name);
            }
        }
    }
    for name in &gaps {
        println!("gap: {name}");
    }
    println!(
        "sabotage: checks {}, noticed {}, gaps {}",
        names.len(),
        names.len() - gaps.len(),
        gaps.len()
    );
    Ok(gaps.is_empty())
}

/// Builds the harness with the switches compiled in, beside the ordinary artifacts.
fn build() -> Result<PathBuf, String> {
    let folder = process::target().join("sabotage");
    let wrapper = env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let built = process::succeeds(
        process::cargo()
            .args("build -p portcullis-tests --bin attacks --locked".split(' '))
            .arg("--target-dir")
            .arg(&folder)
            .env("RUSTC_WORKSPACE_WRAPPER", wrapper)
            .env(wrapper::SWITCH, "1"),
    )?;
    if built {
        Ok(folder
            .join("debug")
            .join(format!("attacks{}", env::consts::EXE_SUFFIX)))
    } else {
        Err("the attacks do not build with their switches".to_owned())
    }
}

/// The last line of a run.
#[derive(Debug, PartialEq)]
struct Tally {
    tried: u64,
    accepted: u64,
}

impl Tally {
    /// Reads `attacks: tried N, accepted M`.
    fn parse(line: &str) -> Option<Self> {
        let (tried, accepted) = line
            .trim()
            .strip_prefix("attacks: tried ")?
            .split_once(", accepted ")?;
        Some(Self {
            tried: tried.parse().ok()?,
            accepted: accepted.parse().ok()?,
        })
    }
}

/// Runs the harness once; `None` if its last line is no tally. The exit code says
/// nothing new: an accepted attack fails the harness, and here that is what we want.
fn attack(harness: &mut Command) -> Result<Option<Tally>, String> {
    let output = harness
        .current_dir(process::root())
        .output()
        .map_err(|error| process::cannot_start(harness, &error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let tally = said.lines().next_back().and_then(Tally::parse);
    if tally.is_none() {
        eprintln!("{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(tally)
}

/// The name of every security check in the product.
fn names(crates: &Path) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for member in list(crates)? {
        // This crate holds no check, only examples of names.
        if member.file_name().is_some_and(|name| name != "xtask") && member.join("src").is_dir() {
            rust_files(&member.join("src"), &mut sources)?;
        }
    }
    for source in sources {
        let text = fs::read_to_string(&source).map_err(|error| at(&source, &error))?;
        names.extend(names_in(&text));
    }
    if names.is_empty() {
        return Err(
            "no check is marked: mark each with `portcullis_core::sabotaged!(\"area.check\")`"
                .to_owned(),
        );
    }
    Ok(names)
}

/// The literals given to the macro, documentation apart.
fn names_in(source: &str) -> Vec<String> {
    let code: Vec<&str> = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    code.join("\n")
        .split("sabotaged!(")
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    for path in list(folder)? {
        if path.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        })
        .map_err(|error| at(folder, &error))
}

fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_of_each_check_but_not_the_ones_in_documentation() {
        let source = r#"
            /// Turn it off with `sabotaged!("documentation.only")`.
            macro_rules! sabotaged { ($name:literal) => { false } }
            if !portcullis_core::sabotaged!("jwt.audience") && late {}
            if sabotaged!(
                "session.absolute"
            ) {}
        "#;
        assert_eq!(names_in(source), ["jwt.audience", "session.absolute"]);
    }

    #[test]
    fn a_tally_is_read_only_from_its_own_line() {
        assert_eq!(
            Tally::parse("attacks: tried 12, accepted 3\n"),
            Some(Tally {
                tried: 12,
                accepted: 3
            })
        );
        for line in [
            "",
            "tried 12, accepted 3",
            "attacks: tried 12",
            "attacks: tried x, accepted 3",
        ] {
            assert_eq!(Tally::parse(line), None, "{line}");
        }
    }
}
