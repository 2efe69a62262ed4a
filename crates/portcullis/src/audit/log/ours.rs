//! Whose the folder and its files are: whoever owns them can change them, whatever their mode says.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    path::Path,
};

/// Opens a file of a log: itself, not what a link in its place leads to, and only if it has the
/// owner of its folder.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    follow_no_link(options);
    let file = options.open(path).map_err(|error| {
        if path.is_symlink() {
            is_no_file()
        } else {
            error
        }
    })?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(is_no_file());
    }
    if let Some(folder) = path.parent() {
        check_owner(&found, owner(&fs::metadata(folder)?))?;
    }
    Ok(file)
}

/// Whether a folder is of the user that this process is.
pub(super) fn check_folder(path: &Path, ours: u32) -> io::Result<()> {
    check_owner(&fs::metadata(path)?, ours)
}

/// The user that this process is, as that folder has it: what is made there is his.
pub(super) fn user(folder: &Path) -> io::Result<u32> {
    let number = u64::from_le_bytes(portcullis_core::entropy::bytes()?);
    let path = folder.join(format!("audit.owner-{number:016x}"));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    super::disk::ours_alone(&mut options);
    let made = options.open(&path)?.metadata();
    fs::remove_file(&path)?;
    Ok(owner(&made?))
}

fn check_owner(found: &Metadata, ours: u32) -> io::Result<()> {
    let owner = owner(found);
    if owner == ours {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "it belongs to user {owner}, who could change what stands there; look at what it is, \
             and make it that of the user who writes (chown {ours})"
        ),
    ))
}

fn is_no_file() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is no file but a link or something else; move it elsewhere",
    )
}

#[cfg(unix)]
fn owner(metadata: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(metadata)
}

#[cfg(not(unix))]
fn owner(_: &Metadata) -> u32 {
    // Elsewhere files have no number of an owner.
    0
}

#[cfg(unix)]
fn follow_no_link(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Nor wait for the other end of a pipe.
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
}

#[cfg(not(unix))]
fn follow_no_link(_: &mut OpenOptions) {}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    #[test]
    fn what_is_of_somebody_else_is_not_ours() {
        let path = env::temp_dir().join(format!("portcullis-ours-{}", process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).unwrap();
        let ours = user(&path).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "nothing is left");
        check_folder(&path, ours).unwrap();
        if cfg!(unix) {
            let error = check_folder(&path, ours + 1).unwrap_err();
            let fix = format!("chown {}", ours + 1);
            assert!(error.to_string().contains(&fix), "{error}");
        }
        let error = open(&path, OpenOptions::new().read(true)).unwrap_err();
        assert!(error.to_string().contains("move it elsewhere"), "{error}");
        fs::remove_dir_all(path).unwrap();
    }
}
