//! What is refused whoever asks: an operation that nobody has named, a handler without the
//! layer, an exchange of another request.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use portcullis::{Exchange, RequestBody, audit::Outcome};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{authn, gate, perimeter, request_with},
    logs::Logs,
};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tracing::Level;

use crate::{let_in, with_token};

/// Names that look like one that is named, to a person or after some repair.
#[tokio::test]
async fn a_name_is_compared_byte_for_byte() {
    let audit = RecordingAudit::new();
    let exchange = let_in(&gate(&audit), with_token("strong-alice")).await;
    assert!(exchange.authorize("payments.transfer", ()).await.is_ok());
    for name in [
        "",
        "payments",
        "payments.transfer.",
        "payments.transfer ",
        " payments.transfer",
        "payments.transfer\0",
        "payments.transfer\n",
        "Payments.Transfer",
        "PAYMENTS.TRANSFER",
        "payments.tr\u{430}nsfer",
        "payments\u{2024}transfer",
        "payments.\u{200b}transfer",
        "tool:payments.transfer",
        "payments/transfer",
        "payments.transfer,notes.list",
        "*",
    ] {
        let _ = audit.take();
        assert!(exchange.authorize(name, ()).await.is_err(), "{name:?}");
        let record = audit.assert_call_refused(name, "operation_unknown");
        assert_eq!(record.outcome, Outcome::Refused);
    }
}

#[tokio::test]
async fn an_unknown_name_is_logged_once_and_names_are_bounded() {
    let (logs, _listening) = Logs::listen();
    let audit = RecordingAudit::new();
    let gate = gate(&audit);
    for _ in 0..3 {
        let exchange = let_in(&gate, with_token("good-alice")).await;
        for _ in 0..3 {
            assert!(exchange.authorize("reports.run", ()).await.is_err());
        }
    }
    let errors = logs.lines(Level::ERROR);
    let [line] = errors.as_slice() else {
        unreachable!("one line, not {errors:?}");
    };
    assert!(
        line.contains("knows no operation `reports.run`") && line.contains("`require`"),
        "{line}"
    );

    let exchange = let_in(&gate, with_token("good-alice")).await;
    let long = "x".repeat(1 << 20);
    assert!(exchange.authorize(&long, ()).await.is_err());
    for n in 0..1000 {
        let name = format!("made up\n{n}");
        assert!(exchange.authorize(&name, ()).await.is_err());
    }
    let errors = logs.lines(Level::ERROR);
    assert_eq!(errors.len(), 64);
    assert!(errors.last().unwrap().contains("no further names"));
    assert!(
        errors
            .iter()
            .all(|line| line.len() < 2000 && !line.contains('\n'))
    );
    // Each call has its record all the same.
    assert_eq!(
        audit
            .take()
            .iter()
            .filter(|r| r.operation.is_some())
            .count(),
        9 + 1 + 1000
    );
}

#[tokio::test]
async fn without_the_layer_everything_is_refused() {
    for with_perimeter in [false, true] {
        let (logs, _listening) = Logs::listen();
        let audit = RecordingAudit::new();
        let exchange = match with_perimeter {
            false => let_in(&authn(&audit), with_token("strong-alice")).await,
            true => {
                let both = ServiceBuilder::new()
                    .layer(perimeter(&audit))
                    .layer(authn(&audit));
                let_in(&both, with_token("strong-alice")).await
            }
        };
        let _ = audit.take();
        let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
        assert_eq!(denial.status(), 500);
        assert_eq!(denial.www_authenticate().count(), 0);
        assert!(denial.for_model().contains("the server cannot decide"));
        let record = audit.assert_call_refused("notes.list", "step_up_missing");
        assert_eq!(record.outcome, Outcome::Failed);
        let errors = logs.lines(Level::ERROR);
        assert!(
            matches!(errors.as_slice(), [line] if line.contains("`step_up` is missing around this handler") && line.contains("with_step_up")),
            "{errors:?}"
        );
    }
}

/// An exchange that a handler has kept from another request permits nothing to the one that is
/// running: whose scopes it has is not who asks.
#[tokio::test]
async fn the_exchange_of_another_request_permits_nothing() {
    let (logs, _listening) = Logs::listen();
    let audit = RecordingAudit::new();
    let kept: Arc<Mutex<Option<Exchange>>> = Arc::default();
    let shelf = Arc::clone(&kept);
    let handler = tower::service_fn(move |request: Request<RequestBody<String>>| {
        let kept = Arc::clone(&shelf);
        async move {
            let own = Exchange::of(request.extensions()).unwrap().clone();
            let other = kept.lock().unwrap().get_or_insert(own).clone();
            let called = other.authorize("payments.transfer", ()).await;
            Ok::<_, std::convert::Infallible>(Response::new(called.is_ok().to_string()))
        }
    });
    let service = gate(&audit).layer(handler);
    let send = async |token: &str| {
        let request = request_with(token).body(String::new()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        portcullis_testing::http_probe::body_text(response.into_body()).await
    };
    assert_eq!(send("scoped-alice").await, "true");
    let _ = audit.take();
    assert_eq!(send("good-mallory").await, "false");
    let record = audit.assert_call_refused("payments.transfer", "stack_misordered");
    assert_eq!(record.outcome, Outcome::Failed);
    let errors = logs.lines(Level::ERROR);
    assert!(
        matches!(errors.as_slice(), [line] if line.contains("exchange of another request")),
        "{errors:?}"
    );
    // Outside of any request, in a task of one's own, it is what it was.
    let exchange = kept.lock().unwrap().take().unwrap();
    assert!(exchange.authorize("payments.transfer", ()).await.is_ok());
}
