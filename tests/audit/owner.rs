//! A folder that somebody else has prepared.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, chown, symlink},
    path::Path,
};

use portcullis::audit::log::{AuditLog, OpenError};
use portcullis_tests::folder::TestFolder;

use crate::log::write;

const FIRST: &str = "audit-00000000000000000001.jsonl";

fn refused(folder: &Path) -> String {
    let error = AuditLog::builder(folder).open().unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    error.to_string()
}

#[test]
fn opening_a_log_changes_nothing_outside_of_its_folder() {
    for name in [FIRST, "audit.lock"] {
        let (folder, elsewhere) = (TestFolder::new(), TestFolder::new());
        folder.make();
        elsewhere.make();
        let victim = elsewhere.path().join("victim");
        fs::write(&victim, "no line of a log").unwrap();
        symlink(&victim, folder.path().join(name)).unwrap();
        let error = refused(folder.path());
        assert!(error.contains(name), "{error}");
        assert!(error.contains("move it elsewhere"), "{error}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "no line of a log");

        // Nor is anything made there.
        fs::remove_file(&victim).unwrap();
        refused(folder.path());
        assert!(!victim.exists());
    }
}

#[test]
fn what_is_no_file_is_no_file_of_a_log() {
    for name in [FIRST, "audit.lock"] {
        let folder = TestFolder::new();
        folder.make();
        fs::create_dir(folder.path().join(name)).unwrap();
        assert!(refused(folder.path()).contains(name));
    }
}

/// Only root can give something away. Whoever is not is kept from it by the system, which is as
/// good: nobody else can have given it to him.
fn give_away(path: &Path) -> bool {
    let owner = fs::metadata(path).unwrap().uid();
    match chown(path, Some(owner + 1), None) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            false
        }
    }
}

#[test]
fn what_belongs_to_somebody_else_is_not_written_to() {
    // All of it, or one of its files.
    for given in [&["", FIRST, "audit.lock"][..], &[FIRST], &["audit.lock"]] {
        let folder = TestFolder::new();
        write(folder.path(), 3).close().unwrap();
        let before = fs::read(folder.path().join(FIRST)).unwrap();
        let is_given = given
            .iter()
            .all(|name| give_away(&folder.path().join(name)));
        if is_given {
            let error = refused(folder.path());
            assert!(error.contains("chown"), "{error}");
            assert!(error.contains(given[0]), "{error}");
        }
        assert_eq!(fs::read(folder.path().join(FIRST)).unwrap(), before);
    }
}
