//! A layer in the place of a gate's handler.

use portcullis_testing::{audit::RecordingAudit, http_probe::HandlerProbe};
use portcullis_tests::{
    fixtures::{authn, authn_and_step_up, gate, perimeter, quota},
    logs::Logs,
};
use tower::Layer as _;

use crate::arrangement::{TOKENS, assert_misordered, send, silent};

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
