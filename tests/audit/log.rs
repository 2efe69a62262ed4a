//! What stands on the disk, and what a log finds when it is started again.

use std::{fs, path::Path, time::Duration};

use http::Method;
use portcullis::{
    Clock as _, Evidence, EvidenceKind, Gate, ReasonCode, RequestId, Timestamp,
    audit::{
        AuditSink as _, Outcome, Record,
        log::{AuditLog, Head, Mode, OpenError, verify},
    },
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock, http_probe::HandlerProbe};
use portcullis_tests::{
    fixtures::{request, request_with, stack_builder},
    folder::TestFolder,
    forger::Forger,
};
use proptest::prelude::*;
use serde_json::Value;
use tower::{Layer as _, ServiceExt as _};

/// Writes that many records to the log in a folder, and closes it unless told otherwise.
pub(crate) fn write(folder: &Path, records: u128) -> AuditLog {
    let log = AuditLog::builder(folder).open().unwrap();
    for n in 1..=records {
        log.record(&record(n)).unwrap();
    }
    log.flush().unwrap();
    log
}

pub(crate) fn record(n: u128) -> Record<'static> {
    Record::new(
        RequestId::from_u128(n),
        Timestamp::from_unix_seconds(1_767_225_600),
        Outcome::Admitted,
        "authn",
        ReasonCode::new("admitted"),
        &Method::GET,
        "/notes",
    )
}

fn newest(folder: &Path) -> std::path::PathBuf {
    let (name, _) = Forger::of(folder).files.pop().unwrap();
    folder.join(name)
}

fn values(folder: &Path) -> Vec<Value> {
    let forger = Forger::of(folder);
    forger
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn send(gate: &Gate, request: http::Request<String>) -> http::StatusCode {
    let answer = gate.layer(HandlerProbe::new()).oneshot(request);
    let response = answer.await.unwrap();
    let status = response.status();
    http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap();
    status
}

#[tokio::test]
async fn what_a_gate_decides_stands_in_the_log_and_the_log_verifies() {
    for mode in [Mode::BestEffort, Mode::Strict] {
        let folder = TestFolder::new();
        let clock = VirtualClock::new();
        let builder = AuditLog::builder(folder.path()).with_clock(clock.clone());
        let log = builder.with_mode(mode).open().unwrap();
        let (gate, handle) = stack_builder(&RecordingAudit::new())
            .with_clock(clock.clone())
            .with_audit(log.clone())
            .build()
            .unwrap();
        let good = request_with("good-alice").uri("/notes");
        assert_eq!(send(&gate, good.body(String::new()).unwrap()).await, 200);
        let bad = request_with("bad").body(String::new()).unwrap();
        assert_eq!(send(&gate, bad).await, 401);
        let none = request().method("POST").body(String::new()).unwrap();
        assert_eq!(send(&gate, none).await, 401);
        assert_eq!(handle.stats().records_lost, 0);
        let head = log.close().unwrap();
        let lost = log.record(&record(9)).unwrap_err();
        assert!(lost.to_string().contains("closed"), "{lost}");

        let report = verify(folder.path())
            .with_expected_head(head)
            .run()
            .unwrap();
        assert!(report.is_closed);
        assert_eq!((report.records, report.gaps, report.unclosed), (5, 0, 0));

        let values = values(folder.path());
        let kinds: Vec<_> = values
            .iter()
            .map(|value| value["kind"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            [
                "head",
                "decision",
                "session_start",
                "end",
                "decision",
                "decision",
                "close"
            ]
        );
        let head = &values[0];
        assert_eq!(head["schema"], "portcullis.audit/1");
        assert_eq!(head["cause"], "start");
        let admitted = &values[1];
        assert_eq!(admitted["time"], clock.now().unix_millis());
        assert_eq!(admitted["type_uid"], 600_302);
        assert_eq!(admitted["status_id"], 1);
        assert_eq!(admitted["outcome"], "admitted");
        assert_eq!(admitted["status_detail"], "admitted");
        assert_eq!(admitted["authenticator"], "table");
        assert_eq!(admitted["actor"]["user"]["uid"], "alice");
        assert_eq!(admitted["actor"]["user"]["type"], "user");
        assert_eq!(admitted["actor"]["idp"]["uid"], "https://idp.example");
        assert!(admitted["actor"]["session"]["uid"].is_string());
        assert_eq!(admitted["http_request"]["url"]["path"], "/notes");
        assert_eq!(
            admitted["http_request"]["uid"],
            values[3]["http_request"]["uid"]
        );
        let refused = &values[4];
        assert_eq!(refused["status_id"], 2);
        assert_eq!(refused["action_id"], 2);
        assert_eq!(refused["status_detail"], "table_bad");
        assert_eq!(refused["http_response"]["code"], 401);
        assert!(refused.get("actor").is_none());
        assert_eq!(values[5]["activity_id"], 1);
    }
}

#[test]
fn a_chain_runs_on_over_files_and_starts() {
    let folder = TestFolder::new();
    for _ in 0..3 {
        write(folder.path(), 5).close().unwrap();
    }
    // One that was dropped is closed as well.
    drop(write(folder.path(), 5));
    let report = verify(folder.path()).run().unwrap();
    assert_eq!((report.files, report.records), (4, 20));
    assert_eq!(report.first, 1);
    assert_eq!(report.head.sequence(), 4 * 7);
    assert!(report.is_closed);
    assert_eq!(report.unclosed, 0);
}

#[test]
fn clones_are_one_log_and_it_is_closed_with_the_last() {
    let folder = TestFolder::new();
    let log = write(folder.path(), 1);
    let clone = log.clone();
    drop(log);
    clone.record(&record(2)).unwrap();
    assert_eq!(clone.flush().unwrap(), clone.head());
    assert_eq!(clone.stats().written, 2);
    let report = verify(folder.path()).run().unwrap();
    assert!(!report.is_closed, "it is being written");
    drop(clone);
    assert!(verify(folder.path()).run().unwrap().is_closed);
}

#[test]
fn a_line_that_is_not_whole_is_cut_off_and_that_is_said() {
    let folder = TestFolder::new();
    write(folder.path(), 3).close().unwrap();
    let whole = fs::read(newest(folder.path())).unwrap();
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    // At every place where the last two lines may have been torn.
    let second_last = whole[..whole.len() - 1]
        .split(|byte| *byte == b'\n')
        .rev()
        .take(2)
        .map(|line| line.len() + 1)
        .sum::<usize>();
    for end in (whole.len() - second_last + 1)..whole.len() {
        let copy = folder.copied();
        fs::write(newest(copy.path()), &whole[..end]).unwrap();
        let at = whole[..end]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap()
            + 1;
        let left = verify(copy.path()).run().unwrap();
        assert_eq!(left.torn_tail, (end - at) as u64);
        assert!(!left.is_closed);

        write(copy.path(), 1).close().unwrap();
        let report = verify(copy.path()).run().unwrap();
        assert_eq!(report.torn, u64::from(end > at), "{end}");
        assert_eq!(report.unclosed, 1);
        assert_eq!(report.torn_tail, 0);
        if end > at {
            let values = values(copy.path());
            let marker = values.iter().find(|value| value["kind"] == "torn").unwrap();
            assert_eq!(marker["bytes"], end - at);
            assert_eq!(marker["offset"], at);
            assert_eq!(marker["file"], "audit-00000000000000000001.jsonl");
            assert!(lines >= 5);
        }
    }
}

#[test]
fn zeros_at_the_end_are_what_was_not_written() {
    let folder = TestFolder::new();
    write(folder.path(), 3).close().unwrap();
    let path = newest(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"{\"seq\":");
    bytes.extend([0; 100_000]);
    fs::write(&path, &bytes).unwrap();
    // Anything behind them is no accident.
    let copy = folder.copied();
    let mut more = bytes.clone();
    more.extend(b"\"}\n");
    fs::write(newest(copy.path()), &more).unwrap();
    let error = AuditLog::builder(copy.path()).open().unwrap_err();
    assert!(matches!(error, OpenError::Broken { .. }), "{error}");
    assert!(verify(copy.path()).run().is_err());

    write(folder.path(), 1).close().unwrap();
    let report = verify(folder.path()).run().unwrap();
    assert_eq!(report.torn, 1);
    assert!(report.is_closed);
}

#[test]
fn a_file_that_was_only_begun_is_begun_again() {
    for text in ["", "{\"seq\":", "{\"seq\":6,\"time\":0,\"kind\":\"head\""] {
        let folder = TestFolder::new();
        write(folder.path(), 3).close().unwrap();
        let begun = folder.path().join("audit-00000000000000000006.jsonl");
        fs::write(&begun, text).unwrap();
        write(folder.path(), 1).close().unwrap();
        let report = verify(folder.path()).run().unwrap();
        assert_eq!((report.files, report.records), (2, 4), "{text}");
        assert_eq!(report.torn, u64::from(!text.is_empty()));
        assert_eq!(report.unclosed, 0);
    }
}

#[test]
fn of_two_files_that_are_torn_each_has_its_marker() {
    let folder = TestFolder::new();
    write(folder.path(), 3).close().unwrap();
    let whole = fs::read(newest(folder.path())).unwrap();
    fs::write(newest(folder.path()), &whole[..whole.len() - 9]).unwrap();
    let begun = folder.path().join("audit-00000000000000000005.jsonl");
    fs::write(&begun, "{\"seq\":5,\"ti").unwrap();
    write(folder.path(), 1).close().unwrap();
    let report = verify(folder.path()).run().unwrap();
    assert_eq!((report.torn, report.records), (2, 4));
    let values = values(folder.path());
    let torn = values.iter().filter(|value| value["kind"] == "torn");
    let named: Vec<_> = torn
        .map(|value| (value["file"].as_str().unwrap(), value["offset"].as_u64()))
        .collect();
    let line = whole.split_inclusive(|byte| *byte == b'\n').next_back();
    let end = (whole.len() - line.unwrap().len()) as u64;
    assert_eq!(
        named,
        [
            ("audit-00000000000000000001.jsonl", Some(end)),
            ("audit-00000000000000000005.jsonl", Some(0))
        ]
    );
}

#[test]
fn a_log_that_does_not_verify_is_not_written_to() {
    let folder = TestFolder::new();
    write(folder.path(), 5).close().unwrap();
    let mut forger = Forger::of(folder.path());
    let line = &mut forger.file(0)[2];
    *line = line.replace("admitted", "answered");
    forger.write();
    let before = fs::read(newest(folder.path())).unwrap();
    let error = AuditLog::builder(folder.path()).open().unwrap_err();
    let OpenError::Broken { bad } = &error else {
        panic!("{error}");
    };
    assert_eq!((bad.line, bad.sequence), (3, 3));
    assert_eq!(bad.file, "audit-00000000000000000001.jsonl");
    assert!(
        error.to_string().contains("dangerously_start_new_chain"),
        "{error}"
    );
    assert_eq!(fs::read(newest(folder.path())).unwrap(), before);

    let builder = AuditLog::builder(folder.path()).dangerously_start_new_chain();
    let log = builder.open().unwrap();
    log.record(&record(1)).unwrap();
    log.close().unwrap();
    let values = values(folder.path());
    let broken = values
        .iter()
        .find(|value| value["kind"] == "broken")
        .unwrap();
    assert_eq!(broken["file"], "audit-00000000000000000001.jsonl");
    assert_eq!(broken["line"], 3);
    // The folder as a whole goes on to say so; the new chain alone verifies.
    assert!(verify(folder.path()).run().is_err());
    fs::remove_file(folder.path().join("audit-00000000000000000001.jsonl")).unwrap();
    let report = verify(folder.path()).run().unwrap();
    assert_eq!((report.first, report.records), (8, 1));
    assert_eq!(report.broken, 1);
    let said = "\nchains begun behind what did not verify 1\n";
    assert!(report.to_string().contains(said), "{report}");
    write(folder.path(), 1).close().unwrap();
    assert_eq!(verify(folder.path()).run().unwrap().records, 2);
}

#[test]
fn heads_of_one_line_are_equal_and_print_alike() {
    let folder = TestFolder::new();
    let clock = VirtualClock::new();
    let (count, heads) = std::sync::mpsc::channel();
    let open = || {
        let count = count.clone();
        AuditLog::builder(folder.path())
            .with_clock(clock.clone())
            .with_head_sink(move |head: &Head| count.send(*head).unwrap())
            .open()
            .unwrap()
    };
    let same = |head: Head| {
        let read = verify(folder.path()).run().unwrap().head;
        assert_eq!(read, head);
        assert_eq!(read.to_string(), head.to_string());
    };
    for _ in 0..2 {
        let log = open();
        assert_eq!(heads.try_recv().unwrap(), log.head());
        same(log.head());
        let mut late = record(1);
        late.at = clock.now() - Duration::from_secs(3);
        log.record(&late).unwrap();
        clock.advance(Duration::from_secs(5));
        let flushed = log.flush().unwrap();
        assert_eq!(flushed.at(), late.at);
        assert_eq!(flushed, log.head());
        same(flushed);
        clock.advance(Duration::from_secs(60));
        let beaten = log.flush().unwrap();
        assert_eq!(heads.try_recv().unwrap(), beaten);
        same(beaten);
        let closed = log.close().unwrap();
        assert_eq!(heads.try_recv().unwrap(), closed);
        assert_eq!(closed.to_string().parse::<Head>().unwrap(), closed);
        same(closed);
    }
}

#[test]
fn two_logs_do_not_share_a_folder() {
    let folder = TestFolder::new();
    let log = write(folder.path(), 1);
    let error = AuditLog::builder(folder.path()).open().unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("of its own"), "{error}");
    log.close().unwrap();
    drop(log);
    write(folder.path(), 1).close().unwrap();
}

/// An error as most programs print it: with all that is behind it.
fn printed(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    said
}

#[test]
fn what_is_wrong_is_printed_once() {
    let folder = TestFolder::new();
    write(folder.path(), 5).close().unwrap();
    let mut forger = Forger::of(folder.path());
    let line = &mut forger.file(0)[2];
    *line = line.replace("admitted", "answered");
    forger.write();
    let open = |folder: &Path, size| AuditLog::builder(folder).with_max_file_size(size).open();
    let file = TestFolder::new();
    fs::write(file.path(), "").unwrap();
    let cause = fs::read_dir(file.path()).unwrap_err().to_string();
    let unusable = fs::create_dir(file.path()).unwrap_err().to_string();
    for (said, part) in [
        (
            printed(&open(folder.path(), 1 << 20).unwrap_err()),
            "does not fit",
        ),
        (
            printed(&open(folder.path(), 1).unwrap_err()),
            "with_max_file_size",
        ),
        (printed(&open(file.path(), 1 << 20).unwrap_err()), &unusable),
        (
            printed(&verify(folder.path()).run().unwrap_err()),
            "does not fit",
        ),
        (printed(&verify(file.path()).run().unwrap_err()), &cause),
    ] {
        assert_eq!(said.matches(part).count(), 1, "{said}");
    }
    fs::remove_file(file.path()).unwrap();
}

#[test]
fn settings_that_cannot_work_are_reported_at_once() {
    let folder = TestFolder::new();
    let error = AuditLog::builder(folder.path())
        .with_heartbeat(Duration::ZERO)
        .with_max_file_age(Duration::MAX)
        .with_max_file_size(1)
        .with_max_queued(1, 1)
        .open()
        .unwrap_err();
    let said = error.to_string();
    for setting in [
        "with_heartbeat",
        "with_max_file_age",
        "with_max_file_size",
        "with_max_queued",
    ] {
        assert!(said.contains(&format!("`{setting}`: ")), "{said}");
    }
    assert_eq!(said.lines().count(), 5);
    assert!(!folder.path().exists(), "nothing was begun");

    let file = TestFolder::new();
    fs::write(file.path(), "").unwrap();
    let error = AuditLog::builder(file.path()).open().unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("AuditLog::builder"), "{error}");
    fs::remove_file(file.path()).unwrap();
}

#[cfg(unix)]
#[test]
fn nobody_else_may_look_into_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TestFolder::new();
    write(folder.path(), 1).close().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    for entry in fs::read_dir(folder.path()).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let error = AuditLog::builder(folder.path()).open().unwrap_err();
    assert!(error.to_string().contains("chmod go-w"), "{error}");
}

#[test]
fn a_panic_of_a_head_sink_stops_nothing_and_is_counted() {
    let folder = TestFolder::new();
    let clock = VirtualClock::new();
    let (count, heads) = std::sync::mpsc::channel();
    let log = AuditLog::builder(folder.path())
        .with_clock(clock.clone())
        .with_mode(Mode::Strict)
        .with_head_sink(move |head: &Head| {
            count.send(*head).unwrap();
            assert_ne!(head.sequence(), 3, "this sink was told to panic");
        })
        .open()
        .unwrap();
    log.record(&record(1)).unwrap();
    clock.advance(Duration::from_secs(60));
    log.flush().unwrap();
    assert_eq!(log.stats().head_failures, 1);
    log.record(&record(2)).unwrap();
    let head = log.close().unwrap();
    assert_eq!(heads.iter().last(), Some(head));
    let report = verify(folder.path())
        .with_expected_head(head)
        .run()
        .unwrap();
    assert_eq!(report.records, 2);
    assert!(report.is_closed);
    assert_eq!(log.stats().head_failures, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_read_is_what_was_recorded(
        path in ".{0,300}",
        operation in "[\\PC\r\n\0\u{1b}\"\\\\\u{202e}\u{200b}\u{e0041}]{0,60}",
        subject in "[\\PC\r\n\0\u{1b}\"\\\\\u{202e}\u{200b}\u{e0041}]{0,60}",
    ) {
        let folder = TestFolder::new();
        let log = AuditLog::builder(folder.path()).open().unwrap();
        let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", subject.as_str());
        let mut hostile = record(1);
        hostile.path = &path;
        hostile.operation = Some(&operation);
        hostile.principal = Some(&evidence);
        log.record(&hostile).unwrap();
        log.close().unwrap();
        drop(log);
        let values = values(folder.path());
        prop_assert_eq!(values.len(), 3);
        let value = &values[1];
        prop_assert_eq!(value["http_request"]["url"]["path"].as_str(), Some(path.as_str()));
        prop_assert_eq!(value["api"]["operation"].as_str(), Some(operation.as_str()));
        prop_assert_eq!(value["actor"]["user"]["uid"].as_str(), Some(subject.as_str()));
        prop_assert!(verify(folder.path()).run().is_ok());
    }
}

#[test]
fn what_is_long_is_cut_and_says_how_long_it_was() {
    let folder = TestFolder::new();
    let log = AuditLog::builder(folder.path()).open().unwrap();
    let path = "ä/".repeat(1 << 19);
    let mut long = record(1);
    long.path = &path;
    log.record(&long).unwrap();
    log.close().unwrap();
    let values = values(folder.path());
    let kept = values[1]["http_request"]["url"]["path"].as_str().unwrap();
    assert!(path.starts_with(kept));
    assert_eq!(kept.len(), 1023, "not in the middle of a character");
    assert_eq!(values[1]["cut"]["path"], path.len());
}
