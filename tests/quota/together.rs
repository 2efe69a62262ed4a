//! Two servers that count together.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use portcullis::{
    Gate, Secret,
    audit::Outcome,
    quota::{MemoryQuotas, Quota, QuotaBuilder, QuotaLayer, QuotaStore},
};
use portcullis_testing::faulty_store::FaultyQuotas;
use portcullis_tests::{
    fixtures::{request, request_with},
    logs::Logs,
};
use tower::Layer as _;
use tracing::Level;

use crate::{Site, ask, send, statuses};

const KEY: [u8; 16] = [7; 16];

/// A store that two servers have, as each of them asks it.
struct Shared {
    site: Site,
    store: Arc<MemoryQuotas>,
    ways: [FaultyQuotas<Arc<MemoryQuotas>>; 2],
}

impl Shared {
    fn new() -> Self {
        let store = Arc::new(MemoryQuotas::default());
        Self {
            site: Site::default(),
            ways: [(); 2].map(|()| FaultyQuotas::new(Arc::clone(&store))),
            store,
        }
    }

    fn gate(&self, quota: QuotaBuilder, store: impl QuotaStore) -> Gate {
        let quota = quota.with_store(store).with_key(Secret::new(KEY));
        self.site.stack(quota).build().unwrap().0
    }

    /// A gate on each server.
    fn gates(&self, quota: impl Fn() -> QuotaBuilder) -> [Gate; 2] {
        self.ways
            .each_ref()
            .map(|way| self.gate(quota(), way.clone()))
    }

    fn set_failing(&self, is_failing: bool) {
        for way in &self.ways {
            way.set_failing(is_failing);
        }
    }
}

/// So many requests at once, and none that comes back while a test runs.
fn at_once(requests: u32) -> Quota {
    Quota::per_hour(1).with_burst(requests)
}

fn last_reason(site: &Site) -> &'static str {
    site.audit.take().pop().unwrap().reason.as_str()
}

#[tokio::test]
async fn what_is_spent_at_one_server_is_spent_at_the_other() {
    let shared = Shared::new();
    let quota = || {
        QuotaLayer::builder()
            .with_per_principal(Quota::per_minute(4).with_burst(3))
            .with_per_client(Quota::per_minute(4).with_burst(4))
    };
    // Both a store that has to be asked, and one that answers at once.
    let [one, other] = shared.gates(quota);
    let third = shared.gate(quota(), Arc::clone(&shared.store));
    let [one, other, third] =
        [one, other, third].map(|gate| gate.layer(shared.site.handler.clone()));
    let alice = "by-app-good-alice";
    for service in [&one, &other, &third] {
        assert_eq!(ask(service, alice).await.status(), 200);
    }
    let _ = shared.site.audit.take();
    for service in [&one, &other, &third] {
        let response = ask(service, alice).await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "15");
        let recorded = shared.site.audit.assert_refused("quota_principal", 429);
        assert_eq!(recorded.outcome, Outcome::Refused);
        assert_eq!(recorded.layer, "quota");
        let _ = shared.site.audit.take();
    }
    // Alice was refused, so the client has one request left: Bob's.
    let bob = "by-app-good-bob";
    assert_eq!(ask(&other, bob).await.status(), 200);
    assert_eq!(ask(&one, "by-app-good-carol").await.status(), 429);
    assert_eq!(last_reason(&shared.site), "quota_client");
    // And Carol was refused because of the client, so she has what she had.
    let carol = ["by-other-good-carol"; 4];
    assert_eq!(statuses(&third, &carol).await, [200, 200, 200, 429]);
    shared.site.handler.assert_called(7);
    shared.site.clock.advance(Duration::from_secs(15));
    assert_eq!(ask(&other, alice).await.status(), 200);
    assert_eq!(ask(&one, bob).await.status(), 429);
}

/// Whoever waits for both is told the longer wait, and named after his own quota.
#[tokio::test]
async fn the_longer_of_two_waits_is_told() {
    let shared = Shared::new();
    let quota = || {
        QuotaLayer::builder()
            .with_per_principal(Quota::per_minute(6).with_burst(1))
            .with_per_client(Quota::per_minute(2).with_burst(1))
    };
    let [one, other] = shared.gates(quota);
    let [one, other] = [one, other].map(|gate| gate.layer(shared.site.handler.clone()));
    assert_eq!(ask(&one, "by-app-good-alice").await.status(), 200);
    let response = ask(&other, "by-app-good-alice").await;
    assert_eq!(response.headers()["retry-after"], "30");
    assert_eq!(last_reason(&shared.site), "quota_principal");
}

#[tokio::test]
async fn a_request_asks_once_and_only_if_somebody_is_counted() {
    let shared = Shared::new();
    let clients = || QuotaLayer::builder().with_per_client(at_once(2));
    let [one, other] = shared.gates(clients);
    let [one, other] = [one, other].map(|gate| gate.layer(shared.site.handler.clone()));
    let public = || request().uri("/public");
    for _ in 0..5 {
        assert_eq!(send(&one, public()).await.status(), 200);
        assert_eq!(ask(&one, "good-alice").await.status(), 200, "no client");
        assert!(ask(&one, "bad").await.status().is_client_error());
    }
    assert_eq!(shared.ways[0].asked(), 0);
    let tokens = ["by-app-good-alice", "io-by-app-good-alice"];
    assert_eq!(statuses(&one, &tokens).await, [200, 200]);
    assert_eq!(shared.ways[0].asked(), 2);
    assert_eq!(statuses(&other, &tokens).await, [429, 429]);
    assert_eq!(shared.ways[1].asked(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_at_once_at_two_servers_no_more_than_the_quota_get_in() {
    let shared = Shared::new();
    let gates = shared.gates(|| QuotaLayer::builder().with_per_principal(at_once(37)));
    let services = gates.map(|gate| gate.layer(shared.site.handler.clone()));
    let calls = (0..100).map(|n: usize| {
        let service = services[n % 2].clone();
        let token = if n.is_multiple_of(3) {
            "good-alice"
        } else {
            "io-good-alice"
        };
        tokio::spawn(async move { ask(&service, token).await.status().as_u16() })
    });
    let statuses = join_all(calls.collect::<Vec<_>>()).await;
    let admitted = statuses
        .iter()
        .filter(|status| *status.as_ref().unwrap() == 200);
    assert_eq!(admitted.count(), 37);
    shared.site.audit.assert_decisions(100);
}

#[tokio::test]
async fn nobody_gets_in_while_the_store_cannot_say() {
    let (logs, _listening) = Logs::listen();
    let shared = Shared::new();
    let gates = shared.gates(|| QuotaLayer::builder().with_per_principal(at_once(2)));
    let [one, other] = gates.map(|gate| gate.layer(shared.site.handler.clone()));
    assert_eq!(ask(&one, "good-alice").await.status(), 200);
    shared.set_failing(true);
    for service in [&one, &other] {
        let _ = shared.site.audit.take();
        let response = ask(service, "good-alice").await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        let recorded = shared
            .site
            .audit
            .assert_failed("quota_store_unavailable", 503);
        assert_eq!(recorded.outcome, Outcome::Failed);
        assert_eq!(recorded.subject(), Some("alice"));
        assert_eq!(send(service, request().uri("/public")).await.status(), 200);
    }
    shared.site.handler.assert_called(3);
    let errors = logs.lines(Level::ERROR);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("store of quotas"), "{errors:?}");
    // It was charged for nothing.
    shared.set_failing(false);
    assert_eq!(ask(&other, "good-alice").await.status(), 200);
    assert_eq!(ask(&one, "good-alice").await.status(), 429);
}

#[tokio::test]
async fn each_server_counts_by_itself_meanwhile_if_it_is_told_to() {
    let (logs, _listening) = Logs::listen();
    let shared = Shared::new();
    let gates = shared.gates(|| {
        QuotaLayer::builder()
            .with_per_principal(at_once(4))
            .with_local_fallback()
    });
    let [one, other] = gates.map(|gate| gate.layer(shared.site.handler.clone()));
    assert_eq!(ask(&one, "good-alice").await.status(), 200);
    shared.set_failing(true);
    // What was spent here before is spent.
    let tokens = ["good-alice", "io-good-alice", "good-alice", "good-alice"];
    assert_eq!(statuses(&one, &tokens).await, [200, 200, 200, 429]);
    assert_eq!(last_reason(&shared.site), "quota_principal");
    let five = ["good-alice"; 5];
    assert_eq!(statuses(&other, &five).await, [200, 200, 200, 200, 429]);
    assert_eq!(ask(&one, "good-bob").await.status(), 200);
    // The store does not know of it, and has the last word again.
    shared.set_failing(false);
    assert_eq!(statuses(&other, &five).await, [200, 200, 200, 429, 429]);
    assert_eq!(logs.lines(Level::ERROR).len(), 2, "once on each server");
    let again = logs.lines(Level::INFO);
    let again = again.iter().filter(|line| line.contains("answers again"));
    assert_eq!(again.count(), 1, "of the one that was asked again");
}

/// Layers with one key count together, and so do all their names; with another key nothing is
/// found, and a client is nobody's namesake.
#[tokio::test]
async fn a_key_says_who_counts_together() {
    let site = Site::default();
    let store = Arc::new(MemoryQuotas::default());
    let service = |quota: QuotaBuilder, key: [u8; 16]| {
        let quota = quota
            .with_store(Arc::clone(&store))
            .with_key(Secret::new(key));
        let (gate, _) = site.stack(quota).build().unwrap();
        gate.layer(site.handler.clone())
    };
    let principals = || QuotaLayer::builder().with_per_principal(at_once(1));
    let clients = QuotaLayer::builder().with_per_client(at_once(1));
    assert_eq!(
        ask(&service(principals(), KEY), "good-alice")
            .await
            .status(),
        200
    );
    assert_eq!(
        ask(&service(principals(), KEY), "good-alice")
            .await
            .status(),
        429
    );
    let other = service(principals(), [8; 16]);
    assert_eq!(ask(&other, "good-alice").await.status(), 200);
    let namesake = "by-alice-good-bob";
    assert_eq!(ask(&service(clients, KEY), namesake).await.status(), 200);
}

#[test]
fn what_cannot_work_names_the_setting_and_the_fix() {
    let store = || Arc::new(MemoryQuotas::default());
    let quota = || QuotaLayer::builder().with_per_principal(Quota::per_minute(60));
    let key = |length| Secret::new(vec![7; length]);
    for (builder, setting, named) in [
        (quota().with_store(store()), "with_key", "16 random bytes"),
        (
            quota().with_store(store()).with_key(key(15)),
            "with_key",
            "16 bytes",
        ),
        (
            quota()
                .with_key(key(15))
                .with_store(MemoryQuotas::default()),
            "with_key",
            "16 bytes",
        ),
        (
            quota().with_local_fallback(),
            "with_local_fallback",
            "`with_store`",
        ),
        (
            quota()
                .with_per_client(Quota::per_second(10_001))
                .with_store(MemoryQuotas::default()),
            "with_per_client",
            "10 000 requests a second",
        ),
        (
            QuotaLayer::builder().with_store(MemoryQuotas::default()),
            "with_per_principal",
            "`with_per_client`",
        ),
    ] {
        let errors = builder.build().unwrap_err();
        let told: Vec<_> = errors.iter().collect();
        assert_eq!(told.len(), 1, "{errors}");
        assert_eq!(told[0].setting(), setting);
        assert!(told[0].problem().contains(named), "{errors}");
    }
    // All at once.
    let errors = QuotaLayer::builder()
        .with_per_principal(Quota::per_second(20_000))
        .with_per_client(Quota::per_minute(0))
        .with_capacity(0)
        .with_store(store())
        .build()
        .unwrap_err();
    let settings: Vec<_> = errors.iter().map(|error| error.setting()).collect();
    let wanted = [
        "with_key",
        "with_per_principal",
        "with_capacity",
        "with_per_client",
    ];
    assert_eq!(settings, wanted, "{errors}");
    // One that ends with the process needs no key.
    assert!(quota().with_store(MemoryQuotas::default()).build().is_ok());
    assert!(
        quota()
            .with_store(store())
            .with_key(key(16))
            .build()
            .is_ok()
    );
}

/// Nothing that the layer keeps, shows or logs names a caller or the key.
#[tokio::test]
async fn a_layer_shows_neither_a_caller_nor_its_key() {
    let (logs, _listening) = Logs::listen();
    let site = Site::default();
    let store = FaultyQuotas::new(MemoryQuotas::default());
    let builder = QuotaLayer::builder()
        .with_per_principal(at_once(1))
        .with_store(store.clone())
        .with_key(Secret::from("c4n4ryc4n4ryc4n4"));
    let shown = format!("{builder:?}");
    let layer = site.loose(builder);
    let service = layer.layer(site.handler.clone());
    let tokens = ["by-c4n4ry-good-c4n4ry", "by-c4n4ry-good-c4n4ry"];
    assert_eq!(statuses(&service, &tokens).await, [200, 429]);
    store.set_failing(true);
    let response = send(&service, request_with("good-c4n4ry")).await;
    assert_eq!(response.status(), 503);
    let shown = format!("{shown} {layer:?} {service:?} {store:?} {:?}", logs.all());
    assert!(!shown.contains("c4n4ry"), "{shown}");
}
