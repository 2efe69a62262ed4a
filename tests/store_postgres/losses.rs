//! A server that has lost something, and answers: nobody gets in by it.

use std::time::Duration;

use portcullis_core::{
    Change, Commit, ReplayKey, ReplayOwner, ReplayStore as _, Revision, RevocationStore as _,
    SessionStore as _, Taken,
};
use portcullis_store_postgres::Postgres;
use portcullis_tests::stores::{
    Place as _, START, Served as _,
    kept::{OWNER, SECOND, assert_kept, assert_lost, assert_says_nothing, fill, records, take},
    postgres::PostgresServer,
};

/// It has what it had, and nobody relies on it.
async fn assert_doubted(postgres: &Postgres) {
    let sessions = postgres.sessions();
    let loaded = sessions.load(OWNER).await.unwrap();
    assert!(sessions.forgotten(OWNER) > Some(START));
    assert!(postgres.revocations().forgotten() > Some(START));
    let [record, _] = records();
    let late = vec![Change::Put(record)];
    let late = sessions.commit(OWNER, Revision::from_u64(1), late.clone(), START);
    assert_eq!(late.await.unwrap(), Commit::Conflict, "{loaded:?}");
    take(postgres, 9, START).await.unwrap_err();
    let api_keys = postgres.api_keys();
    let load = || portcullis_core::api_keys::ApiKeyStore::load(&api_keys, "key000000000001");
    let error = load().await.unwrap_err().to_string();
    assert!(error.contains("accept the loss"), "{error}");
    api_keys.accept_loss();
    load().await.unwrap();
}

#[tokio::test]
async fn a_schema_that_is_dropped_is_made_again_and_tells_all_who_were_there_before() {
    let server = PostgresServer::start().await;
    let (one, other) = (server.stores().await, server.stores().await);
    fill(&one).await;
    assert_kept(&other).await;
    server
        .say(&format!("DROP SCHEMA {} CASCADE", server.schema))
        .await;
    one.sessions().load(OWNER).await.unwrap();
    assert_lost(&one, START).await;
    other.sessions().load(OWNER).await.unwrap();
    assert!(other.sessions().forgotten(OWNER) > Some(START));
    assert!(other.revocations().forgotten() > Some(START));
    // One that has not seen it is told as well.
    let new = server.stores().await;
    assert!(new.revocations().forgotten() > Some(START));
}

#[tokio::test]
async fn a_replica_says_nothing_and_one_that_is_promoted_is_doubted() {
    let server = PostgresServer::start_own().await;
    let postgres = server.stores().await;
    let trusting = server.builder().dangerously_trust_failovers().connect();
    let trusting = trusting.await.unwrap();
    fill(&postgres).await;
    assert_kept(&trusting).await;
    server.stand_by().await;
    assert_says_nothing(&postgres).await;
    let said = postgres.revocations().look(&[]).await.unwrap_err();
    assert_eq!(
        said.to_string(),
        "postgres is a replica here: ask the primary"
    );
    server.promote().await;
    // It was there first, and takes it for no loss.
    assert_kept(&trusting).await;
    assert_kept(&postgres).await;
    server.stand_by().await;
    server.promote().await;
    assert_doubted(&postgres).await;
    assert_doubted(&trusting).await;
}

#[tokio::test]
async fn a_disk_that_has_gone_back_is_one_that_has_lost_something() {
    let server = PostgresServer::start_own().await;
    let (one, other) = (server.stores().await, server.stores().await);
    fill(&one).await;
    server.cluster.stop();
    server.cluster.shell("cp -a data before");
    server.cluster.go_on(&["-h", ""]).await;
    assert_kept(&one).await;
    assert_kept(&other).await;
    let removal = vec![Change::Remove(records()[0].key)];
    let sessions = one.sessions();
    let removed = sessions.commit(OWNER, Revision::from_u64(1), removal, START);
    assert_eq!(removed.await.unwrap(), Commit::Done);
    // So that it is on the disk for certain that is lost, and much more than a start writes.
    server
        .say("SELECT pg_logical_emit_message(true, 'x', repeat('x', 100000))")
        .await;
    one.revocations().look(&[]).await.unwrap();
    server.cluster.stop();
    server.cluster.shell("rm -r data; mv before data");
    server.cluster.go_on(&["-h", ""]).await;
    server.clock().advance(Duration::from_secs(1));
    // One that has seen less of it is told by the other.
    assert_doubted(&one).await;
    assert_doubted(&other).await;
}

#[tokio::test]
async fn a_table_that_was_restored_from_a_dump_is_one_that_has_lost_something() {
    let server = PostgresServer::start().await;
    let postgres = server.stores().await;
    fill(&postgres).await;
    server
        .say(
            "BEGIN; ALTER TABLE life RENAME TO old; CREATE TABLE life (LIKE old INCLUDING ALL); \
             INSERT INTO life TABLE old; DROP TABLE old; COMMIT",
        )
        .await;
    assert_doubted(&postgres).await;
}

/// The one that notices a loss need not be the one that knows best what was there.
#[tokio::test]
async fn a_second_process_says_how_long_what_was_lost_may_last() {
    let server = PostgresServer::start().await;
    let (one, other) = (server.stores().await, server.stores().await);
    fill(&one).await;
    assert_kept(&other).await;
    server
        .say("CREATE TABLE life_before AS TABLE life; CREATE TABLE taken_before AS TABLE taken")
        .await;
    let take = async |postgres: &Postgres| {
        let (owner, key) = (ReplayOwner::from_u128(3), ReplayKey::from_u128(77));
        let until = START + 3600 * SECOND;
        postgres.replays().take(owner, key, until, START).await
    };
    assert_eq!(take(&other).await.unwrap(), Taken::Fresh);
    server
        .say(
            "BEGIN; ALTER TABLE life RENAME TO old; CREATE TABLE life (LIKE old INCLUDING ALL); \
             INSERT INTO life TABLE life_before; DROP TABLE old, life_before; DELETE FROM taken; \
             INSERT INTO taken TABLE taken_before; DROP TABLE taken_before; COMMIT",
        )
        .await;
    // It has never seen one that lasts so long.
    one.revocations().look(&[]).await.unwrap();
    assert!(one.revocations().forgotten() > Some(START));
    for postgres in [&other, &one] {
        let said = take(postgres).await.unwrap_err().to_string();
        assert!(said.contains("may have lost"), "{said}");
    }
    let new = server.stores().await;
    take(&new).await.unwrap_err();
}
