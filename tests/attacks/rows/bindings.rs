//! Stolen tokens, used from elsewhere.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderName, Request, header};
use http_body_util::Full;
use portcullis::{
    Clock as _, PeerAddress,
    binding::{BindingBuilder, BindingLayer, Reaction},
    session::SessionLayer,
};

use crate::{
    guard::{Guard, Settings, finish},
    harness::{Expected, Harness},
};

const DEVICE: HeaderName = HeaderName::from_static("x-device-id");

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:another network", network).await;
    harness.row("own:another user agent", user_agent).await;
    harness.row("own:another device", device).await;
}

/// Compares one attribute alone, so that no other notices in its stead.
fn guard(binding: impl FnOnce(BindingBuilder) -> BindingBuilder) -> Guard {
    let nothing = BindingLayer::builder()
        .without_network()
        .without_user_agent();
    let mut settings = Settings::fixed();
    settings.session = Some(SessionLayer::builder());
    settings.binding = Some(binding(nothing));
    settings.build()
}

/// Tokens of one login: what a victim uses, and what a thief has of it.
fn tokens(guard: &Guard) -> [String; 2] {
    let now = guard.clock.now().unix_seconds();
    [0, 1].map(|n| {
        let token = guard.token().with_claim("auth_time", now);
        token.with_claim("jti", format!("token-{n}")).mint()
    })
}

fn sent(
    guard: &Guard,
    token: &str,
    address: [u8; 4],
    headers: &[(HeaderName, &str)],
) -> Request<Full<Bytes>> {
    let mut builder = guard
        .request("/notes")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    for (name, value) in headers {
        builder = builder.header(name, *value);
    }
    let mut request = finish(builder);
    PeerAddress::from(IpAddr::from(address)).attach(request.extensions_mut());
    request
}

const HOME: [u8; 4] = [192, 0, 2, 1];

async fn network(harness: &mut Harness) {
    let guard = guard(|binding| binding.with_network(Reaction::Ask));
    let [own, stolen] = tokens(&guard);
    let home = || sent(&guard, &own, HOME, &[]);
    harness.control("the first", &guard, home()).await;
    let expected = Expected::insufficient_authentication("max_age=\"0\"", &["drift_network"]);
    for (name, address) in [
        ("from another continent", [198, 51, 100, 7]),
        ("from the network beside it", [192, 0, 3, 1]),
    ] {
        for token in [&own, &stolen] {
            let request = sent(&guard, token, address, &[]);
            harness.attack(name, &guard, request, &expected).await;
        }
        harness.control("who was there first", &guard, home()).await;
    }
    // No proxy is trusted here, so nobody is where he says he is.
    let mut forwarded = sent(&guard, &stolen, [198, 51, 100, 7], &[]);
    let said = http::HeaderValue::from_static("192.0.2.1");
    forwarded.headers_mut().insert("x-forwarded-for", said);
    harness
        .attack(
            "with the victim's address in a header",
            &guard,
            forwarded,
            &expected,
        )
        .await;
}

async fn user_agent(harness: &mut Harness) {
    let guard = guard(|binding| binding.with_user_agent(Reaction::Ask));
    let [own, stolen] = tokens(&guard);
    let home = || sent(&guard, &own, HOME, &[(header::USER_AGENT, "assistant/1.0")]);
    harness.control("the first", &guard, home()).await;
    let expected = Expected::insufficient_authentication("max_age=\"0\"", &["drift_user_agent"]);
    for (name, headers) in [
        ("another", &[(header::USER_AGENT, "thief/0.1")][..]),
        ("none", &[]),
        (
            "the victim's and another",
            &[
                (header::USER_AGENT, "assistant/1.0"),
                (header::USER_AGENT, "thief/0.1"),
            ],
        ),
    ] {
        let request = sent(&guard, &stolen, HOME, headers);
        harness.attack(name, &guard, request, &expected).await;
        harness.control("who was there first", &guard, home()).await;
    }
}

async fn device(harness: &mut Harness) {
    let guard = guard(|binding| {
        binding
            .with_device_header(DEVICE)
            .with_device(Reaction::Ask)
    });
    let [own, stolen] = tokens(&guard);
    let home = || sent(&guard, &own, HOME, &[(DEVICE, "phone-1")]);
    harness.control("the first", &guard, home()).await;
    let expected = Expected::insufficient_authentication("max_age=\"0\"", &["drift_device"]);
    for (name, headers) in [
        ("another", &[(DEVICE, "phone-2")][..]),
        ("none, as if it had never been bound", &[]),
        ("an empty one", &[(DEVICE, "")]),
        (
            "two, one of which may be right",
            &[(DEVICE, "phone-1"), (DEVICE, "phone-2")],
        ),
    ] {
        let request = sent(&guard, &stolen, HOME, headers);
        harness.attack(name, &guard, request, &expected).await;
        harness.control("who was there first", &guard, home()).await;
    }
}
