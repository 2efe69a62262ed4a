//! Callers who are known, and ask for more than they may.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use portcullis::{
    Secret,
    quota::{MemoryQuotas, Quota, QuotaBuilder, QuotaLayer},
};
use portcullis_testing::faulty_store::FaultyQuotas;

use crate::{
    guard::{Guard, Settings},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:quota of a principal", principal).await;
    harness.row("own:quota of a client", client).await;
    harness.row("own:quota of two servers", two_servers).await;
    harness.row("own:quota without its store", outage).await;
}

fn guard(quota: QuotaBuilder) -> Guard {
    let mut settings = Settings::fixed();
    settings.quota = Some(quota);
    settings.build()
}

/// As many at once as there are attacks in a row: each is followed by a good request, which
/// has a quota of its own.
const BURST: u32 = 10;

/// One comes back every 10 ms.
const QUOTA: Quota = Quota::per_second(100).with_burst(BURST);

async fn principal(harness: &mut Harness) {
    let guard = guard(QuotaLayer::builder().with_per_principal(QUOTA));
    let known = guard.token().mint();
    for n in 0..BURST {
        harness
            .control(&n.to_string(), &guard, guard.bearer(&known))
            .await;
    }
    let spent = Expected::status(429, &["quota_principal"]);
    harness
        .attack(
            "one more than the burst",
            &guard,
            guard.bearer(&known),
            &spent,
        )
        .await;
    // What else a caller has a say in brings it nothing new.
    for (name, token) in [
        ("another token", guard.token()),
        (
            "by way of another client",
            guard.token().with_client("other"),
        ),
        ("with other scopes", guard.token().with_scope("notes.write")),
        (
            "of another session",
            guard.token().with_claim("sid", "other"),
        ),
    ] {
        harness
            .attack(name, &guard, guard.bearer(&token.mint()), &spent)
            .await;
    }
    let mut elsewhere = guard.bearer(&known);
    *elsewhere.uri_mut() = http::Uri::from_static("/elsewhere?a=b");
    let address = HeaderValue::from_static("6.6.6.6");
    elsewhere.headers_mut().insert("x-forwarded-for", address);
    harness
        .attack("at another path", &guard, elsewhere, &spent)
        .await;
    guard.clock.advance(Duration::from_millis(9));
    harness
        .attack("too early", &guard, guard.bearer(&known), &spent)
        .await;
    guard.clock.advance(Duration::from_millis(1));
    harness
        .control("after the wait", &guard, guard.bearer(&known))
        .await;
    harness
        .attack("one more", &guard, guard.bearer(&known), &spent)
        .await;
}

async fn client(harness: &mut Harness) {
    let guard = guard(QuotaLayer::builder().with_per_client(QUOTA));
    let of = |subject: &str, client: &str| {
        let token = guard
            .idp
            .token(subject)
            .with_audience(crate::guard::RESOURCE);
        guard.bearer(&token.with_client(client).mint())
    };
    for n in 0..BURST {
        let subject = format!("user{n}");
        harness.control(&subject, &guard, of(&subject, "app")).await;
    }
    let spent = Expected::status(429, &["quota_client"]);
    for subject in ["alice", "bob", "user0"] {
        harness
            .attack(subject, &guard, of(subject, "app"), &spent)
            .await;
    }
    harness
        .control("another client", &guard, of("alice", "other"))
        .await;
    guard.clock.advance(Duration::from_millis(10));
    harness
        .control("after the wait", &guard, of("alice", "app"))
        .await;
    harness
        .attack("one more", &guard, of("bob", "app"), &spent)
        .await;
}

/// Two servers that count in one store, as each of them asks it.
fn two(quota: impl Fn() -> QuotaBuilder) -> [(Guard, FaultyQuotas<Arc<MemoryQuotas>>); 2] {
    let store = Arc::new(MemoryQuotas::default());
    [(); 2].map(|()| {
        let way = FaultyQuotas::new(Arc::clone(&store));
        let quota = quota()
            .with_store(way.clone())
            .with_key(Secret::new([7; 16]));
        (guard(quota), way)
    })
}

/// Going from one server to the other brings nothing.
async fn two_servers(harness: &mut Harness) {
    let [(one, _), (other, _)] = two(|| {
        QuotaLayer::builder()
            .with_per_principal(QUOTA)
            .with_per_client(QUOTA)
    });
    for n in 0..BURST {
        let server = if n % 2 == 0 { &one } else { &other };
        let request = server.bearer(&server.token().with_client("app").mint());
        harness.control(&n.to_string(), server, request).await;
    }
    let spent = Expected::status(429, &["quota_principal"]);
    let client = Expected::status(429, &["quota_client"]);
    for (name, server) in [("one", &one), ("the other", &other)] {
        let again = server.bearer(&server.token().mint());
        harness
            .attack(&format!("another token at {name}"), server, again, &spent)
            .await;
        let bob = server
            .idp
            .token("bob")
            .with_audience(crate::guard::RESOURCE);
        let bob = server.bearer(&bob.with_client("app").mint());
        harness
            .attack(&format!("another user at {name}"), server, bob, &client)
            .await;
    }
}

/// A store that is out of reach, on its own or by an attack, takes no limit away.
async fn outage(harness: &mut Harness) {
    let quota = || QuotaLayer::builder().with_per_principal(QUOTA);
    let [(one, way), _] = two(quota);
    let known = one.token().mint();
    harness.control("at first", &one, one.bearer(&known)).await;
    way.set_failing(true);
    let status = one.status_of(&known).await;
    harness.judged(
        "nobody can say",
        match status {
            503 => Ok(()),
            status => Err(format!("answered {status}")),
        },
    );
    let _ = one.audit.take();
    way.set_failing(false);
    harness.control("healed", &one, one.bearer(&known)).await;

    let [(one, way), _] = two(|| quota().with_local_fallback());
    let known = one.token().mint();
    harness.control("at first", &one, one.bearer(&known)).await;
    way.set_failing(true);
    for n in 1..BURST {
        harness
            .control(&format!("by itself, {n}"), &one, one.bearer(&known))
            .await;
    }
    let status = one.status_of(&known).await;
    harness.judged(
        "one more than the burst",
        match status {
            429 => Ok(()),
            status => Err(format!("answered {status}")),
        },
    );
    let _ = one.audit.take();
}
