//! Ending and revoking over HTTP.

use std::time::Duration;

use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Gate, RevocationKey, Scopes, Secret, Stack,
    api_keys::{ApiKeys, Grant, KeyRing},
    audit::{Outcome, RecordKind},
    jwt::{Issuer, Jwt},
    operator::Operator,
    revocation::MemoryRevocations,
    session::SessionCookie,
    step_up::Requirement,
};
use portcullis_testing::{
    audit::{Recorded, RecordingAudit},
    clock::VirtualClock,
    faulty_store::FaultyRevocations,
    identity_provider::{IdentityProvider, SigningAlgorithm},
};
use portcullis_tests::{
    desk::{cookie_of, desk},
    fixtures::{CHALLENGE_MISSING, CHALLENGE_SCOPE, HOST, RESOURCE, short_sessions, stack_builder},
    patience::settle,
    table_auth::ISSUER,
    wire::{KeptAlive, http1},
};
use tokio::net::TcpListener;
use tower::{Layer as _, Service, ServiceExt as _};

const FORM: &str = "application/x-www-form-urlencoded";

struct World {
    audit: RecordingAudit,
    store: FaultyRevocations<MemoryRevocations>,
    gate: Gate,
    operator: Operator,
    clock: VirtualClock,
}

fn scope() -> Requirement {
    Requirement::new().with_scopes("payments.write")
}

impl World {
    fn new() -> Self {
        let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
        let store = FaultyRevocations::new(MemoryRevocations::default());
        let (gate, handle) = stack_builder(&audit)
            .with_clock(clock.clone())
            .with_session(short_sessions().with_cookie(SessionCookie::new("s")))
            .with_revocations(store.clone())
            .with_revocation_key(Secret::new([7; 16]))
            .build()
            .unwrap();
        let operator = Operator::builder(&handle).with_requirement(scope());
        Self {
            audit,
            store,
            gate,
            operator: operator.build().unwrap(),
            clock,
        }
    }

    /// Asks the operator, as somebody with this token.
    async fn ask(&self, token: &str, path: &str, form: &str) -> Response<String> {
        self.send(post(token, path, form)).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Response<String> {
        let _ = self.audit.take();
        read(self.gate.layer(self.operator.clone()), request).await
    }

    /// Whether somebody with this token is in.
    async fn is_in(&self, token: &str) -> bool {
        let request = Request::get("/").header("host", HOST);
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.body(Full::default()).unwrap();
        let status = read(self.gate.layer(tower::service_fn(desk)), request).await;
        status.status() == StatusCode::OK
    }

    /// The one record of this kind.
    fn one(&self, kind: RecordKind) -> Recorded {
        let mut records = self.audit.take();
        records.retain(|record| record.kind == kind);
        assert_eq!(records.len(), 1, "{records:?}");
        records.remove(0)
    }
}

fn post(token: &str, path: &str, form: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post(path)
        .header("host", HOST)
        .header("content-type", FORM);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::from(form.to_owned())).unwrap()
}

async fn read<S, B>(service: S, request: Request<Full<Bytes>>) -> Response<String>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

fn of_subject(subject: &str) -> String {
    format!("issuer={ISSUER}&subject={subject}")
}

#[tokio::test]
async fn whoever_has_the_scope_ends_and_revokes() {
    let world = World::new();
    assert!(world.is_in("good-bob").await && world.is_in("good-carol").await);
    let answer = world
        .ask("scoped-root", "/sessions/end", &of_subject("bob"))
        .await;
    assert_eq!(
        (answer.status(), &**answer.body()),
        (StatusCode::OK, r#"{"ended":1}"#)
    );
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let records = world.audit.records();
    let kinds: Vec<_> = records.iter().map(|record| record.kind.as_str()).collect();
    for kind in ["decision", "call", "operator"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let done = world.one(RecordKind::Operator);
    assert_eq!(done.reason.as_str(), "operator_sessions_ended");
    assert_eq!((done.outcome, done.layer), (Outcome::Answered, "operator"));
    assert_eq!(done.subject(), Some("root"));
    assert_eq!(done.operation.as_deref(), Some("operator.end_sessions"));
    let bob = RevocationKey::Subject(ISSUER.into(), "bob".into());
    assert_eq!(done.revoked, Some(bob.clone()));

    world.clock.advance(Duration::from_secs(1));
    let form = format!("kind=subject&{}", of_subject("bob"));
    let answer = world.ask("scoped-root", "/revocations", &form).await;
    assert_eq!(
        (answer.status(), &**answer.body()),
        (StatusCode::NO_CONTENT, "")
    );
    let done = world.one(RecordKind::Operator);
    assert_eq!(done.reason.as_str(), "operator_revoked");
    assert_eq!(done.revoked, Some(bob));
    assert!(!world.is_in("good-bob").await && world.is_in("good-carol").await);
}

#[tokio::test]
async fn nobody_else_does() {
    let world = World::new();
    assert!(world.is_in("good-bob").await);
    let form = of_subject("bob");
    let answer = world.ask("", "/sessions/end", &form).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()["www-authenticate"], CHALLENGE_MISSING);
    let answer = world.ask("good-alice", "/sessions/end", &form).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.headers()["www-authenticate"], CHALLENGE_SCOPE);
    let refused = world.one(RecordKind::Call);
    assert_eq!(refused.reason.as_str(), "scope_missing");
    assert_eq!(refused.operation.as_deref(), Some("operator.end_sessions"));

    // By a cookie, whatever the session may.
    let request = post("scoped-root", "/login", "");
    let login = world
        .gate
        .layer(tower::service_fn(desk))
        .oneshot(request)
        .await;
    let cookie = cookie_of(&login.unwrap()).unwrap();
    let mut request = post("", "/sessions/end", &form);
    for (name, value) in [("cookie", &*cookie), ("sec-fetch-site", "same-origin")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = world.send(request).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        world.one(RecordKind::Call).reason.as_str(),
        "operator_cookie"
    );
    assert!(world.is_in("good-bob").await);
}

#[tokio::test]
async fn without_a_gate_in_front_it_does_nothing() {
    let world = World::new();
    assert!(world.is_in("good-bob").await);
    let _ = world.audit.take();
    let request = post("scoped-root", "/sessions/end", &of_subject("bob"));
    let answer = read(world.operator.clone(), request).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let record = world.one(RecordKind::Decision);
    assert_eq!(record.reason.as_str(), "stack_misordered");
    assert!(world.is_in("good-bob").await);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_one_record() {
    let world = World::new();
    let get = || {
        let request = Request::get("/revoke").header("host", HOST);
        let request = request.header("authorization", "Bearer scoped-root");
        request.body(Full::default()).unwrap()
    };
    let typed = |media_type: &'static str| {
        let mut request = post("scoped-root", "/revoke", "token=x");
        let value = http::HeaderValue::from_static(media_type);
        request.headers_mut().insert("content-type", value);
        request
    };
    let as_root = |path, form: &str| post("scoped-root", path, form);
    let long = format!("token={}", "x".repeat(33 * 1024));
    for (request, status, reason) in [
        (get(), 405, "operator_method"),
        (as_root("/", ""), 404, "operator_path"),
        (as_root("/operator/revoke", "token=x"), 404, "operator_path"),
        (typed("text/plain"), 415, "operator_media_type"),
        (typed("application/json"), 415, "operator_media_type"),
        (as_root("/revoke", ""), 400, "operator_form"),
        (as_root("/revocations", "kind=issuer"), 400, "operator_form"),
        (as_root("/sessions/end", "issuer=i"), 400, "operator_form"),
    ] {
        let answer = world.send(request).await;
        assert_eq!(answer.status().as_u16(), status, "{reason}");
        assert!(!answer.body().contains("operator"), "{}", answer.body());
        let record = world.one(RecordKind::Call);
        assert_eq!(record.reason.as_str(), reason);
        assert_eq!(record.subject(), Some("root"));
    }
    assert_eq!(world.send(get()).await.headers()["allow"], "POST");
    // A limit of its own, where the perimeter has a larger one.
    let (gate, handle) = Stack::builder()
        .with_resource(RESOURCE)
        .with_audit(world.audit.clone())
        .add_authenticator(portcullis_tests::table_auth::TableAuth::new())
        .build()
        .unwrap();
    let operator = Operator::builder(&handle).with_requirement(scope());
    let operator = operator.build().unwrap();
    let _ = world.audit.take();
    let answer = read(gate.layer(operator), as_root("/revoke", &long)).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        world.one(RecordKind::Call).reason.as_str(),
        "body_too_large"
    );
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_asking_again_helps() {
    let world = World::new();
    let form = format!("kind=subject&{}", of_subject("bob"));
    world.store.set_failing(true);
    // The operator is known already; what fails is the revocation alone.
    let answer = world.ask("scoped-root", "/revocations", &form).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    world.store.set_failing(false);
    let answer = world.ask("scoped-root", "/revocations", &form).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(!world.is_in("good-bob").await);
}

#[tokio::test]
async fn a_token_is_revoked_by_its_text() {
    let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
    let idp = IdentityProvider::new()
        .with_issuer(ISSUER)
        .with_algorithms([SigningAlgorithm::Es256])
        .with_clock(clock.clone());
    let ring = KeyRing::new("demo", &Secret::new([7; 32]));
    let issue = |name: &str, scopes: &str| {
        let grant = Grant::for_application(name).with_scopes(Scopes::parse(scopes).unwrap());
        let key = ring.issue(grant, portcullis::Clock::now(&clock)).unwrap();
        key.expose().to_owned()
    };
    let (root, key) = (issue("root", "payments.write"), issue("job", "notes.read"));
    let issuer = Issuer::new(ISSUER).with_static_keys(idp.jwks().to_string());
    let (gate, handle) = Stack::builder()
        .with_resource(RESOURCE)
        .with_clock(clock.clone())
        .with_audit(audit.clone())
        .add_authenticator(Jwt::new(issuer))
        .add_authenticator(ApiKeys::new(ring))
        .build()
        .unwrap();
    let operator = Operator::builder(&handle)
        .with_requirement(scope())
        .with_base_path("/operator")
        .build()
        .unwrap();
    let token = || idp.token("alice").with_audience(RESOURCE);
    let (one, other) = (token().mint(), token().mint());
    let is_in = async |token: &str| {
        let request = post(token, "/notes", "");
        let answer = read(gate.layer(tower::service_fn(desk)), request).await;
        answer.status() == StatusCode::OK
    };
    assert!(is_in(&one).await && is_in(&other).await && is_in(&key).await);
    for (text, status, reason) in [
        (&one, 200, "operator_revoked"),
        (&one, 200, "operator_revoked"),
        (&key, 200, "operator_revoked"),
        (&"opaque".to_owned(), 200, "operator_token_unknown"),
        (
            &token().with_flipped_signature().mint(),
            200,
            "operator_token_unknown",
        ),
        (
            &token().without_claim("jti").mint(),
            400,
            "operator_token_unsupported",
        ),
        (&"a b".to_owned(), 200, "operator_token_unknown"),
    ] {
        let _ = audit.take();
        let form = format!("token_type_hint=access_token&token={text}");
        let request = post(&root, "/operator/revoke", &form);
        let answer = read(gate.layer(operator.clone()), request).await;
        assert_eq!(answer.status().as_u16(), status, "{reason}");
        let expected = match status {
            200 => "",
            _ => r#"{"error":"unsupported_token_type"}"#,
        };
        assert_eq!(answer.body(), expected);
        let records = audit.take();
        let done = records.iter().find(|one| one.kind == RecordKind::Operator);
        assert_eq!(done.unwrap().reason.as_str(), reason);
        assert_eq!(
            done.unwrap().revoked.is_some(),
            reason == "operator_revoked"
        );
        assert!(!format!("{records:?}").contains(text), "the token is shown");
    }
    assert!(!is_in(&one).await && is_in(&other).await && !is_in(&key).await);
    assert!(is_in(&root).await);
}

#[tokio::test]
async fn a_stream_ends_with_the_session_that_an_operator_ends() {
    let audit = RecordingAudit::new();
    let (gate, handle) = stack_builder(&audit)
        .with_session(short_sessions())
        .build()
        .unwrap();
    let operator = Operator::builder(&handle).with_requirement(scope());
    let operator = operator.build().unwrap();
    let feed = async || {
        let first = futures_util::stream::iter([Ok::<_, std::convert::Infallible>("data: 1\n\n")]);
        let events = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        let body = axum::body::Body::from_stream(events);
        ([("content-type", "text/event-stream")], body)
    };
    let app = Router::new()
        .route("/feed", get(feed))
        .nest_service("/operator", operator);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, gate.guard(app)).into_future());
    let request = Request::get("/feed")
        .header("host", HOST)
        .header("authorization", "Bearer good-bob")
        .body(http_body_util::Empty::new().boxed())
        .unwrap();
    let mut connection = KeptAlive::connect(address).await.unwrap();
    let mut body = connection.open(request).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "data: 1\n\n");

    let request = post("scoped-root", "/operator/sessions/end", &of_subject("bob"));
    let request = request.map(|body| body.map_err(|never| match never {}).boxed());
    let answer = http1(address, request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let rest = body.collect().await;
    settle().await;
    let of_bob = |kind| {
        let mut records = audit.records().into_iter();
        records.find(|record| record.kind == kind && record.subject() == Some("bob"))
    };
    let end = of_bob(RecordKind::SessionEnd).unwrap();
    assert_eq!(end.reason.as_str(), "session_revoked");
    assert_eq!(of_bob(RecordKind::End).unwrap().reason.as_str(), "cut");
    drop((rest, connection));
    server.abort();
}
