//! The folder of an audit log, as somebody left it who can write to it: what verifies was written
//! so, and what a start cuts off was torn.
//!
//! An input is a folder: a line `@NAME` begins a file, and what follows up to the next such line
//! stands in it. `@head` begins no file, but a head that was remembered elsewhere. Where the first
//! line is `@rehash`, all hashes are computed anew before anybody looks, as somebody can who knows
//! the form: the chain has no key, so such a log may verify, and only has to be read as it stands.

mod folder;
mod reader;

use std::{collections::HashSet, path::Path, sync::LazyLock};

use http::Method;
use portcullis::{
    ReasonCode, RequestId, Timestamp,
    audit::{
        AuditSink as _, Outcome, Record,
        log::{AuditLog, BadLine, Head, OpenError, Report, VerifyError, verify},
    },
};
use portcullis_testing::clock::VirtualClock;
use portcullis_tests::folder::TestFolder;

use self::{
    folder::{Files, Input, first},
    reader::Reading,
};
use crate::{
    corpus,
    engine::{Answer, Target},
};

pub(crate) const TARGET: Target = Target {
    name: "audit_log",
    check,
    dictionary: &[
        "@rehash\n",
        "\n@head\n",
        "\n@audit-00000000000000000001.jsonl\n",
        "\n@audit-00000000000000000002.jsonl\n",
        "\n@audit-00000000000000000007.jsonl\n",
        "\n@audit-18446744073709551615.jsonl\n",
        "\n@audit-7.jsonl\n",
        "{\"seq\":1,\"time\":0,\"kind\":\"head\",\"schema\":\"portcullis.audit/1\",\"chain\":\"\
         000102030405060708090a0b0c0d0e0f\",\"previous\":\"\
         0000000000000000000000000000000000000000000000000000000000000000\",\"cause\":\"start\"",
        "{\"seq\":2,\"time\":0,\"kind\":\"gap\",\"lost\":18446744073709551615,\"cause\":\"disk\"",
        ",\"hash\":\"",
        ",\"previous\":\"",
        "{\"seq\":",
        ",\"time\":",
        ",\"lost\":18446744073709551615",
        ",\"unwritten\":18446744073709551615",
        "\"close\"",
        "\"decision\"",
        "\"gap\"",
        "\"head\"",
        "\"heartbeat\"",
        "\"summary\"",
        "\"rotation\"",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "-1",
        "007",
        "portcullis.audit/1",
        "portcullis.audit/2",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "\"}",
        "\"}\n",
        "\n",
        "\r\n",
        "\u{0}",
        "\u{0}\u{0}\u{0}\u{0}",
        "\u{202e}",
    ],
    executions: 2_000,
};

/// What was written: in each log, which line stands behind which, and which begin a file.
struct Written {
    heads: HashSet<Vec<u8>>,
    pairs: HashSet<(Vec<u8>, Vec<u8>)>,
}

/// The lines of the corpus, the bad ones left out: what is mutated can be no other.
static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let mut written = Written {
        heads: HashSet::new(),
        pairs: HashSet::new(),
    };
    for entry in corpus::read(TARGET.name) {
        let files = Input::parse(&entry.bytes).files;
        let mut last: Option<&[u8]> = None;
        for line in files.logs().flat_map(|(_, bytes)| Reading::of(bytes).lines) {
            if reader::is_head(line) && reader::follows(line, None) {
                written.heads.insert(line.to_vec());
            }
            let before = last.replace(line);
            if let Some(before) = before.filter(|_| reader::follows(line, before)) {
                written.pairs.insert((before.to_vec(), line.to_vec()));
            }
        }
    }
    written
});

fn check(input: &[u8]) -> Answer {
    let mut input = Input::parse(input);
    if input.is_rehashed {
        input.files.rehash();
    }
    let folder = TestFolder::in_memory();
    folder.make();
    input.files.write(folder.path());

    let found = verify(folder.path()).run();
    judge(&input, &found);
    let is_met = input
        .head
        .as_deref()
        .is_none_or(|head| remembered(folder.path(), &input.files, head, &found));
    assert_eq!(
        Files::read(folder.path()),
        input.files,
        "the verifier has changed something"
    );
    recover(folder.path(), &input.files, &found);
    Answer::taken_if(found.is_ok() && is_met)
}

/// What is said of a folder is so.
fn judge(input: &Input, found: &Result<Report, VerifyError>) {
    let bad = first_bad(&input.files, input.is_rehashed);
    match found {
        Ok(report) => {
            assert_eq!(bad, None, "a log that was changed is said to be whole");
            agree(&input.files, report);
        }
        Err(VerifyError::Empty) => {
            let mut logs = input.files.logs();
            assert!(logs.all(|(_, bytes)| Reading::of(bytes).lines.is_empty()));
        }
        Err(VerifyError::BadLine(found)) => {
            // Somebody who computes hashes anew can make lines that only the verifier refuses.
            let Some(bad) = bad else {
                assert!(
                    input.is_rehashed,
                    "a log is refused as it was written: {found}"
                );
                return;
            };
            let found = place(found);
            if input.is_rehashed {
                assert!(found <= bad, "{found:?} is named, and {bad:?} is bad");
            } else {
                assert_eq!(
                    found, bad,
                    "another line is named than the first that is bad"
                );
            }
        }
        Err(other) => panic!("without a head to compare with: {other}"),
    }
}

fn place(bad: &BadLine) -> (String, u64) {
    (bad.file.clone(), bad.line)
}

/// The first line that is not as it was written, by its file and number. Where hashes were
/// computed anew nobody knows what was written, and what counts is the chain.
fn first_bad(files: &Files, is_rehashed: bool) -> Option<(String, u64)> {
    let mut last: Option<&[u8]> = None;
    let newest = files.logs().last().map(|(name, _)| name.clone());
    for (name, bytes) in files.logs() {
        let reading = Reading::of(bytes);
        let is_newest = Some(name) == newest.as_ref();
        for (line, number) in reading.lines.iter().zip(1_u64..) {
            let is_good = if is_rehashed {
                reader::follows(line, last)
            } else {
                WRITTEN.follows(line, last)
            };
            let is_in_place = reader::is_head(line) == (number == 1)
                && (number != 1 || reader::sequence(line) == first(name));
            if !is_good || !is_in_place {
                return Some((name.clone(), number));
            }
            last = Some(line);
        }
        // Only the newest may end within a line, or have none.
        if !is_newest && (reading.lines.is_empty() || reading.torn > 0) {
            return Some((name.clone(), reading.lines.len() as u64 + 1));
        }
    }
    None
}

impl Written {
    fn follows(&self, line: &[u8], last: Option<&[u8]>) -> bool {
        match last {
            None => self.heads.contains(line),
            Some(last) => self.pairs.contains(&(last.to_vec(), line.to_vec())),
        }
    }
}

/// A second reader counts the same.
fn agree(files: &Files, report: &Report) {
    let (mut lines, mut torn, mut records) = (Vec::new(), 0, 0);
    for (_, bytes) in files.logs() {
        let reading = Reading::of(bytes);
        torn = reading.torn;
        records += reading
            .lines
            .iter()
            .filter(|line| reader::is_record(line))
            .count();
        lines.extend(reading.lines);
    }
    let last = lines.last().unwrap();
    assert_eq!(report.files, files.logs().count() as u64);
    assert_eq!(report.torn_tail, torn);
    assert_eq!(report.records, records as u64);
    assert_eq!(Some(report.first), reader::sequence(lines[0]));
    assert_eq!(Some(report.head.sequence()), reader::sequence(last));
    assert_eq!(report.head.hash().as_slice(), reader::hash(last).unwrap());
    assert_eq!(
        report.is_closed,
        torn == 0 && reader::kind(last) == b"close"
    );
    let said = report.to_string();
    let is_partly_elsewhere = report.first > 1;
    assert_eq!(
        said.lines().count(),
        11 + usize::from(is_partly_elsewhere),
        "{said}"
    );
}

/// A head that was remembered: the log has its line, or is refused.
fn remembered(
    folder: &Path,
    files: &Files,
    text: &str,
    found: &Result<Report, VerifyError>,
) -> bool {
    let Ok(head) = text.parse::<Head>() else {
        return false;
    };
    assert_eq!(head.to_string(), text, "a head has two forms");
    let met = verify(folder).with_expected_head(head).run();
    let Ok(report) = found else {
        assert!(met.is_err(), "a head makes good what is bad");
        return false;
    };
    let is_there = files.logs().any(|(_, bytes)| {
        let reading = Reading::of(bytes);
        let mut lines = reading.lines.iter();
        lines.any(|line| {
            reader::sequence(line) == Some(head.sequence())
                && reader::hash(line).as_ref() == Some(head.hash())
        })
    });
    let is_of_it = head.chain() == report.head.chain();
    assert_eq!(met.is_ok(), is_there && is_of_it, "{met:?}");
    is_there && is_of_it
}

/// Starts the log again. Nothing goes but what was torn, and what is appended verifies.
fn recover(folder: &Path, files: &Files, found: &Result<Report, VerifyError>) {
    let opened = open(folder, false);
    only_torn_is_gone(&Files::read(folder), files);
    match opened {
        Ok(()) => {
            let again = verify(folder).run();
            match (found, again) {
                (Ok(before), Ok(after)) => {
                    assert!(after.is_closed && after.torn_tail == 0);
                    assert_eq!(after.records, before.records + 1);
                    assert_eq!(after.torn, before.torn + u64::from(before.torn_tail > 0));
                    assert_eq!((after.gaps, after.lost), (before.gaps, before.lost));
                }
                (Ok(_), Err(problem)) => panic!("appended to, it no longer verifies: {problem}"),
                // Older files are a matter of the verifier: what it has found it still finds.
                (Err(VerifyError::BadLine(before)), Err(VerifyError::BadLine(after))) => {
                    assert_eq!(place(before), place(&after));
                }
                (Err(VerifyError::BadLine(before)), Ok(_)) => {
                    assert!(
                        is_torn_behind(files, &before.file),
                        "a start has hidden what was bad: {before}"
                    );
                }
                (Err(VerifyError::Empty), Ok(after)) => assert_eq!(after.records, 1),
                (before, after) => panic!("{before:?} became {after:?}"),
            }
        }
        Err(OpenError::Broken { bad }) => {
            assert!(found.is_err(), "it verifies, and is not opened: {bad}");
            // Whoever insists has another chain, and the files as they are.
            let before = Files::read(folder);
            drop(open(folder, true));
            only_torn_is_gone(&Files::read(folder), &before);
            assert!(
                verify(folder).run().is_err(),
                "a new chain hides the old one"
            );
        }
        // A number that nothing can follow.
        Err(OpenError::Unusable { .. }) => {
            let mut logs = files.logs();
            assert!(logs.any(|(name, _)| first(name) >= Some(u64::MAX - 4096)));
        }
        Err(other) => panic!("{other}"),
    }
}

/// Opens the log, appends a record and closes it.
fn open(folder: &Path, may_start_over: bool) -> Result<(), OpenError> {
    let mut builder = AuditLog::builder(folder).with_clock(VirtualClock::new());
    if may_start_over {
        builder = builder.dangerously_start_new_chain();
    }
    let log = builder.open()?;
    let record = Record::new(
        RequestId::from_u128(1),
        Timestamp::from_unix_seconds(1_767_225_600),
        Outcome::Admitted,
        "authn",
        ReasonCode::new("admitted"),
        &Method::GET,
        "/notes",
    );
    log.record(&record).unwrap();
    log.close().unwrap();
    Ok(())
}

/// Every file is there with every whole line, and without what was torn at most.
fn only_torn_is_gone(after: &Files, before: &Files) {
    for (name, bytes) in before.logs() {
        let whole = bytes.len() - Reading::of(bytes).torn as usize;
        match after.get(name) {
            None => assert_eq!(whole, 0, "{name} is gone, and had lines"),
            // Another may have been begun in its place, if it had none.
            Some(left) => assert!(
                whole == 0 || left == bytes || left == &bytes[..whole],
                "of {name} more is gone than what was torn"
            ),
        }
    }
}

/// Whether a file ends within a line or has none, and no line stands in any newer one: then all of
/// them are torn ends, the newer ones of starts that were interrupted.
fn is_torn_behind(files: &Files, file: &str) -> bool {
    let mut rest = files.logs().skip_while(|(name, _)| *name != file);
    let end = rest.next().map(|(_, bytes)| Reading::of(bytes));
    let is_end = end.is_some_and(|end| end.torn > 0 || end.lines.is_empty());
    is_end && rest.all(|(_, bytes)| Reading::of(bytes).lines.is_empty())
}
