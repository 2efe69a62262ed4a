//! Every way to change a log is found, and the first bad line is named.

use std::time::Duration;

use portcullis::audit::{
    AuditSink as _,
    log::{AuditLog, Defect, VerifyError, verify},
};
use portcullis_testing::clock::VirtualClock;
use portcullis_tests::{folder::TestFolder, forger::Forger};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::log::{record, write};

/// Three files: head, four records, close; sequence numbers 1 to 18.
fn log() -> TestFolder {
    let folder = TestFolder::new();
    for _ in 0..3 {
        write(folder.path(), 4).close().unwrap();
    }
    assert_eq!(verify(folder.path()).run().unwrap().head.sequence(), 18);
    folder
}

/// Where the verifier says that a forged log is bad, and why.
fn found(forge: impl FnOnce(&mut Forger)) -> (String, u64, u64, Defect) {
    let folder = log();
    let mut forger = Forger::of(folder.path());
    forge(&mut forger);
    forger.write();
    let error = verify(folder.path()).run().unwrap_err();
    let VerifyError::BadLine(bad) = error else {
        unreachable!("{error}")
    };
    (bad.file, bad.line, bad.sequence, bad.defect)
}

fn name(first: u64) -> String {
    format!("audit-{first:020}.jsonl")
}

#[test]
fn an_edit_is_found() {
    let edit = |from: &'static str, to: &'static str| {
        found(move |forger| {
            let line = &mut forger.file(1)[2];
            assert!(line.contains(from));
            *line = line.replace(from, to);
        })
    };
    let altered = (name(7), 3, 9, Defect::Altered);
    assert_eq!(edit("admitted", "answered"), altered);
    assert_eq!(edit("\"time\":1", "\"time\":2"), altered);
    assert_eq!(
        edit("\"kind\":\"decision\"", "\"kind\":\"decisiom\""),
        altered
    );
    assert_eq!(edit("/notes", "/nötes"), altered);
    let malformed = (name(7), 3, 9, Defect::Malformed);
    assert_eq!(edit("\"kind\":", "\"kimd\":"), malformed);
    assert_eq!(edit("\"}", "\"} "), malformed);
    assert_eq!(edit("{\"seq\":9", " {\"seq\":9"), malformed);
    assert_eq!(edit("{\"seq\":9", "{\"seq\":09"), malformed);
    assert_eq!(
        edit("{\"seq\":9", "{\"seq\":10"),
        (name(7), 3, 9, Defect::Missing { lines: 1 })
    );

    // Of a head, too.
    let head = found(|forger| {
        let line = &mut forger.file(1)[0];
        *line = line.replace("\"cause\":\"start\"", "\"cause\":\"other\"");
    });
    assert_eq!(head, (name(7), 1, 7, Defect::Altered));
    let schema = found(|forger| {
        let line = &mut forger.file(1)[0];
        *line = line.replace("portcullis.audit/1", "portcullis.audit/2");
    });
    assert_eq!(schema, (name(7), 1, 7, Defect::UnknownSchema));
    // Of the very last line.
    let last = found(|forger| {
        let line = &mut forger.file(2)[5];
        *line = line.replace("\"close\"", "\"cloze\"");
    });
    assert_eq!(last, (name(13), 6, 18, Defect::Altered));
}

#[test]
fn a_hash_in_capitals_is_another_line() {
    let (file, line, _, defect) = found(|forger| {
        let line = &mut forger.file(0)[3];
        let (body, hash) = line.rsplit_once(":\"").unwrap();
        *line = format!("{body}:\"{}", hash.to_uppercase());
    });
    assert_eq!((file, line, defect), (name(1), 4, Defect::Malformed));
}

#[test]
fn what_is_missing_doubled_or_moved_is_found() {
    let missing = found(|forger| drop(forger.file(1).remove(2)));
    assert_eq!(missing, (name(7), 3, 9, Defect::Missing { lines: 1 }));
    let missing = found(|forger| drop(forger.file(1).drain(1..4)));
    assert_eq!(missing, (name(7), 2, 8, Defect::Missing { lines: 3 }));
    let doubled = found(|forger| {
        let line = forger.file(1)[2].clone();
        forger.file(1).insert(2, line);
    });
    assert_eq!(
        doubled,
        (name(7), 4, 10, Defect::OutOfPlace { expected: 10 })
    );
    let moved = found(|forger| forger.file(1).swap(2, 3));
    assert_eq!(moved, (name(7), 3, 9, Defect::Missing { lines: 1 }));
    // The end of a file that is not the last.
    let end = found(|forger| drop(forger.file(0).pop()));
    assert_eq!(end, (name(7), 1, 6, Defect::Missing { lines: 1 }));
    let empty = found(|forger| forger.file(1).clear());
    assert_eq!(empty, (name(7), 1, 7, Defect::Headless));
    let headless = found(|forger| drop(forger.file(1).remove(0)));
    assert_eq!(headless, (name(7), 1, 7, Defect::Headless));
}

#[test]
fn a_hash_that_was_computed_anew_does_not_hide_a_number_that_is_missing() {
    let missing = found(|forger| {
        forger.file(1).remove(2);
        forger.rehash();
    });
    assert_eq!(missing, (name(7), 3, 9, Defect::Missing { lines: 1 }));
}

#[test]
fn a_file_that_is_missing_renamed_or_of_another_log_is_found() {
    let missing = found(|forger| drop(forger.files.remove(1)));
    assert_eq!(missing, (name(13), 1, 7, Defect::Missing { lines: 6 }));
    let renamed = found(|forger| forger.files[1].0 = name(8));
    assert_eq!(renamed, (name(8), 1, 7, Defect::Misnamed));
    let swapped = found(|forger| {
        let first = forger.files[1].0.clone();
        forger.files[1].0 = forger.files[2].0.clone();
        forger.files[2].0 = first;
    });
    assert_eq!(swapped, (name(7), 1, 7, Defect::Misnamed));
    let other = Forger::of(log().path());
    let spliced = found(|forger| forger.files[1] = other.files[1].clone());
    assert_eq!(spliced, (name(7), 1, 7, Defect::OtherChain));
    let lines = other.files[1].1.clone();
    let spliced = found(|forger| forger.file(1)[2..4].clone_from_slice(&lines[2..4]));
    assert_eq!(spliced, (name(7), 3, 9, Defect::Altered));
    let head = found(|forger| {
        let head = forger.file(0)[0].replace("\"seq\":1,", "\"seq\":9,");
        forger.file(1)[2] = head;
    });
    assert_eq!(head, (name(7), 3, 9, Defect::OtherChain));
}

#[test]
fn oldest_files_may_be_kept_elsewhere() {
    let folder = log();
    std::fs::remove_file(folder.path().join(name(1))).unwrap();
    let report = verify(folder.path()).run().unwrap();
    assert_eq!((report.first, report.files), (7, 2));
    let said = report.to_string();
    assert!(said.contains("files 2, sequence 7 to 18\n"), "{said}");
    let older = "\nbegins at sequence 7: what is older is not here\n";
    assert!(said.contains(older), "{said}");
    let whole = verify(log().path()).run().unwrap().to_string();
    assert!(!whole.contains("begins at"), "{whole}");
    // A log that says that it is there from its beginning, and is not.
    let mut forger = Forger::of(folder.path());
    forger.files[0].0 = name(1);
    forger.write();
    assert!(verify(folder.path()).run().is_err());
}

#[test]
fn an_end_that_is_missing_shows_to_whoever_remembers_it() {
    let folder = log();
    let head = verify(folder.path()).run().unwrap().head;
    let mut forger = Forger::of(folder.path());
    for cut in 1..=5 {
        forger.file(2).pop();
        forger.write();
        // Without a head it shows that nobody has closed the log.
        assert!(!verify(folder.path()).run().unwrap().is_closed);
        let error = verify(folder.path()).with_expected_head(head).run();
        match error.unwrap_err() {
            VerifyError::Missing { expected, last, .. } => {
                assert_eq!(expected, head);
                assert_eq!(last.sequence(), 18 - cut);
            }
            other => panic!("{other}"),
        }
    }
    // Whole files, up to a place where the log was closed.
    forger.files.pop();
    forger.write();
    assert!(verify(folder.path()).run().unwrap().is_closed);
    let error = verify(folder.path()).with_expected_head(head).run();
    assert!(matches!(
        error.unwrap_err(),
        VerifyError::Missing { last, .. } if last.sequence() == 12
    ));
}

#[test]
fn a_report_says_what_the_log_was_held_against() {
    let folder = log();
    let report = verify(folder.path()).run().unwrap();
    assert_eq!(report.expected, None);
    let unknown = "\nheld against no head: a missing end would not show\n";
    assert!(report.to_string().contains(unknown), "{report}");
    let head = report.head;
    let held = verify(folder.path()).with_expected_head(head).run();
    let held = held.unwrap();
    assert_eq!(held.expected, Some(head));
    let known = format!("\nheld against sequence 18 of {}\n", head.at());
    assert!(held.to_string().contains(&known), "{held}");
}

#[test]
fn what_is_missing_is_named_with_its_number_and_its_time() {
    let folder = TestFolder::new();
    let clock = VirtualClock::new();
    let log = AuditLog::builder(folder.path()).with_clock(clock.clone());
    let log = log.open().unwrap();
    let kept = log.head();
    clock.advance(Duration::from_secs(60));
    let head = log.flush().unwrap();
    log.close().unwrap();
    let mut forger = Forger::of(folder.path());
    forger.file(0).truncate(1);
    forger.write();
    let missing = || {
        let error = verify(folder.path()).with_expected_head(head).run();
        error.unwrap_err().to_string()
    };
    let (last, remembered) = (kept.at(), head.at());
    assert_eq!(
        missing(),
        format!(
            "the log ends at sequence 1 of {last}; sequence 2 of {remembered} was remembered: its \
             end was cut off, or an older copy was put back"
        )
    );
    // A torn end is not what is missing: it is said beside it.
    let path = folder.path().join(name(1));
    let mut torn = std::fs::read(&path).unwrap();
    torn.extend(b"{\"seq\":2");
    std::fs::write(&path, torn).unwrap();
    let ends = format!("at sequence 1 of {last}, and 8 bytes behind that are no whole line; ");
    assert!(missing().contains(&ends), "{}", missing());
}

#[test]
fn a_number_in_the_chain_is_not_taken_for_a_line_of_a_file() {
    let folder = log();
    let mut forger = Forger::of(folder.path());
    let line = forger.file(1)[2].clone();
    forger.file(1).insert(2, line);
    forger.write();
    assert_eq!(
        verify(folder.path()).run().unwrap_err().to_string(),
        format!(
            "{}, line 4 of the file, sequence 10: stands there twice or was moved: sequence 10 \
             belongs there",
            name(7)
        )
    );
}

#[test]
fn a_log_that_was_set_back_and_written_on_shows_to_whoever_remembers_it() {
    let folder = TestFolder::new();
    write(folder.path(), 4).close().unwrap();
    let older = folder.copied();
    write(folder.path(), 4).close().unwrap();
    let head = verify(folder.path()).run().unwrap().head;
    // Set back to the older state, and then used for as long.
    let log = AuditLog::builder(older.path()).open().unwrap();
    for n in 90..96 {
        log.record(&record(n)).unwrap();
    }
    log.close().unwrap();
    assert!(verify(older.path()).run().is_ok());
    let error = verify(older.path()).with_expected_head(head).run();
    assert!(matches!(
        error.unwrap_err(),
        VerifyError::Forked { expected } if expected == head
    ));
}

#[test]
fn a_log_that_was_computed_anew_shows_to_whoever_remembers_it() {
    let folder = log();
    let head = verify(folder.path()).run().unwrap().head;
    let mut forger = Forger::of(folder.path());
    let line = &mut forger.file(1)[2];
    *line = line.replace("admitted", "answered");
    forger.rehash();
    forger.write();
    assert!(
        verify(folder.path()).run().is_ok(),
        "no key is in the chain"
    );
    let error = verify(folder.path()).with_expected_head(head).run();
    assert!(matches!(
        error.unwrap_err(),
        VerifyError::Forked { expected } if expected == head
    ));
}

#[test]
fn a_head_is_held_against_its_own_log() {
    let folder = TestFolder::new();
    let log = write(folder.path(), 4);
    let early = log.head();
    log.close().unwrap();
    drop(log);
    write(folder.path(), 4).close().unwrap();
    let read = early.to_string().parse().unwrap();
    assert!(verify(folder.path()).with_expected_head(read).run().is_ok());
    let other = TestFolder::new();
    let elsewhere = write(other.path(), 4).head();
    let error = verify(folder.path()).with_expected_head(elsewhere).run();
    assert!(matches!(error.unwrap_err(), VerifyError::OtherChain));
    std::fs::remove_file(folder.path().join(name(1))).unwrap();
    let error = verify(folder.path()).with_expected_head(early).run();
    assert!(matches!(
        error.unwrap_err(),
        VerifyError::TooOld { expected, first: 7 } if expected == early
    ));
}

#[test]
fn a_folder_without_a_log_is_no_log_that_verifies() {
    let folder = TestFolder::new();
    let error = verify(folder.path()).run().unwrap_err();
    assert!(matches!(error, VerifyError::Empty), "{error}");
    assert_eq!(error.to_string(), "there is no log in that folder");
    assert!(!folder.path().exists(), "the verifier makes nothing");
    std::fs::write(folder.path(), "").unwrap();
    let error = verify(folder.path()).run().unwrap_err();
    assert!(matches!(error, VerifyError::Unreadable { .. }), "{error}");
    std::fs::remove_file(folder.path()).unwrap();
    std::fs::create_dir_all(folder.path()).unwrap();
    std::fs::write(folder.path().join("audit-1.jsonl"), "{}\n").unwrap();
    assert!(matches!(
        verify(folder.path()).run().unwrap_err(),
        VerifyError::Empty
    ));
    std::fs::write(folder.path().join(name(1)), "").unwrap();
    assert!(matches!(
        verify(folder.path()).run().unwrap_err(),
        VerifyError::Empty
    ));
    let endless = "x".repeat(1 << 20);
    std::fs::write(folder.path().join(name(1)), endless).unwrap();
    let error = verify(folder.path()).run().unwrap_err();
    assert!(matches!(error, VerifyError::BadLine(_)), "{error}");
    // Bytes of all kinds are no line, and no panic.
    for n in 0..=255_u8 {
        std::fs::write(folder.path().join(name(1)), [n, b'{', n, b'\n']).unwrap();
        assert!(verify(folder.path()).run().is_err());
    }
}

#[test]
fn no_byte_can_be_another() {
    let folder = log();
    let names: Vec<_> = Forger::of(folder.path()).files;
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    };
    let places = (0..names.len(), any::<usize>(), any::<u8>());
    let result = TestRunner::new(config).run(&places, |(file, at, to)| {
        let path = folder.path().join(&names[file].0);
        let whole = std::fs::read(&path).unwrap();
        let at = at % whole.len();
        prop_assume!(whole[at] != to);
        let mut bytes = whole.clone();
        bytes[at] = to;
        std::fs::write(&path, &bytes).unwrap();
        let found = verify(folder.path()).run();
        std::fs::write(&path, &whole).unwrap();
        // The very last byte is the end of the last line, which is then torn.
        let is_end = file == names.len() - 1 && at == whole.len() - 1;
        match found {
            Ok(report) => prop_assert!(is_end && report.torn_tail > 0),
            Err(VerifyError::BadLine(_)) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
        Ok(())
    });
    result.unwrap();
}
