//! Who writes the file, and what becomes of it where the disk fails.

use std::{
    fs,
    fs::OpenOptions,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

use portcullis_core::{
    Change, Check, Clock, Commit, Revision, RevocationStore as _, RevokedKey, SessionStore as _,
    Sleep, StoreError, SystemClock, Timestamp,
};
use redb::{Database, StorageBackend, backends::FileBackend};
use tokio::task::JoinSet;

use super::{DAY, Folder, START, is_there, owner, put, record};
use crate::{Redb, problem::Failure};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_at_once_is_written_at_once() {
    let folder = Folder::new();
    let redb = Redb::open(folder.file()).unwrap();
    let mut asking = JoinSet::new();
    let mut ask = |number| {
        let redb = redb.clone();
        asking.spawn(async move {
            let changes = vec![Change::Put(record(number))];
            let sessions = redb.sessions();
            let commit = sessions.commit(owner(number), Revision::default(), changes, START);
            commit.await.unwrap()
        });
    };
    let queue = &redb.shared().queue;
    redb.shared().hold_up(|| {
        // Whoever is first serves, and is held up. All others wait for him.
        ask(0);
        while queue.waiting() != (0, true) {
            std::thread::yield_now();
        }
        (1..100).for_each(&mut ask);
        while queue.waiting() != (99, true) {
            std::thread::yield_now();
        }
    });
    while let Some(done) = asking.join_next().await {
        assert_eq!(done.unwrap(), Commit::Done);
    }
    let commits = redb.shared().commits();
    assert_eq!(commits, 2);
    // What changes nothing is no transaction.
    let sessions = redb.sessions();
    let late = sessions.commit(
        owner(1),
        Revision::default(),
        vec![Change::Put(record(9))],
        START,
    );
    assert_eq!(late.await.unwrap(), Commit::Conflict);
    assert_eq!(redb.shared().commits(), commits);
}

#[tokio::test]
async fn what_nobody_waits_for_is_written_and_a_panic_stops_nobody_else() {
    let folder = Folder::new();
    let redb = Redb::open(folder.file()).unwrap();
    let revocations = redb.revocations();
    let key = RevokedKey::from_u128(1);
    {
        let revoked = revocations.revoke(key, START, START + DAY, START);
        let mut revoked = Box::pin(revoked);
        let waker = Waker::noop();
        let mut context = Context::from_waker(waker);
        let polled = Future::poll(revoked.as_mut(), &mut context);
        assert!(polled.is_pending());
    }
    let other = RevokedKey::from_u128(2);
    let revoked = revocations.revoke(other, START, START + DAY, START).await;
    revoked.unwrap();
    let panicked = redb
        .shared()
        .write(|_| -> Result<(), _> { panic!("on purpose") });
    panicked.await.unwrap_err();
    // Here the file is opened anew.
    let third = RevokedKey::from_u128(3);
    let revoked = revocations.revoke(third, START, START + DAY, START).await;
    revoked.unwrap();
    drop((redb, revocations));
    let redb = Redb::open(folder.file()).unwrap();
    for key in [key, other, third] {
        let Check::Done(found) = redb.revocations().check(&[key]) else {
            panic!("it is in memory");
        };
        assert_eq!(found, Some(START));
    }
}

/// A disk that takes nothing while it is told so.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn take(&self) -> io::Result<()> {
        match self.is_full.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.take().and_then(|()| self.file.set_len(len))
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.take().and_then(|()| self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.take().and_then(|()| self.file.write(offset, data))
    }
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_an_error_until_it_does() {
    let folder = Folder::new();
    let redb = Redb::open(folder.file()).unwrap();
    assert_eq!(put(&redb, 1, record(1), START).await, Commit::Done);
    let is_full = Arc::new(AtomicBool::new(false));
    redb.shared().exchange(|| {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(folder.file()).unwrap();
        let disk = Disk {
            file: FileBackend::new(file).unwrap(),
            is_full: Arc::clone(&is_full),
        };
        Database::builder().create_with_backend(disk).unwrap()
    });
    assert_eq!(put(&redb, 2, record(2), START).await, Commit::Done);
    is_full.store(true, Ordering::SeqCst);
    let key = RevokedKey::from_u128(1);
    let revocations = redb.revocations();
    let revoked = revocations.revoke(key, START, START + DAY, START).await;
    revoked.unwrap_err();
    let Check::Done(None) = revocations.check(&[key]) else {
        panic!("what is not on the disk is not known");
    };
    // What was answered still is.
    assert!(is_there(&redb, 1).await && is_there(&redb, 2).await);
    // Opened anew, the file is on a disk that takes all.
    let revoked = revocations.revoke(key, START, START + DAY, START).await;
    revoked.unwrap();
    assert!(is_there(&redb, 1).await && is_there(&redb, 2).await);
    drop((redb, revocations));
    let redb = Redb::open(folder.file()).unwrap();
    assert!(!redb.revocations().is_empty());
    assert!(is_there(&redb, 1).await && is_there(&redb, 2).await);
}

#[tokio::test]
async fn after_a_failure_a_file_that_was_replaced_is_not_taken_for_the_one_before_it() {
    let folder = Folder::new();
    let redb = Redb::open(folder.file()).unwrap();
    assert_eq!(put(&redb, 1, record(1), START).await, Commit::Done);
    let other = folder.0.join("other");
    drop(Redb::open(&other).unwrap());
    fs::rename(&other, folder.file()).unwrap();
    redb.shared().suspect();
    let sessions = redb.sessions();
    let changes = vec![Change::Put(record(2))];
    let commit = sessions.commit(owner(2), Revision::default(), changes, START);
    let said = commit.await.unwrap_err().to_string();
    assert!(said.contains("replaced"), "{said}");
    sessions.load(owner(7)).await.unwrap_err();
}

/// A clock that counts seconds.
#[derive(Clone, Debug)]
struct Seconds {
    start: Instant,
    elapsed: Arc<AtomicU64>,
}

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        START
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_secs(self.elapsed.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, _: Instant) -> Sleep {
        Sleep::new(std::future::pending())
    }
}

#[tokio::test]
async fn a_file_that_goes_on_failing_is_not_read_again_for_each_that_is_asked() {
    let clock = Seconds {
        start: SystemClock::new().instant(),
        elapsed: Arc::default(),
    };
    let folder = Folder::new();
    let builder = Redb::builder(folder.file()).with_clock(clock.clone());
    let redb = builder.open().unwrap();
    assert_eq!(put(&redb, 1, record(1), START).await, Commit::Done);
    let shared = redb.shared();
    let fail = async || {
        let failed = shared.write(|_| -> Result<(), _> {
            Err(Failure::File(StoreError::new("the disk has failed")))
        });
        failed.await.unwrap_err().to_string()
    };
    let wait = |seconds| clock.elapsed.fetch_add(seconds, Ordering::Relaxed);
    // Once at once, and then after one second, two, and so on.
    for (seconds, readings) in [(0, 1), (1, 2), (1, 2), (1, 3), (3, 3), (1, 4), (59, 5)] {
        wait(seconds);
        for _ in 0..50 {
            fail().await;
        }
        assert_eq!(shared.readings(), readings, "after {seconds} more");
    }
    let said = fail().await;
    assert!(said.contains("tried again"), "{said}");
    // What was answered still is.
    assert!(is_there(&redb, 1).await);
    wait(60);
    assert_eq!(put(&redb, 2, record(2), START).await, Commit::Done);
    assert_eq!(shared.readings(), 6);
    // All is well, so the next failure is the first one.
    fail().await;
    assert_eq!(put(&redb, 3, record(3), START).await, Commit::Done);
    assert_eq!(shared.readings(), 7);
}
