//! A handler that relies on a layer which is not there is not run: its extractor answers 500
//! and the log says which layer is missing.

use axum::{
    Router,
    body::Body,
    routing::{MethodRouter, get},
};
use http_body_util::BodyExt as _;
use portcullis::{ActorView, Exchange, Principal};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{authn, gate, perimeter, request, request_with, stack_builder},
    logs::Logs,
};
use tower::ServiceExt as _;
use tracing::Level;

/// Handlers that rely on each thing that can be extracted. None may ever answer by itself
/// where the layer is missing: each answers 418.
const TEAPOT: http::StatusCode = http::StatusCode::IM_A_TEAPOT;

fn handlers() -> [(&'static str, MethodRouter); 4] {
    [
        ("/principal", get(async |_: Principal| TEAPOT)),
        ("/optional", get(async |_: Option<Principal>| TEAPOT)),
        ("/view", get(async |_: ActorView| TEAPOT)),
        ("/exchange", get(async |_: Exchange| TEAPOT)),
    ]
}

fn router() -> Router {
    handlers()
        .into_iter()
        .fold(Router::new(), |router, (path, handler)| {
            router.route(path, handler)
        })
}

/// The status, and what was logged at ERROR. The body must be empty.
async fn get_from(router: &Router, path: &str, token: Option<&str>) -> (u16, Vec<String>) {
    let (logs, _listening) = Logs::listen();
    let builder = token.map_or_else(request, request_with).uri(path);
    let request = builder.body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    if matches!(status, 418 | 500) {
        assert!(body.is_empty(), "{body:?}");
    }
    (status, logs.lines(Level::ERROR))
}

#[track_caller]
fn assert_missing(answer: &(u16, Vec<String>), layer: &str) {
    let (status, errors) = answer;
    assert_eq!(*status, 500, "{errors:?}");
    assert_eq!(errors.len(), 1, "{errors:?}");
    let wanted = format!("`{layer}` is missing around this handler");
    assert!(
        errors.iter().all(|line| line.contains(&wanted)),
        "{errors:?}"
    );
    assert!(
        errors
            .iter()
            .all(|line| line.contains("gate.guard(router)")),
        "{errors:?}"
    );
}

#[tokio::test]
async fn without_any_layer() {
    let router = router();
    for (path, layer) in [
        ("/principal", "authn"),
        ("/optional", "authn"),
        ("/view", "authn"),
        ("/exchange", "gate"),
    ] {
        // Neither a credential nor its absence makes a difference.
        assert_missing(&get_from(&router, path, None).await, layer);
        assert_missing(&get_from(&router, path, Some("good-alice")).await, layer);
    }
}

#[tokio::test]
async fn with_a_perimeter_alone() {
    let router = router().layer(perimeter(&RecordingAudit::new()));
    for path in ["/principal", "/optional", "/view"] {
        assert_missing(&get_from(&router, path, Some("good-alice")).await, "authn");
    }
    assert_eq!(get_from(&router, "/exchange", None).await, (418, vec![]));
}

#[tokio::test]
async fn with_authn_alone() {
    let router = router().layer(authn(&RecordingAudit::new()));
    for (path, _) in handlers() {
        assert_eq!(
            get_from(&router, path, Some("good-alice")).await,
            (418, vec![])
        );
        assert_eq!(get_from(&router, path, None).await, (401, vec![]));
    }
}

/// The mistake that `guard` makes impossible.
#[tokio::test]
async fn on_a_route_that_is_added_after_the_gate() {
    let router = Router::new()
        .route("/guarded", get(async |_: Principal| TEAPOT))
        .layer(gate(&RecordingAudit::new()))
        .merge(router());
    assert_eq!(
        get_from(&router, "/guarded", Some("good-alice")).await.0,
        418
    );
    assert_eq!(get_from(&router, "/guarded", None).await.0, 401);
    for (path, layer) in [
        ("/principal", "authn"),
        ("/optional", "authn"),
        ("/view", "authn"),
        ("/exchange", "gate"),
    ] {
        assert_missing(&get_from(&router, path, Some("good-alice")).await, layer);
    }
}

/// A route that is declared anonymous before a handler that is not written for it: nobody is
/// let in as somebody.
#[tokio::test]
async fn on_an_anonymous_route() {
    let mut builder = stack_builder(&RecordingAudit::new());
    for (path, _) in handlers() {
        builder = builder.add_anonymous_route(path);
    }
    let router = router().layer(builder.build().unwrap().0);
    for path in ["/principal", "/view"] {
        let (status, errors) = get_from(&router, path, None).await;
        assert_eq!(status, 401);
        assert!(
            errors
                .iter()
                .any(|line| line.contains("declared anonymous")),
            "{errors:?}"
        );
    }
    for path in ["/optional", "/exchange"] {
        assert_eq!(get_from(&router, path, None).await, (418, vec![]));
    }
    for (path, _) in handlers() {
        assert_eq!(
            get_from(&router, path, Some("good-alice")).await,
            (418, vec![])
        );
        assert_eq!(get_from(&router, path, Some("bad")).await, (401, vec![]));
    }
}
