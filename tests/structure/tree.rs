//! The files of the checkout.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours.
const FOREIGN: [&str; 3] = [".git", "node_modules", "venv"];

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Every file below `folder`, sorted.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                found.push(entry.path());
            } else if !is_foreign(&entry.path()) {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_foreign(folder: &Path) -> bool {
    // A module may be called `target`; what cargo makes lies beside a manifest.
    let is_made = || folder.ends_with("target") && folder.with_file_name("Cargo.toml").exists();
    FOREIGN.iter().any(|name| folder.ends_with(name)) || is_made()
}

/// A path as it is written in messages and rules: below the root, with slashes.
pub(crate) fn below(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// A new, empty folder for the test of that name.
pub(crate) fn scratch(name: &str) -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
