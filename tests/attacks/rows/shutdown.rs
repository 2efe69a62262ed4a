//! A gate that is shut down is shut.

use std::time::Duration;

use http_body_util::BodyExt as _;
use portcullis::{
    Clock as _, Stack,
    api_keys::ApiKeys,
    jwt::{Issuer, Jwt},
    perimeter::PerimeterLayer,
    revocation::Revocation,
    session::SessionLayer,
};
use portcullis_tests::{
    patience::settle,
    streams::{TICK, streaming},
};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, ISSUER, RESOURCE, Settings},
    harness::{Expected, Harness},
};

const GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:shutdown", shut).await;
    harness.row("own:replaced settings", replaced).await;
}

/// Other settings open nothing that was shut, and keep nothing of what they no longer say.
async fn replaced(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.session = Some(SessionLayer::builder());
    let guard = settings.build();
    let now = guard.clock.now().unix_seconds();
    let token = |subject: &str, id: &str| {
        let token = guard.idp.token(subject).with_audience(RESOURCE);
        token
            .with_claim("auth_time", now)
            .with_claim("jti", id)
            .mint()
    };
    let (revoked, ended) = (token("alice", "revoked"), token("bob", "ended"));
    for (name, token) in [("alice", &revoked), ("bob", &ended)] {
        harness.control(name, &guard, guard.bearer(token)).await;
    }
    let stack = || {
        let keys = guard.idp.jwks().to_string();
        Stack::builder()
            .with_resource(RESOURCE)
            .with_perimeter(PerimeterLayer::builder().without_refusal_budget())
            .with_session(SessionLayer::builder())
            .add_authenticator(Jwt::new(Issuer::new(ISSUER).with_static_keys(keys)))
            .add_authenticator(ApiKeys::new(guard.keys.clone()))
    };
    let revocation = Revocation::token(ISSUER, "revoked");
    let done = guard.handle.revoke(revocation).await.is_ok()
        && guard
            .handle
            .end_sessions(ISSUER, "bob")
            .await
            .is_ok_and(|ended| ended == 1)
        && guard.handle.replace(stack()).await.is_ok();
    harness.judged(
        "the settings are replaced",
        done.then_some(())
            .ok_or_else(|| "something failed".to_owned()),
    );
    let codes = Expected::invalid_token(&["credential_revoked"]);
    harness
        .attack("revoked before", &guard, guard.bearer(&revoked), &codes)
        .await;
    let codes = Expected::invalid_token(&["session_revoked"]);
    harness
        .attack("ended before", &guard, guard.bearer(&ended), &codes)
        .await;
}

async fn shut(harness: &mut Harness) {
    let guard = Guard::fixed();
    harness.control("before", &guard, guard.good()).await;
    let service = guard
        .gate
        .layer(streaming(&guard.clock, "text/event-stream", TICK));
    let Ok(response) = service.oneshot(guard.good()).await;
    let reading = tokio::spawn(response.into_body().collect());
    let handle = guard.handle.clone();
    let shutting = tokio::spawn(async move { handle.shutdown(GRACE).await });
    settle().await;
    // What runs may complete, and nothing more may begin beside it.
    let status = guard.send(guard.good()).await.status().as_u16();
    harness.judged(
        "a good token while the gate is being shut down",
        match status {
            503 => Ok(()),
            status => Err(format!("answered {status}")),
        },
    );
    for _ in 0..GRACE.as_secs() + 10 {
        guard.clock.advance(Duration::from_secs(1));
        settle().await;
    }
    harness.judged(
        "a stream that goes on after the grace",
        match reading.is_finished() {
            true => Ok(()),
            false => Err("it goes on".to_owned()),
        },
    );
    reading.abort();
    shutting.abort();
}
