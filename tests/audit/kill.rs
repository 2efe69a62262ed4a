//! A writer that is killed loses nothing that somebody was told is durable.

use std::{
    collections::HashSet,
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use portcullis::{
    Clock as _, SystemClock,
    audit::log::{AuditLog, verify},
};
use portcullis_tests::{folder::TestFolder, forger::Forger};

/// Names how often the writer is to be killed.
const KILLS: &str = "PORTCULLIS_KILLS";
/// Without it: at least so often, and as often as there is time.
const FEWEST: u32 = 40;
const MOST: u32 = 200;
const TIME: Duration = Duration::from_secs(12);

/// A folder is used again so often, so that a log is killed, repaired and killed again.
const IN_A_ROW: u32 = 8;

/// Chance that is the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

#[test]
fn no_record_is_lost_that_was_acknowledged_before_the_writer_was_killed() {
    let clock = SystemClock::new();
    let start = clock.instant();
    let wanted: Option<u32> = env::var(KILLS).ok().map(|text| text.parse().unwrap());
    let is_done = |kills: u32| match wanted {
        Some(wanted) => kills >= wanted,
        None => kills >= MOST || kills >= FEWEST && clock.instant() - start >= TIME,
    };
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut folder = TestFolder::new();
    let mut acknowledged = HashSet::new();
    let (mut kills, mut all, mut torn) = (0, 0, 0);
    while !is_done(kills) {
        if kills % IN_A_ROW == 0 {
            folder = TestFolder::new();
            acknowledged.clear();
        }
        let told = run_and_kill(folder.path(), &mut dice);
        all += told.len();
        acknowledged.extend(told);
        let is_torn = dice.below(3) == 0 && tear(folder.path(), &acknowledged, &mut dice);

        let before = verify(folder.path()).run().unwrap();
        assert!(!before.is_closed);
        assert!(!is_torn || before.torn_tail > 0);
        AuditLog::builder(folder.path())
            .open()
            .unwrap()
            .close()
            .unwrap();
        let after = verify(folder.path()).run().unwrap();
        assert!(after.is_closed);
        assert_eq!(after.torn_tail, 0);
        assert_eq!(after.gaps, 0);
        assert_eq!(after.torn - before.torn, u64::from(before.torn_tail > 0));
        torn += u32::from(before.torn_tail > 0);

        let written = let_in(folder.path());
        let lost: Vec<_> = acknowledged.difference(&written).collect();
        assert!(
            lost.is_empty(),
            "after {kills} kills these are lost: {lost:?}"
        );
        kills += 1;
    }
    assert!(all > 0, "nothing was acknowledged");
    println!("killed {kills} times, acknowledged {all} records, repaired {torn} torn ends, lost 0");
}

/// Runs a writer, kills it at a random moment, and says what it has acknowledged.
fn run_and_kill(folder: &Path, dice: &mut Dice) -> Vec<String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_audit-child"))
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut told = Vec::new();
    let mut take = |told: &mut Vec<String>| {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        // What was cut off by the kill was not told.
        let id = line.strip_suffix('\n').map(str::to_owned);
        told.extend(id.clone());
        id.is_some()
    };
    for _ in 0..=dice.below(200) {
        assert!(take(&mut told), "the writer ended by itself");
    }
    // Somewhere between one record and the next.
    (0..dice.below(100_000)).for_each(|_| std::hint::spin_loop());
    child.kill().unwrap();
    while take(&mut told) {}
    child.wait().unwrap();
    told
}

/// Makes of the end what a machine could that lost its power: whatever was not acknowledged may
/// be there in part.
fn tear(folder: &Path, acknowledged: &HashSet<String>, dice: &mut Dice) -> bool {
    let (name, lines) = Forger::of(folder).files.pop().unwrap();
    let path = folder.join(name);
    let mut safe = 0;
    let mut end = 0;
    for line in &lines {
        end += line.len() + 1;
        if id_of(line).is_some_and(|id| acknowledged.contains(id)) {
            safe = end;
        }
    }
    let len = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    if safe < len {
        bytes.truncate(safe + dice.below(len - safe));
        fs::write(&path, &bytes).unwrap();
    } else {
        let begun = br#"{"seq":99,"time":1767225600000,"kind":"decision","class_"#;
        let some = 1 + dice.below(begun.len() - 1);
        let begun = begun.get(..some).unwrap_or(begun);
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(begun).unwrap();
        return true;
    }
    bytes.last().is_some_and(|last| *last != b'\n')
}

/// The ids of all requests that were let in, as the log has them.
fn let_in(folder: &Path) -> HashSet<String> {
    let forger = Forger::of(folder);
    let ids = forger
        .lines()
        .filter(|line| line.contains(r#""outcome":"admitted""#));
    ids.filter_map(|line| id_of(line).map(str::to_owned))
        .collect()
}

/// The id of the request in a line that is a decision.
fn id_of(line: &str) -> Option<&str> {
    if !line.contains(r#""kind":"decision""#) {
        return None;
    }
    let (_, rest) = line.split_once(r#""http_request":{"uid":""#)?;
    Some(rest.split_once('"')?.0)
}
