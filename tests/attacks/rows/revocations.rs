//! Credentials that were taken away: R04, R06.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Clock as _, Evidence, EvidenceKind, Exchange, RequestBody,
    revocation::{MemoryRevocations, Revocation},
    session::SessionLayer,
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::{
    clock::VirtualClock, faulty_store::FaultyRevocations, identity_provider::Token,
};
use portcullis_tests::{
    patience::settle,
    streams::{TICK, streaming},
};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::{
    guard::{Guard, ISSUER, Settings},
    harness::{Expected, Harness},
};

const SECOND: Duration = Duration::from_secs(1);
/// Who vouches for the holders of API keys.
const KEYS: &str = "api-keys:acme";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("R04", caches).await;
    harness.row("R06", logins).await;
    harness.row("own:revoked api keys", keys).await;
    harness.row("own:calls of revoked credentials", calls).await;
    harness
        .row("own:streams of revoked credentials", streams)
        .await;
    harness.row("own:revocation faults", faults).await;
    harness.row("own:revocation times", times).await;
    harness.row("own:forgotten revocations", forgotten).await;
}

/// A token with everything that it can be revoked by.
fn token(guard: &Guard, id: &str) -> Token {
    let now = guard.clock.now().unix_seconds();
    guard
        .token()
        .with_lifetime(Duration::from_secs(7200))
        .with_client("app")
        .with_claim("auth_time", now)
        .with_claim("jti", id)
        .with_claim("sid", "session")
}

async fn revoke(harness: &mut Harness, guard: &Guard, revocation: Revocation) {
    if let Err(problem) = guard.handle.revoke(revocation).await {
        harness.fail("a revocation", &problem.to_string());
    }
}

/// What a token was found to be is remembered; that it is revoked counts all the same, at once.
async fn caches(harness: &mut Harness) {
    let revoked = Expected::invalid_token(&["credential_revoked"]);
    for (name, revocation) in [
        ("token", Revocation::token(ISSUER, "1")),
        ("session", Revocation::session(ISSUER, "session")),
        ("grant", Revocation::grant(ISSUER, "alice", "app")),
        ("client", Revocation::client(ISSUER, "app")),
        ("subject", Revocation::subject(ISSUER, "alice")),
    ] {
        for has_session in [false, true] {
            for asks in [false, true] {
                let mut settings = Settings::fixed();
                settings.session = has_session.then(SessionLayer::builder);
                settings.revocations =
                    asks.then(|| FaultyRevocations::new(MemoryRevocations::default()));
                let guard = settings.build();
                let token = token(&guard, "1").mint();
                for _ in 0..3 {
                    harness
                        .control("a token, seen again", &guard, guard.bearer(&token))
                        .await;
                }
                revoke(harness, &guard, revocation.clone()).await;
                let name = format!("{name}, session: {has_session}, asked: {asks}");
                for again in ["", ", again"] {
                    let request = guard.bearer(&token);
                    let name = format!("{name}{again}");
                    harness.attack(&name, &guard, request, &revoked).await;
                }
            }
        }
    }
    // Of two tokens of one login, the one that was named.
    let guard = Guard::fixed();
    let (one, other) = (token(&guard, "1").mint(), token(&guard, "2").mint());
    revoke(harness, &guard, Revocation::token(ISSUER, "1")).await;
    let request = guard.bearer(&one);
    harness
        .attack("one of two", &guard, request, &revoked)
        .await;
    harness
        .control("the other", &guard, guard.bearer(&other))
        .await;
}

/// Who is locked out gets in by a later login, and by nothing else.
async fn logins(harness: &mut Harness) {
    let revoked = Expected::invalid_token(&["credential_revoked"]);
    for has_session in [false, true] {
        let mut settings = Settings::fixed();
        settings.session = has_session.then(SessionLayer::builder);
        let guard = settings.build();
        let start = guard.clock.now().unix_seconds();
        let old = token(&guard, "1").mint();
        harness.control("before", &guard, guard.bearer(&old)).await;
        guard.clock.advance(10 * SECOND);
        revoke(harness, &guard, Revocation::subject(ISSUER, "alice")).await;
        guard.clock.advance(10 * SECOND);
        let refreshed = || token(&guard, "2").with_claim("auth_time", start);
        for (name, token) in [
            ("the token", old),
            ("a refreshed one", refreshed().mint()),
            (
                "of another session",
                refreshed().with_claim("sid", "2").mint(),
            ),
            ("of another client", refreshed().with_client("other").mint()),
            (
                "of a login at the same moment",
                refreshed().with_claim("auth_time", start + 10).mint(),
            ),
        ] {
            let name = format!("{name}, session: {has_session}");
            let request = guard.bearer(&token);
            harness.attack(&name, &guard, request, &revoked).await;
        }
        let later = token(&guard, "3").mint();
        harness
            .control("a later login", &guard, guard.bearer(&later))
            .await;
        // The signal that made it known comes once more, and late.
        let cut_off = portcullis::Timestamp::from_unix_seconds(start + 10);
        let again = Revocation::subject(ISSUER, "alice").with_cut_off(cut_off);
        revoke(harness, &guard, again).await;
        harness
            .control("a later login, after that", &guard, guard.bearer(&later))
            .await;
        let bob = guard
            .idp
            .token("bob")
            .with_audience(crate::guard::RESOURCE)
            .mint();
        harness
            .control("another subject", &guard, guard.bearer(&bob))
            .await;
    }
}

async fn keys(harness: &mut Harness) {
    let guard = Guard::fixed();
    let hour = Duration::from_secs(3600);
    let ((id, key), (_, other)) = (guard.issue(hour), guard.issue(hour));
    harness.control("a key", &guard, guard.bearer(&key)).await;
    revoke(harness, &guard, Revocation::credential(KEYS, id)).await;
    let revoked = Expected::invalid_token(&["credential_revoked"]);
    harness
        .attack("by its id", &guard, guard.bearer(&key), &revoked)
        .await;
    harness
        .control(
            "another key of the same subject",
            &guard,
            guard.bearer(&other),
        )
        .await;
    guard.clock.advance(SECOND);
    revoke(
        harness,
        &guard,
        Revocation::subject(KEYS, "application:reporting"),
    )
    .await;
    harness
        .attack("by its subject", &guard, guard.bearer(&other), &revoked)
        .await;
    guard.clock.advance(SECOND);
    let (_, new) = guard.issue(hour);
    harness
        .control("a key that was issued later", &guard, guard.bearer(&new))
        .await;
}

/// A stream goes on after its credential was revoked. What it asks for then is refused.
async fn calls(harness: &mut Harness) {
    for (name, asks) in [("at once", false), ("asked", true)] {
        let mut settings = Settings::fixed();
        let step_up = StepUpLayer::builder().require("notes.list", Requirement::new());
        settings.step_up = Some(step_up);
        settings.revocations = asks.then(|| FaultyRevocations::new(MemoryRevocations::default()));
        let guard = settings.build();
        let token = token(&guard, "1").mint();
        let (handle, said) = (guard.handle.clone(), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::clone(&said);
        let handler = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
            let exchange = Exchange::of(request.extensions()).cloned();
            let (handle, told) = (handle.clone(), Arc::clone(&told));
            async move {
                for round in 0..2 {
                    if round == 1 {
                        let _ = handle.revoke(Revocation::token(ISSUER, "1")).await;
                    }
                    if let Some(exchange) = &exchange {
                        let is_permitted = exchange.authorize("notes.list", ()).await.is_ok();
                        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                        told.push(is_permitted);
                    }
                }
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        });
        let service = guard.gate.layer(handler);
        let Ok(_response) = service.oneshot(guard.bearer(&token)).await;
        let said = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        harness.judged(
            name,
            match said.as_slice() {
                [true, false] => Ok(()),
                other => Err(format!("{other:?}")),
            },
        );
    }
}

/// In a session, a stream does not go on: not here, and not where it was another server that was told.
async fn streams(harness: &mut Harness) {
    for (name, is_told, asks) in [
        ("told here", true, false),
        ("told elsewhere", false, false),
        ("told elsewhere, asked", false, true),
    ] {
        let shared = Arc::new(MemoryRevocations::default());
        let asked = FaultyRevocations::new(MemoryRevocations::default());
        let server = || {
            let mut settings = Settings::fixed();
            settings.session = Some(SessionLayer::builder());
            settings.revocations = asks.then(|| asked.clone());
            settings.shared_revocations = (!asks).then(|| Arc::clone(&shared));
            settings.build()
        };
        let (guard, elsewhere) = (server(), server());
        let token = token(&guard, "1").mint();
        let layer = streaming(&guard.clock, "text/event-stream", TICK);
        let Ok(response) = guard.gate.layer(layer).oneshot(guard.bearer(&token)).await;
        let reading = tokio::spawn(response.into_body().collect());
        settle().await;
        let told = if is_told { &guard } else { &elsewhere };
        revoke(harness, told, Revocation::token(ISSUER, "1")).await;
        settle().await;
        if is_told {
            harness.judged(
                "a stream that goes on for a moment",
                match reading.is_finished() {
                    true => Ok(()),
                    false => Err("it goes on".to_owned()),
                },
            );
        }
        for _ in 0..17 {
            guard.clock.advance(SECOND);
            settle().await;
        }
        harness.judged(
            &format!("a stream that goes on: {name}"),
            match reading.is_finished() {
                true => Ok(()),
                false => Err("it goes on".to_owned()),
            },
        );
        reading.abort();
    }
}

/// A store that cannot say whether somebody is revoked lets nobody in.
async fn faults(harness: &mut Harness) {
    let store = FaultyRevocations::new(MemoryRevocations::default());
    let mut settings = Settings::fixed();
    settings.revocations = Some(store.clone());
    let guard = settings.build();
    let token = token(&guard, "1").mint();
    let control = "a store that answers";
    harness.control(control, &guard, guard.bearer(&token)).await;
    store.set_failing(true);
    for (name, credential) in [("a token", &*token), ("an api key", guard.good_key())] {
        let status = guard.status_of(credential).await;
        harness.judged(
            &format!("{name}, and a store that is down"),
            match status {
                503 => Ok(()),
                status => Err(format!("answered {status}")),
            },
        );
    }
    let _ = guard.audit.take();
    store.set_failing(false);
    let control = "a store that is up again";
    harness.control(control, &guard, guard.bearer(&token)).await;
}

/// What says nothing of its time, or what cannot be, is no way around a cut-off.
async fn times(harness: &mut Harness) {
    let revoked = Expected::invalid_token(&["credential_revoked"]);
    let mut settings = Settings::fixed();
    let mallory = Evidence::new(EvidenceKind::User, "plug-in", "mallory");
    settings.plug_in = Some(mallory);
    let guard = settings.build();
    let control = "before it is revoked";
    harness
        .control(control, &guard, guard.bearer("plug-in"))
        .await;
    revoke(harness, &guard, Revocation::subject("plug-in", "mallory")).await;
    harness
        .attack("no time", &guard, guard.bearer("plug-in"), &revoked)
        .await;

    // Of tokens there are none such: their authenticator refuses what is later than themselves.
    for (name, ahead) in [
        ("a minute and a second ahead", 61 * SECOND),
        ("a hundred years ahead", 3_153_600_000 * SECOND),
    ] {
        let mut settings = Settings::fixed();
        let evidence = Evidence::new(EvidenceKind::User, "plug-in", "mallory");
        settings.plug_in = Some(evidence.with_auth_time(VirtualClock::START + ahead));
        let guard = settings.build();
        revoke(harness, &guard, Revocation::subject("plug-in", "mallory")).await;
        let request = guard.bearer("plug-in");
        harness.attack(name, &guard, request, &revoked).await;
    }

    let now = guard.clock.now().unix_seconds();
    revoke(harness, &guard, Revocation::subject(ISSUER, "alice")).await;
    let ahead = token(&guard, "1")
        .with_claim("auth_time", now + 30)
        .with_claim("iat", now + 30);
    harness
        .control("a clock that is ahead", &guard, guard.bearer(&ahead.mint()))
        .await;
}

/// A store that has to forget revocations does not let in who was revoked.
async fn forgotten(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    let small = MemoryRevocations::with_capacity(1);
    settings.revocations = Some(FaultyRevocations::new(small));
    let guard = settings.build();
    let start = guard.clock.now();
    let early = start - 10 * SECOND;
    let login = |at: portcullis::Timestamp| {
        token(&guard, "1")
            .with_claim("auth_time", at.unix_seconds())
            .mint()
    };
    let (old, new) = (login(early), login(start));
    harness.control("before", &guard, guard.bearer(&old)).await;
    let alice = Revocation::subject(ISSUER, "alice").with_cut_off(early);
    revoke(harness, &guard, alice).await;
    let another = Revocation::subject(ISSUER, "another").with_cut_off(start - SECOND);
    revoke(harness, &guard, another).await;
    let over = Expected::invalid_token(&["revocation_forgotten"]);
    harness
        .attack("forgotten", &guard, guard.bearer(&old), &over)
        .await;
    harness
        .control("a later login", &guard, guard.bearer(&new))
        .await;
}
