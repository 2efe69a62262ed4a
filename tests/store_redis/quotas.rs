//! Budgets that servers share, and a server that fails.

use std::{num::NonZeroU32, time::Duration};

use futures_util::future::join_all;
use portcullis_core::{
    Charged, Clock as _, QuotaCharge, QuotaKey, QuotaRate, QuotaStore as _, SystemClock, Timestamp,
};
use portcullis_store_redis::{Redis, RedisQuotas};
use portcullis_tests::{
    metered::Metered,
    patience::until,
    stores::{Place as _, START, Served as _, front::Front, kept::SECOND, redis::RedisServer},
};

fn charge(key: u128, burst: u32, interval: Duration) -> QuotaCharge {
    let rate = QuotaRate::new(interval, NonZeroU32::new(burst).unwrap());
    QuotaCharge::new(QuotaKey::from_u128(key), rate.unwrap())
}

async fn pays(quotas: &RedisQuotas, charge: QuotaCharge, now: Timestamp) -> bool {
    let charged = quotas.charge(&[charge], now).await.unwrap();
    matches!(charged, Charged::Paid(_))
}

/// As a program has it: without a clock of a test.
async fn plain(server: &RedisServer) -> RedisQuotas {
    let redis = Redis::connect(format!("unix://{}", server.socket()));
    redis.await.unwrap().quotas()
}

fn calls(server: &RedisServer) -> usize {
    match server.say("INFO commandstats") {
        redis::Value::VerbatimString { text, .. } => sum(&text),
        redis::Value::BulkString(text) => sum(&String::from_utf8(text).unwrap()),
        other => unreachable!("statistics are text, not {other:?}"),
    }
}

/// How often a script was asked for.
fn sum(text: &str) -> usize {
    let lines = text.lines().filter(|line| line.starts_with("cmdstat_eval"));
    let calls = lines.filter_map(|line| line.split(['=', ',']).nth(1)?.parse::<usize>().ok());
    calls.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_at_once_at_two_servers_no_more_than_the_quota_get_in() {
    let server = RedisServer::start().await;
    let (one, other) = (server.stores().await, server.stores().await);
    let nodes = [one, other].map(|redis| Metered::new(server.clone(), redis.quotas(), 37));
    let calls = (0..100).map(|n: usize| {
        let node = nodes[n % 2].clone();
        tokio::spawn(async move { node.ask("by-app-good-alice").await })
    });
    let statuses = join_all(calls.collect::<Vec<_>>()).await;
    let count = |status| {
        statuses
            .iter()
            .flatten()
            .filter(|own| **own == status)
            .count()
    };
    assert_eq!((count(200), count(429)), (37, 63), "{statuses:?}");
    assert_eq!(nodes[0].ask("by-app-good-bob").await, 200);
    server.clock().advance(Duration::from_millis(1));
    assert_eq!(nodes[1].ask("by-app-good-alice").await, 429);
}

#[tokio::test]
async fn a_request_goes_to_the_server_and_back_once() {
    let server = RedisServer::start().await;
    let node = Metered::new(server.clone(), server.stores().await.quotas(), 100);
    assert_eq!(node.ask("by-app-good-alice").await, 200);
    let before = calls(&server);
    for _ in 0..25 {
        assert_eq!(node.ask("by-app-good-alice").await, 200);
    }
    assert_eq!(calls(&server) - before, 25);
}

#[tokio::test]
async fn only_the_clock_of_the_server_pays_anything_off() {
    let server = RedisServer::start().await;
    let (one, other) = (plain(&server).await, plain(&server).await);
    let now = SystemClock::new().now();
    let day = Duration::from_secs(86_400);
    let hourly = charge(1, 5, 3600 * SECOND);
    let mut paid = 0;
    for clock in [
        now,
        now + day,
        now - day,
        now + 99 * day,
        START,
        Timestamp::MAX,
    ] {
        for quotas in [&one, &other] {
            paid += u32::from(pays(quotas, hourly, clock).await);
        }
    }
    assert_eq!(paid, 5);
    // And it does.
    let quick = charge(2, 1, Duration::from_millis(20));
    assert!(pays(&one, quick, START).await);
    until("a cell", async || pays(&other, quick, START).await).await;
}

#[tokio::test]
async fn a_budget_is_gone_when_it_is_of_no_use_any_more() {
    let server = RedisServer::start().await;
    let quotas = plain(&server).await;
    assert!(pays(&quotas, charge(1, 5, 30 * SECOND), START).await);
    let key = b"{portcullis:q}:00000000000000000000000000000001";
    let stays = || match server.command(&[b"PTTL", key]) {
        redis::Value::Int(millis) => millis,
        other => panic!("{other:?}"),
    };
    let first = stays();
    assert!((60_000..=90_000).contains(&first), "{first}");
    for _ in 0..4 {
        assert!(pays(&quotas, charge(1, 5, 30 * SECOND), START).await);
    }
    let last = stays();
    assert!((180_000..=210_000).contains(&last), "{last}");
    assert!(!pays(&quotas, charge(1, 5, 30 * SECOND), START).await);
    assert!(stays() <= last, "whoever is refused keeps nothing");
    let keys = server.say("DBSIZE");
    assert_eq!(keys, redis::Value::Int(1), "and there is nothing else");
}

#[tokio::test]
async fn a_clock_of_the_server_that_goes_back_keeps_nobody_out_for_long() {
    let server = RedisServer::start().await;
    let quotas = plain(&server).await;
    let key = b"{portcullis:q}:00000000000000000000000000000001";
    let ahead = SystemClock::new().now() + Duration::from_secs(10 * 86_400);
    let ahead = (ahead.unix_millis() * 1000).to_string();
    server.command(&[b"SET", key, ahead.as_bytes()]);
    let minute = charge(1, 3, 20 * SECOND);
    let charged = quotas.charge(&[minute], START).await.unwrap();
    assert_eq!(charged, Charged::Spent(vec![20 * SECOND]));
    let redis::Value::BulkString(kept) = server.command(&[b"GET", key]) else {
        panic!("it is kept");
    };
    let kept: i64 = String::from_utf8(kept).unwrap().parse().unwrap();
    let now = SystemClock::new().now().unix_millis() * 1000;
    assert!(kept <= now + 60_001_000, "{kept} {now}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_503_and_one_that_comes_back_empty_begins_anew() {
    let server = RedisServer::start_own().await;
    let redis = server.stores().await;
    let node = Metered::new(server.clone(), redis.quotas(), 3);
    let own = |quota: portcullis::quota::QuotaBuilder| quota.with_local_fallback();
    let lenient = Metered::with(server.clone(), redis.quotas(), 3, own);
    assert_eq!(node.ask("good-alice").await, 200);
    assert_eq!(lenient.ask("good-alice").await, 200);
    server.kill();
    for _ in 0..3 {
        assert_eq!(node.ask("good-alice").await, 503);
        assert_eq!(node.reason(), "quota_store_unavailable");
    }
    assert_eq!(lenient.ask_often("good-alice", 3).await, [200, 200, 429]);
    server.wipe();
    server.go_on().await;
    assert_eq!(node.ask_often("good-alice", 4).await, [200, 200, 200, 429]);
    assert_eq!(lenient.ask("good-alice").await, 429);
}

#[tokio::test]
async fn a_server_that_stands_still_is_given_up_in_time_and_found_again() {
    let server = RedisServer::start().await;
    let quotas = server.stores().await.quotas();
    let hourly = charge(1, 5, 3600 * SECOND);
    assert!(pays(&quotas, hourly, START).await);
    server.set_still(true);
    for _ in 0..2 {
        let asked = tokio::spawn({
            let quotas = quotas.clone();
            async move { quotas.charge(&[hourly], START).await }
        });
        server.clock().wait_for_timers(1).await;
        server.clock().advance(Duration::from_millis(500));
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "redis did not answer within 500ms");
    }
    server.set_still(false);
    // What nobody was told of may have been charged: each at most once.
    let mut paid = 0;
    while pays(&quotas, hourly, START).await {
        paid += 1;
    }
    assert!((2..=4).contains(&paid), "{paid}");
}

#[tokio::test]
async fn a_server_that_is_full_or_a_replica_charges_nothing() {
    let server = RedisServer::start().await;
    let quotas = server.stores().await.quotas();
    let hourly = charge(1, 2, 3600 * SECOND);
    assert!(pays(&quotas, hourly, START).await);
    server.say("CONFIG SET maxmemory 1");
    let said = quotas.charge(&[hourly], START).await.unwrap_err();
    assert_eq!(said.to_string(), "redis says OOM: it is full");
    server.say("CONFIG SET maxmemory 0");
    server.say("REPLICAOF 127.0.0.1 1");
    let said = quotas.charge(&[hourly], START).await.unwrap_err();
    assert!(
        said.to_string().starts_with("redis says READONLY"),
        "{said}"
    );
    server.say("REPLICAOF NO ONE");
    assert!(pays(&quotas, hourly, START).await);
    assert!(!pays(&quotas, hourly, START).await);
}

#[tokio::test]
async fn what_this_store_has_not_written_is_an_error() {
    let server = RedisServer::start().await;
    let quotas = server.stores().await.quotas();
    let both = [charge(1, 5, SECOND), charge(2, 5, SECOND)];
    let key = b"{portcullis:q}:00000000000000000000000000000002";
    for garbage in [&b"garbage"[..], b"", b"-1", b"1e99", b"0x10", b" 1"] {
        server.command(&[b"SET", key, garbage]);
        let said = quotas.charge(&both, START).await.unwrap_err();
        assert_eq!(said.to_string(), "in redis, a budget is damaged");
    }
    server.command(&[b"DEL", key]);
    server.command(&[b"LPUSH", key, b"1"]);
    let said = quotas.charge(&both, START).await.unwrap_err();
    assert!(said.to_string().contains("WRONGTYPE"), "{said}");
    server.command(&[b"DEL", key]);
    // The other one was not charged meanwhile.
    let charged = quotas.charge(&both, START).await.unwrap();
    assert_eq!(charged, Charged::Paid(vec![4, 4]));
}

#[tokio::test]
async fn an_answer_that_got_lost_has_charged_once_or_not_at_all() {
    let server = RedisServer::start().await;
    let front = Front::new(&server).await;
    let redis = server.stores_by(&front).await;
    let quotas = redis.quotas();
    let (mut paid, mut lost) = (0, 0);
    let many = charge(1, 100, 3600 * SECOND);
    for bytes in (0..40).step_by(3) {
        front.cut_after(bytes);
        match quotas.charge(&[many], START).await {
            Ok(charged) => paid += u32::from(matches!(charged, Charged::Paid(_))),
            Err(_) => lost += 1,
        }
        front.heal();
        until("the next answer", async || {
            quotas.charge(&[], START).await.is_ok()
        })
        .await;
    }
    let Charged::Paid(left) = quotas.charge(&[many], START).await.unwrap() else {
        panic!("there are more");
    };
    let charged = 99 - left[0];
    assert!(lost > 0);
    assert!(
        (paid..=paid + lost).contains(&charged),
        "{charged}: {paid}, {lost}"
    );
}
