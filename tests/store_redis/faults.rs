//! A server that cannot say: an error each time, nothing half done, and nobody has to mend it.

use portcullis_core::{Change, Commit, OwnerKey, Revision, SessionId, SessionStore as _};
use portcullis_store_redis::Redis;
use portcullis_tests::{
    patience::{eventually, until},
    stores::{
        Place as _, START, Served as _,
        front::Front,
        kept::{
            OWNER, SECOND, assert_kept, assert_lost, assert_says_nothing, assert_takes_nothing,
            fill, records, silent,
        },
        redis::RedisServer,
    },
};

#[tokio::test]
async fn a_server_that_is_flushed_tells_all_who_were_there_before() {
    let server = RedisServer::start().await;
    let (one, other) = (server.stores().await, server.stores().await);
    fill(&one).await;
    assert_kept(&other).await;
    server.say("FLUSHALL");
    // One that knows of nothing comes first.
    let new = server.stores().await;
    assert_eq!(new.sessions().load(OWNER).await.unwrap().records, []);
    assert_lost(&one, START).await;
    let told = new.sessions().load(OWNER).await.unwrap();
    assert_ne!(told.revision, Revision::default(), "another life");
    assert!(new.sessions().forgotten(OWNER) >= Some(START));
    let told = other.sessions().load(OWNER).await.unwrap();
    assert_eq!(told.records, []);
    assert!(other.sessions().forgotten(OWNER) >= Some(START));
    // It is noticed for all who were there before, whoever asks first.
    let told = || {
        (0..256).filter(|number| {
            let forgotten = one.sessions().forgotten(OwnerKey::from_u128(*number));
            forgotten >= Some(START)
        })
    };
    eventually("the loss of all", || told().count() == 1).await;
}

#[tokio::test]
async fn what_was_loaded_before_a_loss_is_not_taken_for_what_is_as_old_after_it() {
    let server = RedisServer::start().await;
    let (one, new) = (server.stores().await, server.lazy_client());
    fill(&one).await;
    server.say("FLUSHALL");
    let [mut other, _] = records();
    other.id = SessionId::from_u128(9);
    // He has authenticated after whatever was lost.
    other.authenticated_at = Some(START + 120 * SECOND);
    let put = vec![Change::Put(other.clone())];
    let sessions = new.sessions();
    let done = sessions.commit(OWNER, Revision::default(), put, START);
    assert_eq!(done.await.unwrap(), Commit::Done);
    // He has the same revision again, and is somebody else.
    let [record, _] = records();
    let late = vec![Change::Put(record)];
    let stale = one.sessions();
    let late = stale.commit(OWNER, Revision::from_u64(1), late, START);
    assert_eq!(late.await.unwrap(), Commit::Conflict);
    assert_eq!(sessions.load(OWNER).await.unwrap().records, [other]);
}

#[tokio::test]
async fn a_server_that_has_gone_back_is_one_that_has_lost_something() {
    let server = RedisServer::start().await;
    let (one, other) = (server.stores().await, server.stores().await);
    let sessions = one.sessions();
    let [record, _] = records();
    let put = vec![Change::Put(record)];
    let done = sessions.commit(OWNER, Revision::default(), put, START);
    assert_eq!(done.await.unwrap(), Commit::Done);
    let dumped = |key: &[u8]| match server.command(&[b"DUMP", key]) {
        redis::Value::BulkString(bytes) => bytes,
        other => panic!("{other:?}"),
    };
    let redis::Value::Array(keys) = server.say("KEYS *") else {
        panic!("keys are a list");
    };
    let keys = keys.into_iter().map(|key| match key {
        redis::Value::BulkString(key) => key,
        other => panic!("{other:?}"),
    });
    let before: Vec<_> = keys.map(|key| (dumped(&key), key)).collect();
    assert_eq!(before.len(), 2, "the marker and the owner");
    // The end of all his sessions is lost, as by a failover.
    let end = vec![Change::Remove(records()[0].key)];
    let done = sessions.commit(OWNER, Revision::from_u64(1), end, START);
    assert_eq!(done.await.unwrap(), Commit::Done);
    for (dump, key) in &before {
        server.command(&[b"RESTORE", key, b"0", dump, b"REPLACE"]);
    }
    assert_eq!(other.sessions().load(OWNER).await.unwrap().records.len(), 1);
    sessions.load(OWNER).await.unwrap();
    assert!(sessions.forgotten(OWNER) >= Some(START));
    other.sessions().load(OWNER).await.unwrap();
    assert!(other.sessions().forgotten(OWNER) >= Some(START));
}

#[tokio::test]
async fn a_server_that_is_full_takes_nothing_and_still_says_what_it_has() {
    let server = RedisServer::start().await;
    let redis = server.stores().await;
    fill(&redis).await;
    server.say("CONFIG SET maxmemory 1");
    let said = assert_takes_nothing(&redis).await;
    assert_eq!(said, "redis says OOM: it is full");
    assert_kept(&redis).await;
    server.say("CONFIG SET maxmemory 0");
    assert_kept(&redis).await;
}

#[tokio::test]
async fn a_replica_neither_takes_nor_says_anything() {
    let server = RedisServer::start().await;
    let redis = server.stores().await;
    fill(&redis).await;
    server.say("REPLICAOF 127.0.0.1 1");
    let said = assert_takes_nothing(&redis).await;
    assert!(said.starts_with("redis says READONLY"), "{said}");
    assert_says_nothing(&redis).await;
    server.say("REPLICAOF NO ONE");
    assert_kept(&redis).await;
}

/// The store that a key belongs to says nothing; the others do.
async fn assert_one_is_silent(redis: &Redis, key: &str) {
    let [sessions, revocations, replays, one, all] = silent(redis).await;
    let api_keys = if key.ends_with("owners") { all } else { one };
    let found = [sessions, revocations, replays, api_keys];
    let expected = [":s:", ":r}", ":p:", ":k}"].map(|bucket| key.contains(bucket));
    assert_eq!(found, expected, "{key}");
}

#[tokio::test]
async fn what_this_store_has_not_written_is_an_error() {
    let server = RedisServer::start().await;
    let redis = server.stores().await;
    fill(&redis).await;
    let redis::Value::Array(keys) = server.say("KEYS *") else {
        panic!("keys are a list");
    };
    // Five things that are kept, and the markers of four buckets.
    assert_eq!(keys.len(), 9, "{keys:?}");
    let keys: Vec<Vec<u8>> = keys
        .into_iter()
        .map(|key| match key {
            redis::Value::BulkString(key) => key,
            other => panic!("{other:?}"),
        })
        .collect();
    for key in &keys {
        server.command(&[b"RENAME", key, b"aside"]);
        server.command(&[b"XADD", key, b"*", b"a", b"b"]);
        let bucket = String::from_utf8_lossy(key).into_owned();
        assert_one_is_silent(&redis, &bucket).await;
        server.command(&[b"DEL", key]);
        server.command(&[b"RENAME", b"aside", key]);
        assert_kept(&redis).await;
    }
    // Garbage of the right type.
    for key in keys.iter().filter(|key| !key.ends_with(b":m")) {
        let copied = server.command(&[b"COPY", key, b"aside"]);
        assert_eq!(copied, redis::Value::Int(1));
        let name = String::from_utf8_lossy(key).into_owned();
        if name.contains(":r}") {
            server.command(&[b"SET", key, b"garbage"]);
        } else if name.contains(":k}:keys") {
            server.command(&[b"HSET", key, b"key000000000001", b"garbage"]);
        } else if name.contains(":s:") {
            let field = [&b"s"[..], &1_u128.to_be_bytes()].concat();
            server.command(&[b"HSET", key, &field, b"garbage"]);
        } else {
            server.command(&[b"DEL", b"aside"]);
            continue;
        }
        assert_one_is_silent(&redis, &name).await;
        server.command(&[b"RENAME", b"aside", key]);
        assert_kept(&redis).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_no_answer() {
    let server = RedisServer::start().await;
    let front = Front::new(&server).await;
    let redis = server.stores_by(&front).await;
    fill(&redis).await;
    let sessions = redis.sessions();
    for bytes in (0..400).step_by(7) {
        front.cut_after(bytes);
        // It is asked twice for what changes nothing.
        if let Ok(sessions) = sessions.load(OWNER).await {
            assert_eq!(sessions.records, records(), "{bytes}");
        }
        front.heal();
        until("the next answer", async || {
            sessions.load(OWNER).await.is_ok()
        })
        .await;
    }
    let mut made = 1;
    for bytes in (0..120).step_by(3) {
        front.cut_after(bytes);
        let put = vec![Change::Put(records()[0].clone())];
        let done = sessions.commit(OWNER, Revision::from_u64(made), put, START);
        let done = done.await;
        front.heal();
        until("the next answer", async || {
            sessions.load(OWNER).await.is_ok()
        })
        .await;
        let now = sessions.load(OWNER).await.unwrap();
        assert_eq!(now.records, records(), "{bytes}");
        let revision = now.revision.as_u64();
        match done {
            Ok(done) => assert_eq!((done, revision), (Commit::Done, made + 1), "{bytes}"),
            Err(_) => assert!([made, made + 1].contains(&revision), "{bytes}"),
        }
        made = revision;
    }
}
