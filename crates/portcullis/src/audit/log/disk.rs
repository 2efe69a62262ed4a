//! The files, as far as the writer sees them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// What the writer asks of a disk. Each of these can fail, and is made to in tests.
pub(super) trait Disk: Send + 'static {
    /// Begins a file and writes to it from now on. What stands in it already is an attempt of
    /// this writer that failed, and goes.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Appends some of the bytes, and says how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes durable what was written.
    fn sync(&mut self) -> io::Result<()>;

    /// Makes the names of new files durable.
    fn sync_names(&mut self) -> io::Result<()>;

    /// Takes back what was written behind that place.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// A folder of files.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    file: Option<File>,
    /// The file that this writer has begun last, which alone may be begun again.
    begun: Option<String>,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            begun: None,
        }
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let nothing = || io::Error::other("no file has been begun");
        self.file.as_mut().ok_or_else(nothing)
    }
}

impl Disk for Folder {
    fn create(&mut self, name: &str) -> io::Result<()> {
        self.file = None;
        let path = self.path.join(name);
        if self.begun.as_deref() == Some(name) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // Until it is there, whatever has that name is not of this writer.
        self.begun = None;
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        ours_alone(&mut options);
        self.file = Some(options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{name} is there, and was not begun by this log; move it elsewhere"),
            ),
            _ => error,
        })?);
        self.begun = Some(name.to_owned());
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    fn sync_names(&mut self) -> io::Result<()> {
        sync_folder(&self.path)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file()?.set_len(len)
    }
}

/// Whoever may read records knows who called, and from where.
#[cfg(unix)]
pub(super) fn ours_alone(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
pub(super) fn ours_alone(_: &mut OpenOptions) {}

/// Makes the names in a folder durable.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened like a file.
    Ok(())
}

/// Makes a folder that nobody else may look into, unless it is there. Says whether it is there
/// already and others may write to it.
#[cfg(unix)]
pub(super) fn make_folder(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let parents = parents_of_new(path);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)?;
    for parent in parents {
        match sync_folder(parent) {
            // It may be written to and not be read, so nobody here can have it synced.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(fs::metadata(path)?.permissions().mode() & 0o022 != 0)
}

#[cfg(not(unix))]
pub(super) fn make_folder(path: &Path) -> io::Result<bool> {
    fs::create_dir_all(path)?;
    Ok(false)
}

/// The folders that have a new entry once that one is made: without its entry, a folder is gone
/// after a loss of power with all that is durable in it.
#[cfg(unix)]
fn parents_of_new(path: &Path) -> Vec<&Path> {
    let is_new = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let new = path.ancestors().take_while(is_new);
    new.filter_map(Path::parent)
        .map(|parent| match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    /// A folder for one test, by its name.
    fn folder(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("portcullis-{name}-{}", process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn only_what_was_begun_here_is_begun_again() {
        let path = folder("begun");
        let (name, next) = ("audit-1", "audit-2");
        fs::write(path.join(next), "evidence").unwrap();
        let mut disk = Folder::new(path.clone());
        for _ in 0..2 {
            disk.create(name).unwrap();
            disk.write(b"line").unwrap();
            assert_eq!(fs::read(path.join(name)).unwrap(), b"line");
        }
        // As the writer does, a second later.
        for _ in 0..2 {
            let error = disk.create(next).unwrap_err();
            assert!(error.to_string().contains("move it elsewhere"), "{error}");
            assert_eq!(fs::read(path.join(next)).unwrap(), b"evidence");
        }
        fs::remove_dir_all(path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn every_folder_that_is_made_is_an_entry_of_another() {
        let path = folder("made");
        let (a, b) = (path.join("a"), path.join("a/b"));
        let made = path.join("a/b/c");
        assert_eq!(parents_of_new(&made), [&*b, &*a, &*path]);
        make_folder(&made).unwrap();
        assert_eq!(parents_of_new(&made), [&path; 0]);
        let relative = Path::new("no-folder-of-this-name/below");
        let here = [Path::new("no-folder-of-this-name"), Path::new(".")];
        assert_eq!(parents_of_new(relative), here);
        fs::remove_dir_all(path).unwrap();
    }
}
