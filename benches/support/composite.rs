//! What users stack today for the same: a composite of crates of others, in the order in which
//! their documentation has them, handed to axum as one layer.
//!
//! | what | by |
//! |---|---|
//! | a span and events for each request | `tower_http::trace` |
//! | a limit for each address | `tower_governor` |
//! | tokens, whose signature it checks at each request | `tower-oauth2-resource-server`, on AWS-LC |
//! | sessions with an idle timeout, found by a cookie | `tower-sessions`, in memory |
//! | where the session comes from | a few lines in the handler |

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    hint::black_box,
    net::{IpAddr, SocketAddr},
};

use axum::{Router, body::Body, extract::ConnectInfo, routing::post};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use portcullis_testing::identity_provider::SigningAlgorithm;
use tower::ServiceBuilder;
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};
use tower_http::trace::TraceLayer;
use tower_oauth2_resource_server::{
    claims::DefaultClaims, server::OAuth2ResourceServer, tenant::TenantConfiguration,
    validation::ClaimsValidationSpec,
};
use tower_sessions::{
    Expiry, MemoryStore, Session, SessionManagerLayer, cookie::time::Duration, session,
};

use crate::{
    RESOURCE, Variant,
    credentials::Tokens,
    requests::{ELSEWHERE, PEER, request},
    services::{ANSWER, answer, finished, send},
};

/// The composite on the router, with one token and the cookie of its session.
///
/// # Panics
///
/// It lets in what it should refuse.
pub(crate) fn variants(tokens: &Tokens, name: &str, algorithm: SigningAlgorithm) -> Vec<Variant> {
    assert_guards(tokens, algorithm);
    let mut service = composite(tokens, GENEROUS);
    let mut credentials = tokens.same(algorithm);
    let credential = credentials.advance().clone();
    let opened = answer(&mut service, from(PEER, &credential, None));
    let cookie = cookie_of(&opened);
    vec![
        Variant::new(format!("composite.{name}"), move || {
            send(&mut service, from(PEER, &credential, Some(&cookie)));
        })
        .with_floor("axum.bare"),
    ]
}

/// Nanoseconds for each request, and how many may come at once.
struct Limit(u64, u32);

/// More than is ever sent here.
const GENEROUS: Limit = Limit(1, u32::MAX);
const ONE_AN_HOUR: Limit = Limit(3_600_000_000_000, 1);

fn composite(tokens: &Tokens, Limit(period, burst): Limit) -> Router {
    let limit = GovernorConfigBuilder::default()
        .per_nanosecond(period)
        .burst_size(burst)
        .finish()
        .expect("the settings work");
    // A request is activity, so the session is saved at each: it would otherwise lapse under
    // whoever only reads it.
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_expiry(Expiry::OnInactivity(Duration::hours(1)))
        .with_always_save(true);
    let layers = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(GovernorLayer::new(limit))
        .layer(resource_server(tokens).into_layer::<Body>())
        .layer(sessions);
    finished(Router::new().route("/chat", post(chat)).layer(layers))
}

pub(crate) fn resource_server(tokens: &Tokens) -> OAuth2ResourceServer<DefaultClaims> {
    let issuer = tokens.issuer();
    let claims = ClaimsValidationSpec::recommended(issuer.issuer(), &vec![RESOURCE.to_owned()]);
    let tenant = TenantConfiguration::static_builder(issuer.jwks().to_string())
        .identifier(issuer.issuer())
        // The tokens have no `nbf`, which it would insist on.
        .claims_validation(claims.nbf(false))
        .build()
        .expect("the settings work");
    OAuth2ResourceServer::builder()
        .add_tenant(tenant)
        .build()
        .now_or_never()
        .expect("keys that are there are not waited for")
        .expect("the settings work")
}

/// What the bare handler does, for whoever comes from where the session was opened.
async fn chat(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    session: Session,
    headers: HeaderMap,
    question: Bytes,
) -> Result<&'static str, StatusCode> {
    const ORIGIN: &str = "origin";
    let failed = |_: session::Error| StatusCode::INTERNAL_SERVER_ERROR;
    let seen = origin(peer, &headers);
    match session.get::<u64>(ORIGIN).await.map_err(failed)? {
        Some(origin) if origin != seen => return Err(StatusCode::FORBIDDEN),
        Some(_) => {}
        None => session.insert(ORIGIN, seen).await.map_err(failed)?,
    }
    black_box(question);
    Ok(ANSWER)
}

/// A hash of the network and the user agent.
fn origin(peer: SocketAddr, headers: &HeaderMap) -> u64 {
    let mut hasher = DefaultHasher::new();
    match peer.ip() {
        IpAddr::V4(address) => (address.to_bits() >> 8).hash(&mut hasher),
        IpAddr::V6(address) => (address.to_bits() >> 80).hash(&mut hasher),
    }
    headers.get(header::USER_AGENT).hash(&mut hasher);
    hasher.finish()
}

#[expect(
    clippy::disallowed_methods,
    reason = "what axum inserts under `axum::serve`, so that the composite finds it"
)]
fn from(peer: SocketAddr, credential: &HeaderValue, cookie: Option<&HeaderValue>) -> Request<Body> {
    let mut request = request(credential);
    request.extensions_mut().insert(ConnectInfo(peer));
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
    }
    request
}

/// The cookie that a response sets, as a client sends it back.
pub(crate) fn cookie_of<B>(response: &http::Response<B>) -> HeaderValue {
    assert_eq!(response.status(), StatusCode::OK);
    let set = response.headers().get(header::SET_COOKIE);
    let set = set.and_then(|value| value.to_str().ok());
    let (cookie, _) = set
        .and_then(|set| set.split_once(';'))
        .expect("the response sets a cookie with attributes");
    cookie.parse().expect("a cookie is printable")
}

/// What is timed really checks.
fn assert_guards(tokens: &Tokens, algorithm: SigningAlgorithm) {
    let mut credentials = tokens.same(algorithm);
    let good = credentials.advance();
    let mut service = composite(tokens, GENEROUS);
    let mut ask = |request| answer(&mut service, request);

    for bad in tokens.bad(algorithm) {
        let refused = ask(from(PEER, &bad, None));
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
    let cookie = cookie_of(&ask(from(PEER, good, None)));
    let mut found = || cookie_of(&ask(from(PEER, good, Some(&cookie))));
    assert_eq!(found(), cookie, "the session is found, and saved anew");
    let mut moved = from(PEER, good, Some(&cookie));
    let agent = HeaderValue::from_static("another/1.0");
    moved.headers_mut().insert(header::USER_AGENT, agent);
    for moved in [moved, from(ELSEWHERE, good, Some(&cookie))] {
        assert_eq!(ask(moved).status(), StatusCode::FORBIDDEN);
    }

    let mut service = composite(tokens, ONE_AN_HOUR);
    let mut status = || answer(&mut service, from(PEER, good, None)).status();
    assert_eq!(
        [status(), status()],
        [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS]
    );
}
