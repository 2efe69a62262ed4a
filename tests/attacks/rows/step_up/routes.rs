//! What a route requires.

use std::time::Duration;

use http::Request;
use portcullis::authn::AuthnLayer;
use portcullis_testing::{http_probe::HandlerProbe, mock_auth::MockAuth};
use tower::{ServiceBuilder, ServiceExt as _};

use super::{calls::call, guard, step_up, strong};
use crate::{
    guard::finish,
    harness::{Expected, Harness},
};

pub(super) async fn scopes(harness: &mut Harness) {
    let guard = guard();
    let too_few = Expected::insufficient_scope("payments.read payments.write");
    for scope in [
        "",
        "payments.read",
        "payments.write",
        "PAYMENTS.READ PAYMENTS.WRITE",
        "payments.read,payments.write",
        "payments",
        "payments.*",
        "*",
        "payments.readpayments.write",
        "payments.read payments.writer",
    ] {
        // Each from an application of its own, so that none is taken for one that comes again.
        let token = match scope {
            "" => guard.token().without_claim("scope"),
            _ => guard.token().with_scope(scope).with_client(scope),
        };
        let token = token.mint();
        harness
            .attack(
                &format!("scope `{scope}`"),
                &guard,
                guard.bearer_at("/payments", &token),
                &too_few,
            )
            .await;
        call(
            harness,
            &guard,
            &format!("scope `{scope}`, as a call"),
            &token,
            "payments.transfer",
        )
        .await;
    }
    let (_, key) = guard.issue(Duration::from_secs(3600));
    harness
        .attack(
            "an api key",
            &guard,
            guard.bearer_at("/payments", &key),
            &too_few,
        )
        .await;
    for scope in [
        "payments.read payments.write",
        "payments.write notes.read payments.read",
    ] {
        let token = guard.token().with_scope(scope).mint();
        harness
            .control(scope, &guard, guard.bearer_at("/payments", &token))
            .await;
    }
}

/// Around the requirement of a route: as nobody, and by another spelling of its path.
pub(super) async fn routes(harness: &mut Harness) {
    let guard = guard();
    let public = || finish(guard.request("/public"));
    harness
        .attack(
            "nobody in particular",
            &guard,
            public(),
            &Expected::missing(),
        )
        .await;
    let token = strong(&guard).mint();
    harness
        .control("somebody", &guard, guard.bearer_at("/public", &token))
        .await;

    // Without a perimeter, which would refuse such paths by itself.
    let authn = AuthnLayer::builder()
        .add_authenticator(MockAuth::user("alice"))
        .build();
    let (Ok(authn), Ok(step_up)) = (authn, step_up().build()) else {
        return harness.fail("loose layers", "cannot be built");
    };
    let probe = HandlerProbe::new();
    let layers = ServiceBuilder::new().layer(authn).layer(step_up);
    let service = layers.service(probe.clone());
    for path in [
        "/./payments",
        "//payments",
        "/notes/../payments",
        "/p%61yments",
        "/%70ayments",
    ] {
        let before = probe.calls();
        let request = finish(Request::builder().uri(path));
        let status = match service.clone().oneshot(request).await {
            Ok(response) => response.status(),
            Err(never) => match never {},
        };
        harness.judged(
            path,
            match status.as_u16() {
                400 if probe.calls() == before => Ok(()),
                other => Err(format!("is answered {other}")),
            },
        );
    }
}
