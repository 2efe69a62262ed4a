//! The example of two servers, with the store that they share.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use super::{Running, free_port};
use crate::process;
use crate::setup;

/// What the two servers share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shared {
    Postgres,
    Redis,
}

impl Shared {
    pub(crate) const ALL: [Self; 2] = [Self::Redis, Self::Postgres];

    /// What is asked for on the command line of the example; what is none the example says itself.
    pub(crate) fn of(arguments: &[&str]) -> Self {
        let asked = arguments.iter().position(|argument| *argument == "--store");
        match asked.and_then(|at| arguments.get(at + 1)) {
            Some(&"postgres") => Self::Postgres,
            _ => Self::Redis,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

/// Runs the example over a store that keeps nothing.
///
/// # Errors
/// If the store cannot be had, or cargo cannot be started.
pub(crate) fn two_nodes(
    shared: Shared,
    profile: &[&str],
    arguments: &[&str],
) -> Result<bool, String> {
    setup::ready()?;
    let (_server, at) = match shared {
        Shared::Postgres => postgres()?,
        Shared::Redis => redis()?,
    };
    process::succeeds(
        process::cargo()
            .args(["run", "--locked", "-p", "example-two-nodes"])
            .args(profile)
            .args(["--", "--store", shared.name(), "--at", &at])
            .args(arguments),
    )
}

/// A server that runs, in a folder of its own. Both are gone when this is dropped.
struct Server {
    running: Running,
    folder: PathBuf,
}

impl Server {
    /// Starts it, and waits until it says that it is ready.
    fn start(name: &str, command: &mut Command, ready: &str) -> Result<Self, String> {
        // A socket has a short path, and whoever runs the server has to get there.
        let folder = format!("portcullis-example-{name}-{}", std::process::id());
        let folder = env::temp_dir().join(folder);
        let complain = |error| format!("{}: {error}", folder.display());
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(complain)?;
        command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) => {
                let _ = fs::remove_dir_all(&folder);
                return Err(process::cannot_start(command, &error));
            }
        };
        let output = process.stdout.take();
        // From here on it ends with this, whatever goes wrong.
        let this = Self {
            running: Running(process),
            folder,
        };
        let mut lines = output
            .into_iter()
            .flat_map(|output| BufReader::new(output).lines())
            .map_while(Result::ok);
        let mut said = Vec::new();
        let is_ready = lines.by_ref().any(|line| {
            let is_ready = line.contains(ready);
            said.push(line);
            is_ready
        });
        if !is_ready {
            let said = said.join("\n");
            return Err(format!("{said}\nthe {name} ended before it was ready"));
        }
        // It goes on saying things, and is not to wait until somebody reads them.
        thread::spawn(move || lines.for_each(drop));
        Ok(this)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both stop in order at this, PostgreSQL with its children.
        let pid = self.running.0.id().to_string();
        if process::succeeds(Command::new("kill").args(["-INT", &pid])) == Ok(true) {
            // It may have ended by itself.
            let _ = self.running.0.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn redis() -> Result<(Server, String), String> {
    let port = free_port()?.to_string();
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", "127.0.0.1", "--port", &port])
        .args(["--save", "", "--appendonly", "no"]);
    let server = Server::start("redis", &mut command, "Ready to accept connections")?;
    Ok((server, format!("redis://127.0.0.1:{port}/")))
}

/// It does not run as root, so root has it run as `nobody`, and gives the folder away. Debian puts
/// it where no path leads.
const POSTGRES: &str = r#"
    set -eu
    exec 2>&1
    as=
    if [ "$(id -u)" = 0 ]; then
        chown nobody .
        as="setpriv --reuid=nobody --regid=$(id -g nobody) --clear-groups"
    fi
    for bin in /usr/lib/postgresql/*/bin; do PATH=$PATH:$bin; done
    $as initdb -D data -U postgres -A trust -E UTF8 --no-locale --no-sync
    exec $as postgres -D data -k "$PWD" -h ''
"#;

fn postgres() -> Result<(Server, String), String> {
    let mut command = Command::new("sh");
    command.args(["-c", POSTGRES]);
    let server = Server::start(
        "postgres",
        &mut command,
        "database system is ready to accept",
    )?;
    let folder = server.folder.display();
    let at = format!("postgres://postgres@/postgres?host={folder}");
    Ok((server, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_that_of_the_command_line() {
        for (arguments, shared) in [
            (&[][..], Shared::Redis),
            (&["--streams", "7"], Shared::Redis),
            (&["--store"], Shared::Redis),
            (&["--store", "redis"], Shared::Redis),
            (&["--streams", "7", "--store", "postgres"], Shared::Postgres),
        ] {
            assert_eq!(Shared::of(arguments), shared, "{arguments:?}");
        }
    }
}
