//! Settings, passwords, and what is said of them.

use std::time::Duration;

use portcullis_core::{
    Change, Clock as _, Commit, OwnerKey, ReplayKey, ReplayOwner, ReplayStore as _, Revision,
    SessionStore as _, Taken,
};
use portcullis_store_postgres::{ConnectError, Postgres};
use portcullis_tests::{
    folder::TestFolder,
    logs::Logs,
    stores::{
        Place as _, START,
        kept::{OWNER, SECOND, assert_kept, fill, records, take},
        postgres::{Cluster, PostgresServer},
    },
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tracing::Level;

const PASSWORD: &str = "hunter2-of-postgres";

#[tokio::test]
async fn a_password_is_seen_nowhere_and_a_wrong_one_is_an_error_until_it_is_right() {
    let server = PostgresServer::start_own().await;
    let folder = server.cluster.folder().path().to_owned();
    // Read again by each connection, once the server is told.
    std::fs::write(
        folder.join("data/pg_hba.conf"),
        "local all postgres trust\nlocal all all scram-sha-256\n",
    )
    .unwrap();
    server.say("SELECT pg_reload_conf()").await;
    let url = format!(
        "postgres://agent:{PASSWORD}@/postgres?host={}",
        folder.display()
    );
    let builder = server.builder_at(&url);
    let mut shown = vec![format!("{builder:?}")];
    let refused = builder.connect().await.unwrap_err();
    assert!(
        matches!(refused, ConnectError::Unreachable(_)),
        "{refused:?}"
    );
    shown.extend([refused.to_string(), format!("{refused:?}")]);
    let postgres = server.builder_at(&url).build().unwrap();
    let sessions = postgres.sessions();
    for _ in 0..3 {
        let error = sessions.load(OWNER).await.unwrap_err();
        let said = error.to_string();
        let expected = ": it refuses the user or the password";
        assert!(
            said.starts_with("postgres says 28") && said.ends_with(expected),
            "{said}"
        );
        shown.push(error.to_string());
    }
    server
        .say(&format!(
            "CREATE ROLE agent LOGIN PASSWORD '{PASSWORD}'; GRANT CREATE ON DATABASE postgres TO agent"
        ))
        .await;
    fill(&postgres).await;
    assert_kept(&postgres).await;
    shown.extend([format!("{postgres:?}"), format!("{sessions:?}")]);
    for text in shown {
        assert!(
            !text.contains(PASSWORD) && !text.contains("agent"),
            "{text}"
        );
    }
}

#[test]
fn settings_that_cannot_work_are_all_named_at_once() {
    let problems = Postgres::builder(format!("ftp://agent:{PASSWORD}@nowhere"))
        .with_schema("a b")
        .with_timeout(Duration::ZERO)
        .with_retention(Duration::from_secs(1))
        .with_replays_per_owner(0)
        .with_pool_size(0)
        .with_authorities("none")
        .build()
        .unwrap_err();
    let named: Vec<_> = problems.iter().map(|error| error.setting()).collect();
    let expected = [
        "with_schema",
        "with_timeout",
        "with_retention",
        "with_replays_per_owner",
        "with_pool_size",
        "with_authorities",
        "builder",
    ];
    assert_eq!(named, expected);
    assert!(!problems.to_string().contains(PASSWORD));
    for url in ["postgres://", "", "host", "postgres://h:x/"] {
        Postgres::builder(url).build().unwrap_err();
    }
    let contrary = Postgres::builder("postgres://nowhere/?sslmode=disable").with_authorities("");
    assert_eq!(
        contrary
            .build()
            .unwrap_err()
            .iter()
            .next()
            .unwrap()
            .setting(),
        "with_authorities"
    );
}

#[tokio::test]
async fn what_is_answered_is_on_the_disk_and_a_server_that_does_not_wait_for_it_is_warned_about() {
    let server = PostgresServer::start_own_with(&["-c", "synchronous_commit=off"]).await;
    let (logs, _listening) = Logs::listen();
    let postgres = server.stores().await;
    assert_eq!(logs.lines(Level::WARN), [""; 0]);
    // What another connection sees of the log that is on the disk, with every answer.
    let [record, _] = records();
    for revision in 0..50 {
        let put = vec![Change::Put(record.clone())];
        let sessions = postgres.sessions();
        let done = sessions.commit(OWNER, Revision::from_u64(revision), put, START);
        assert_eq!(done.await.unwrap(), Commit::Done);
    }
    server.cluster.kill();
    server.cluster.go_on(&["-h", "", "-c", "fsync=off"]).await;
    assert_eq!(
        postgres.sessions().load(OWNER).await.unwrap().revision,
        Revision::from_u64(50)
    );
    let warned = logs.lines(Level::WARN);
    assert!(warned[0].contains("fsync = on"), "{warned:?}");
}

#[tokio::test]
async fn an_owner_has_his_share_of_one_time_credentials_and_has_it_back() {
    let server = PostgresServer::start().await;
    let postgres = server.builder().with_replays_per_owner(2).build().unwrap();
    for (number, expected) in [(1, Taken::Fresh), (2, Taken::Fresh), (3, Taken::Full)] {
        assert_eq!(
            take(&postgres, number, START).await,
            Ok(expected),
            "{number}"
        );
    }
    let (owner, key) = (ReplayOwner::from_u128(99), ReplayKey::from_u128(1));
    let another = postgres
        .replays()
        .take(owner, key, START + SECOND, START)
        .await;
    assert_eq!(another.unwrap(), Taken::Fresh, "of another owner");
    // They last for five minutes, and are remembered for one more.
    let almost = START + 359 * SECOND;
    assert_eq!(take(&postgres, 3, almost).await, Ok(Taken::Full));
    assert_eq!(take(&postgres, 1, almost).await, Ok(Taken::Seen));
    assert_eq!(
        take(&postgres, 3, START + 360 * SECOND).await,
        Ok(Taken::Fresh)
    );
}

#[tokio::test]
async fn what_is_over_is_thrown_away_by_those_who_write_and_told_as_forgotten() {
    const DAY: Duration = Duration::from_secs(86_400);
    let server = PostgresServer::start().await;
    let postgres = server
        .builder()
        .with_retention(DAY)
        .connect()
        .await
        .unwrap();
    fill(&postgres).await;
    let count = async |table: &str| server.say(&format!("SELECT count(*) FROM {table}")).await;
    // They last for a day, are kept for another, and a third one for the sake of other clocks.
    for days in [2, 1] {
        server.clock().advance(days * DAY + SECOND);
        let now = server.clock().now();
        let sessions = postgres.sessions();
        let owner = OwnerKey::from_u128(10 + u128::from(days));
        let nobody = sessions.load(owner).await.unwrap();
        assert_eq!(nobody.records, []);
        assert_ne!(nobody.revision, Revision::default(), "of another day");
        let [mut record, _] = records();
        record.ends_at = now + 10 * DAY;
        let put = vec![Change::Put(record)];
        let done = sessions.commit(owner, nobody.revision, put, now).await;
        assert_eq!(done.unwrap(), Commit::Done);
        let revocations = postgres.revocations();
        let key = portcullis_core::RevokedKey::from_u128(10 + u128::from(days));
        let revoked =
            portcullis_core::RevocationStore::revoke(&revocations, key, now, now + 9 * DAY, now);
        revoked.await.unwrap();
        assert_eq!(
            take(&postgres, 7 + u128::from(days), now).await,
            Ok(Taken::Fresh)
        );
        assert_eq!(count("taken").await, "1", "over for an hour");
        assert!(sessions.forgotten(OWNER) >= Some(now - DAY));
    }
    assert_eq!(count("owners").await, "2");
    assert_eq!(count("sessions").await, "2");
    assert_eq!(count("revocations").await, "2");
    let forgotten = postgres.sessions().load(OWNER).await.unwrap();
    assert!(forgotten.revision > Revision::from_u64(u32::MAX.into()));
}

#[tokio::test]
async fn a_server_proves_itself_by_a_certificate_of_an_authority() {
    let authority = |name: &str| {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (
            params.self_signed(&key).unwrap().pem(),
            Issuer::new(params, key),
        )
    };
    let (pem, issuer) = authority("authority");
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    let folder = TestFolder::new();
    folder.make();
    let file = |name: &str, pem: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let certificate = format!("ssl_cert_file={}", file("cert.pem", &certificate.pem()));
    let key = format!("ssl_key_file={}", file("key.pem", &key.serialize_pem()));
    let args = [
        "-h",
        "localhost",
        "-p",
        "{port}",
        "-c",
        "ssl=on",
        "-c",
        &certificate,
        "-c",
        &key,
    ];
    let cluster = Cluster::start_in(folder, &args).await;
    let port = cluster.port();
    let server = PostgresServer::on(std::sync::Arc::new(cluster));
    let url = format!("postgres://postgres@localhost:{port}/postgres?sslmode=require");
    let connect = |authorities: String| {
        let builder = server.builder_at(&url).with_authorities(authorities);
        builder.connect()
    };
    let postgres = connect(pem).await.unwrap();
    fill(&postgres).await;
    assert_kept(&postgres).await;
    let (other, _) = authority("somebody else");
    let refused = connect(other).await.unwrap_err();
    assert!(
        matches!(refused, ConnectError::Unreachable(_)),
        "{refused:?}"
    );
}
