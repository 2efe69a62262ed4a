//! Settings, passwords, and what is said of them.

use std::time::Duration;

use portcullis_core::{ReplayKey, ReplayOwner, ReplayStore as _, SessionStore as _, Taken};
use portcullis_store_redis::{ConnectError, Redis};
use portcullis_tests::{
    folder::TestFolder,
    logs::Logs,
    servers,
    stores::{
        Place as _, START, Served as _,
        kept::{OWNER, SECOND, assert_kept, fill, take},
        redis::RedisServer,
    },
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tracing::Level;

const PASSWORD: &str = "hunter2-of-redis";

#[tokio::test]
async fn a_password_is_seen_nowhere_and_a_wrong_one_is_an_error_until_it_is_right() {
    let server = RedisServer::start().await;
    let url = format!("unix://{}?user=agent&pass={PASSWORD}", server.socket());
    let builder = server.builder_at(&url);
    let mut shown = vec![format!("{builder:?}")];
    let refused = builder.connect().await.unwrap_err();
    assert!(
        matches!(refused, ConnectError::Unreachable(_)),
        "{refused:?}"
    );
    shown.extend([refused.to_string(), format!("{refused:?}")]);
    let redis = server.builder_at(&url).build().unwrap();
    let sessions = redis.sessions();
    for _ in 0..3 {
        let error = sessions.load(OWNER).await.unwrap_err();
        shown.push(error.to_string());
    }
    server.say(&format!("ACL SETUSER agent on ~* +@all >{PASSWORD}"));
    fill(&redis).await;
    assert_kept(&redis).await;
    shown.extend([format!("{redis:?}"), format!("{sessions:?}")]);
    for text in shown {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[test]
fn settings_that_cannot_work_are_all_named_at_once() {
    let problems = Redis::builder(format!("ftp://agent:{PASSWORD}@nowhere"))
        .with_prefix("a{b}")
        .with_timeout(Duration::ZERO)
        .with_retention(Duration::from_secs(1))
        .with_replays_per_owner(0)
        .build()
        .unwrap_err();
    let named: Vec<_> = problems.iter().map(|error| error.setting()).collect();
    let expected = [
        "with_prefix",
        "with_timeout",
        "with_retention",
        "with_replays_per_owner",
        "builder",
    ];
    assert_eq!(named, expected);
    assert!(!problems.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn a_server_that_throws_away_what_it_has_no_room_for_is_warned_about() {
    let server = RedisServer::start().await;
    let (logs, _listening) = Logs::listen();
    server.stores().await;
    assert_eq!(logs.lines(Level::WARN), [""; 0]);
    server.say("CONFIG SET maxmemory-policy allkeys-lru");
    server.stores().await;
    let warned = logs.lines(Level::WARN);
    assert_eq!(warned.len(), 1);
    assert!(
        warned[0].contains("maxmemory-policy noeviction"),
        "{warned:?}"
    );
}

#[tokio::test]
async fn an_owner_has_his_share_of_one_time_credentials_and_has_it_back() {
    let server = RedisServer::start().await;
    let redis = server.builder().with_replays_per_owner(2).build().unwrap();
    for (number, expected) in [(1, Taken::Fresh), (2, Taken::Fresh), (3, Taken::Full)] {
        assert_eq!(take(&redis, number, START).await, Ok(expected), "{number}");
    }
    let (owner, key) = (ReplayOwner::from_u128(99), ReplayKey::from_u128(1));
    let another = redis
        .replays()
        .take(owner, key, START + SECOND, START)
        .await;
    assert_eq!(another.unwrap(), Taken::Fresh, "of another owner");
    // They last for five minutes, and are remembered for one more.
    let almost = START + 359 * SECOND;
    assert_eq!(take(&redis, 3, almost).await, Ok(Taken::Full));
    assert_eq!(take(&redis, 1, almost).await, Ok(Taken::Seen));
    assert_eq!(
        take(&redis, 3, START + 360 * SECOND).await,
        Ok(Taken::Fresh)
    );
}

#[tokio::test]
async fn two_prefixes_see_nothing_of_each_other() {
    let server = RedisServer::start().await;
    let one = server.stores().await;
    fill(&one).await;
    let other = server.builder().with_prefix("other").build().unwrap();
    assert_eq!(other.sessions().load(OWNER).await.unwrap().records, []);
    fill(&other).await;
    assert_kept(&one).await;
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
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let tls = servers::redis()
        .add_args(["--tls-port", "{port}", "--tls-auth-clients", "no"])
        .add_args(["--tls-cert-file", &file("cert.pem", &certificate.pem())])
        .add_args(["--tls-key-file", &file("key.pem", &key.serialize_pem())])
        .add_args(["--tls-ca-cert-file", &file("ca.pem", &pem)]);
    let server = RedisServer::start_with(tls).await;
    let url = format!("rediss://localhost:{}/", server.port());
    let connect = |authorities: String| {
        let builder = server.builder_at(&url).with_authorities(authorities);
        builder.connect()
    };
    let redis = connect(pem).await.unwrap();
    fill(&redis).await;
    assert_kept(&redis).await;
    let (other, _) = authority("somebody else");
    let refused = connect(other).await.unwrap_err();
    assert!(
        matches!(refused, ConnectError::Unreachable(_)),
        "{refused:?}"
    );
    let plain = server.builder().with_authorities("").build().unwrap_err();
    assert_eq!(plain.iter().next().unwrap().setting(), "with_authorities");
}
