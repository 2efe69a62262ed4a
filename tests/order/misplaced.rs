//! A layer that is there twice, or on the wrong side of another.
//!
//! Each arrangement answers 500 with an empty body to a request that is good in every other
//! way, writes a Failed record `stack_misordered` and an ERROR that names the layers, and does
//! not call the handler.

use std::convert::Infallible;

use http::Request;
use portcullis_testing::{audit::RecordingAudit, http_probe::HandlerProbe};
use portcullis_tests::{
    fixtures::{authn, authn_and_step_up, gate, perimeter, quota, request_with, session, step_up},
    logs::Logs,
};
use tower::{Layer as _, ServiceExt as _, buffer::Buffer};
use tracing::Level;

use crate::arrangement::{TOKENS, arrangement, assert_misordered, send, silent};

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
