//! A quota in the gate, and beside the perimeter's budget.

use std::{net::IpAddr, time::Duration};

use http::Request;
use portcullis::{
    PeerAddress, Stack,
    perimeter::PerimeterLayer,
    quota::{Quota, QuotaLayer},
};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{RESOURCE, request, request_with},
    table_auth::TableAuth,
};
use tower::{Layer as _, ServiceExt as _};

use crate::{Site, ask, send, statuses};

/// The stack's own clock moves the quota, whatever clock its settings were given.
#[tokio::test]
async fn a_gate_counts_by_its_own_clock() {
    let site = Site::default();
    let quota = QuotaLayer::builder()
        .with_clock(portcullis_testing::clock::VirtualClock::new())
        .with_per_principal(Quota::per_minute(1));
    let (gate, handle) = site.stack(quota).build().unwrap();
    let service = gate.layer(site.handler.clone());
    let tokens = ["good-alice", "good-alice", "good-bob"];
    assert_eq!(statuses(&service, &tokens).await, [200, 429, 200]);
    site.audit.assert_decisions(3);
    assert_eq!(handle.stats().not_admitted["quota_principal"], 1);
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(ask(&service, "good-alice").await.status(), 200);
    assert_eq!(send(&service, request().uri("/public")).await.status(), 200);
}

#[tokio::test]
async fn without_a_quota_nobody_is_limited() {
    let site = Site::default();
    let (gate, _) = Stack::builder()
        .with_resource(RESOURCE)
        .with_audit(site.audit.clone())
        .with_clock(site.clock.clone())
        .add_authenticator(TableAuth::new())
        .build()
        .unwrap();
    let service = gate.layer(site.handler.clone());
    for _ in 0..2000 {
        assert_eq!(ask(&service, "good-alice").await.status(), 200);
    }
}

/// With the problems of every other part, and no gate without the quota that was asked for.
#[test]
fn a_quota_that_cannot_work_is_an_error_of_the_stack() {
    let site = Site::default();
    let without = site.stack(QuotaLayer::builder()).build().unwrap_err();
    assert!(
        without.to_string().contains("`with_per_client`"),
        "{without}"
    );
    let zero = QuotaLayer::builder().with_per_client(Quota::per_second(0));
    let errors = site
        .stack(zero)
        .with_base_path("nowhere")
        .with_perimeter(PerimeterLayer::builder().with_max_uri(0))
        .build()
        .unwrap_err();
    let settings: Vec<_> = errors.iter().map(|error| error.setting()).collect();
    let wanted = ["with_max_uri", "with_per_client", "with_base_path"];
    assert_eq!(settings, wanted, "{errors}");
}

/// A caller who is known and asks too much is no stranger who guesses: those who share its
/// address keep their budget of refusals.
#[tokio::test]
async fn a_spent_quota_does_not_spend_the_budget_of_the_address() {
    let site = Site::default();
    let quota = QuotaLayer::builder().with_per_principal(Quota::per_hour(1));
    let perimeter = PerimeterLayer::builder().with_refusal_budget(2, Duration::from_secs(60));
    let builder = site.stack(quota).with_perimeter(perimeter);
    let service = builder.build().unwrap().0.layer(site.handler.clone());
    let send = async |token: &str| {
        let mut request: Request<String> = request_with(token).body(String::new()).unwrap();
        PeerAddress::from(IpAddr::from([192, 0, 2, 1])).attach(request.extensions_mut());
        let response = service.clone().oneshot(request).await.unwrap();
        (
            response.status().as_u16(),
            site.audit.take().pop().unwrap().reason,
        )
    };
    assert_eq!(send("good-alice").await.0, 200);
    for _ in 0..100 {
        let (status, reason) = send("good-alice").await;
        assert_eq!((status, reason.as_str()), (429, "quota_principal"));
    }
    // A colleague whose credential is not known yet, and one who mistypes it.
    assert_eq!(send("io-good-bob").await.0, 200);
    for _ in 0..2 {
        assert_eq!(send("bad").await.1.as_str(), "table_bad");
    }
    let (status, reason) = send("bad").await;
    assert_eq!((status, reason.as_str()), (429, "budget_spent"));
    // And the other way round: who is let in on a spent budget is counted as always.
    assert_eq!(send("good-carol").await.0, 200);
    let (status, reason) = send("good-carol").await;
    assert_eq!((status, reason.as_str()), (429, "quota_principal"));
}

/// A tighter quota for one handler stands inside a gate that has none. The gate has let the
/// request in by then, so that what became of it is a second record of the same id.
#[tokio::test]
async fn a_quota_of_one_handler_inside_a_gate_without_one() {
    let site = Site::default();
    let quota = QuotaLayer::builder()
        .with_clock(site.clock.clone())
        .with_audit(RecordingAudit::failing())
        .with_per_principal(Quota::per_minute(1));
    let (gate, _) = Stack::builder()
        .with_resource(RESOURCE)
        .with_audit(site.audit.clone())
        .add_authenticator(TableAuth::new())
        .build()
        .unwrap();
    let service = gate.layer(quota.build().unwrap().layer(site.handler.clone()));
    assert_eq!(ask(&service, "good-alice").await.status(), 200);
    site.audit.assert_admitted("alice");
    let _ = site.audit.take();
    assert_eq!(ask(&service, "good-alice").await.status(), 429);
    site.handler.assert_called(1);
    let records = site.audit.records();
    let [admitted, refused] = records.as_slice() else {
        unreachable!("an admission and a refusal, not {records:?}");
    };
    assert_eq!(admitted.reason.as_str(), "admitted");
    assert_eq!(refused.reason.as_str(), "quota_principal");
    assert_eq!(refused.request_id, admitted.request_id);
    assert_eq!(refused.subject(), Some("alice"));
}
