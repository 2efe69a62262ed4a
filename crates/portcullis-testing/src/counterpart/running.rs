//! A program that runs.

use std::{
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use portcullis_core::{Clock as _, SystemClock};

use super::{Counterpart, output::Output};

/// A program that is ready. It is killed when this is dropped.
#[derive(Debug)]
pub struct RunningCounterpart {
    child: Child,
    port: u16,
    output: Output,
    stop_signal: Option<String>,
    home: Home,
}

impl RunningCounterpart {
    /// The port that was chosen for it: `{port}`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its own folder: `{home}`.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home.0
    }

    /// Its process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The line that said that it is ready; empty if the sign was another one.
    #[must_use]
    pub fn ready_line(&self) -> String {
        self.output.ready_line().unwrap_or_default()
    }

    /// What it has printed so far, to either output: the last thousand lines.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }
}

impl Drop for RunningCounterpart {
    fn drop(&mut self) {
        if let Some(signal) = &self.stop_signal {
            stop(&mut self.child, signal);
        }
        end(&mut self.child);
    }
}

pub(super) enum Attempt {
    Ready(RunningCounterpart),
    PortTaken(u16),
    Failed(String),
}

/// Starts the program once, on a port that was free a moment ago.
pub(super) fn attempt(counterpart: &Counterpart) -> Attempt {
    match spawn(counterpart) {
        Ok(running) => wait(counterpart, running),
        Err(problem) => Attempt::Failed(problem),
    }
}

impl Counterpart {
    #[expect(
        clippy::print_stdout,
        reason = "a run against a real program says which one it was"
    )]
    pub(super) fn print_version(&self) -> Result<(), String> {
        let home = Home::new().map_err(|error| format!("no scratch folder: {error}"))?;
        let mut command = self.command(&home, 0);
        let printed = command
            .args(&self.version_args)
            .output()
            .map_err(|error| self.cannot_start(&error))?;
        let text = [printed.stdout, printed.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let version = text.lines().find(|line| !line.trim().is_empty());
        println!("{self} says that it is: {}", version.unwrap_or("nothing"));
        Ok(())
    }

    fn command(&self, home: &Home, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(self.folder.as_ref().unwrap_or(&home.0))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &self.env {
            command.env(name, home.fill(value, port));
        }
        command
    }

    fn cannot_start(&self, error: &io::Error) -> String {
        if error.kind() == io::ErrorKind::NotFound {
            format!("{self} is missing: {}", self.install_hint)
        } else {
            format!("{self} cannot be started: {error}")
        }
    }
}

fn spawn(counterpart: &Counterpart) -> Result<RunningCounterpart, String> {
    let home = Home::new().map_err(|error| format!("no scratch folder: {error}"))?;
    let port = free_port().map_err(|error| format!("no free port: {error}"))?;
    let mut command = counterpart.command(&home, port);
    command.args(counterpart.args.iter().map(|arg| home.fill(arg, port)));
    let mut child = command
        .spawn()
        .map_err(|error| counterpart.cannot_start(&error))?;
    let output = Output::default();
    let line_start = counterpart.readiness.line_start();
    if let Some(pipe) = child.stdout.take() {
        output.read(pipe, line_start.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        output.read(pipe, line_start);
    }
    Ok(RunningCounterpart {
        child,
        port,
        output,
        stop_signal: counterpart.stop_signal.clone(),
        home,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process lives in real time, and says only when asked that it is ready"
)]
fn wait(counterpart: &Counterpart, mut running: RunningCounterpart) -> Attempt {
    let clock = SystemClock::new();
    let deadline = clock.instant() + counterpart.deadline;
    loop {
        // Looked at first: a port that answers may belong to somebody else.
        let ended = running.child.try_wait();
        if !matches!(ended, Ok(None)) {
            // The readers may be a line behind.
            thread::sleep(Duration::from_millis(50));
            if running.output.is_port_taken() {
                return Attempt::PortTaken(running.port);
            }
            let how = ended.ok().flatten().map(|status| status.to_string());
            return Attempt::Failed(format!(
                "{counterpart} ended before it was ready ({}); {}",
                how.unwrap_or_default(),
                running.output.tail()
            ));
        }
        let home = &running.home;
        let fill = |text: &str| home.fill(text, running.port);
        let readiness = &counterpart.readiness;
        if readiness.is_reached(running.port, &running.output, fill) {
            return Attempt::Ready(running);
        }
        if clock.instant() > deadline {
            return Attempt::Failed(format!(
                "{counterpart} was not ready within {:?}; {}",
                counterpart.deadline,
                running.output.tail()
            ));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process lives in real time, and ends in its own"
)]
fn stop(child: &mut Child, signal: &str) {
    let id = child.id().to_string();
    // The shell's own: a bare system has no program of that name.
    let kill = "kill -s \"$0\" \"$1\"";
    let sent = Command::new("sh").args(["-c", kill, signal, &id]).status();
    if !sent.is_ok_and(|status| status.success()) {
        return;
    }
    let clock = SystemClock::new();
    let deadline = clock.instant() + Duration::from_secs(5);
    while matches!(child.try_wait(), Ok(None)) && clock.instant() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}

fn end(child: &mut Child) {
    // Both fail only for a process that has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A folder of the program's own.
#[derive(Debug)]
struct Home(PathBuf);

impl Home {
    fn new() -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "portcullis-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn fill(&self, text: &str, port: u16) -> String {
        text.replace("{port}", &port.to_string())
            .replace("{home}", &self.0.to_string_lossy())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed is left to the operating system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
