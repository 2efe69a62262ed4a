//! A server that cannot say: an error each time, nothing half done, and nobody has to mend it.

use std::time::Duration;

use portcullis_core::{Change, Commit, OwnerKey, Revision, SessionId, SessionStore as _};
use portcullis_tests::patience::{eventually, until};

use crate::{
    front::Front,
    logins::node,
    server::Server,
    world::{
        OWNER, START, assert_kept, assert_lost, assert_says_nothing, assert_takes_nothing, fill,
        records,
    },
};

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_empty_lets_nobody_in_by_it() {
    let first = Server::start().await;
    let front = Front::new(&first).await;
    let redis = first.builder_at(&front.url()).connect().await.unwrap();
    fill(&redis).await;
    let node = node(&first, &redis);
    assert_eq!(node.ask("alice.app.0").await, 200);
    first.kill();
    for _ in 0..3 {
        assert_says_nothing(&redis).await;
        assert_takes_nothing(&redis).await;
        assert_eq!(node.ask("alice.app.0").await, 503);
    }
    let second = Server::start().await;
    front.lead_to(&second);
    let now = START + Duration::from_secs(60);
    first.clock.advance(Duration::from_secs(60));
    assert_lost(&redis, now).await;
    // It is noticed for all who were there before, whoever asks first.
    let told = || {
        (0..256).filter(|number| {
            let forgotten = redis.sessions().forgotten(OwnerKey::from_u128(*number));
            forgotten >= Some(now)
        })
    };
    eventually("the loss of all", || told().count() == 2).await;
    // He may have been revoked, or his session ended. An issuer's clock may be ahead by a minute.
    for token in ["alice.app.0", "alice.app.120"] {
        assert_eq!(node.ask(token).await, 401);
        assert_eq!(node.reason(), "revocation_forgotten");
    }
    first.clock.advance(Duration::from_secs(61));
    assert_eq!(node.ask("alice.app.121").await, 200);
}

#[tokio::test]
async fn a_server_that_is_flushed_tells_all_who_were_there_before() {
    let server = Server::start().await;
    let (one, other) = (server.client().await, server.client().await);
    fill(&one).await;
    assert_kept(&other).await;
    server.say("FLUSHALL");
    // One that knows of nothing comes first.
    let new = server.client().await;
    assert_eq!(new.sessions().load(OWNER).await.unwrap().records, []);
    assert_lost(&one, START).await;
    let told = new.sessions().load(OWNER).await.unwrap();
    assert_ne!(told.revision, Revision::default(), "another life");
    assert!(new.sessions().forgotten(OWNER) >= Some(START));
    let told = other.sessions().load(OWNER).await.unwrap();
    assert_eq!(told.records, []);
    assert!(other.sessions().forgotten(OWNER) >= Some(START));
}

#[tokio::test]
async fn what_was_loaded_before_a_loss_is_not_taken_for_what_is_as_old_after_it() {
    let server = Server::start().await;
    let (one, new) = (server.client().await, server.lazy_client());
    fill(&one).await;
    server.say("FLUSHALL");
    let [mut other, _] = records();
    other.id = SessionId::from_u128(9);
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
    let server = Server::start().await;
    let (one, other) = (server.client().await, server.client().await);
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
async fn a_server_that_stands_still_is_given_up_in_time_and_found_again() {
    let server = Server::start().await;
    let redis = server.client().await;
    fill(&redis).await;
    let sessions = redis.sessions();
    server.signal("STOP");
    for _ in 0..3 {
        let asked = tokio::spawn({
            let sessions = sessions.clone();
            async move { sessions.load(OWNER).await }
        });
        server.clock.wait_for_timers(1).await;
        server.clock.advance(Duration::from_millis(500));
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "redis did not answer within 500ms");
    }
    server.signal("CONT");
    assert_kept(&redis).await;
}

#[tokio::test]
async fn a_server_that_is_full_takes_nothing_and_still_says_what_it_has() {
    let server = Server::start().await;
    let redis = server.client().await;
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
    let server = Server::start().await;
    let redis = server.client().await;
    fill(&redis).await;
    server.say("REPLICAOF 127.0.0.1 1");
    let said = assert_takes_nothing(&redis).await;
    assert!(said.starts_with("redis says READONLY"), "{said}");
    assert_says_nothing(&redis).await;
    server.say("REPLICAOF NO ONE");
    assert_kept(&redis).await;
}

#[tokio::test]
async fn what_this_store_has_not_written_is_an_error() {
    let server = Server::start().await;
    let redis = server.client().await;
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
        crate::world::assert_one_says_nothing(&redis, &bucket).await;
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
        crate::world::assert_one_says_nothing(&redis, &name).await;
        server.command(&[b"RENAME", b"aside", key]);
        assert_kept(&redis).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_no_answer() {
    let server = Server::start().await;
    let front = Front::new(&server).await;
    let redis = server.builder_at(&front.url()).connect().await.unwrap();
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
