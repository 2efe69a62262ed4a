//! The request that is sent over and over.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use portcullis::PeerAddress;

/// Where requests come from.
pub const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 50_000);
/// Another network.
pub const ELSEWHERE: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 50_000);

const QUESTION: &[u8] = br#"{"messages":[{"role":"user","content":"What is on for today?"}]}"#;

/// A request as an agent's client sends it, made afresh: headers are shared as hyper shares
/// them, with the buffer that they were read into.
#[must_use]
pub fn request(authorization: &HeaderValue) -> Request<Body> {
    let mut request = Request::new(Body::from(Bytes::from_static(QUESTION)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/chat");
    let headers = request.headers_mut();
    for (name, value) in [
        (header::HOST, "agent.example"),
        (header::USER_AGENT, "agent-client/1.0"),
        (header::ACCEPT, "application/json, text/event-stream"),
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_LENGTH, "64"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::AUTHORIZATION, authorization.clone());
    request
}

/// The same, with the peer's address attached as `Gate::guard` does under `axum::serve`. Who
/// has no gate does not need it, so it is a cost of ours and in no floor.
#[must_use]
pub fn request_from_peer(authorization: &HeaderValue) -> Request<Body> {
    let mut request = request(authorization);
    PeerAddress::from(PEER).attach(request.extensions_mut());
    request
}

/// A bearer credential as the value of `Authorization`.
///
/// # Panics
///
/// The credential holds what no header can.
#[must_use]
pub fn bearer(credential: &str) -> HeaderValue {
    let value =
        HeaderValue::try_from(format!("Bearer {credential}")).expect("credentials are printable");
    // The first clone makes the bytes shared, which is no cost of any request.
    drop(value.clone());
    value
}
