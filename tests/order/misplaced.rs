//! A layer that is there twice, or on the wrong side of another.
//!
//! Each arrangement answers 500 with an empty body to a request that is good in every other
//! way, writes a Failed record `stack_misordered` and an ERROR that names the layers, and does
//! not call the handler.

use std::convert::Infallible;

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use portcullis::{BoxError, audit::Outcome};
use portcullis_testing::{
    audit::{Recorded, RecordingAudit},
    http_probe::HandlerProbe,
};
use portcullis_tests::{
    fixtures::{authn, authn_and_step_up, gate, perimeter, quota, request_with, session, step_up},
    logs::Logs,
};
use tower::{Layer as _, Service, ServiceExt as _, buffer::Buffer};
use tracing::Level;

/// Both a request that is decided at once and one that needs I/O on its way.
pub(crate) const TOKENS: [&str; 2] = ["good-alice", "io-good-alice"];

pub(crate) async fn send<S, B>(service: S, token: &str) -> Response<Bytes>
where
    S: Service<Request<String>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let request = request_with(token).body(String::new()).unwrap();
    let response = service.oneshot(request).await.map_err(Into::into).unwrap();
    portcullis_tests::wire::read(response).await.unwrap()
}

/// The one record about the wrong order, and nothing but what is allowed besides.
#[track_caller]
pub(crate) fn assert_misordered(
    audit: &RecordingAudit,
    response: &Response<Bytes>,
    logs: &Logs,
    layer: &str,
    named: &[&str],
) -> Vec<Recorded> {
    assert_eq!(response.status(), 500);
    assert!(response.body().is_empty(), "{:?}", response.body());
    assert!(!response.headers().contains_key("www-authenticate"));

    let errors = logs.lines(Level::ERROR);
    assert_eq!(errors.len(), 1, "{errors:?}");
    for name in named {
        assert!(errors.iter().all(|line| line.contains(name)), "{errors:?}");
    }

    let (failed, others): (Vec<_>, Vec<_>) = audit
        .take()
        .into_iter()
        .partition(|record| record.reason.as_str() == "stack_misordered");
    let [failed] = failed.as_slice() else {
        unreachable!("one record of a wrong order, not {failed:?}");
    };
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(failed.layer, layer);
    assert_eq!(failed.status.unwrap(), 500);
    others
}

/// What the handler must not see, around which arrangement, with which sink.
macro_rules! arrangement {
    ($test:ident, $layer:literal, $named:expr, |$audit:ident, $handler:ident| $service:expr) => {
        #[tokio::test]
        async fn $test() {
            for token in TOKENS {
                let (logs, _listening) = Logs::listen();
                let audit = RecordingAudit::new();
                let handler = HandlerProbe::new();
                let service = {
                    let $audit = &audit;
                    let $handler = handler.clone();
                    $service
                };
                let response = send(service, token).await;
                handler.assert_not_called();
                let others = assert_misordered(&audit, &response, &logs, $layer, $named);
                assert!(others.is_empty(), "one record for one request: {others:?}");
            }
        }
    };
}

pub(crate) use arrangement;
/// Inner loose layers write no records of their own: their sink must stay empty.
pub(crate) fn silent() -> RecordingAudit {
    RecordingAudit::failing()
}

arrangement!(
    two_perimeters,
    "perimeter",
    &["`perimeter` ran twice", "second `perimeter` layer"],
    |audit, handler| perimeter(audit).layer(perimeter(&silent()).layer(handler))
);

arrangement!(
    two_authns,
    "authn",
    &["`authn` ran twice", "second `authn` layer"],
    |audit, handler| authn(audit).layer(authn(&silent()).layer(handler))
);

arrangement!(
    two_authns_below_a_perimeter,
    "authn",
    &["`authn` ran twice"],
    |audit, handler| perimeter(audit)
        .layer(authn(&silent()).layer(authn(&silent()).layer(handler)))
);

arrangement!(
    a_gate_below_a_perimeter,
    "perimeter",
    &["`perimeter` ran twice", "second gate"],
    |audit, handler| perimeter(audit).layer(gate(&silent()).layer(handler))
);

arrangement!(
    a_perimeter_below_authn,
    "perimeter",
    &["`authn` ran before `perimeter`", "swap the two layers"],
    |audit, handler| authn(audit).layer(perimeter(&silent()).layer(handler))
);

arrangement!(
    a_gate_below_authn,
    "perimeter",
    &["`authn` ran before `perimeter`"],
    |audit, handler| authn(audit).layer(gate(&silent()).layer(handler))
);

arrangement!(
    a_session_without_authn,
    "session",
    &[
        "`session` ran, but `authn` had not",
        "put `authn` further out"
    ],
    |audit, handler| session(audit).layer(handler)
);

arrangement!(
    a_session_outside_authn,
    "session",
    &["`session` ran, but `authn` had not"],
    |audit, handler| session(audit).layer(authn(&silent()).layer(handler))
);

arrangement!(
    two_sessions,
    "session",
    &["`session` ran twice", "second `session` layer"],
    |audit, handler| authn(audit)
        .layer(session(&silent()).layer(session(&silent()).layer(handler)))
);

arrangement!(
    a_session_inside_a_quota,
    "session",
    &["`quota` ran before `session`", "swap the two layers"],
    |audit, handler| authn(audit).layer(quota(&silent()).layer(session(&silent()).layer(handler)))
);

arrangement!(
    a_quota_without_authn,
    "quota",
    &[
        "`quota` ran, but `authn` had not",
        "put `authn` further out"
    ],
    |audit, handler| quota(audit).layer(handler)
);

arrangement!(
    a_quota_outside_authn,
    "quota",
    &[
        "`quota` ran, but `authn` had not",
        "put `authn` further out"
    ],
    |audit, handler| quota(audit).layer(authn(&silent()).layer(handler))
);

arrangement!(
    a_quota_between_perimeter_and_authn,
    "quota",
    &["`quota` ran, but `authn` had not"],
    |audit, handler| perimeter(audit)
        .layer(quota(&silent()).layer(authn(&silent()).layer(handler)))
);

arrangement!(
    a_quota_around_a_gate,
    "quota",
    &["`quota` ran, but `authn` had not"],
    |audit, handler| quota(audit).layer(gate(&silent()).layer(handler))
);

arrangement!(
    two_quotas,
    "quota",
    &["`quota` ran twice", "second `quota` layer"],
    |audit, handler| authn(audit).layer(quota(&silent()).layer(quota(&silent()).layer(handler)))
);

arrangement!(
    a_perimeter_below_a_quota,
    "perimeter",
    &["ran before `perimeter`"],
    |audit, handler| authn(audit)
        .layer(quota(&silent()).layer(perimeter(&silent()).layer(handler)))
);

arrangement!(
    a_step_up_without_authn,
    "step_up",
    &["`step_up` ran, but `authn` had not"],
    |audit, handler| step_up(audit).layer(handler)
);

arrangement!(
    a_step_up_below_a_perimeter_alone,
    "step_up",
    &["`step_up` ran, but `authn` had not", "further out"],
    |audit, handler| perimeter(audit).layer(step_up(&silent()).layer(handler))
);

arrangement!(
    authn_below_a_step_up,
    "step_up",
    &["`step_up` ran, but `authn` had not"],
    |audit, handler| step_up(audit).layer(authn(&silent()).layer(handler))
);

arrangement!(
    a_perimeter_below_a_step_up,
    "perimeter",
    &["`perimeter`", "swap the two layers"],
    |audit, handler| authn_and_step_up(audit).layer(perimeter(&silent()).layer(handler))
);

arrangement!(
    authn_between_two_step_ups,
    "authn",
    &["`authn` ran twice"],
    |audit, handler| authn_and_step_up(audit).layer(authn_and_step_up(&silent()).layer(handler))
);

// The order is checked as well where a worker makes the call, out of sight of the request.
arrangement!(
    a_perimeter_below_authn_behind_a_buffer,
    "perimeter",
    &["`authn` ran before `perimeter`"],
    |audit, handler| authn(audit).layer(Buffer::new(perimeter(&silent()).layer(handler), 1))
);

arrangement!(
    two_authns_with_a_buffer_between,
    "authn",
    &["`authn` ran twice"],
    |audit, handler| authn(audit).layer(Buffer::new(authn(&silent()).layer(handler), 1))
);

/// A gate records that it let a request in before the handler runs, so a second gate in the
/// place of the handler comes too late for there to be one record: there are two, of one id,
/// and the second says what became of it.
macro_rules! inside_a_gate {
    ($test:ident, $layer:literal, $named:expr, |$inner:ident, $handler:ident| $service:expr) => {
        #[tokio::test]
        async fn $test() {
            for token in TOKENS {
                let (logs, _listening) = Logs::listen();
                let audit = RecordingAudit::new();
                let handler = HandlerProbe::new();
                let service = {
                    let $inner = &silent();
                    let $handler = handler.clone();
                    gate(&audit).layer($service)
                };
                let response = send(service, token).await;
                handler.assert_not_called();
                let id = audit.records().last().unwrap().request_id;
                let others = assert_misordered(&audit, &response, &logs, $layer, $named);
                let [admitted] = others.as_slice() else {
                    unreachable!("an admission, not {others:?}");
                };
                assert_eq!(admitted.reason.as_str(), "admitted");
                assert_eq!(admitted.request_id, id);
            }
        }
    };
}

inside_a_gate!(
    a_gate_in_a_gate,
    "perimeter",
    &["`perimeter` ran twice", "second gate"],
    |inner, handler| gate(inner).layer(handler)
);

inside_a_gate!(
    authn_in_a_gate,
    "authn",
    &["`authn` ran twice", "second gate"],
    |inner, handler| authn(inner).layer(handler)
);

inside_a_gate!(
    a_quota_in_a_gate_that_has_one,
    "quota",
    &["`quota` ran twice", "second `quota` layer"],
    |inner, handler| quota(inner).layer(handler)
);

inside_a_gate!(
    a_perimeter_in_a_gate,
    "perimeter",
    &["`perimeter` ran twice"],
    |inner, handler| perimeter(inner).layer(handler)
);

inside_a_gate!(
    authn_with_a_step_up_in_a_gate,
    "authn",
    &["`authn` ran twice"],
    |inner, handler| authn_and_step_up(inner).layer(handler)
);

/// With axum the layer that is added last runs first, which is the mistake that people make.
mod on_axum {
    use super::*;

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
}

/// What this file relies on: the same parts in the right order let the request through.
#[tokio::test]
async fn the_right_order_passes() {
    for token in TOKENS {
        let (logs, _listening) = Logs::listen();
        let (audit, handler) = (RecordingAudit::new(), HandlerProbe::new());
        let quota = Buffer::new(quota(&silent()).layer(handler.clone()), 1);
        let authn = Buffer::new(authn(&silent()).layer(quota), 1);
        let response = send(perimeter(&audit).layer(authn), token).await;
        assert_eq!(response.status(), 200);
        handler.assert_called(1);
        audit.assert_admitted("alice");
        assert!(logs.lines(Level::ERROR).is_empty());
    }
}

/// `step_up` alone may stand more than once: in a row, and inside a gate that has one.
#[tokio::test]
async fn step_up_may_stand_again() {
    for token in TOKENS {
        let (logs, _listening) = Logs::listen();
        let (audit, handler) = (RecordingAudit::new(), HandlerProbe::new());
        let again = || step_up(&silent()).layer(step_up(&silent()).layer(handler.clone()));
        let loose = send(authn_and_step_up(&audit).layer(again()), token).await;
        assert_eq!(loose.status(), 200);
        audit.assert_admitted("alice");
        let _ = audit.take();
        let gated = send(gate(&audit).layer(again()), token).await;
        assert_eq!(gated.status(), 200);
        audit.assert_admitted("alice");
        let buffered = Buffer::new(again(), 1);
        let deferred = send(
            authn_and_step_up(&RecordingAudit::new()).layer(buffered),
            token,
        )
        .await;
        assert_eq!(deferred.status(), 200);
        handler.assert_called(3);
        assert!(logs.lines(Level::ERROR).is_empty());
    }
}

/// A retry between our layers sends one request twice. It cannot keep the request's place, so
/// its second attempt is refused.
#[tokio::test]
async fn a_second_attempt_between_the_layers() {
    let (logs, _listening) = Logs::listen();
    let (audit, handler) = (RecordingAudit::new(), HandlerProbe::new());
    let inner = authn(&RecordingAudit::new()).layer(handler.clone());
    let twice = tower::service_fn(move |request: Request<_>| {
        let inner = inner.clone();
        async move {
            let (parts, body): (http::request::Parts, portcullis::RequestBody<String>) =
                request.into_parts();
            let again = Request::from_parts(parts.clone(), String::new());
            let first = inner
                .clone()
                .oneshot(Request::from_parts(parts, body))
                .await?;
            assert_eq!(first.status(), 200);
            inner.oneshot(again).await
        }
    });
    let service = perimeter(&audit).layer(twice);
    let request = request_with("good-alice").body(String::new()).unwrap();
    let response: Result<_, Infallible> = service.oneshot(request).await;
    assert_eq!(response.unwrap().status(), 500);
    handler.assert_called(1);
    let errors = logs.lines(Level::ERROR);
    assert!(
        errors
            .iter()
            .any(|line| line.contains("do not copy request extensions")),
        "{errors:?}"
    );
    // The request itself was let in once, and that is what its record says.
    assert_eq!(audit.assert_one_decision().subject(), Some("alice"));
}
