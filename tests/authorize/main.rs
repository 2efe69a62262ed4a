//! What a handler may do while it answers: `Exchange::authorize`, its permits and its denials.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed"
)]

mod calls;
mod denials;
mod layers;
mod over_http;
mod refused_everywhere;
mod sessions;

use http::Request;
use portcullis::Exchange;
use portcullis_testing::http_probe::HandlerProbe;
use portcullis_tests::fixtures::request_with;
use tower::{Layer, Service, ServiceExt as _};

/// The exchange of a request that was let in, as its handler has it.
async fn let_in<L>(layer: &L, request: Request<String>) -> Exchange
where
    L: Layer<HandlerProbe>,
    L::Service: Service<Request<String>, Error = std::convert::Infallible>,
{
    let handler = HandlerProbe::new();
    let service = layer.layer(handler.clone());
    assert!(service.oneshot(request).await.is_ok());
    let parts = handler.take_request().unwrap();
    Exchange::of(&parts.extensions).unwrap().clone()
}

fn with_token(token: &str) -> Request<String> {
    request_with(token).body(String::new()).unwrap()
}
