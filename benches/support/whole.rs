//! The whole of ours, for what users stack from several crates today: tokens, sessions with an
//! idle timeout, where they come from, a limit on requests, and records.

use axum::body::Body;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, StatusCode, header};
use portcullis::{
    Gate, GateHandle, IntoAuthenticator, PeerAddress, Stack,
    binding::{BindingLayer, Reaction},
    quota::{Quota, QuotaLayer},
    session::SessionLayer,
};
use portcullis_testing::identity_provider::SigningAlgorithm;

use crate::{
    RESOURCE, Variant,
    credentials::{Cache, Ring, SUBJECT, Tokens},
    requests::{ELSEWHERE, request_from_peer},
    services::{answer, router, send},
};

/// The whole gate on the router, with a token that is known and with the cache off.
///
/// # Panics
///
/// It lets in what it should refuse.
pub(crate) fn variants(tokens: &Tokens, name: &str, algorithm: SigningAlgorithm) -> Vec<Variant> {
    assert_guards(tokens, algorithm);
    let of = |state: &str, cache, mut credentials: Ring<HeaderValue>| {
        let authenticator = tokens.authenticator(cache);
        let (gate, _) = whole(authenticator.clone(), GENEROUS);
        let mut guarded = gate.guard(router());
        Variant::new(format!("whole.{state}.{name}"), move || {
            send(&mut guarded, request_from_peer(credentials.advance()));
        })
        .with_floor("axum.bare")
        .with_composite(&format!("composite.{name}"))
        .with_authenticator(&authenticator)
    };
    vec![
        of("warm", Cache::Default, tokens.same(algorithm)),
        of("cold", Cache::Off, tokens.distinct(algorithm)),
    ]
}

/// More than is ever sent here.
const GENEROUS: Quota = Quota::per_second(1_000_000_000);

fn whole(
    authenticator: impl IntoAuthenticator + Send + 'static,
    quota: Quota,
) -> (Gate, GateHandle) {
    let binding = BindingLayer::builder()
        .with_network(Reaction::Ask)
        .with_user_agent(Reaction::Ask);
    Stack::builder()
        .with_resource(RESOURCE)
        .add_authenticator(authenticator)
        .with_session(SessionLayer::builder())
        .with_binding(binding)
        .with_quota(QuotaLayer::builder().with_per_principal(quota))
        .build()
        .expect("the settings work")
}

/// What is timed really checks.
fn assert_guards(tokens: &Tokens, algorithm: SigningAlgorithm) {
    let mut credentials = tokens.same(algorithm);
    let good = credentials.advance();
    let (gate, handle) = whole(tokens.authenticator(Cache::Default), GENEROUS);
    let mut guarded = gate.guard(router());
    let mut status = |request| answer(&mut guarded, request).status();

    for bad in tokens.bad(algorithm) {
        assert_eq!(status(request_from_peer(&bad)), StatusCode::UNAUTHORIZED);
    }
    for _ in 0..2 {
        assert_eq!(status(request_from_peer(good)), StatusCode::OK);
    }
    for moved in [with_another_agent(good), from_elsewhere(good)] {
        assert_eq!(status(moved), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(status(request_from_peer(good)), StatusCode::OK);
    let issuer = tokens.issuer().issuer();
    let ended = handle.end_sessions(issuer, SUBJECT).now_or_never();
    let ended = ended
        .expect("memory does not wait")
        .expect("memory does not fail");
    assert_eq!(ended, 1, "all of them were in one session");

    let (gate, _) = whole(tokens.authenticator(Cache::Default), Quota::per_hour(1));
    let mut guarded = gate.guard(router());
    let mut status = || answer(&mut guarded, request_from_peer(good)).status();
    assert_eq!(
        [status(), status()],
        [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS]
    );
}

fn with_another_agent(credential: &HeaderValue) -> Request<Body> {
    let mut request = request_from_peer(credential);
    let agent = HeaderValue::from_static("another/1.0");
    request.headers_mut().insert(header::USER_AGENT, agent);
    request
}

fn from_elsewhere(credential: &HeaderValue) -> Request<Body> {
    let mut request = request_from_peer(credential);
    PeerAddress::from(ELSEWHERE).attach(request.extensions_mut());
    request
}
