//! Nothing that `Debug` prints, that is logged or that is answered holds a credential.

use std::{convert::Infallible, fmt::Debug};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use portcullis::{
    Authenticator, Check, Description, Evidence, EvidenceKind, Exchange, ReasonCode, Rejection,
    RequestView, Secret, Verdict,
};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{
        authn_builder, binding_builder, perimeter_builder, quota_builder, request, session_builder,
        stack_builder, step_up_builder,
    },
    logs::Logs,
};
use tower::{Layer as _, ServiceExt as _};

const CANARY: &str = "c4n4ry";

/// Knows the canary, and keeps it as secrets are kept.
#[derive(Clone, Debug)]
struct Keeper(Secret);

impl Authenticator for Keeper {
    fn describe(&self) -> Description {
        Description::bearer("keeper")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some(token) = request.bearer().filter(|token| token.contains(CANARY)) else {
            return Check::Done(Verdict::Absent);
        };
        Check::Done(if self.0.matches(token.as_bytes()) {
            let evidence = Evidence::new(EvidenceKind::User, "keeper", "alice");
            Verdict::accept(evidence)
        } else {
            let code = ReasonCode::new("keeper_unknown");
            Verdict::Reject(Rejection::invalid_token(code))
        })
    }
}

/// What was shown, with a name for each.
#[derive(Default)]
struct Shown(Vec<(&'static str, String)>);

impl Shown {
    fn add(&mut self, name: &'static str, value: &impl Debug) {
        self.0.push((name, format!("{value:?} {value:#?}")));
    }

    #[track_caller]
    fn assert_clean(&self) {
        for (name, text) in &self.0 {
            assert!(
                !text.contains(CANARY),
                "{name} shows the credential: {text}"
            );
            assert!(!text.trim().is_empty(), "{name} shows nothing at all");
        }
    }
}

#[tokio::test]
async fn no_debug_output_holds_a_credential() {
    let (logs, _listening) = Logs::listen();
    let mut shown = Shown::default();
    let audit = RecordingAudit::new();
    let keeper = Keeper(Secret::from(CANARY));
    shown.add("the authenticator", &keeper);

    let builder = stack_builder(&audit).add_authenticator(keeper.clone());
    shown.add("the stack's builder", &builder);
    let (gate, handle) = builder.build().unwrap();
    shown.add("the gate", &gate);
    shown.add("its handle", &handle);
    shown.add("its endpoints", &gate.endpoints());
    let perimeter = perimeter_builder(&audit);
    shown.add("the perimeter's builder", &perimeter);
    shown.add("the perimeter's layer", &perimeter.build().unwrap());
    let session = session_builder(&audit);
    shown.add("the session's builder", &session);
    shown.add("the session's layer", &session.build().unwrap());
    let binding = binding_builder(&audit);
    shown.add("the binding's builder", &binding);
    shown.add("the binding's layer", &binding.build().unwrap());
    let quota = quota_builder(&audit);
    shown.add("the quota's builder", &quota);
    shown.add("the quota's layer", &quota.build().unwrap());
    let authn = authn_builder(&audit)
        .add_authenticator(keeper)
        .build()
        .unwrap();
    shown.add("the authn layer", &authn);
    shown.add("the step-up's builder", &step_up_builder());
    shown.add("the step-up's layer", &step_up_builder().build().unwrap());

    let handler = tower::service_fn(async |request: Request<portcullis::RequestBody<String>>| {
        let mut shown = Shown::default();
        // The head as a handler that logs its request would print it.
        shown.add("the request", &request);
        let exchange = Exchange::of(request.extensions()).unwrap();
        shown.add("the exchange", exchange);
        if let Some(session) = exchange.session() {
            shown.add("the session", session);
        }
        if let Some(principal) = exchange.principal() {
            shown.add("the principal", principal);
            shown.add("the evidence", principal.evidence());
            shown.add("the view for a model", &principal.actor_view());
        }
        shown.add("the request's body", request.body());
        for operation in ["notes.list", "payments.transfer"] {
            // The arguments of a call are nobody's to see either.
            let call = exchange.authorize(operation, CANARY);
            shown.add("a call", &call);
            match call.await {
                Ok(permit) => shown.add("a permit", &permit),
                Err(denial) => {
                    shown.add("a denial", &denial);
                    shown.add("what the model is told", &denial.for_model());
                    shown.add("what the client is told", &denial.for_client());
                }
            }
        }
        shown.assert_clean();
        Ok::<_, Infallible>(Response::new(String::from("done")))
    });
    let service = gate.layer(handler);
    let bearer = |token: &str| request().header("authorization", format!("Bearer {token}"));
    for (builder, status) in [
        (bearer(CANARY), 200),
        (bearer("c4n4ry-but-not-it"), 401),
        (bearer("c4n4ry c4n4ry"), 400),
        (bearer(CANARY).header("authorization", "Basic c4n4ry"), 400),
        (request().uri("/?access_token=c4n4ry"), 400),
        (request().header("cookie", "access_token=c4n4ry"), 400),
    ] {
        let call = service
            .clone()
            .oneshot(builder.body(String::new()).unwrap());
        let response = call.await.unwrap();
        assert_eq!(response.status(), status);
        shown.add("the response", &response);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        shown.add("the response's body", &body);
    }
    audit.assert_decisions(6);
    shown.add("the records", &audit.records());
    shown.add("the counters", &handle.stats());
    shown.add("the logs", &logs.all());
    shown.assert_clean();
}

/// The future of a response holds the request while it waits.
#[tokio::test]
async fn no_future_shows_what_it_holds() {
    use tower::Service as _;

    let audit = RecordingAudit::new();
    let mut shown = Shown::default();
    let mut service =
        portcullis_tests::fixtures::gate(&audit).layer(portcullis_tests::echo::Echo::new());
    for token in ["good-c4n4ry", "io-good-c4n4ry", "c4n4ry"] {
        let request = portcullis_tests::fixtures::request_with(token);
        let call = service.call(request.body(String::new()).unwrap());
        shown.add("a future", &call);
    }
    shown.assert_clean();
}
