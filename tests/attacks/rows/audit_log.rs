//! Whoever can write to the folder of the log, or into the records themselves.

use std::{fs, path::Path, time::Duration};

use http::Method;
use portcullis::{
    Evidence, EvidenceKind, ReasonCode, RequestId,
    audit::{
        AuditSink as _, Outcome, Record,
        log::{AuditLog, Head, verify},
    },
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{folder::TestFolder, forger::Forger};

use crate::{guard::Settings, harness::Harness};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("A01", hostile_texts).await;
    harness.row("A03", forgeries).await;
    harness.row("A04", without_a_record).await;
    harness.row("A05", clocks).await;
}

type Outcomes = Result<(), String>;

/// Writes records to the log in a folder, and closes it.
fn write(folder: &Path, change: impl Fn(u128, &mut Record<'_>)) -> Result<Head, String> {
    let log = AuditLog::builder(folder)
        .open()
        .map_err(|error| error.to_string())?;
    for n in 1..=4 {
        let mut record = Record::new(
            RequestId::from_u128(n),
            portcullis::Timestamp::from_unix_seconds(1_767_225_600),
            Outcome::Admitted,
            "authn",
            ReasonCode::new("admitted"),
            &Method::GET,
            "/notes",
        );
        change(n, &mut record);
        log.record(&record).map_err(|error| error.to_string())?;
    }
    log.close().map_err(|error| error.to_string())
}

async fn hostile_texts(harness: &mut Harness) {
    let forged = "\"}\n{\"seq\":3,\"time\":0,\"kind\":\"decision\",\"outcome\":\"admitted\"";
    let long = "x".repeat(1 << 20);
    for (name, text) in [
        ("the end of a line", "a\r\nb"),
        ("a line of its own", forged),
        ("an escape sequence", "\u{1b}[2Ja\u{7}\u{9b}31m"),
        ("a nul", "a\0b"),
        ("separators of Unicode", "a\u{2028}b\u{2029}c\u{85}"),
        ("text that is turned around", "\u{202e}nimda\u{2066}"),
        ("text that nobody sees", "a\u{200b}\u{feff}\u{e0041}b"),
        ("a megabyte", &long),
    ] {
        let folder = TestFolder::new();
        let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", text);
        let judge = || -> Outcomes {
            let log = AuditLog::builder(folder.path()).open();
            let log = log.map_err(|error| error.to_string())?;
            let mut record = Record::new(
                RequestId::from_u128(1),
                portcullis::Timestamp::UNIX_EPOCH,
                Outcome::Refused,
                "authn",
                ReasonCode::new("refused"),
                &Method::GET,
                text,
            );
            record.principal = Some(&evidence);
            record.operation = Some(text);
            log.record(&record).map_err(|error| error.to_string())?;
            log.close().map_err(|error| error.to_string())?;
            let forger = Forger::of(folder.path());
            let lines: Vec<_> = forger.lines().collect();
            if lines.len() != 3 {
                return Err(format!("one record became {} lines", lines.len() - 2));
            }
            if lines.iter().any(|line| line.len() > 1 << 16) {
                return Err("a line is longer than 64 KiB".to_owned());
            }
            let hides = |char: char| {
                char.is_control()
                    || matches!(
                        char,
                        '\u{200b}' | '\u{2028}'
                            ..='\u{202e}' | '\u{2066}' | '\u{feff}' | '\u{e0041}'
                    )
            };
            if lines.iter().any(|line| line.chars().any(hides)) {
                return Err("it stands in the file as it came".to_owned());
            }
            for line in lines {
                let value = serde_json::from_str::<serde_json::Value>(line);
                let value = value.map_err(|error| format!("a line is no JSON: {error}"))?;
                let path = value.pointer("/http_request/url/path");
                let path = path.and_then(serde_json::Value::as_str);
                if path.is_some_and(|path| !text.starts_with(path)) {
                    return Err("another path is read".to_owned());
                }
            }
            verify(folder.path())
                .run()
                .map(drop)
                .map_err(|error| error.to_string())
        };
        harness.judged(name, judge());
    }
}

/// What somebody does to the folder, and whether the end of the log was remembered elsewhere.
type Forgery = (&'static str, bool, fn(&mut Forger));

const FORGERIES: [Forgery; 11] = [
    ("an edit", false, |forger| {
        edit(forger.file(1).get_mut(2));
    }),
    ("an edit of the last record", false, |forger| {
        edit(forger.file(1).get_mut(4));
    }),
    ("a line that is taken out", false, |forger| {
        forger.file(1).remove(2);
    }),
    (
        "a line that is taken out, and hashes that fit",
        false,
        |forger| {
            forger.file(1).remove(2);
            forger.rehash();
        },
    ),
    ("a line that stands there twice", false, |forger| {
        let line = forger.file(1).get(2).cloned();
        forger.file(1).splice(2..2, line);
    }),
    ("lines that are exchanged", false, |forger| {
        forger.file(1).swap(2, 3);
    }),
    ("a file that is taken out", false, |forger| {
        forger.files.remove(1);
    }),
    ("lines of another log", false, |forger| {
        let other = TestFolder::new();
        let _ = write(other.path(), |_, record| record.layer = "quota");
        let _ = write(other.path(), |_, record| record.layer = "quota");
        let lines = Forger::of(other.path()).file(1).clone();
        forger
            .file(1)
            .splice(1..4, lines.into_iter().skip(1).take(3));
    }),
    ("an end that is cut off", true, |forger| {
        forger.file(2).truncate(3);
    }),
    ("the state of yesterday", true, |forger| {
        forger.files.pop();
    }),
    ("an edit, and hashes that fit", true, |forger| {
        edit(forger.file(1).get_mut(2));
        forger.rehash();
    }),
];

fn edit(line: Option<&mut String>) {
    if let Some(line) = line {
        *line = line.replace("admitted", "answered");
    }
}

async fn forgeries(harness: &mut Harness) {
    for (name, is_remembered, forge) in FORGERIES {
        let folder = TestFolder::new();
        let mut head = Err("nothing was written".to_owned());
        for _ in 0..3 {
            head = write(folder.path(), |_, _| {});
        }
        let head = match head {
            Ok(head) => head,
            Err(problem) => {
                harness.fail(name, &problem);
                continue;
            }
        };
        let look = || {
            let verifier = verify(folder.path());
            match is_remembered {
                true => verifier.with_expected_head(head).run(),
                false => verifier.run(),
            }
        };
        if let Err(problem) = look() {
            harness.fail(name, &format!("the log as it was written: {problem}"));
        }
        let mut forger = Forger::of(folder.path());
        forge(&mut forger);
        forger.write();
        let found = match look() {
            Ok(_) => Err("the log is said to be as it was written".to_owned()),
            Err(_) => Ok(()),
        };
        harness.judged(name, found);
    }
}

async fn without_a_record(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.audit = RecordingAudit::strict();
    let guard = settings.build();
    harness.control("with a record", &guard, guard.good()).await;
    guard.audit.set_failing(true);
    let calls = guard.probe.calls();
    let status = guard.send(guard.good()).await.status();
    let judged = match (status.as_u16(), guard.probe.calls() == calls) {
        (503, true) => Ok(()),
        (_, false) => Err("the handler ran, and nothing says so".to_owned()),
        (status, true) => Err(format!("it is answered {status}")),
    };
    harness.judged("a disk that fails", judged);
    guard.audit.set_failing(false);
    harness
        .control("with a record again", &guard, guard.good())
        .await;

    // A write that was torn: what is whole stays, and a marker says what is missing.
    let folder = TestFolder::new();
    let judge = || -> Outcomes {
        write(folder.path(), |_, _| {})?;
        let path = folder.path().join("audit-00000000000000000001.jsonl");
        let text = fs::read(&path).map_err(|error| error.to_string())?;
        let torn = text.get(..text.len() - 7).unwrap_or_default();
        fs::write(&path, torn).map_err(|error| error.to_string())?;
        write(folder.path(), |_, _| {})?;
        let report = verify(folder.path())
            .run()
            .map_err(|error| error.to_string())?;
        match (report.torn, report.records, report.unclosed) {
            (1, 8, 1) => Ok(()),
            other => Err(format!("a torn line became {other:?}")),
        }
    };
    harness.judged("a torn line", judge());
}

async fn clocks(harness: &mut Harness) {
    let folder = TestFolder::new();
    let judge = || -> Outcomes {
        let clock = VirtualClock::new();
        let log = AuditLog::builder(folder.path())
            .with_clock(clock.clone())
            .open()
            .map_err(|error| error.to_string())?;
        for _ in 0..3 {
            clock.step_wall_back(Duration::from_secs(24 * 3600));
            clock.advance(Duration::from_secs(60));
            log.flush().map_err(|error| error.to_string())?;
        }
        log.close().map_err(|error| error.to_string())?;
        let report = verify(folder.path())
            .run()
            .map_err(|error| error.to_string())?;
        match report.head.sequence() {
            5 => Ok(()),
            other => Err(format!("five lines have the numbers up to {other}")),
        }
    };
    harness.judged("a clock that is set back", judge());
}
