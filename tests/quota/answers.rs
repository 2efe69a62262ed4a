//! What a caller is told whose quota is spent, and what is written down about it.

use std::time::Duration;

use portcullis::{
    audit::Outcome,
    quota::{Quota, QuotaLayer},
};
use portcullis_tests::table_auth::{ISSUER, NAME};
use tower::Layer as _;

use crate::{Site, ask};

/// The layer refuses by itself: with one record, and without calling the handler. After the
/// wait that it asks for, and not before, the same request is let in.
#[tokio::test]
async fn a_spent_quota_is_429_until_the_wait_is_over() {
    let principals = QuotaLayer::builder().with_per_principal(Quota::per_minute(4).with_burst(2));
    let clients = QuotaLayer::builder().with_per_client(Quota::per_minute(4).with_burst(2));
    for (builder, reason) in [(principals, "quota_principal"), (clients, "quota_client")] {
        let site = Site::default();
        let service = site.loose(builder).layer(site.handler.clone());
        // Both what is decided at once and what needs I/O on its way.
        for token in ["by-app-good-alice", "io-by-app-good-alice"] {
            assert_eq!(ask(&service, token).await.status(), 200);
            site.audit.assert_admitted("alice");
            let _ = site.audit.take();
        }
        for token in ["by-app-good-alice", "io-by-app-good-alice"] {
            let response = ask(&service, token).await;
            assert_eq!(response.status(), 429);
            let headers = response.headers();
            assert_eq!(headers["retry-after"], "15");
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(headers["cache-control"], "no-store");
            assert!(!headers.contains_key("www-authenticate"));

            let recorded = site.audit.assert_refused(reason, 429);
            assert_eq!(recorded.outcome, Outcome::Refused);
            assert_eq!(recorded.layer, "quota");
            assert_eq!(recorded.subject(), Some("alice"));
            assert_eq!(recorded.authenticator, Some(NAME));
            let body = std::str::from_utf8(response.body()).unwrap();
            let id = recorded.request_id;
            assert_eq!(
                body,
                format!(
                    "{{\"type\":\"about:blank\",\"title\":\"Too Many Requests\",\"status\":429,\
                     \"instance\":\"urn:uuid:{id}\"}}"
                )
            );
            let _ = site.audit.take();
        }
        site.handler.assert_called(2);

        site.clock.advance(Duration::from_secs(14));
        let response = ask(&service, "by-app-good-alice").await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "1");
        site.clock.advance(Duration::from_secs(1));
        assert_eq!(ask(&service, "by-app-good-alice").await.status(), 200);
        site.handler.assert_called(3);
        site.audit.assert_decisions(2);
    }
}

/// Whoever comes back at once comes too early, so nobody is told to.
#[tokio::test]
async fn a_wait_is_rounded_up_to_whole_seconds() {
    for (quota, seconds) in [
        (Quota::per_second(1000).with_burst(1), "1"),
        (Quota::per_second(1).with_burst(1), "1"),
        (Quota::per_minute(50).with_burst(1), "2"),
        (Quota::per_hour(1), "3600"),
    ] {
        let site = Site::default();
        let layer = site.loose(QuotaLayer::builder().with_per_principal(quota));
        let service = layer.layer(site.handler.clone());
        assert_eq!(ask(&service, "good-alice").await.status(), 200);
        let response = ask(&service, "good-alice").await;
        assert_eq!(response.headers()["retry-after"], seconds, "{quota:?}");
    }
}

/// A subject is somebody within its issuer; what the issuer is called stands in the record.
#[tokio::test]
async fn the_record_names_whose_quota_it_was() {
    let site = Site::default();
    let builder = QuotaLayer::builder().with_per_client(Quota::per_hour(1));
    let service = site.loose(builder).layer(site.handler.clone());
    ask(&service, "by-app-good-alice").await;
    let _ = site.audit.take();
    ask(&service, "by-app-good-bob").await;
    let recorded = site.audit.assert_refused("quota_client", 429);
    let principal = recorded.principal.unwrap();
    assert_eq!(principal.issuer(), ISSUER);
    assert_eq!(principal.subject(), "bob");
    assert_eq!(principal.client(), Some("app"));
}
