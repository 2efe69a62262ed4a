//! Device ids that are not that of the session.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use portcullis::{
    Clock as _, Evidence, EvidenceKind, Stack, SystemClock,
    binding::{BindingLayer, Reaction},
    session::SessionLayer,
};
use portcullis_testing::mock_auth::MockAuth;

use super::{Kind, Pair, refused::generous};
use crate::{
    RESOURCE,
    requests::{bearer, request_from_peer},
    services::{answer, router},
};

const HEADER: HeaderName = HeaderName::from_static("x-device");
const DEVICE: &str = "0a9f2b1e-5d7c-4e0b-8f3a-1c2d3e4f5a6b";

pub(super) fn pair() -> Pair {
    let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
        .with_auth_time(SystemClock::new().now());
    let binding = BindingLayer::builder()
        .with_device_header(HEADER)
        .with_device(Reaction::Ask);
    let stack = Stack::builder()
        .with_resource(RESOURCE)
        .with_perimeter(generous())
        .with_session(SessionLayer::builder())
        .with_binding(binding)
        .add_authenticator(MockAuth::evidence(alice));
    let (gate, _) = stack.build().expect("the settings work");
    let mut guarded = gate.guard(router());
    let mut status = |device: &str| answer(&mut guarded, from(device)).status();
    // The first device is the one.
    assert_eq!(status(DEVICE), StatusCode::OK);
    for n in 0..20 {
        assert_eq!(status(&wrong(Kind::One, n)), StatusCode::UNAUTHORIZED);
        assert_eq!(status(&wrong(Kind::Other, n)), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(status(DEVICE), StatusCode::OK);
    Pair::new(
        "device_first_or_last",
        |kind, n| from(&wrong(kind, n)),
        move |request| answer(&mut guarded, request),
    )
}

/// The device but for one character, which is one of twenty.
fn wrong(kind: Kind, n: u64) -> String {
    let mut device = DEVICE.to_owned();
    let at = kind.of([0, DEVICE.len() - 1]);
    let letter = char::from(b'g' + (n % 20) as u8);
    device.replace_range(at..=at, letter.encode_utf8(&mut [0; 4]));
    device
}

fn from(device: &str) -> Request<Body> {
    let mut request = request_from_peer(&bearer("anything"));
    let device = HeaderValue::try_from(device).expect("an id is printable");
    request.headers_mut().insert(HEADER, device);
    request
}
