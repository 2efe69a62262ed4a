//! What a handler can do with its request, and what comes of it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Request, Response, request::Parts};
use portcullis::{ActorView, Evidence, EvidenceKind, Exchange, PeerAddress, Principal};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::fixtures::{gate, request_with};
use tower::{Layer as _, ServiceExt as _};

type Body = portcullis::RequestBody<String>;

fn subject(extensions: &http::Extensions) -> Option<String> {
    let principal = Exchange::of(extensions)?.principal()?;
    Some(principal.subject().to_owned())
}

/// Whatever public type of ours a handler puts into the extensions, the identity is not among
/// them.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "what an outsider would try, who has not read clippy.toml"
)]
async fn what_a_handler_inserts_changes_nobody() {
    // Of another request: a principal, its exchange and the view of it.
    let stolen: Arc<Mutex<Option<(Principal, Exchange)>>> = Arc::default();
    let loot = Arc::clone(&stolen);
    let handler = tower::service_fn(move |mut request: Request<Body>| {
        let stolen = Arc::clone(&loot);
        async move {
            let own = Exchange::of(request.extensions()).unwrap().clone();
            let Some((principal, exchange)) = stolen.lock().unwrap().take() else {
                let principal = own.principal().unwrap().clone();
                *stolen.lock().unwrap() = Some((principal, own));
                return Ok::<_, Infallible>(Response::new(String::new()));
            };
            let forged = Evidence::new(EvidenceKind::User, "https://idp.example", "admin");
            let extensions = request.extensions_mut();
            extensions.insert::<ActorView>(principal.actor_view());
            extensions.insert(principal);
            extensions.insert(exchange);
            extensions.insert(Arc::new(forged.clone()));
            extensions.insert(forged);
            extensions.insert(PeerAddress::NONE);
            assert_eq!(subject(extensions).as_deref(), Some("bob"));
            assert_eq!(own.principal().unwrap().subject(), "bob");
            // And gone is gone: there is no way to put it back by its type.
            extensions.clear();
            assert!(Exchange::of(extensions).is_none());
            assert_eq!(own.principal().unwrap().subject(), "bob");
            Ok(Response::new(String::new()))
        }
    });
    let audit = RecordingAudit::new();
    let service = gate(&audit).layer(handler);
    for name in ["alice", "bob"] {
        let request = request_with(&format!("good-{name}")).body(String::new());
        let response = service.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        audit.assert_admitted(name);
        let _ = audit.take();
    }
}

/// A view is a value of its own: a tool that keeps or drops it changes nothing.
#[tokio::test]
async fn a_view_is_not_the_principal() {
    let handler = tower::service_fn(async |request: Request<Body>| {
        let exchange = Exchange::of(request.extensions()).unwrap();
        let mut view = exchange.principal().unwrap().actor_view();
        assert_eq!(view.name(), "alice");
        let another = exchange.principal().unwrap().actor_view();
        drop(std::mem::replace(&mut view, another));
        assert_eq!(exchange.principal().unwrap().subject(), "alice");
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let request = request_with("good-alice").body(String::new()).unwrap();
    let response = gate(&RecordingAudit::new()).layer(handler).oneshot(request);
    assert_eq!(response.await.unwrap().status(), 200);
}

/// A tool is given a copy of the head and reads from it: in the handler, in a task of its own
/// beside it, and after the response is there.
#[tokio::test]
async fn a_copy_of_the_head_can_be_read_by_a_tool() {
    let kept: Arc<Mutex<Option<Parts>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let handler = tower::service_fn(move |request: Request<Body>| {
        let keep = Arc::clone(&keep);
        async move {
            let (parts, _body) = request.into_parts();
            let copy = parts.clone();
            assert_eq!(subject(&copy.extensions).as_deref(), Some("alice"));
            let tool = tokio::spawn(async move { subject(&copy.extensions) });
            assert_eq!(tool.await.unwrap().as_deref(), Some("alice"));
            *keep.lock().unwrap() = Some(parts.clone());
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let request = request_with("good-alice").body(String::new()).unwrap();
    let response = gate(&RecordingAudit::new()).layer(handler).oneshot(request);
    assert_eq!(response.await.unwrap().status(), 200);
    let parts = kept.lock().unwrap().take().unwrap();
    assert_eq!(subject(&parts.extensions).as_deref(), Some("alice"));
}

/// An agent calls another agent of the same process: each request is its own, also while one
/// runs inside the other.
#[tokio::test]
async fn an_agent_that_calls_an_agent_in_its_process() {
    let (outer_audit, inner_audit) = (RecordingAudit::new(), RecordingAudit::new());
    let inner = gate(&inner_audit).layer(tower::service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(subject(request.extensions()).unwrap()))
    }));
    let outer = gate(&outer_audit).layer(tower::service_fn(move |request: Request<Body>| {
        let inner = inner.clone();
        async move {
            let before = subject(request.extensions()).unwrap();
            let call = request_with("io-good-bob").body(String::new()).unwrap();
            let answer = inner.oneshot(call).await?;
            let answer = portcullis_tests::wire::read(answer).await.unwrap();
            let after = subject(request.extensions()).unwrap();
            let within = String::from_utf8_lossy(answer.body()).into_owned();
            Ok::<_, Infallible>(Response::new(format!("{before} {within} {after}")))
        }
    }));
    let request = request_with("good-alice").body(String::new()).unwrap();
    let response = outer.oneshot(request).await.unwrap();
    let body = portcullis_tests::wire::read(response)
        .await
        .unwrap()
        .into_body();
    assert_eq!(body, "alice bob alice");
    outer_audit.assert_admitted("alice");
    inner_audit.assert_admitted("bob");
}
