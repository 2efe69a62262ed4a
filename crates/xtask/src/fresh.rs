//! `cargo xtask fresh`: what the README promises to somebody with a new machine, done on one.
//!
//! The machine is a bare Debian in a folder, with the toolchain that runs this program and what
//! the README asks for, and nothing else. The commands are taken out of the README itself: a
//! command that is no longer true fails here. For each release once, because it builds
//! everything anew.

mod bare;
mod machine;
mod network;
mod readme;

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use self::machine::Machine;
use self::readme::Readme;
use crate::process;
use crate::setup;

/// How long the example may take to answer once it has said where it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does what the README says on a bare machine.
///
/// # Errors
/// If there can be no such machine here, or a promise of the README does not hold. The machine
/// is then left as it is, to be looked at.
pub(crate) fn run() -> Result<bool, String> {
    requirements()?;
    let path = process::root().join("README.md");
    let text = fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
    let readme = Readme::parse(&text)?;

    let bare = step("a bare root", bare::ready)?;
    let machine = step("a machine of it", || Machine::set_up(&bare))?;
    let shell = |line: &str| succeeds(line, &mut machine.command(line));
    step("apt-get update", || shell("apt-get update"))?;
    step(&readme.needs, || shell(&readme.needs))?;
    step(&readme.example, || {
        serves(&mut machine.command(&readme.example))
    })?;
    let tour = format!("{} -- tour", readme.example);
    step(&tour, || shell(&tour))?;
    step(&readme.test, || shell(&readme.test))?;
    machine.remove()?;
    println!("fresh: the README is true");
    Ok(true)
}

/// What a machine in a folder takes.
fn requirements() -> Result<(), String> {
    if !setup::is_root() {
        return Err("a machine in a folder takes root: run this as root".to_owned());
    }
    if !setup::runs(Command::new("unshare").args(["--mount", "--pid", "--fork", "true"])) {
        return Err(
            "a machine in a folder takes `unshare --mount --pid`: install util-linux, and leave \
             containers that forbid it"
                .to_owned(),
        );
    }
    let uncommitted = process::program("git")
        .args(["status", "--porcelain"])
        .output();
    if uncommitted.is_ok_and(|output| !output.stdout.is_empty()) {
        println!("fresh: what is not committed is not looked at");
    }
    Ok(())
}

/// Where all of it lies.
fn folder() -> PathBuf {
    process::target().join("fresh")
}

/// Does something, and says how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "tells how long a person waits, and decides nothing"
)]
fn step<T>(name: &str, act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    println!("fresh: {name}");
    let start = Instant::now();
    let outcome = act().map_err(|problem| format!("{name}: {problem}"));
    println!("fresh: {name}: {} s", start.elapsed().as_secs());
    outcome
}

fn succeeds(line: &str, command: &mut Command) -> Result<(), String> {
    if process::succeeds(command)? {
        Ok(())
    } else {
        Err(format!("`{line}` failed"))
    }
}

/// Runs the example until it has answered somebody.
fn serves(command: &mut Command) -> Result<(), String> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| process::cannot_start(command, &error))?;
    let mut found = None;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|error| format!("cannot read what it says: {error}"))?;
            println!("{line}");
            if let Some(address) = open_to_everybody(&line) {
                found = Some(answers(address));
                break;
            }
        }
    }
    // Everything that it has started ends with it.
    let ended = child.kill().and_then(|()| child.wait());
    ended.map_err(|error| format!("it cannot be ended: {error}"))?;
    found.unwrap_or_else(|| Err("it ended before it said where it can be asked".to_owned()))
}

/// The address in the line that shows how to ask what needs no credential.
fn open_to_everybody(line: &str) -> Option<&str> {
    let (_, url) = line.trim().strip_prefix("curl ")?.split_once("http://")?;
    url.strip_suffix("/health")
}

fn answers(address: &str) -> Result<(), String> {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| format!("{address} does not answer: {error}"))?;
    let status = answer.lines().next().unwrap_or_default();
    println!("{status}");
    if status.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(format!("{address} answers {status:?}"))
    }
}

fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_needs_no_credential_names_the_address() {
        assert_eq!(
            open_to_everybody("curl -s http://127.0.0.1:4711/health"),
            Some("127.0.0.1:4711")
        );
        for line in [
            "",
            "# open to everybody",
            "curl -i http://127.0.0.1:4711/whoami",
            "http://127.0.0.1:4711/health",
        ] {
            assert_eq!(open_to_everybody(line), None, "{line}");
        }
    }
}
