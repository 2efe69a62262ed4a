//! Sessions that are over, or were never there: S01–S16.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Clock as _, Timestamp,
    session::{MemorySessions, SessionBuilder},
};
use portcullis_testing::faulty_store::FaultyStore;
use portcullis_tests::{
    fixtures::{ABSOLUTE, IDLE, short_sessions},
    patience::settle,
    streams::{TICK, streaming},
};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, ISSUER, Settings, finish},
    harness::Harness,
};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("S02", names).await;
    harness.row("S03", replays).await;
    harness.row("S07", inactivity).await;
    harness.row("S08", running).await;
    harness.row("S09", race).await;
    harness.row("S11", faults).await;
    harness.row("S12", clocks).await;
    harness.row("S13", flood).await;
    harness.row("own:forgotten sessions", forgotten).await;
    harness.row("own:session limit", limit).await;
}

fn guard(session: SessionBuilder) -> Guard {
    let mut settings = Settings::fixed();
    settings.session = Some(session);
    settings.build()
}

fn sessions() -> Guard {
    guard(short_sessions())
}

/// A token of somebody who authenticated then.
fn token(
    guard: &Guard,
    authenticated_at: Timestamp,
) -> portcullis_testing::identity_provider::Token {
    guard
        .token()
        .with_claim("auth_time", authenticated_at.unix_seconds())
}

/// A request that must not be let in.
async fn refused(harness: &mut Harness, name: &str, guard: &Guard, request: Request<Full<Bytes>>) {
    let status = guard.send(request).await.status().as_u16();
    let _ = guard.audit.take();
    harness.judged(
        name,
        match status {
            401 | 429 | 503 => Ok(()),
            status => Err(format!("answered {status}")),
        },
    );
}

async fn names(harness: &mut Harness) {
    let guard = guard(short_sessions().with_store(MemorySessions::with_capacity(20_000)));
    let now = guard.clock.now();
    let mut seen = Vec::new();
    for n in 0..1000 {
        let name = format!("caller-{}", n / 100);
        let token = guard
            .idp
            .token(&name)
            .with_audience(crate::guard::RESOURCE)
            .with_claim("auth_time", now.unix_seconds())
            .with_claim("sid", n.to_string())
            .mint();
        let _ = guard.status_of(&token).await;
        seen.extend(
            guard
                .audit
                .take()
                .iter()
                .filter_map(|record| record.session),
        );
    }
    seen.sort_unstable();
    seen.dedup();
    let bits = seen.iter().fold((u128::MAX, 0), |(all, any), id| {
        (all & id.as_u128(), any | id.as_u128())
    });
    harness.judged(
        "a thousand sessions share no name and no bit of one",
        match (seen.len(), bits) {
            (1000, (0, u128::MAX)) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
}

async fn replays(harness: &mut Harness) {
    for (how, wait) in [("idle", IDLE), ("absolute", ABSOLUTE), ("ended", SECOND)] {
        let guard = sessions();
        let start = guard.clock.now();
        let long = |at| token(&guard, at).with_lifetime(Duration::from_secs(7200));
        let first = long(start).mint();
        harness.control(how, &guard, guard.bearer(&first)).await;
        if how == "ended" {
            let _ = guard.handle.end_sessions(ISSUER, "alice").await;
        }
        if how == "absolute" {
            for _ in 0..20 {
                guard.clock.advance(30 * SECOND);
                let _ = guard.status_of(&first).await;
            }
        } else {
            guard.clock.advance(wait);
        }
        for (name, token) in [
            ("the same token", first.clone()),
            ("a refreshed one", long(start).mint()),
            (
                "one of another session at the issuer",
                long(start).with_claim("sid", "2").mint(),
            ),
            ("one of an earlier login", long(start - 5 * SECOND).mint()),
        ] {
            let name = format!("{name}, after the session was over: {how}");
            refused(harness, &name, &guard, guard.bearer(&token)).await;
        }
        let later = long(guard.clock.now()).mint();
        harness
            .control("a later login", &guard, guard.bearer(&later))
            .await;
        // The old one may not come in beside it.
        let old = long(start).with_claim("sid", "3").mint();
        refused(
            harness,
            &format!("an old login beside the new one: {how}"),
            &guard,
            guard.bearer(&old),
        )
        .await;
    }
    let guard = sessions();
    let old = guard.clock.now() - ABSOLUTE;
    let token = token(&guard, old).mint();
    refused(
        harness,
        "an authentication as old as a session may be",
        &guard,
        guard.bearer(&token),
    )
    .await;
}

async fn inactivity(harness: &mut Harness) {
    let guard = guard(short_sessions().add_passive_route("/feed"));
    let token = token(&guard, guard.clock.now()).mint();
    harness
        .control("activity", &guard, guard.bearer(&token))
        .await;
    guard.clock.advance(IDLE - SECOND);
    let authorized = |builder: http::request::Builder| {
        finish(builder.header("authorization", format!("Bearer {token}")))
    };
    let _ = guard.send(authorized(guard.request("/feed"))).await;
    let _ = guard
        .send(authorized(guard.request("/notes").method(Method::HEAD)))
        .await;
    let _ = guard.send(authorized(guard.request("/notes//x"))).await;
    let _ = guard
        .send(authorized(
            guard
                .request("/notes")
                .header("origin", "https://evil.example"),
        ))
        .await;
    guard.clock.advance(SECOND);
    refused(
        harness,
        "kept alive by a feed, a HEAD and what is refused",
        &guard,
        guard.bearer(&token),
    )
    .await;
}

async fn running(harness: &mut Harness) {
    for (how, wait) in [
        ("absolute", ABSOLUTE),
        ("the token", Duration::from_secs(200)),
        ("ended", SECOND),
    ] {
        let guard = sessions();
        let lifetime = if how == "the token" { 100 } else { 7200 };
        let token = token(&guard, guard.clock.now())
            .with_lifetime(Duration::from_secs(lifetime))
            .mint();
        let service = guard
            .gate
            .layer(streaming(&guard.clock, "text/event-stream", TICK));
        let Ok(response) = service.oneshot(guard.bearer(&token)).await;
        let mut body = response.into_body();
        let mut ticks = 0_u64;
        let mut is_over = false;
        let mut next = async |is_over: &mut bool| {
            settle().await;
            while let Some(frame) = body.frame().now_or_never() {
                match frame {
                    Some(Ok(_)) => ticks += 1,
                    _ => {
                        *is_over = true;
                        break;
                    }
                }
            }
        };
        next(&mut is_over).await;
        if how == "ended" {
            let _ = guard.handle.end_sessions(ISSUER, "alice").await;
        }
        // A second more than the deadline: by so much it may be overrun.
        for _ in 0..wait.as_secs() + 3 {
            guard.clock.advance(SECOND);
            next(&mut is_over).await;
        }
        harness.judged(
            &format!("a stream that goes on: {how}"),
            match is_over {
                true => Ok(()),
                false => Err(format!("after {ticks} ticks")),
            },
        );
    }
}

async fn race(harness: &mut Harness) {
    let guard = guard(
        short_sessions()
            .with_limit(3)
            .with_store(FaultyStore::new(MemorySessions::default())),
    );
    let now = guard.clock.now();
    let logins = (0..100).map(|n| {
        let token = token(&guard, now).with_claim("sid", n.to_string()).mint();
        let request = guard.bearer(&token);
        guard.send(request)
    });
    let responses = futures_util::future::join_all(logins).await;
    let admitted = responses
        .iter()
        .filter(|response| response.status() == 200)
        .count();
    harness.judged(
        "a hundred logins at once",
        match admitted {
            0..=3 => Ok(()),
            more => Err(format!("{more} got in")),
        },
    );
}

async fn limit(harness: &mut Harness) {
    let guard = guard(short_sessions().with_limit(2));
    let now = guard.clock.now();
    for n in 0..2 {
        let token = token(&guard, now).with_claim("sid", n.to_string()).mint();
        harness
            .control("within the limit", &guard, guard.bearer(&token))
            .await;
    }
    let third = token(&guard, now).with_claim("sid", "3").mint();
    refused(harness, "one more", &guard, guard.bearer(&third)).await;
}

async fn faults(harness: &mut Harness) {
    let store = FaultyStore::new(MemorySessions::default());
    let guard = guard(short_sessions().with_store(store.clone()));
    let token = token(&guard, guard.clock.now()).mint();
    harness
        .control("a store that answers", &guard, guard.bearer(&token))
        .await;
    store.set_failing(true);
    refused(
        harness,
        "a store that is down",
        &guard,
        guard.bearer(&token),
    )
    .await;
    store.set_failing(false);
    harness
        .control("a store that is up again", &guard, guard.bearer(&token))
        .await;
}

async fn clocks(harness: &mut Harness) {
    let hour = Duration::from_secs(3600);
    let guard = sessions();
    let token_ = |guard: &Guard| {
        token(guard, guard.clock.now())
            .with_lifetime(4 * hour)
            .mint()
    };
    let known = token_(&guard);
    harness
        .control("before", &guard, guard.bearer(&known))
        .await;
    guard.clock.step_wall_back(hour);
    guard.clock.advance(IDLE);
    refused(
        harness,
        "the clock set back by an hour",
        &guard,
        guard.bearer(&known),
    )
    .await;

    let guard = sessions();
    let start = guard.clock.now();
    guard.clock.step_wall_forward(IDLE - SECOND);
    let known = token(&guard, start).with_lifetime(4 * hour).mint();
    harness.control("ahead", &guard, guard.bearer(&known)).await;
    guard.clock.step_wall_back(IDLE - SECOND);
    guard.clock.advance(IDLE);
    refused(
        harness,
        "a clock that ran ahead for a while",
        &guard,
        guard.bearer(&known),
    )
    .await;
}

async fn flood(harness: &mut Harness) {
    let store = FaultyStore::new(MemorySessions::with_capacity(10));
    let guard = guard(short_sessions().with_store(store.clone()));
    for n in 0..1000 {
        let _ = guard.status_of(&format!("nobody-{n}")).await;
    }
    let _ = guard.audit.take();
    harness.judged(
        "a thousand callers without a credential",
        match store.get_ref().len() {
            0 => Ok(()),
            kept => Err(format!("{kept} sessions are kept")),
        },
    );
}

/// A store that has to forget what was over does not let it in again.
async fn forgotten(harness: &mut Harness) {
    let guard = guard(short_sessions().with_store(MemorySessions::with_capacity(1)));
    let lifetime = Duration::from_secs(7200);
    let start = guard.clock.now();
    let first = token(&guard, start).with_lifetime(lifetime).mint();
    harness
        .control("before", &guard, guard.bearer(&first))
        .await;
    guard.clock.advance(IDLE);
    let other = guard
        .idp
        .token("bob")
        .with_audience(crate::guard::RESOURCE)
        .with_claim("auth_time", guard.clock.now().unix_seconds())
        .mint();
    harness
        .control("another, in its place", &guard, guard.bearer(&other))
        .await;
    guard.clock.advance(IDLE);
    refused(
        harness,
        "the first, whom nobody remembers",
        &guard,
        guard.bearer(&first),
    )
    .await;
}
