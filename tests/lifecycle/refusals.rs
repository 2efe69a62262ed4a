//! What is refused never reaches the handler, leaves one record that says why, and leaves the
//! service able to serve the next.

use std::time::Duration;

use http::Request;
use portcullis::{audit::Outcome, perimeter::PerimeterLayer};
use portcullis_testing::{
    audit::RecordingAudit,
    clock::VirtualClock,
    http_probe::{HandlerProbe, body_text},
};
use portcullis_tests::{
    answers::is_documented,
    fixtures::{
        PAYMENTS, VAULT, authn, authn_and_binding, authn_and_quota, authn_and_step_up, gate,
        perimeter, request, request_with, stack_builder,
    },
};
use tower::{Layer as _, Service, ServiceExt as _};

use crate::layers::Around;

type Refused = (Request<String>, &'static str, u16);

fn by_authn() -> Vec<Refused> {
    let with = |token: &str| request_with(token).body(String::new()).unwrap();
    let twice = request_with("good-a").header("authorization", "Bearer good-b");
    let query = request_with("good-a").uri("/?a=b&access%5Ftoken=good-a");
    let cookie = request().header("cookie", "a=b; access_token=good-a");
    vec![
        (
            request().body(String::new()).unwrap(),
            "credentials_missing",
            401,
        ),
        (with("bad"), "table_bad", 401),
        (with("io-bad"), "table_bad", 401),
        (with("garbled"), "table_garbled", 400),
        (with("io-garbled"), "table_garbled", 400),
        (with("down"), "table_down", 503),
        (with("io-down"), "table_down", 503),
        (with("nobody-knows"), "credential_unknown", 401),
        (with("io-nobody-knows"), "credential_unknown", 401),
        (with("bound-a"), "proof_downgraded", 401),
        (with("io-bound-a"), "proof_downgraded", 401),
        (with("nameless"), "evidence_invalid", 401),
        (with("a b"), "authorization_malformed", 400),
        (
            twice.body(String::new()).unwrap(),
            "authorization_malformed",
            400,
        ),
        (query.body(String::new()).unwrap(), "token_in_query", 400),
        (cookie.body(String::new()).unwrap(), "token_in_cookie", 400),
    ]
}

/// Each of these carries a good credential: it is not the credential that is wrong.
fn by_perimeter() -> Vec<Refused> {
    let good = || request_with("good-a");
    let rebound = Request::builder().header("authorization", "Bearer good-a");
    let hostless = Request::builder().header("authorization", "Bearer good-a");
    let finish = |request: http::request::Builder| request.body(String::new()).unwrap();
    vec![
        (
            finish(rebound.header("host", "evil.example")),
            "host_not_allowed",
            403,
        ),
        (finish(hostless), "host_not_allowed", 403),
        (
            finish(good().header("host", "agent.example")),
            "host_not_allowed",
            403,
        ),
        (
            finish(good().header("origin", "https://evil.example")),
            "origin_not_allowed",
            403,
        ),
        (
            finish(good().method("CONNECT").uri("agent.example:443")),
            "connect_refused",
            400,
        ),
        (finish(good().uri("/a//b")), "path_ambiguous", 400),
        (finish(good().uri("/a/%2e%2e/b")), "path_ambiguous", 400),
        (
            finish(good().header("content-length", "65")),
            "body_too_large",
            413,
        ),
        (
            finish(good().header("content-length", "+1")),
            "content_length_malformed",
            400,
        ),
        (
            finish(good().uri(format!("/{}", "a".repeat(9000)))),
            "uri_too_long",
            414,
        ),
        (
            finish(good().header("x-long", "a".repeat(40_000))),
            "headers_too_large",
            431,
        ),
    ]
}

/// Each of these carries a credential that is good for everything else.
fn by_step_up() -> Vec<Refused> {
    let with = |token: &str, path: &str| {
        let request = request_with(token).uri(path);
        request.body(String::new()).unwrap()
    };
    vec![
        (with("good-a", PAYMENTS), "scope_missing", 403),
        (with("io-good-a", PAYMENTS), "scope_missing", 403),
        (with("good-a", VAULT), "acr_insufficient", 401),
        (with("weak-a", VAULT), "acr_insufficient", 401),
        (with("stale-a", VAULT), "auth_too_old", 401),
        (with("io-stale-a", VAULT), "auth_too_old", 401),
        (with("machine-a", VAULT), "acr_insufficient", 403),
    ]
}

async fn refuses<L: Around<HandlerProbe>>(make: fn(&RecordingAudit) -> L, cases: Vec<Refused>) {
    let audit = RecordingAudit::new();
    let handler = HandlerProbe::new();
    let mut service = make(&audit).layer(handler.clone());
    let mut admitted = 0;
    for (request, reason, status) in cases {
        let shown = format!("{} {} for {reason}", request.method(), request.uri());
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), status, "{shown}");
        handler.assert_called(admitted);
        let recorded = audit.assert_one_decision();
        let outcome = if status == 503 {
            Outcome::Failed
        } else {
            Outcome::Refused
        };
        assert_eq!(recorded.outcome, outcome, "{shown}");
        assert_eq!(recorded.reason.as_str(), reason, "{shown}");
        assert_eq!(recorded.status.unwrap(), status, "{shown}");
        assert!(is_documented(reason, status), "{shown}: not in the guide");
        let id = format!("urn:uuid:{}", recorded.request_id);
        let body = body_text(response.into_body()).await;
        assert!(body.contains(&id), "{shown}: {body}");
        assert!(!body.contains(reason), "{shown}: {body}");
        let _ = audit.take();

        let good = request_with("good-a").body(String::new()).unwrap();
        let response = service.ready().await.unwrap().call(good).await.unwrap();
        assert_eq!(response.status(), 200, "after {shown}");
        admitted += 1;
        handler.assert_called(admitted);
        assert_eq!(audit.assert_one_decision().outcome, Outcome::Admitted);
        let _ = audit.take();
    }
}

#[tokio::test]
async fn what_authn_refuses_is_not_called() {
    refuses(authn, by_authn()).await;
}

/// What `authn` refuses does not come as far as the layers inside.
#[tokio::test]
async fn what_authn_refuses_does_not_come_further_in() {
    refuses(authn_and_quota, by_authn()).await;
    refuses(authn_and_binding, by_authn()).await;
}

#[tokio::test]
async fn what_step_up_refuses_is_not_called() {
    refuses(authn_and_step_up, by_step_up()).await;
}

#[tokio::test]
async fn what_the_perimeter_refuses_is_not_called() {
    refuses(perimeter, by_perimeter()).await;
}

#[tokio::test]
async fn what_the_gate_refuses_is_not_called() {
    let all = [by_perimeter(), by_authn(), by_step_up()];
    refuses(gate, all.into_iter().flatten().collect()).await;
}

/// The budget of refusals is that of strangers: a caller who is known spends none of what all
/// behind the address share.
#[tokio::test]
async fn a_known_caller_does_not_spend_the_budget_of_strangers() {
    let audit = RecordingAudit::new();
    let perimeter = PerimeterLayer::builder().with_refusal_budget(3, Duration::from_secs(60));
    let builder = stack_builder(&audit)
        // Otherwise each is a new token, and the fourth is not challenged any more.
        .with_clock(VirtualClock::new())
        .with_perimeter(perimeter);
    let service = builder.build().unwrap().0.layer(HandlerProbe::new());
    let send = async |token: &str, path: &str| {
        let request = request_with(token).uri(path).body(String::new()).unwrap();
        service.clone().oneshot(request).await.unwrap().status()
    };
    for _ in 0..10 {
        assert_eq!(send("good-a", PAYMENTS).await, 403);
        assert_eq!(send("weak-a", VAULT).await, 401);
    }
    for _ in 0..3 {
        assert_eq!(send("bad", "/").await, 401);
    }
    assert_eq!(send("bad", "/").await, 429);
    assert_eq!(send("good-a", "/").await, 200);
}

/// A request is not asked to do I/O for if it is refused without.
#[tokio::test]
async fn the_perimeter_refuses_before_anybody_is_asked() {
    use portcullis_tests::{fixtures::perimeter_builder, table_auth::TableAuth};

    let audit = RecordingAudit::new();
    let table = TableAuth::new();
    let layer = portcullis::authn::AuthnLayer::builder().add_authenticator(table.clone());
    let inner = layer.build().unwrap().layer(HandlerProbe::new());
    let service = perimeter_builder(&audit).build().unwrap().layer(inner);
    let rebound = Request::builder().header("authorization", "Bearer io-good-a");
    let response = service
        .clone()
        .oneshot(rebound.body(String::new()).unwrap());
    assert_eq!(response.await.unwrap().status(), 403);
    assert_eq!(table.verified(), 0);
    let good = request_with("io-good-a").body(String::new()).unwrap();
    assert_eq!(service.oneshot(good).await.unwrap().status(), 200);
    assert_eq!(table.verified(), 1);
}
