//! The last head of a log, in a file.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    disk::{ours_alone, sync_folder},
    head::{Head, HeadSink},
};

/// Longer than any head.
const MOST: u64 = 1024;

/// Keeps the last head of a log in a file, best on another disk than the log: for a program that
/// has nothing better to send its heads to.
///
/// The file is replaced as a whole and is durable before the log goes on. It is never set back: a
/// head that does not lie ahead of the one that is kept, of the same chain, says that the log was
/// set back. The file then stays as it is, as evidence, for as long as this program runs.
/// [With an expected head](super::AuditLogBuilder::with_expected_head) such a log is not opened
/// at all: see [At start](super#at-start).
///
/// A head that cannot be kept is logged as an error and [counted](Self::failures), and the log
/// goes on. Clones are the same. Whoever can write to the folder of the log and to this file can
/// change both: heads that another machine keeps are worth more.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("portcullis-doc-kept-{}", std::process::id()));
/// # let kept = folder.with_extension("head");
/// # let _ = std::fs::remove_dir_all(&folder);
/// # let _ = std::fs::remove_file(&kept);
/// use portcullis::audit::log::{AuditLog, HeadFile};
///
/// let log = AuditLog::builder(&folder)
///     .with_head_sink(HeadFile::new(&kept))
///     .open()?;
/// let head = log.close()?;
/// assert_eq!(HeadFile::read(&kept)?, Some(head));
/// # std::fs::remove_dir_all(&folder)?;
/// # std::fs::remove_file(&kept)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct HeadFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Whether the log was found to be behind the head that is kept.
    is_held: Mutex<bool>,
    failures: AtomicU64,
}

impl HeadFile {
    /// Keeps heads in that file. Its folder has to be there, and the file is made with the first
    /// head.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self(Arc::new(Inner {
            path: path.as_ref().to_owned(),
            is_held: Mutex::new(false),
            failures: AtomicU64::new(0),
        }))
    }

    /// The head that is kept in that file; none if there is no such file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds something else.
    pub fn read(path: impl AsRef<Path>) -> Result<Option<Head>, HeadFileError> {
        let path = path.as_ref();
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // It is no text.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => text.clear(),
            Err(error) => {
                return Err(HeadFileError::Unreadable {
                    path: path.to_owned(),
                    error,
                });
            }
        }
        let head = text.strip_suffix('\n').unwrap_or(&text).parse();
        head.map(Some).map_err(|_| HeadFileError::Invalid {
            path: path.to_owned(),
        })
    }

    /// How many heads could not be kept.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }
}

impl HeadSink for HeadFile {
    fn remember(&self, head: &Head) {
        let path = &self.0.path;
        let mut is_held = self
            .0
            .is_held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Err(problem) = keep(path, head, &mut is_held) else {
            return;
        };
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            target: "portcullis",
            "the head of the audit log was not kept in {}: {problem}",
            path.display(),
        );
    }
}

/// Why a head is not kept.
enum NotKept {
    Behind(Head),
    Foreign(HeadFileError),
    Io(io::Error),
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind(kept) => write!(
                f,
                "the log was set back, or is written twice: {} was kept, and stays",
                kept.place()
            ),
            Self::Foreign(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

fn keep(path: &Path, head: &Head, is_held: &mut bool) -> Result<(), NotKept> {
    // Read each time: what lies there counts, whoever has written it.
    if let Some(kept) = HeadFile::read(path).map_err(NotKept::Foreign)? {
        if kept == *head && !*is_held {
            return Ok(());
        }
        *is_held |= kept.chain() == head.chain() && kept.sequence() >= head.sequence();
        if *is_held {
            return Err(NotKept::Behind(kept));
        }
    }
    replace(path, head).map_err(NotKept::Io)
}

/// Puts a head in the place of the one that is there, if any. Whatever interrupts it, there is a
/// whole one.
fn replace(path: &Path, head: &Head) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // One that an interrupted attempt has left, or that somebody else has put there.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    ours_alone(&mut options);
    let mut file = options.open(&new)?;
    file.write_all(format!("{head}\n").as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) if folder != Path::new("") => sync_folder(folder),
        _ => sync_folder(Path::new(".")),
    }
}

/// Why no head can be read from a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum HeadFileError {
    /// It holds no head.
    Invalid {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for HeadFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { path } => write!(
                f,
                "{} holds no head of an audit log; have somebody look into that, and put back \
                 the head that was kept",
                path.display()
            ),
            Self::Unreadable { path, error } => {
                write!(f, "cannot read the head in {}: {error}", path.display())
            }
        }
    }
}

// What is printed is whole: a source would only say part of it again.
impl std::error::Error for HeadFileError {}
