//! Sessions that are over, drifts, and quotas.

use std::time::Duration;

use portcullis::{
    binding::{BindingLayer, Reaction},
    quota::{Quota, QuotaLayer},
    revocation::Revocation,
    session::SessionLayer,
};

use super::*;

const DEVICE: header::HeaderName = header::HeaderName::from_static("x-device");

#[tokio::test]
async fn sessions() {
    let mut lines = Vec::new();
    let long = |site: &Site, subject: &str| {
        let token = site.idp.token(subject).with_audience(RESOURCE);
        token.with_lifetime(Duration::from_secs(12 * 3600))
    };
    let open = || {
        let site = Site::new();
        let session = SessionLayer::builder().with_idle(Duration::from_secs(600));
        let stack = site.stack().with_session(session);
        site.open(stack)
    };

    let idle = open();
    let alice = long(&idle.site, "alice").mint();
    let machine = long(&idle.site, "machine").with_client("machine").mint();
    for token in [&alice, &machine] {
        assert_eq!(idle.send(idle.bearer(token)).await.status, 200);
    }
    idle.site.clock.advance(Duration::from_secs(700));
    lines.push(
        idle.line(
            "a user's session was idle for too long",
            idle.bearer(&alice),
        )
        .await,
    );
    lines.push(
        idle.line("a client application's was", idle.bearer(&machine))
            .await,
    );

    let ended = open();
    let alice = long(&ended.site, "alice").mint();
    assert_eq!(ended.send(ended.bearer(&alice)).await.status, 200);
    let revocation = Revocation::subject(ISSUER, "alice");
    ended.handle.revoke(revocation).await.unwrap();
    lines.push(
        ended
            .line("a session was revoked", ended.bearer(&alice))
            .await,
    );

    let site = Site::new();
    let stack = site
        .stack()
        .with_session(SessionLayer::builder().with_limit(1));
    let limited = site.open(stack);
    let first = long(&limited.site, "alice").with_claim("sid", "1").mint();
    let second = long(&limited.site, "alice").with_claim("sid", "2").mint();
    assert_eq!(limited.send(limited.bearer(&first)).await.status, 200);
    lines.push(
        limited
            .line("one session too many", limited.bearer(&second))
            .await,
    );

    let site = Site::new();
    let binding = BindingLayer::builder()
        .with_device_header(DEVICE)
        .with_device(Reaction::Ask);
    let stack = site
        .stack()
        .with_session(SessionLayer::builder())
        .with_binding(binding);
    let bound = site.open(stack);
    let bearer = format!("Bearer {}", long(&bound.site, "alice").mint());
    let from = |device: &str| bound.with(&[("authorization", &bearer), ("x-device", device)]);
    assert_eq!(bound.send(from("one")).await.status, 200);
    lines.push(
        bound
            .line("a session on another device", from("another"))
            .await,
    );

    let site = Site::new();
    let quota = QuotaLayer::builder().with_per_principal(Quota::per_minute(1));
    let stack = site.stack().with_quota(quota);
    let busy = site.open(stack);
    let token = busy.site.token().mint();
    let _ = busy.send(busy.bearer(&token)).await;
    lines.push(busy.line("the quota is spent", busy.bearer(&token)).await);
    hold("Sessions", &lines);
}
