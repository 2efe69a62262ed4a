//! A handler that panics, and says what it was given while it does.

use std::{
    convert::Infallible,
    panic,
    sync::{Arc, Mutex},
};

use http::{HeaderName, Request, Response};
use portcullis::{
    Clock as _, Exchange, RequestBody, Secret, SystemClock,
    api_keys::{ApiKeys, Grant, KeyRing},
};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    canaries::Canaries,
    fixtures::{request, stack_builder},
};
use tower::Layer as _;

use crate::{show, told};

pub(crate) async fn play(canaries: &mut Canaries) {
    let said = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&said);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        kept.lock().unwrap().push_str(&panic.to_string());
    }));
    for header in ["authorization", "x-api-key"] {
        panics(canaries, header).await;
    }
    panic::set_hook(before);
    let said = said.lock().unwrap();
    assert_eq!(said.matches("on purpose").count(), 2, "{said}");
    assert!(said.contains("reporting"), "it was not let in: {said}");
    canaries.search("panics", said.as_bytes());
}

async fn panics(canaries: &mut Canaries, header: &'static str) {
    let ring = KeyRing::new("demo", &Secret::from(canaries.plant("the key of a ring")));
    let grant = Grant::for_application("reporting");
    let key = ring.issue(grant, SystemClock::new().now()).unwrap();
    let secret = key.expose().rsplit('_').next().unwrap();
    canaries.add("the API key of a request whose handler panics", secret);
    let mut keys = ApiKeys::new(ring);
    let mut value = format!("Bearer {}", key.expose());
    if header != "authorization" {
        keys = keys.with_header(HeaderName::from_static(header));
        value = key.expose().to_owned();
    }
    let audit = RecordingAudit::new();
    let (gate, handle) = stack_builder(&audit)
        .add_authenticator(keys)
        .build()
        .unwrap();
    let mut service = gate.layer(tower::service_fn(handler));
    let request = request().header(header, value).body(String::new()).unwrap();
    let call = tower::Service::call(&mut service, request);
    show(canaries, &call);
    told(canaries, &tokio::spawn(call).await.unwrap_err());
    show(canaries, &audit.records());
    show(canaries, &handle.stats());
}

async fn handler(request: Request<RequestBody<String>>) -> Result<Response<String>, Infallible> {
    let exchange = Exchange::of(request.extensions()).unwrap();
    let call = exchange.authorize("notes.list", "no secret");
    panic!(
        "on purpose, with {request:#?}, {exchange:?}, {:?}, {:?}, {call:?}",
        exchange.principal(),
        exchange.session()
    );
}
