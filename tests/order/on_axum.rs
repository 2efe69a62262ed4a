//! With axum the layer that is added last runs first, which is the mistake that people make.

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use portcullis_testing::{audit::RecordingAudit, http_probe::HandlerProbe};
use portcullis_tests::{
    fixtures::{authn, gate, perimeter, request_with},
    logs::Logs,
};
use tower::{Service as _, ServiceExt as _};
use tracing::Level;

use crate::arrangement::{assert_misordered, silent};

async fn send(router: Router) -> Response<Bytes> {
    let request = request_with("good-alice").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn router(handler: &HandlerProbe) -> Router {
    let handler = handler.clone();
    let called = move || {
        let mut handler = handler.clone();
        async move { handler.call(Request::new(())).await.map(|_| "handled") }
    };
    Router::new().route("/", get(async move || called().await.unwrap_or("never")))
}

#[tokio::test]
async fn the_perimeter_added_first() {
    let (logs, _listening) = Logs::listen();
    let (audit, handler) = (RecordingAudit::new(), HandlerProbe::new());
    let router = router(&handler)
        .layer(perimeter(&silent()))
        .layer(authn(&audit));
    let response = send(router).await;
    handler.assert_not_called();
    let named = [
        "`authn` ran before `perimeter`",
        "the layer added last runs first",
    ];
    let others = assert_misordered(&audit, &response, &logs, "perimeter", &named);
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn a_guarded_router_in_a_guarded_router() {
    let (logs, _listening) = Logs::listen();
    let (audit, handler) = (RecordingAudit::new(), HandlerProbe::new());
    let inner = gate(&silent()).guard(router(&handler));
    let outer = Router::new().fallback_service(inner);
    let response = send(outer.layer(gate(&audit))).await;
    handler.assert_not_called();
    assert_misordered(&audit, &response, &logs, "perimeter", &["second gate"]);
}

#[tokio::test]
async fn the_gate_on_a_route_and_around_the_router() {
    let (logs, _listening) = Logs::listen();
    let (audit, handler) = (RecordingAudit::new(), HandlerProbe::new());
    let router = router(&handler)
        .route_layer(gate(&silent()))
        .layer(gate(&audit));
    let response = send(router).await;
    handler.assert_not_called();
    assert_misordered(&audit, &response, &logs, "perimeter", &["second gate"]);
}

/// Two gates side by side guard two handlers, and that is no mistake.
#[tokio::test]
async fn two_gates_side_by_side() {
    let (logs, _listening) = Logs::listen();
    let (one, two) = (RecordingAudit::new(), RecordingAudit::new());
    let handler = HandlerProbe::new();
    let router = Router::new()
        .merge(router(&handler).layer(gate(&one)))
        .merge(
            Router::new()
                .route("/two", get(async || "two"))
                .layer(gate(&two)),
        );
    let response = send(router).await;
    assert_eq!(response.status(), 200);
    handler.assert_called(1);
    one.assert_admitted("alice");
    assert!(two.is_empty());
    assert!(logs.lines(Level::ERROR).is_empty());
}
