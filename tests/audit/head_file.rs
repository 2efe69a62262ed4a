//! The last head of a log, kept in a file.

use std::{fs, path::PathBuf, time::Duration};

use portcullis::audit::log::{AuditLog, Head, HeadFile, HeadFileError, HeadSink as _, OpenError};
use portcullis_testing::clock::VirtualClock;
use portcullis_tests::folder::TestFolder;

use crate::log::write;

/// A folder for the log, and one for the file.
fn places() -> (TestFolder, TestFolder, PathBuf) {
    let disk = TestFolder::new();
    disk.make();
    let path = disk.path().join("agent.head");
    (TestFolder::new(), disk, path)
}

fn head(chain: u8, sequence: u64, hash: u8) -> Head {
    let (chain, hash) = (
        format!("{chain:02x}").repeat(16),
        format!("{hash:02x}").repeat(32),
    );
    let text = format!("portcullis.audit/1 {chain} {sequence} {hash} 1767225600000");
    text.parse().unwrap()
}

#[test]
fn the_file_holds_the_last_head_that_was_given() {
    let (folder, disk, path) = places();
    assert_eq!(HeadFile::read(&path).unwrap(), None);
    let clock = VirtualClock::new();
    let kept = HeadFile::new(&path);
    let log = AuditLog::builder(folder.path())
        .with_clock(clock.clone())
        .with_head_sink(kept.clone())
        .open()
        .unwrap();
    assert_eq!(HeadFile::read(&path).unwrap(), Some(log.head()));
    clock.advance(Duration::from_secs(60));
    let beaten = log.flush().unwrap();
    assert_eq!(HeadFile::read(&path).unwrap(), Some(beaten));
    let closed = log.close().unwrap();
    assert_eq!(HeadFile::read(&path).unwrap(), Some(closed));
    assert_eq!(kept.failures(), 0);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{closed}\n"));
    assert_eq!(
        fs::read_dir(disk.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
    // The next start goes on from there.
    let log = AuditLog::builder(folder.path())
        .with_head_sink(HeadFile::new(&path))
        .with_expected_head(closed)
        .open()
        .unwrap();
    assert_eq!(HeadFile::read(&path).unwrap(), Some(log.head()));
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_or_redirects_it() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let (_, disk, path) = places();
    let other = disk.path().join("other");
    fs::write(&other, "mine").unwrap();
    symlink(&other, disk.path().join("agent.head.new")).unwrap();
    HeadFile::new(&path).remember(&head(1, 1, 1));
    assert_eq!(fs::read_to_string(other).unwrap(), "mine");
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_head_is_never_lowered_in_its_chain() {
    let (_, _disk, path) = places();
    let kept = HeadFile::new(&path);
    let is = |head: Head| assert_eq!(HeadFile::read(&path).unwrap(), Some(head));
    kept.remember(&head(1, 5, 5));
    // The same again is no news, and a later one is.
    kept.remember(&head(1, 5, 5));
    kept.remember(&head(1, 7, 7));
    is(head(1, 7, 7));
    // Another chain is another log, wherever it begins.
    kept.remember(&head(2, 3, 3));
    is(head(2, 3, 3));
    assert_eq!(kept.failures(), 0);
    kept.remember(&head(2, 2, 2));
    is(head(2, 3, 3));
    assert_eq!(kept.failures(), 1);
    // What was set back once does not catch up.
    kept.remember(&head(2, 3, 9));
    kept.remember(&head(2, 4, 4));
    is(head(2, 3, 3));
    assert_eq!(kept.failures(), 3);
    // Another line with the same number.
    let again = HeadFile::new(&path);
    again.remember(&head(2, 3, 9));
    is(head(2, 3, 3));
    assert_eq!(again.failures(), 1);
}

#[test]
fn an_older_copy_that_is_opened_without_it_does_not_change_it() {
    let (folder, _disk, path) = places();
    write(folder.path(), 4).close().unwrap();
    let older = folder.copied();
    let log = AuditLog::builder(folder.path()).with_head_sink(HeadFile::new(&path));
    let head = log.open().unwrap().close().unwrap();
    let kept = HeadFile::new(&path);
    let log = AuditLog::builder(older.path()).with_head_sink(kept.clone());
    log.open().unwrap().close().unwrap();
    assert_eq!(HeadFile::read(&path).unwrap(), Some(head));
    assert_eq!(kept.failures(), 2);
    let builder = AuditLog::builder(older.path()).with_expected_head(head);
    let error = builder.open().unwrap_err();
    assert!(
        matches!(error, OpenError::NotAsRemembered { .. }),
        "{error}"
    );
}

#[test]
fn what_is_no_head_is_said_to_be_none_and_is_not_replaced() {
    let (_, _disk, path) = places();
    let whole = head(1, 5, 5).to_string();
    for text in [
        b"".to_vec(),
        b"\xff\xfe".to_vec(),
        whole.as_bytes()[..whole.len() - 1]
            .iter()
            .map(|_| b'x')
            .collect(),
        format!("{whole}\n\n").into_bytes(),
        format!("{whole}{}", " ".repeat(1 << 20)).into_bytes(),
    ] {
        fs::write(&path, &text).unwrap();
        let error = HeadFile::read(&path).unwrap_err();
        assert!(matches!(error, HeadFileError::Invalid { .. }), "{error}");
        let named = path.display().to_string();
        assert_eq!(error.to_string().matches(&named).count(), 1, "{error}");
        let kept = HeadFile::new(&path);
        kept.remember(&head(1, 6, 6));
        assert_eq!(kept.failures(), 1);
        assert_eq!(fs::read(&path).unwrap(), text);
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(HeadFile::read(&path).unwrap(), Some(head(1, 5, 5)));
}

#[test]
fn a_file_that_cannot_be_written_is_counted_and_the_log_goes_on() {
    let (folder, disk, _) = places();
    let path = disk.path().join("missing").join("agent.head");
    let kept = HeadFile::new(&path);
    let log = AuditLog::builder(folder.path()).with_head_sink(kept.clone());
    let log = log.open().unwrap();
    assert_eq!(kept.failures(), 1);
    log.close().unwrap();
    assert_eq!(kept.failures(), 2);
    let error = HeadFile::read(disk.path()).unwrap_err();
    assert!(matches!(error, HeadFileError::Unreadable { .. }), "{error}");
}
