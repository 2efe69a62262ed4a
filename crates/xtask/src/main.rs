//! The commands of this repository: `cargo xtask <command>`.
//!
//! Every command is an ordinary program run, so that what a developer does at the desk
//! and what continuous integration does are the same thing. It needs nothing but the
//! standard library: it is the first thing that a fresh clone builds.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command line program speaks through them"
)]

mod attacks;
mod check;
mod example;
mod fresh;
mod fuzz;
mod process;
mod setup;
mod test;
mod tools;
mod wrapper;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [filter..]       prove behaviour: set the machine up, run every test, sum them
  check [name..]        fmt, clippy, docs, features, deny, machete, structure
  attacks               run every attack against the guarded server
  attacks --sabotage    turn each security check off in turn; some attack must notice
  bench [text..]        measure every layer against its floor, the whole against others,
                        and what can be learned from the time of a refusal
  fuzz [minutes] [target..]
                        mutate what strangers write, with a new seed: for ten minutes
                        unless another number is given
  example name [args..] run an example, with the server of others that it needs
  fresh                 do what the README says on a bare Debian in a folder (needs root)
  advisories            look for published advisories (needs the network)";

fn main() -> ExitCode {
    if wrapper::wanted() {
        return finish(wrapper::run(env::args_os().skip(1)));
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    finish(match arguments.as_slice() {
        ["test", filters @ ..] => test::run(filters),
        ["check", names @ ..] => check::run(names),
        ["attacks"] => attacks::run(),
        ["attacks", "--sabotage"] => attacks::sabotage(),
        ["bench", rest @ ..] => bench(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["example", name, arguments @ ..] => example::run(name, arguments),
        ["fresh"] => fresh::run(),
        ["advisories"] => advisories(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => Err(USAGE.to_owned()),
    })
}

/// Turns the outcome of a command into the exit code of the process.
fn finish(outcome: Result<bool, String>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[&str]) -> Result<bool, String> {
    let figures = process::succeeds(
        process::cargo()
            .args("run --profile bench --locked -p portcullis-benches --features peers".split(' '))
            .args(["--bin", "figures", "--"])
            .args(arguments),
    )?;
    let mut is_well = figures;
    for shared in example::Shared::ALL {
        let name = format!("two-nodes.{}", shared.name());
        if arguments.is_empty() || arguments.iter().any(|text| name.contains(text)) {
            let profile = ["--profile", "bench"];
            is_well &= example::two_nodes(shared, &profile, &["--figures"])?;
        }
    }
    Ok(is_well)
}

/// Advisories appear without a change of ours, so they gate no change of ours.
fn advisories() -> Result<bool, String> {
    process::succeeds(
        tools::DENY
            .command()?
            .args("--all-features --locked check advisories".split(' ')),
    )
}
