//! The promises about many who come at once.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use portcullis_core::{
    Check, Commit,
    api_keys::{ApiKeyStore, Grant, StoredKey},
};

use super::{START, id, load, plain, put};
use crate::contract::block_on;

const THREADS: usize = 4;
const EACH: usize = 25;

/// A change that never comes through is tried so often.
const MOST: usize = 100_000;

/// What several threads do at once, each in a runtime of its own.
fn together<S: ApiKeyStore>(
    store: &Arc<S>,
    each: &(impl AsyncFn(&S, usize, &Barrier) + Clone + Send + 'static),
) {
    let barrier = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (store, barrier, each) = (Arc::clone(store), Arc::clone(&barrier), each.clone());
            thread::spawn(move || block_on(async { each(&*store, n, &barrier).await }))
        })
        .collect();
    for thread in threads {
        assert!(thread.join().is_ok(), "a thread of the race failed");
    }
}

/// Each adds itself to what the key says so many times, on the revision that it has read.
pub(super) async fn loses_no_change<S: ApiKeyStore>(store: Arc<S>) {
    let id = id(1);
    assert_eq!(put(&*store, plain(&id, "0")).await, Commit::Done);
    let name = id.clone();
    together(&store, &async move |store: &S, _, barrier: &Barrier| {
        barrier.wait();
        let mut left = EACH;
        for _ in 0..MOST {
            let kept = store.load(&name).await.ok().flatten();
            let Some(kept) = kept.filter(|_| left > 0) else {
                break;
            };
            let key = StoredKey::clone(&kept);
            let count: usize = key.grant().user().and_then(|n| n.parse().ok()).unwrap_or(0);
            let more = key.with_grant(Grant::for_user((count + 1).to_string()));
            if put(store, more).await == Commit::Done {
                left -= 1;
            }
        }
    });
    let count = load(&*store, &id).await;
    let count = count.and_then(|key| key.grant().user().map(str::to_owned));
    let expected = (THREADS * EACH).to_string();
    assert_eq!(count, Some(expected), "a change was lost");
}

/// Some use keys while another revokes them.
pub(super) async fn takes_nothing_back<S: ApiKeyStore>(store: Arc<S>) {
    for n in 0..EACH {
        assert_eq!(put(&*store, plain(&id(n), "alice")).await, Commit::Done);
    }
    // Nothing in here panics, or the others would wait for ever.
    together(&store, &async |store: &S, thread, barrier: &Barrier| {
        for n in 0..EACH {
            let id = id(n);
            let kept = store.load(&id).await.ok().flatten();
            barrier.wait();
            match (thread, kept) {
                (0, Some(kept)) => {
                    let revoked = StoredKey::clone(&kept).with_revoked_at(START);
                    let _ = store.put(revoked).await;
                }
                _ if matches!(store.touch_now(&id, START), Check::NeedsIo) => {
                    let _ = store.touch(&id, START).await;
                }
                _ => {}
            }
            barrier.wait();
        }
    });
    for n in 0..EACH {
        let key = load(&*store, &id(n)).await;
        let revoked = key.and_then(|key| key.revoked_at());
        assert_eq!(
            revoked,
            Some(START),
            "the revocation of key {n} was not made, or taken back"
        );
    }
}
