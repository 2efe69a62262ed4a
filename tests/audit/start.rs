//! A log that is held against what was remembered of it when it is started.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use portcullis::audit::log::{AuditLog, Head, OpenError, VerifyError, verify};
use portcullis_tests::{folder::TestFolder, forger::Forger};

use crate::log::write;

/// Everything that stands in a folder.
fn all(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Opens the log with that head, and closes it.
fn open(folder: &Path, head: Head) -> Result<Head, OpenError> {
    let log = AuditLog::builder(folder).with_expected_head(head).open()?;
    Ok(log.close().unwrap())
}

/// Why a log is not opened, whose folder is then as it was, and whose sink is told nothing.
fn refused(folder: &Path, head: Head) -> VerifyError {
    let before = all(folder);
    let told = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&told);
    let error = AuditLog::builder(folder)
        .with_expected_head(head)
        .with_head_sink(move |head: &Head| keeper.lock().unwrap().push(*head))
        .open()
        .unwrap_err();
    assert_eq!(all(folder), before, "{error}");
    assert!(told.lock().unwrap().is_empty());
    let found = verify(folder).with_expected_head(head).run().unwrap_err();
    let OpenError::NotAsRemembered {
        problem, expected, ..
    } = error
    else {
        unreachable!("{error}")
    };
    assert_eq!(expected, head);
    assert_eq!(problem.to_string(), found.to_string(), "the same judgement");
    problem
}

/// A folder with two files, an older copy of it, and the head of the newer state.
fn set_back() -> (TestFolder, TestFolder, Head) {
    let folder = TestFolder::new();
    write(folder.path(), 4).close().unwrap();
    let older = folder.copied();
    let head = write(folder.path(), 4).close().unwrap();
    (folder, older, head)
}

#[test]
fn a_log_that_goes_on_from_its_head_is_opened() {
    let (folder, _, mut head) = set_back();
    for _ in 0..3 {
        let next = open(folder.path(), head).unwrap();
        assert_eq!(next.sequence(), head.sequence() + 2);
        assert!(verify(folder.path()).with_expected_head(head).run().is_ok());
        head = next;
    }
    // More may have been written since it was remembered, in files that followed.
    let early = verify(folder.path()).run().unwrap().head;
    for _ in 0..3 {
        write(folder.path(), 2).close().unwrap();
    }
    open(folder.path(), early).unwrap();
}

#[test]
fn an_older_copy_is_not_opened_and_stays_as_evidence() {
    let (_, older, head) = set_back();
    let problem = refused(older.path(), head);
    let VerifyError::Missing { expected, last, .. } = problem else {
        panic!("{problem}")
    };
    assert_eq!((expected.sequence(), last.sequence()), (12, 6));
    let error = open(older.path(), head).unwrap_err().to_string();
    for part in [
        &older.path().display().to_string(),
        "ends at sequence 6 of ",
        "; sequence 12 of ",
        "an older copy was put back",
        "nothing was written",
    ] {
        assert_eq!(error.matches(part).count(), 1, "{error}");
    }
}

#[test]
fn an_end_that_is_missing_in_part_is_not_opened() {
    let (folder, _, head) = set_back();
    for cut in 1..=6 {
        let mut forger = Forger::of(folder.path());
        forger.file(1).pop();
        if forger.files[1].1.is_empty() {
            forger.files.pop();
        }
        forger.write();
        let problem = refused(folder.path(), head);
        let VerifyError::Missing { last, .. } = problem else {
            panic!("{problem}")
        };
        assert_eq!(last.sequence(), 12 - cut);
    }
    // A line that is torn is missing, and stays.
    let (folder, _, head) = set_back();
    let newest = folder.path().join("audit-00000000000000000007.jsonl");
    let whole = fs::read(&newest).unwrap();
    fs::write(&newest, &whole[..whole.len() - 3]).unwrap();
    let problem = refused(folder.path(), head);
    assert!(
        matches!(problem, VerifyError::Missing { torn_tail, .. } if torn_tail > 3),
        "{problem}"
    );
}

#[test]
fn a_line_that_is_not_the_one_that_was_remembered_is_not_written_behind() {
    let (_, older, head) = set_back();
    // Set back, written on without anybody who remembers, and written on again.
    for _ in 0..3 {
        write(older.path(), 4).close().unwrap();
        let problem = refused(older.path(), head);
        assert!(
            matches!(problem, VerifyError::Forked { expected } if expected == head),
            "{problem}"
        );
    }
    let (folder, _, head) = set_back();
    let mut forger = Forger::of(folder.path());
    let line = &mut forger.file(0)[2];
    *line = line.replace("admitted", "answered");
    forger.rehash();
    forger.write();
    let problem = refused(folder.path(), head);
    assert!(matches!(problem, VerifyError::Forked { .. }), "{problem}");
}

#[test]
fn another_log_and_none_are_not_opened() {
    let (folder, _, head) = set_back();
    let other = TestFolder::new();
    let elsewhere = write(other.path(), 4).close().unwrap();
    let problem = refused(folder.path(), elsewhere);
    assert!(matches!(problem, VerifyError::OtherChain), "{problem}");

    let empty = TestFolder::new();
    let error = open(empty.path(), head).unwrap_err();
    assert!(!empty.path().exists(), "no folder is made");
    assert!(error.to_string().contains("; nothing was"), "{error}");
    let named = format!("and sequence 12 of {} was remembered", head.at());
    assert!(error.to_string().contains(&named), "{error}");
    empty.make();
    fs::write(empty.path().join("audit.lock"), "").unwrap();
    let problem = refused(empty.path(), head);
    assert!(matches!(problem, VerifyError::Empty), "{problem}");

    // Whoever moves oldest files away does not take the one with the last head.
    let early = TestFolder::new();
    let first = write(early.path(), 1).close().unwrap();
    write(early.path(), 1).close().unwrap();
    fs::remove_file(early.path().join("audit-00000000000000000001.jsonl")).unwrap();
    let problem = refused(early.path(), first);
    assert!(
        matches!(problem, VerifyError::TooOld { first: 4, .. }),
        "{problem}"
    );
}

#[test]
fn what_is_torn_behind_the_head_is_repaired_as_usual() {
    let (folder, _, head) = set_back();
    let newest = folder.path().join("audit-00000000000000000007.jsonl");
    let mut bytes = fs::read(&newest).unwrap();
    bytes.extend(b"{\"seq\":13,");
    fs::write(&newest, bytes).unwrap();
    let begun = folder.path().join("audit-00000000000000000013.jsonl");
    fs::write(begun, "{\"se").unwrap();
    open(folder.path(), head).unwrap();
    let report = verify(folder.path()).with_expected_head(head).run();
    assert_eq!(report.unwrap().torn, 2);
}

#[test]
fn a_file_behind_the_head_that_does_not_verify_is_not_skipped() {
    let folder = TestFolder::new();
    let early = write(folder.path(), 4).close().unwrap();
    for _ in 0..2 {
        write(folder.path(), 4).close().unwrap();
    }
    let mut forger = Forger::of(folder.path());
    let line = &mut forger.file(1)[2];
    *line = line.replace("admitted", "answered");
    forger.write();
    // The newest is as it was, and alone would do.
    let before = all(folder.path());
    let error = open(folder.path(), early).unwrap_err();
    let OpenError::Broken { bad } = &error else {
        panic!("{error}")
    };
    assert_eq!((bad.line, bad.sequence), (3, 9));
    assert_eq!(all(folder.path()), before);

    // Whoever insists has a new chain behind all of it.
    let builder = AuditLog::builder(folder.path()).with_expected_head(early);
    let log = builder.dangerously_start_new_chain().open().unwrap();
    let head = log.close().unwrap();
    assert_ne!(head.chain(), early.chain());
    assert_eq!(head.sequence(), 18 + 3);
    open(folder.path(), head).unwrap();
}

#[test]
fn to_start_a_new_chain_is_no_way_around_what_was_remembered() {
    let (_, older, head) = set_back();
    let before = all(older.path());
    let builder = AuditLog::builder(older.path()).with_expected_head(head);
    let error = builder.dangerously_start_new_chain().open().unwrap_err();
    assert!(
        matches!(error, OpenError::NotAsRemembered { .. }),
        "{error}"
    );
    assert_eq!(all(older.path()), before);
}
