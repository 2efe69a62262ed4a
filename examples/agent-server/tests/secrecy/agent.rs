//! The agent as a child, and everything that it leaves.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use portcullis_tests::{canaries::Canaries, folder::TestFolder};

/// For whatever has to happen outside of this process.
const PATIENCE: Duration = Duration::from_secs(60);

/// The agent while it runs. It is killed when it is dropped.
pub(crate) struct Agent {
    child: Child,
    stdout: Reader,
    stderr: Reader,
    audit: TestFolder,
    address: SocketAddr,
    key: String,
}

/// What it leaves.
pub(crate) struct Left {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) audit: Vec<u8>,
    /// How it ended, if it did so by itself.
    pub(crate) status: Option<ExitStatus>,
}

/// Keeps all that comes out of a pipe.
struct Reader {
    kept: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Agent {
    /// Starts it with a log at TRACE and an audit log; what it leaves, if it ends by itself.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self, Left> {
        let audit = TestFolder::new();
        audit.make();
        let mut child = Command::new(env!("CARGO_BIN_EXE_example-agent-server"))
            .args(["--log", "trace", "--audit-dir"])
            .arg(audit.path().join("log"))
            .args(arguments)
            .env("RUST_BACKTRACE", "full")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, printed) = mpsc::channel();
        let stdout = Reader::start(child.stdout.take().unwrap(), Some(lines));
        let stderr = Reader::start(child.stderr.take().unwrap(), None);
        match greeting(&printed) {
            Some((address, key)) => Ok(Self {
                child,
                stdout,
                stderr,
                audit,
                address,
                key,
            }),
            None => {
                // Its output has ended, so it has, or is about to.
                let status = child.wait().unwrap();
                Err(Left::of(stdout, stderr, &audit, Some(status)))
            }
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key to try things out with.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Sends bytes over a connection of their own, and reads what comes back.
    pub(crate) fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may have answered and closed before all was sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// Sends bytes, reads the beginning of what comes back, and goes away.
    pub(crate) fn leave(&self, bytes: &[u8], reads: usize) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = vec![0; reads];
        stream.read_exact(&mut answer).unwrap();
        answer
    }

    /// Ends it.
    pub(crate) fn end(mut self) -> Left {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Left::of(self.stdout, self.stderr, &self.audit, None)
    }
}

impl Left {
    fn of(stdout: Reader, stderr: Reader, audit: &TestFolder, status: Option<ExitStatus>) -> Self {
        let mut records = Vec::new();
        // A setting may have ended it before it made the folder. Beside it lies its head.
        for folder in [audit.path().to_owned(), audit.path().join("log")] {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    records.extend(fs::read(path).unwrap());
                }
            }
        }
        Self {
            stdout: stdout.end(),
            stderr: stderr.end(),
            audit: records,
            status,
        }
    }

    /// Looks through all of it.
    pub(crate) fn search(&self, canaries: &mut Canaries) {
        canaries.search("stdout", &self.stdout);
        canaries.search("stderr", &self.stderr);
        canaries.search("audit log", &self.audit);
    }
}

impl Reader {
    fn start(pipe: impl Read + Send + 'static, lines: Option<Sender<String>>) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&kept);
        let thread = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
                own.lock().unwrap().extend_from_slice(&line);
                if let Some(lines) = &lines {
                    // Whoever waited has read enough.
                    let _ = lines.send(String::from_utf8_lossy(&line).into_owned());
                }
                line.clear();
            }
        });
        Self { kept, thread }
    }

    fn end(self) -> Vec<u8> {
        self.thread.join().unwrap();
        let kept = self.kept.lock().unwrap();
        kept.clone()
    }
}

/// Waits for what is printed at the start: the address, and a key. `None` if it ends before.
fn greeting(printed: &Receiver<String>) -> Option<(SocketAddr, String)> {
    let (mut address, mut key) = (None, None);
    loop {
        let line = match printed.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the agent does not start"),
        };
        if let Some((_, rest)) = line.split_once("an agent behind a gate, at http://") {
            address = rest.trim().trim_end_matches('/').parse().ok();
        } else if let Some((_, rest)) = line.split_once("Bearer demo_") {
            key = rest.split('\'').next().map(|rest| format!("demo_{rest}"));
        } else if line.contains("/health") {
            return address.zip(key);
        }
    }
}

/// What of a key is secret: all that stands behind its id.
pub(crate) fn secret_of(key: &str) -> &str {
    key.rsplit('_').next().unwrap()
}

/// The output without the key, which is printed on purpose, once.
pub(crate) fn without_key(stdout: &[u8], key: &str) -> Vec<u8> {
    let key = key.as_bytes();
    let at = stdout
        .windows(key.len())
        .position(|window| window == key)
        .unwrap();
    [&stdout[..at], &stdout[at + key.len()..]].concat()
}
