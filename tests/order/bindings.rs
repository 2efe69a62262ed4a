//! A `binding` layer without its session, twice, or on the wrong side of another layer.

use portcullis_testing::{audit::RecordingAudit, http_probe::HandlerProbe};
use portcullis_tests::{
    fixtures::{authn, authn_and_session, binding, gate, quota, session},
    logs::Logs,
};
use tower::Layer as _;
use tracing::Level;

use crate::arrangement::{TOKENS, arrangement, assert_misordered, send, silent};

arrangement!(
    a_binding_without_any_layer,
    "binding",
    &["`binding` ran, but `session` had not"],
    |audit, handler| binding(audit).layer(handler)
);

arrangement!(
    a_binding_without_a_session,
    "binding",
    &[
        "`binding` ran, but `session` had not",
        "put `session` further out"
    ],
    |audit, handler| authn(audit).layer(binding(&silent()).layer(handler))
);

arrangement!(
    a_binding_outside_the_session,
    "binding",
    &["`binding` ran, but `session` had not"],
    |audit, handler| authn(audit)
        .layer(binding(&silent()).layer(session(&silent()).layer(handler)))
);

arrangement!(
    a_binding_around_a_gate,
    "binding",
    &["`binding` ran, but `session` had not"],
    |audit, handler| binding(audit).layer(gate(&silent()).layer(handler))
);

arrangement!(
    a_binding_inside_a_quota,
    "binding",
    &[
        "`quota` ran before `binding`, but belongs inside it",
        "swap the two layers"
    ],
    |audit, handler| authn_and_session(audit)
        .layer(quota(&silent()).layer(binding(&silent()).layer(handler)))
);

arrangement!(
    two_bindings,
    "binding",
    &["`binding` ran twice", "second `binding` layer"],
    |audit, handler| authn_and_session(audit)
        .layer(binding(&silent()).layer(binding(&silent()).layer(handler)))
);

/// What this file relies on: inside a session it lets the request through.
#[tokio::test]
async fn a_binding_inside_a_session_passes() {
    for token in TOKENS {
        let (logs, _listening) = Logs::listen();
        let (audit, handler) = (RecordingAudit::new(), HandlerProbe::new());
        let inner = binding(&silent()).layer(quota(&silent()).layer(handler.clone()));
        let response = send(authn_and_session(&audit).layer(inner), token).await;
        assert_eq!(response.status(), 200);
        handler.assert_called(1);
        audit.assert_admitted("alice");
        assert!(logs.lines(Level::ERROR).is_empty());
    }
}
