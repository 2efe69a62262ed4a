//! The promises, one by one.

use std::{future::Future, sync::Arc, time::Duration};

use portcullis_core::{
    Commit, Revision,
    api_keys::{ApiKeyStore, Grant, StoredKey},
};

use super::{START, bytes, full, id, list, load, plain, put, races, remove, touch};
use crate::contract::block_on_with_workers;

const HOUR: Duration = Duration::from_secs(3600);

/// Something that every store of API keys owes. The macro
/// [`api_key_store_contract!`](crate::api_key_store_contract) makes one test of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ApiKeyPromise {
    /// A key is changed, and forgotten, only on the revision that it has; a new one is kept only
    /// where there is none.
    ChangesOnlyWhatIsExpected,
    /// A key is found as it was kept, with everything that a key can have.
    FindsWhatItKeeps,
    /// A key that was forgotten is neither found nor listed, and neither a use nor a change of
    /// what it was brings it back.
    ForgetsForGood,
    /// Five hundred keys are kept and found.
    HoldsMany,
    /// Ids that differ in one letter, or in its case, are two.
    KeepsIdsApart,
    /// The list of an owner has his keys and nobody else's, whatever he is called.
    KeepsOwnersApart,
    /// Of several uses the latest stays, also when the key is changed; a use changes nothing else,
    /// and makes no key.
    KeepsTheLatestUse,
    /// The keys of an owner come in the order of their ids, from any place and as many as are
    /// asked for, with those that are revoked.
    ListsInOrder,
    /// Of many who change a key at once, one does on each revision.
    LosesNoChange,
    /// A use that is noted while a key is revoked does not take the revocation back.
    TakesNothingBackByAUse,
}

impl ApiKeyPromise {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ChangesOnlyWhatIsExpected,
        Self::FindsWhatItKeeps,
        Self::ForgetsForGood,
        Self::HoldsMany,
        Self::KeepsIdsApart,
        Self::KeepsOwnersApart,
        Self::KeepsTheLatestUse,
        Self::ListsInOrder,
        Self::LosesNoChange,
        Self::TakesNothingBackByAUse,
    ];

    /// Makes a store inside a runtime, and puts it to the test.
    ///
    /// # Panics
    ///
    /// The store breaks the promise. Or this is called inside a runtime.
    pub fn prove<S: ApiKeyStore>(self, store: impl Future<Output = S>) {
        block_on_with_workers(async {
            let store = Arc::new(store.await);
            match self {
                Self::ChangesOnlyWhatIsExpected => changes_only_what_is_expected(&*store).await,
                Self::FindsWhatItKeeps => finds_what_it_keeps(&*store).await,
                Self::ForgetsForGood => forgets_for_good(&*store).await,
                Self::HoldsMany => holds_many(&*store).await,
                Self::KeepsIdsApart => keeps_ids_apart(&*store).await,
                Self::KeepsOwnersApart => keeps_owners_apart(&*store).await,
                Self::KeepsTheLatestUse => keeps_the_latest_use(&*store).await,
                Self::ListsInOrder => lists_in_order(&*store).await,
                Self::LosesNoChange => races::loses_no_change(store).await,
                Self::TakesNothingBackByAUse => races::takes_nothing_back(store).await,
            }
        });
    }
}

/// The revision of a key that was put so many times.
fn revision(puts: u64) -> Revision {
    (0..puts).fold(Revision::default(), |revision, _| revision.next())
}

async fn changes_only_what_is_expected(store: &impl ApiKeyStore) {
    let id = id(1);
    let key = || plain(&id, "alice");
    let early = put(store, key().with_revision(revision(1))).await;
    assert_eq!(early, Commit::Conflict, "nobody has the key yet");
    assert!(
        load(store, &id).await.is_none(),
        "a conflict changes nothing"
    );
    assert_eq!(put(store, key()).await, Commit::Done);
    let again = put(store, key().with_revoked_at(START)).await;
    assert_eq!(again, Commit::Conflict, "somebody has the key");
    let first = bytes(&key().with_revision(revision(1)));
    let kept = load(store, &id).await.map(|key| bytes(&key));
    assert_eq!(kept.as_ref(), Some(&first), "after a conflict");

    for wrong in [revision(0), revision(2), Revision::from_u64(u64::MAX)] {
        let changed = key().with_revoked_at(START).with_revision(wrong);
        assert_eq!(put(store, changed).await, Commit::Conflict, "{wrong:?}");
        assert_eq!(
            remove(store, &id, wrong).await,
            Commit::Conflict,
            "{wrong:?}"
        );
        let kept = load(store, &id).await.map(|key| bytes(&key));
        assert_eq!(kept.as_ref(), Some(&first), "{wrong:?}");
    }
    let changed = key().with_revoked_at(START).with_revision(revision(1));
    assert_eq!(put(store, changed.clone()).await, Commit::Done);
    let kept = load(store, &id).await.map(|key| bytes(&key));
    assert_eq!(kept, Some(bytes(&changed.with_revision(revision(2)))));
    assert_eq!(remove(store, &id, revision(2)).await, Commit::Done);
}

async fn finds_what_it_keeps(store: &impl ApiKeyStore) {
    let (one, two, three) = (id(1), id(2), id(3));
    let grant = Grant::for_application("reporting");
    let keys = [
        plain(&one, "alice"),
        full(&two, "alice"),
        plain(&three, "alice")
            .with_grant(grant)
            .with_last_used_at(START),
    ];
    for key in &keys {
        assert_eq!(put(store, key.clone()).await, Commit::Done);
    }
    for key in &keys {
        let kept = load(store, key.id()).await.map(|key| bytes(&key));
        let expected = bytes(&key.clone().with_revision(revision(1)));
        assert_eq!(kept, Some(expected), "{}", key.id());
    }
    // What a key no longer has is not left over from what it was.
    let less = plain(&two, "alice").with_revision(revision(1));
    assert_eq!(put(store, less.clone()).await, Commit::Done);
    let kept = load(store, &two).await.map(|key| bytes(&key));
    assert_eq!(kept, Some(bytes(&less.with_revision(revision(2)))));
    assert!(load(store, &id(9)).await.is_none());
}

async fn forgets_for_good(store: &impl ApiKeyStore) {
    let id = id(1);
    assert_eq!(put(store, plain(&id, "alice")).await, Commit::Done);
    assert_eq!(remove(store, &id, revision(1)).await, Commit::Done);
    touch(store, &id, START).await;
    let back = plain(&id, "alice").with_revision(revision(1));
    assert_eq!(put(store, back).await, Commit::Conflict);
    assert!(load(store, &id).await.is_none());
    assert!(list(store, "alice", None, 10).await.is_empty());
    assert_eq!(remove(store, &id, revision(1)).await, Commit::Conflict);
}

async fn holds_many(store: &impl ApiKeyStore) {
    for n in 0..500 {
        let owner = format!("owner {}", n % 7);
        let kept = put(store, plain(&id(n), &owner)).await;
        assert_eq!(kept, Commit::Done, "key {n}");
    }
    for n in 0..500 {
        let found = load(store, &id(n)).await;
        assert!(found.is_some_and(|key| key.id() == id(n)), "key {n}");
    }
}

async fn keeps_ids_apart(store: &impl ApiKeyStore) {
    let near = [
        "keykeykeykeykey",
        "Keykeykeykeykey",
        "keykeykeykeykeY",
        "keykeykeykeykez",
    ];
    for (n, id) in near.iter().enumerate() {
        let owner = format!("owner {n}");
        assert_eq!(put(store, plain(id, &owner)).await, Commit::Done, "{id}");
    }
    for (n, id) in near.iter().enumerate() {
        let owner = load(store, id).await;
        let owner = owner.map(|key| key.grant().subject().into_owned());
        assert_eq!(owner, Some(format!("owner {n}")), "{id}");
    }
    touch(store, "keykeykeykeykey", START).await;
    for id in &near {
        let used = load(store, id).await.and_then(|key| key.last_used_at());
        assert_eq!(used.is_some(), *id == "keykeykeykeykey", "{id}");
    }
}

async fn keeps_owners_apart(store: &impl ApiKeyStore) {
    let owners = [
        "alice",
        "Alice",
        "alice ",
        "al%",
        "alic_",
        "a",
        "alice' OR '1'='1",
        "\"; DROP TABLE keys; --",
        "\u{e4}lice",
        "a*",
        "application:alice2",
    ];
    for (n, owner) in owners.iter().enumerate() {
        assert_eq!(put(store, plain(&id(n), owner)).await, Commit::Done);
    }
    let application = Grant::for_application("alice");
    let key = plain(&id(50), "").with_grant(application);
    assert_eq!(put(store, key).await, Commit::Done);
    for (n, owner) in owners.iter().enumerate() {
        assert_eq!(list(store, owner, None, 100).await, [id(n)], "{owner}");
    }
    assert_eq!(list(store, "application:alice", None, 100).await, [id(50)]);
    assert!(list(store, "nobody", None, 100).await.is_empty());
    assert!(list(store, "", None, 100).await.is_empty());
    // A key that is given to somebody else is his.
    let given = plain(&id(0), "bob").with_revision(revision(1));
    assert_eq!(put(store, given).await, Commit::Done);
    assert!(list(store, "alice", None, 100).await.is_empty());
    assert_eq!(list(store, "bob", None, 100).await, [id(0)]);
}

async fn keeps_the_latest_use(store: &impl ApiKeyStore) {
    let id = id(1);
    touch(store, &id, START).await;
    assert!(load(store, &id).await.is_none(), "a use makes no key");
    assert_eq!(put(store, full(&id, "alice")).await, Commit::Done);
    let expected = full(&id, "alice").with_revision(revision(1));
    for (at, latest) in [
        (START, START),
        (START + HOUR, START + HOUR),
        (START, START + HOUR),
    ] {
        touch(store, &id, at).await;
        let kept = load(store, &id).await.map(|key| bytes(&key));
        let expected = expected.clone().with_last_used_at(latest);
        assert_eq!(kept, Some(bytes(&expected)), "used at {at}");
    }
    // Who changes the key may have read it before that.
    let stale = expected.with_last_used_at(START);
    assert_eq!(put(store, stale).await, Commit::Done);
    let used = load(store, &id).await.and_then(|key| key.last_used_at());
    assert_eq!(used, Some(START + HOUR));
    let told = full(&id, "alice").with_revision(revision(2));
    let told = told.with_last_used_at(START + 2 * HOUR);
    assert_eq!(put(store, told).await, Commit::Done);
    let listed = store.list("alice", None, 1).await.unwrap_or_default();
    let used: Vec<_> = listed.iter().map(StoredKey::last_used_at).collect();
    assert_eq!(used, [Some(START + 2 * HOUR)]);
}

async fn lists_in_order(store: &impl ApiKeyStore) {
    // In the order of bytes, capitals are ahead of small letters.
    let ids = [
        "000000000000001",
        "0000000000000AA",
        "0000000000000Za",
        "0000000000000aA",
        "a00000000000000",
    ];
    for id in ids.iter().rev() {
        let key = match *id {
            "0000000000000Za" => full(id, "alice"),
            id => plain(id, "alice"),
        };
        assert_eq!(put(store, key).await, Commit::Done);
    }
    assert_eq!(
        put(store, plain("0000000000000B0", "bob")).await,
        Commit::Done
    );
    let [first, second, third, fourth, fifth] = ids;
    assert_eq!(list(store, "alice", None, 100).await, ids);
    assert_eq!(list(store, "alice", None, 2).await, [first, second]);
    assert_eq!(list(store, "alice", Some(second), 2).await, [third, fourth]);
    assert_eq!(list(store, "alice", Some(fourth), 2).await, [fifth]);
    assert!(list(store, "alice", Some(fifth), 2).await.is_empty());
    assert!(list(store, "alice", None, 0).await.is_empty());
    // One that is not there, or not his, is a place as well.
    let between = list(store, "alice", Some("0000000000000B0"), 1).await;
    assert_eq!(between, [third]);
    let all = list(store, "alice", Some(""), usize::MAX).await;
    assert_eq!(all, ids);
}
