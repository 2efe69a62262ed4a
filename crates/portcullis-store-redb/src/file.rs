//! The file: made whole or not at all, and opened only as what it is.

use std::{
    ffi::OsString,
    fmt,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use portcullis_core::{StoreError, entropy};
use redb::{Builder, Database, DatabaseError, StorageError, backends::FileBackend};

use crate::{
    builder::OpenError,
    problem::Failure,
    tables::{self, META, SCHEMA, VERSION},
};

/// What the database keeps of the file in memory. The stores have caches of their own.
const PAGES: usize = 32 << 20;

/// Opens a file, or makes it. A link is followed first, so that the file stands where it leads.
pub(crate) fn open(path: &Path) -> Result<Database, OpenError> {
    // Whether there is a file is asked once: who finds one later does not make another.
    if !path
        .try_exists()
        .map_err(|error| unreadable(path, &error))?
    {
        make(path).map_err(|error| unreadable(path, &error))?;
    }
    open_existing(path)
}

/// Opens a file that is there.
pub(crate) fn open_existing(path: &Path) -> Result<Database, OpenError> {
    warn_if_open_to_others(path);
    let database = builder().open(path);
    let database = database.map_err(|error| explain(path, error))?;
    match version(&database).map_err(|failure| damaged(path, &failure.into_error()))? {
        SCHEMA => Ok(database),
        later if later > SCHEMA => Err(OpenError::Newer(about(
            path,
            format_args!(
                "is of version {later}, and this crate knows up to {SCHEMA}: it takes a later one"
            ),
        ))),
        _ => Err(damaged(path, &"is no file of this crate")),
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // Not only after a crash: a page that is damaged is an error now, and not when somebody asks
    // for what stands on it.
    builder.set_check_integrity_on_open(true);
    builder.set_cache_size(PAGES);
    builder
}

/// Makes a file beside the place, and puts it there when it is whole: an empty or unfinished one
/// is never taken for a store, so nobody can be left with one.
///
/// Its name is drawn: the number of a process is that of another one in another container.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    let drawn = u128::from_be_bytes(entropy::bytes()?);
    name.push(format!(".new-{drawn:032x}"));
    let unfinished = path.with_file_name(name);
    let made = fill(&unfinished).and_then(|()| put_in_place(&unfinished, path));
    match fs::remove_file(&unfinished) {
        Err(error) if made.is_ok() && error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    made?;
    sync_folder(path)
}

fn fill(path: &Path) -> io::Result<()> {
    let file = private().create_new(true).open(path)?;
    let synced = file.try_clone()?;
    let filled = FileBackend::new(file)
        .and_then(|backend| Builder::new().create_with_backend(backend))
        .map_err(Failure::from)
        .and_then(|database| {
            let transaction = database.begin_write()?;
            for table in tables::ALL {
                transaction.open_table(table)?;
            }
            transaction
                .open_table(META)?
                .insert(VERSION, &SCHEMA.to_be_bytes()[..])?;
            transaction.commit()?;
            Ok(database.close()?)
        });
    filled.map_err(|failure| io::Error::other(failure.into_error()))?;
    synced.sync_all()
}

/// Whoever was faster has made the file, and may have written to it: it stays.
fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Not every file system has links.
        Err(_) => put_without_link(from, to),
        linked => linked,
    }
}

/// Takes the place first, which one can, and replaces nothing but the empty file by which he has. One
/// who dies in between leaves that, which opens as no store.
pub(crate) fn put_without_link(from: &Path, to: &Path) -> io::Result<()> {
    match private().create_new(true).open(to) {
        Ok(_) => fs::rename(from, to).inspect_err(|_| drop(fs::remove_file(to))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

/// Or a file that was made may be gone after a loss of power.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn warn_if_open_to_others(path: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.mode());
    if mode & 0o077 != 0 {
        tracing::warn!(
            target: "portcullis",
            "{}: others than its owner may use the file (mode {:03o}), and what handlers keep in \
             sessions stands there as it is: make it 600",
            path.display(),
            mode & 0o777,
        );
    }
}

#[cfg(not(unix))]
fn warn_if_open_to_others(_: &Path) {}

/// Which file it is, whatever it is called: that of a path can be replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity(Option<(u64, u64)>);

impl Identity {
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self(fs::metadata(path).ok().map(|file| (file.dev(), file.ino())))
    }

    #[cfg(not(unix))]
    pub(crate) fn of(_: &Path) -> Self {
        Self(None)
    }
}

fn version(database: &Database) -> Result<u64, Failure> {
    use redb::ReadableDatabase as _;
    let transaction = database.begin_read()?;
    tables::number(&transaction.open_table(META)?, VERSION)
}

fn explain(path: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(about(
            path,
            "is open elsewhere, in another process or in this one",
        )),
        DatabaseError::Storage(StorageError::Io(error))
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            unreadable(path, &error)
        }
        error => damaged(path, &error),
    }
}

fn damaged(path: &Path, problem: &dyn fmt::Display) -> OpenError {
    OpenError::Damaged(about(
        path,
        format_args!("is damaged, or no file of this crate, and was left as it is: {problem}"),
    ))
}

fn unreadable(path: &Path, error: &dyn fmt::Display) -> OpenError {
    OpenError::Unreadable(about(path, error))
}

/// What is damaged in a file that could be opened.
pub(crate) fn unsound(path: &Path, problem: &StoreError) -> OpenError {
    damaged(path, problem)
}

fn about(path: &Path, problem: impl fmt::Display) -> StoreError {
    StoreError::new(format!("{}: {problem}", path.display()))
}

/// The path as it is from now on, wherever the process goes.
pub(crate) fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
