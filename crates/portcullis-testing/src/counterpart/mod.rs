//! Real programs as the other side of a test.

mod output;
mod readiness;
mod running;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::running::RunningCounterpart;
use self::{readiness::Readiness, running::Attempt};

/// A real program that a test runs as the other side: an authorization server, a proxy, a
/// database.
///
/// Arguments and environment variables may hold `{port}`, a free port of the loopback
/// interface that was chosen for this program, and `{home}`, an empty folder that is removed
/// at the end; it is also the program's `HOME`. Where the program can bind port 0 itself, let
/// it, and have it print its address: [`with_ready_line`](Self::with_ready_line).
///
/// The program sees nothing of the test's environment but `PATH`. It is killed, by its process
/// id, when the [`RunningCounterpart`] is dropped.
///
/// # Example
///
/// ```
/// use portcullis_testing::counterpart::Counterpart;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let greeter = Counterpart::new("sh")
///     .with_install_hint("it is part of the operating system")
///     .add_args(["-c", "echo greeter listens at $ADDRESS; exec sleep 60"])
///     .add_env("ADDRESS", "127.0.0.1:{port}")
///     .with_ready_line("greeter listens at ")
///     .start()
///     .await;
/// assert_eq!(
///     greeter.ready_line(),
///     format!("greeter listens at 127.0.0.1:{}", greeter.port())
/// );
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Counterpart {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    folder: Option<PathBuf>,
    version_args: Vec<String>,
    install_hint: String,
    readiness: Readiness,
    deadline: Duration,
    stop_signal: Option<String>,
}

impl Counterpart {
    /// A program by its path, or by its name in `PATH`.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            folder: None,
            version_args: Vec::new(),
            install_hint: "run `cargo xtask test`, which installs it".to_owned(),
            readiness: Readiness::Port,
            deadline: Duration::from_secs(60),
            stop_signal: None,
        }
    }

    /// One more argument.
    pub fn add_arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// More arguments.
    pub fn add_args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// One more environment variable.
    pub fn add_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The folder to run in, instead of `{home}`.
    pub fn with_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Arguments that make the program print its version. The test prints it.
    pub fn with_version_args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.version_args = args.into_iter().map(Into::into).collect();
        self
    }

    /// What to do when the program is missing: it completes the sentence that the test fails
    /// with.
    pub fn with_install_hint(mut self, hint: impl Into<String>) -> Self {
        self.install_hint = hint.into();
        self
    }

    /// It is ready when `{port}` takes connections. This is so unless another sign is named.
    pub fn with_ready_port(mut self) -> Self {
        self.readiness = Readiness::Port;
        self
    }

    /// It is ready when this `http:` address, which may hold `{port}`, answers with a status
    /// of 2xx.
    pub fn with_ready_url(mut self, url: impl Into<String>) -> Self {
        self.readiness = Readiness::Url(url.into());
        self
    }

    /// It is ready when this Unix socket, which may hold `{home}`, takes connections.
    pub fn with_ready_socket(mut self, path: impl Into<String>) -> Self {
        self.readiness = Readiness::Socket(path.into());
        self
    }

    /// It is ready when it has printed a line that starts with this, to either output.
    pub fn with_ready_line(mut self, start: impl Into<String>) -> Self {
        self.readiness = Readiness::Line(start.into());
        self
    }

    /// How long it may take until it is ready: a minute, unless it is said otherwise.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Ends it by this signal first, such as `QUIT`, and kills it only if it is still there after
    /// five seconds: for a program that has others to end, or something to clear away.
    pub fn with_stop_signal(mut self, signal: impl Into<String>) -> Self {
        self.stop_signal = Some(signal.into());
        self
    }

    /// Starts the program, and waits until it is ready. If it ends early because somebody
    /// else took the port, it is started again with another one.
    ///
    /// # Panics
    ///
    /// The program is missing, ends early, or is not ready in time. The message holds the end
    /// of what it printed.
    pub async fn start(self) -> RunningCounterpart {
        // Not on the caller's thread: what the program needs may run there.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            // A receiver that is gone is a test that was given up.
            let _ = sender.send(self.try_start());
        });
        match receiver.await {
            Ok(Ok(running)) => running,
            Ok(Err(problem)) => fail(&problem),
            Err(_) => fail("the thread that starts the counterpart panicked"),
        }
    }

    fn try_start(self) -> Result<RunningCounterpart, String> {
        if !self.version_args.is_empty() {
            self.print_version()?;
        }
        let mut taken = Vec::new();
        for _ in 0..5 {
            match running::attempt(&self) {
                Attempt::Ready(running) => return Ok(running),
                Attempt::Failed(problem) => return Err(problem),
                Attempt::PortTaken(port) => taken.push(port),
            }
        }
        Err(format!(
            "{self} found its port taken each time, the ports {taken:?}"
        ))
    }
}

impl fmt::Debug for Counterpart {
    /// Without the values of its environment, where passwords stand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Counterpart")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &names)
            .field("folder", &self.folder)
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Counterpart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the program `{}`", self.program.display())
    }
}

#[track_caller]
#[expect(
    clippy::panic,
    reason = "without its other side a test cannot go on, and is never skipped"
)]
fn fail(problem: &str) -> ! {
    panic!("{problem}")
}

#[cfg(test)]
mod tests;
