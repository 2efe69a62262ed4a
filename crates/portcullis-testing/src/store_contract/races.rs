//! Promises that are broken by who comes in between.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use portcullis_core::{Change, Commit, Revision, SessionState, SessionStore};

use super::{START, commit, end, key, load, look, owner, record, touch};
use crate::contract::{block_on, within_a_minute};

/// Runs the same on several threads at once, each with a number, for at most a minute.
fn at_once<F: Future<Output = ()>>(threads: u128, run: impl Fn(u128) -> F + Send + Sync) {
    let run = &run;
    let all_are_well = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn(move || {
                    block_on(async { within_a_minute("a race", run(number)).await });
                })
            })
            .collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.collect::<Result<Vec<()>, _>>().is_ok()
    });
    assert!(all_are_well, "a thread of the race failed");
}

pub(super) async fn begins_a_session_once<S: SessionStore>(store: Arc<S>) {
    const SESSIONS: u128 = 25;
    let sessions = || (0..SESSIONS).map(|number| record(number, number));
    let changes = sessions().map(|mut record| {
        record.state = SessionState::Provisional(START + Duration::from_secs(5));
        Change::Put(record)
    });
    commit(&*store, owner(1), Revision::default(), changes.collect()).await;
    let told = AtomicUsize::new(0);
    at_once(4, |_| async {
        for record in sessions() {
            let begins = touch(&*store, owner(1), &record, START).await;
            told.fetch_add(usize::from(begins), Ordering::Relaxed);
        }
    });
    let told = told.into_inner();
    assert_eq!(told as u128, SESSIONS, "each begins once");
    for seconds in [0, 9] {
        let at = START + Duration::from_secs(seconds);
        let begins = touch(&*store, owner(1), &record(0, 0), at).await;
        assert!(!begins, "what lives does not begin");
    }
    let begins = touch(&*store, owner(2), &record(0, 0), START).await;
    assert!(!begins, "what is not there does not begin");
}

pub(super) async fn commits_one_of_many_at_once<S: SessionStore>(store: Arc<S>) {
    const THREADS: u128 = 4;
    const EACH: u128 = 25;
    // Everybody counts on in the name of the same session, and begins again if somebody was
    // faster. Whoever is let through on what is no longer so takes back another's step.
    at_once(THREADS, |_| async {
        let mut counted = 0;
        while counted < EACH {
            let sessions = load(&*store, owner(1)).await;
            let so_far = sessions.get(key(0)).map_or(0, |found| found.id.as_u128());
            let changes = vec![Change::Put(record(0, so_far + 1))];
            match commit(&*store, owner(1), sessions.revision, changes).await {
                Commit::Done => counted += 1,
                outcome => assert_eq!(outcome, Commit::Conflict),
            }
        }
    });
    let sessions = load(&*store, owner(1)).await;
    let counted = sessions.get(key(0)).map(|found| found.id.as_u128());
    assert_eq!(counted, Some(THREADS * EACH), "no step is taken back");
    assert_eq!(sessions.revision, Revision::from_u64(100));
}

pub(super) async fn loses_no_end<S: SessionStore>(store: Arc<S>) {
    const ROUNDS: u128 = 30;
    const TOUCHES: u64 = 12;
    for round in 0..ROUNDS {
        let put = vec![Change::Put(record(0, 0))];
        let done = commit(&*store, owner(round), Revision::default(), put).await;
        assert_eq!(done, Commit::Done);
    }
    // One ends sessions while the others are active in them.
    for round in 0..ROUNDS {
        at_once(3, |thread| {
            let store = &store;
            async move {
                if thread == 0 {
                    end(&**store, owner(round), key(0)).await;
                    return;
                }
                for second in 0..TOUCHES {
                    let at = START + Duration::from_secs(second);
                    touch(&**store, owner(round), &record(0, 0), at).await;
                }
            }
        });
        let found = look(&*store, owner(round), key(0)).await;
        let state = found.map(|found| found.state);
        assert!(
            matches!(state, Some(SessionState::Ended(..))),
            "a touch took back the end of a session: {state:?}"
        );
    }
}
