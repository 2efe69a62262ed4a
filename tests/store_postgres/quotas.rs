//! Budgets that servers share, and a server that fails.

use std::{num::NonZeroU32, time::Duration};

use futures_util::future::join_all;
use portcullis_core::{
    Charged, Clock as _, QuotaCharge, QuotaKey, QuotaRate, QuotaStore as _, SystemClock, Timestamp,
};
use portcullis_store_postgres::{Postgres, PostgresQuotas};
use portcullis_tests::{
    metered::Metered,
    patience::until,
    stores::{Place as _, START, kept::SECOND, postgres::PostgresServer},
};

fn charge(key: u128, burst: u32, interval: Duration) -> QuotaCharge {
    let rate = QuotaRate::new(interval, NonZeroU32::new(burst).unwrap());
    QuotaCharge::new(QuotaKey::from_u128(key), rate.unwrap())
}

async fn pays(quotas: &PostgresQuotas, charge: QuotaCharge, now: Timestamp) -> bool {
    let charged = quotas.charge(&[charge], now).await.unwrap();
    matches!(charged, Charged::Paid(_))
}

/// As a program has it: without a clock of a test.
async fn plain(server: &PostgresServer) -> PostgresQuotas {
    let postgres = Postgres::builder(server.url())
        .with_schema(&server.schema)
        .with_timeout(Duration::from_secs(20));
    postgres.connect().await.unwrap().quotas()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_at_once_at_two_servers_no_more_than_the_quota_get_in() {
    let server = PostgresServer::start().await;
    let (one, other) = (server.stores().await, server.stores().await);
    let nodes = [one, other].map(|postgres| Metered::new(server.clone(), postgres.quotas(), 37));
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
}

#[tokio::test]
async fn only_the_clock_of_the_server_pays_anything_off() {
    let server = PostgresServer::start().await;
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
async fn a_clock_of_the_server_that_goes_back_keeps_nobody_out_for_long() {
    let server = PostgresServer::start().await;
    let quotas = plain(&server).await;
    let minute = charge(1, 3, 20 * SECOND);
    assert!(pays(&quotas, minute, START).await);
    server
        .say("UPDATE quotas SET paid_at = paid_at + 864000000000")
        .await;
    let charged = quotas.charge(&[minute], START).await.unwrap();
    assert_eq!(charged, Charged::Spent(vec![20 * SECOND]));
    let longest = "SELECT max(paid_at) <= extract(epoch FROM clock_timestamp()) * 1000000 + 60000000 \
                   FROM quotas";
    assert_eq!(server.say(longest).await, "t");
}

#[tokio::test]
async fn budgets_that_are_of_no_use_any_more_are_thrown_away_while_others_come() {
    let server = PostgresServer::start().await;
    let quotas = server.stores().await.quotas();
    let spread = |n: u128| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    for round in 0..10_u32 {
        let now = START + 10 * round * 60 * SECOND;
        let each = (0..100).map(async |n: u128| {
            let key = spread(1000 * u128::from(round) + n);
            assert!(pays(&quotas, charge(key, 1, SECOND), now).await);
        });
        join_all(each).await;
    }
    let kept: u32 = server
        .say("SELECT count(*) FROM quotas")
        .await
        .parse()
        .unwrap();
    assert!((100..300).contains(&kept), "{kept} of a thousand");
}

#[tokio::test]
async fn a_server_that_is_gone_is_503_and_one_that_crashed_begins_anew() {
    let server = PostgresServer::start_own().await;
    let postgres = server.stores().await;
    let node = Metered::new(server.clone(), postgres.quotas(), 3);
    let own = |quota: portcullis::quota::QuotaBuilder| quota.with_local_fallback();
    let lenient = Metered::with(server.clone(), postgres.quotas(), 3, own);
    assert_eq!(node.ask("good-alice").await, 200);
    assert_eq!(lenient.ask("good-alice").await, 200);
    // In order, it keeps what it has.
    server.cluster.stop();
    for _ in 0..3 {
        assert_eq!(node.ask("good-alice").await, 503);
        assert_eq!(node.reason(), "quota_store_unavailable");
    }
    assert_eq!(lenient.ask_often("good-alice", 3).await, [200, 200, 429]);
    server.cluster.go_on(&["-h", ""]).await;
    server.cluster.kill();
    server.cluster.go_on(&["-h", ""]).await;
    assert_eq!(node.ask_often("good-alice", 4).await, [200, 200, 200, 429]);
    assert_eq!(lenient.ask("good-alice").await, 429);
}

#[tokio::test]
async fn a_server_that_stands_still_is_given_up_in_time_and_found_again() {
    let server = PostgresServer::start_own().await;
    let quotas = server.stores().await.quotas();
    let hourly = charge(1, 5, 3600 * SECOND);
    assert!(pays(&quotas, hourly, START).await);
    server.cluster.signal("STOP");
    for _ in 0..2 {
        let asked = tokio::spawn({
            let quotas = quotas.clone();
            async move { quotas.charge(&[hourly], START).await }
        });
        server.clock().wait_for_timers(1).await;
        server.clock().advance(Duration::from_millis(500));
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "postgres did not answer within 500ms");
    }
    server.cluster.signal("CONT");
    // What nobody was told of may have been charged: each at most once.
    let mut paid = 0;
    while pays(&quotas, hourly, START).await {
        paid += 1;
    }
    assert!((2..=4).contains(&paid), "{paid}");
}

#[tokio::test]
async fn what_this_store_has_not_written_is_an_error() {
    let server = PostgresServer::start().await;
    let quotas = server.stores().await.quotas();
    let both = [charge(1, 5, SECOND), charge(2, 5, SECOND)];
    server.say("ALTER TABLE quotas RENAME TO aside").await;
    let said = quotas.charge(&both, START).await.unwrap_err();
    assert!(said.to_string().contains("42P01"), "{said}");
    server.say("ALTER TABLE aside RENAME TO quotas").await;
    let charged = quotas.charge(&both, START).await.unwrap();
    assert_eq!(charged, Charged::Paid(vec![4, 4]));
    assert_eq!(
        server
            .say("SELECT relpersistence FROM pg_class WHERE oid = 'quotas'::regclass")
            .await,
        "u"
    );
}
