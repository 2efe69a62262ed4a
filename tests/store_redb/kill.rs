//! A process that is killed loses nothing that it was answered.

use std::{
    collections::HashMap,
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use portcullis::{Clock as _, SystemClock};
use portcullis_core::{
    Check, OwnerKey, ReplayKey, ReplayOwner, ReplayStore as _, RevocationStore as _, RevokedKey,
    SessionKey, SessionState, SessionStore as _, Taken, api_keys::ApiKeyStore as _,
};
use portcullis_store_redb::Redb;
use portcullis_tests::folder::TestFolder;

use portcullis_tests::stores::{START, kept::SECOND, redb::place};

/// Names how often the writer is to be killed.
const KILLS: &str = "PORTCULLIS_KILLS";
/// Without it: at least so often, and as often as there is time.
const FEWEST: u32 = 40;
const MOST: u32 = 200;
const TIME: Duration = Duration::from_secs(12);
/// A file is used again so often, so that one is killed, repaired and killed again.
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

/// What must be there.
#[derive(Default)]
struct Told {
    /// The latest session of each task, and the latest that has begun.
    sessions: HashMap<u128, u128>,
    begun: HashMap<u128, u128>,
    revoked: Vec<u128>,
    taken: Vec<(u128, u128)>,
    /// The revision of the key of each task.
    keys: HashMap<u128, u128>,
    lines: usize,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let what = words.next().unwrap();
        let numbers: Vec<u128> = words.map(|word| word.parse().unwrap()).collect();
        match (what, numbers.as_slice()) {
            ("session", [task, n]) => drop(self.sessions.insert(*task, *n)),
            ("begun", [task, n]) => drop(self.begun.insert(*task, *n)),
            ("revoked", [key]) => self.revoked.push(*key),
            ("taken", [owner, key]) => self.taken.push((*owner, *key)),
            ("key", [task, revision]) => drop(self.keys.insert(*task, *revision)),
            _ => unreachable!("{line}"),
        }
        self.lines += 1;
    }

    async fn assert_kept(&self, redb: &Redb) {
        for (task, n) in &self.sessions {
            let owner = OwnerKey::from_u128(*task);
            let found = redb.sessions().load(owner).await.unwrap();
            let found = found.get(SessionKey::from_u128(*task)).unwrap();
            let kept = found.id.as_u128();
            assert!(kept >= *n, "the session of {task} is back at {kept} of {n}");
            // The one after it may be provisional.
            if self.begun.get(task) == Some(&kept) {
                assert_eq!(found.state, SessionState::Live, "{task} {n}");
            }
        }
        for key in &self.revoked {
            let found = redb.revocations().check(&[RevokedKey::from_u128(*key)]);
            assert!(
                matches!(found, Check::Done(Some(START))),
                "revocation {key}"
            );
        }
        for (owner, key) in &self.taken {
            let (owner, key) = (ReplayOwner::from_u128(*owner), ReplayKey::from_u128(*key));
            let taken = redb.replays().take(owner, key, START + SECOND, START).await;
            assert_eq!(taken.unwrap(), Taken::Seen, "{owner} {key}");
        }
        for (task, revision) in &self.keys {
            let id = format!("key00000000000{task}");
            let kept = redb.api_keys().load(&id).await.unwrap();
            let kept = u128::from(kept.unwrap().revision().as_u64());
            assert!(
                kept >= *revision,
                "the key of {task} is back at {kept} of {revision}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_that_was_answered_before_the_process_was_killed() {
    let clock = SystemClock::new();
    let start = clock.instant();
    let wanted: Option<u32> = env::var(KILLS).ok().map(|text| text.parse().unwrap());
    let is_done = |kills: u32| match wanted {
        Some(wanted) => kills >= wanted,
        None => kills >= MOST || kills >= FEWEST && clock.instant() - start >= TIME,
    };
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut folder = TestFolder::new();
    let mut path = place(&folder);
    let mut told = Told::default();
    let (mut kills, mut all) = (0, 0);
    while !is_done(kills) {
        if kills % IN_A_ROW == 0 {
            folder = TestFolder::new();
            path = place(&folder);
            all += told.lines;
            told = Told::default();
        }
        run_and_kill(&path, kills, &mut told, &mut dice);
        // Every other time it is the next life that finds what was left.
        if dice.below(2) == 0 {
            let redb = Redb::open(&path).unwrap();
            told.assert_kept(&redb).await;
        }
        kills += 1;
    }
    told.assert_kept(&Redb::open(&path).unwrap()).await;
    all += told.lines;
    assert!(all > 0, "nothing was answered");
    println!("killed {kills} times, answered {all} changes, lost 0");
}

/// Runs a writer, kills it at a random moment, and hears what it was answered.
fn run_and_kill(path: &Path, life: u32, told: &mut Told, dice: &mut Dice) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_store-redb-child"))
        .arg(path)
        .arg(life.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut hear = |told: &mut Told| {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        // What was cut off by the kill was not told.
        let line = line.strip_suffix('\n');
        line.into_iter().for_each(|line| told.hear(line));
        line.is_some()
    };
    // Sometimes while it starts.
    for _ in 0..dice.below(150) {
        assert!(hear(told), "the writer ended by itself");
    }
    // Somewhere between one change and the next.
    (0..dice.below(1_000_000)).for_each(|_| std::hint::spin_loop());
    child.kill().unwrap();
    while hear(told) {}
    child.wait().unwrap();
}
