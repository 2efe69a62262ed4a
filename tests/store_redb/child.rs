//! Writes to the stores of a file, and says what was answered, until it is killed.
//!
//! `store-redb-child FILE LIFE`: each line that it prints is something that must be there from then
//! on: `session TASK N`, `begun TASK N`, `revoked KEY`, `taken TASK KEY` or `key TASK REVISION`. What
//! it writes is another in each life.
#![expect(
    clippy::expect_used,
    reason = "whoever started it sees that it has ended"
)]

use std::{env, io::Write as _, time::Duration};

use portcullis::{
    EvidenceKind, Timestamp,
    api_keys::{ApiKeyStore as _, Grant, KeyHash, StoredKey},
    redb::Redb,
    revocation::{
        ReplayKey, ReplayOwner, ReplayStore as _, RevocationStore as _, RevokedKey, Taken,
    },
    session::{
        Change, Commit, FamilyKey, OwnerKey, SessionId, SessionKey, SessionRecord, SessionState,
        SessionStore as _,
    },
};

/// How many write at once.
const AT_ONCE: u128 = 8;
/// How often each of them does, if nobody kills this.
const MOST: u128 = 20_000;
const START: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = env::args().skip(1);
    let path = args.next().expect("a file");
    let life: u128 = args.next().and_then(|n| n.parse().ok()).expect("a life");
    let redb = Redb::open(path).expect("the file opens");
    let mut tasks = Vec::new();
    for task in 0..AT_ONCE {
        let redb = redb.clone();
        tasks.push(tokio::spawn(async move {
            for step in 1..MOST {
                let n = life * MOST + step;
                session(&redb, task, n).await;
                let key = n * AT_ONCE + task;
                let revoked = redb.revocations();
                let revoked = revoked.revoke(RevokedKey::from_u128(key), START, START + DAY, START);
                revoked.await.expect("it is revoked");
                say(&format!("revoked {key}"));
                take(&redb, task, n).await;
                api_key(&redb, task).await;
            }
        }));
    }
    for task in tasks {
        task.await.expect("it is written");
    }
}

/// Puts a session in place of the one before it, and begins it.
async fn session(redb: &Redb, task: u128, n: u128) {
    let sessions = redb.sessions();
    let (owner, key, id) = (
        OwnerKey::from_u128(task),
        SessionKey::from_u128(task),
        SessionId::from_u128(n),
    );
    let family = FamilyKey::from_u128(task);
    let (kind, end) = (EvidenceKind::User, START + DAY);
    let mut record = SessionRecord::new(key, family, id, kind, START, DAY, end);
    record.state = SessionState::Provisional(end);
    let revision = sessions.load(owner).await.expect("it is loaded").revision;
    let changes = vec![Change::Put(record)];
    let committed = sessions.commit(owner, revision, changes, START).await;
    assert_eq!(committed.expect("it is committed"), Commit::Done);
    say(&format!("session {task} {n}"));
    let begins = sessions.touch(owner, key, id, START).await;
    assert!(begins.expect("it is touched"));
    say(&format!("begun {task} {n}"));
}

async fn take(redb: &Redb, task: u128, n: u128) {
    let (owner, key) = (
        // Not more of one owner than his share.
        ReplayOwner::from_u128(task + AT_ONCE * (n / 500)),
        ReplayKey::from_u128(n),
    );
    let taken = redb.replays().take(owner, key, START + DAY, START).await;
    assert_eq!(taken.expect("it is taken"), Taken::Fresh);
    say(&format!("taken {} {n}", owner.as_u128()));
}

async fn api_key(redb: &Redb, task: u128) {
    let keys = redb.api_keys();
    let id = format!("key00000000000{task}");
    let kept = keys.load(&id).await.expect("it is loaded");
    let key = match kept {
        Some(key) => StoredKey::clone(&key),
        None => StoredKey::new(id, KeyHash::from_bytes([1; 32]), Grant::for_user("alice")),
    };
    let revision = key.revision().next().as_u64();
    let put = keys.put(key).await;
    assert_eq!(put.expect("it is put"), Commit::Done);
    say(&format!("key {task} {revision}"));
}

fn say(line: &str) {
    // One write each, and short enough not to be torn (POSIX, `PIPE_BUF`).
    let line = format!("{line}\n");
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())
        .and_then(|()| out.flush())
        .expect("somebody listens");
}
