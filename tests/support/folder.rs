//! A folder for the time of a test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder that is gone when this is dropped. Nothing is in it, not even itself: whoever is given
/// the path makes it.
#[derive(Debug)]
pub struct TestFolder(PathBuf);

impl TestFolder {
    /// A path that no other test has.
    #[must_use]
    pub fn new() -> Self {
        Self::below(&env::temp_dir())
    }

    /// The same where nothing has to reach a disk, if the system has such a place.
    #[must_use]
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            Self::below(memory)
        } else {
            Self::new()
        }
    }

    fn below(folder: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("portcullis-test-{}-{n}", process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }

    /// Makes it, so that nobody else may write to it.
    ///
    /// # Panics
    ///
    /// It cannot be made.
    #[expect(clippy::expect_used, reason = "a test without its folder has to fail")]
    pub fn make(&self) {
        fs::create_dir_all(&self.0).expect("the folder can be made");
        close_to_others(&self.0);
    }

    /// A copy of what stands in it now.
    ///
    /// # Panics
    ///
    /// Something cannot be copied.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its folder has to fail")]
    pub fn copied(&self) -> Self {
        let copy = Self::new();
        copy.make();
        for entry in fs::read_dir(&self.0).expect("the folder can be read") {
            let entry = entry.expect("the folder can be read");
            fs::copy(entry.path(), copy.0.join(entry.file_name())).expect("a file can be copied");
        }
        copy
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for TestFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Folders are made for everybody where a test runs, and an audit log takes none of these.
#[cfg(unix)]
fn close_to_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    drop(fs::set_permissions(path, fs::Permissions::from_mode(0o700)));
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) {}
