//! All variants.
//!
//! | name | what is measured | floor |
//! |---|---|---|
//! | `request` | making the request, which every `service`, `axum` and `stack` includes | |
//! | `service.bare` | a Tower service that does next to nothing | |
//! | `service.perimeter`, `service.authn`, `service.gate` | a layer, or the gate without settings, around it | `service.bare` |
//! | `service.session` | sessions in memory, between `authn` and the service | `service.authn` |
//! | `axum.gate_with_session` | the gate with sessions on the router | `axum.bare` |
//! | `session.find_at_a_million`, `session.touch_at_a_million` | finding one of a million sessions; noting activity in it | |
//! | `stream.frame` | one frame of a stream behind the gate with sessions | `stream.frame_bare` |
//! | `service.session_inside_perimeter`, `service.binding` | `perimeter`, `authn` and sessions; comparing network and user agent inside them | the first, of the second |
//! | `axum.gate_with_binding` | the same in the gate | `axum.gate_with_session` |
//! | `service.quota` | both quotas, between `authn` and the service | `service.authn` |
//! | `service.quota_in_store` | the same, in a store in memory that layers share | `service.authn` |
//! | `service.step_up` | that layer inside `authn`, which it needs; all its requirements are met | `service.authn` |
//! | `axum.bare` | a router with one route | |
//! | `axum.identity_layer` | a layer that does nothing: what `Router::layer` costs | `axum.bare` |
//! | `axum.perimeter`, `axum.authn`, `axum.gate` | a layer, or the gate without settings, on the router; somebody vouches for every request | `axum.bare` |
//! | `raw.…` | the check of a signature with a parsed key, by AWS-LC | |
//! | `jwt.warm.…` | `check` of the authenticator alone, on a token that is known | |
//! | `jwt.warm.among_many_issuers` | the same, of one of 65 issuers | `jwt.warm.es256` |
//! | `jwt.cold.…` | on any token, with the cache off | `raw.…` |
//! | `jwt.unseen.…` | on a token that the cache does not know, and then does | `raw.…` |
//! | `raw.dpop.…` | the check of a signature with a key that is read first, by AWS-LC | |
//! | `dpop.…` | `check` of the verifier alone, with a store that remembers | `raw.dpop.…` |
//! | `introspection.cached` | `check` of that authenticator alone, where the answer is kept | `jwt.warm.es256` |
//! | `api_keys` | `check` of that authenticator alone | |
//! | `stack.warm.…`, `stack.cold.…`, `stack.unseen.…`, `stack.api_keys` | the gate on the router, with these authenticators | `axum.bare` |
//! | `whole.warm.…`, `whole.cold.…` | the gate with sessions, binding and quota on the router | `axum.bare` |
//! | `composite.…` | crates of others for the same, with the feature `peers` | `axum.bare` |
//! | `session.idle.ours`, `session.idle.tower_sessions` | a request on a known session that has an idle timeout, by ours and by `tower-sessions`, with that feature | `session.idle.floor` |
//! | `peer.…` | one layer that checks the token of each request, ours and those of others, with that feature | `service.bare` |
//!
//! In `service`, `axum` and `gate` the authenticator is a fixed answer, so that what shows is
//! the layer. Records go to `tracing`, and nobody listens; nor to the spans of `composite`.

use std::{collections::BTreeSet, fmt, hint::black_box, sync::Arc, time::Duration};

use axum::body::{Body, HttpBody};
use http::{HeaderValue, Request, Response};
use portcullis::{
    Authenticator, Check, Clock as _, Evidence, EvidenceKind, Gate, IntoAuthenticator, RequestView,
    Site, Stack, SystemClock, Verdict,
    authn::AuthnLayer,
    binding::BindingLayer,
    perimeter::PerimeterLayer,
    session::SessionLayer,
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::{identity_provider::SigningAlgorithm, mock_auth::MockAuth};
use tower::{Layer as _, Service, layer::util::Identity};

use crate::{
    RESOURCE, Variant,
    credentials::{ALGORITHMS, Cache, Ring, Tokens, api_key},
    possession, quotas,
    requests::{bearer, request, request_from_peer},
    services::{Bare, finished, router, send},
    sessions, whole,
};
#[cfg(feature = "peers")]
use crate::{composite, idle, peers};

/// Every variant, floors before what stands on them.
#[must_use]
pub fn all() -> Vec<Variant> {
    let tokens = Tokens::new();
    let mut all = vec![making_a_request()];
    all.extend(on_a_service());
    all.extend(on_axum());
    all.extend(of_sessions());
    for (name, algorithm) in ALGORITHMS {
        all.extend(of_tokens(&tokens, name, algorithm));
    }
    all.push(among_many_issuers(&tokens));
    all.extend(possession::variants());
    all.push(possession::of_opaque_tokens());
    all.extend(of_api_keys());
    all.extend(of_the_whole(&tokens));
    all
}

/// The variants whose name contains one of these texts, and their floors; all, if there is
/// no text.
#[must_use]
pub fn chosen(texts: &[String]) -> Vec<Variant> {
    let mut all = all();
    if texts.is_empty() {
        return all;
    }
    let is_named = |variant: &&Variant| texts.iter().any(|text| variant.name().contains(text));
    let names: BTreeSet<String> = all
        .iter()
        .filter(is_named)
        .flat_map(|variant| {
            let others = [variant.floor(), variant.raw(), variant.composite()];
            [Some(variant.name())].into_iter().chain(others)
        })
        .flatten()
        .map(str::to_owned)
        .collect();
    all.retain(|variant| names.contains(variant.name()));
    all
}

/// What every request costs before it is sent.
fn making_a_request() -> Variant {
    let credential = any_credential();
    Variant::new("request", move || {
        drop(black_box(request(&credential)));
    })
}

/// The layers on a Tower service that does next to nothing.
#[must_use]
pub fn on_a_service() -> Vec<Variant> {
    const FLOOR: &str = "service.bare";
    // A network is known only inside a perimeter.
    const SESSION_INSIDE_PERIMETER: &str = "service.session_inside_perimeter";
    vec![
        sending(FLOOR, Bare, request),
        sending(
            "service.perimeter",
            perimeter().layer(Bare),
            request_from_peer,
        )
        .with_floor(FLOOR),
        sending("service.authn", authn().layer(Bare), request).with_floor(FLOOR),
        sending(
            "service.session",
            authn().layer(sessions::layer().layer(Bare)),
            request,
        )
        .with_floor("service.authn"),
        sending(
            SESSION_INSIDE_PERIMETER,
            perimeter().layer(authn().layer(sessions::layer().layer(Bare))),
            request_from_peer,
        ),
        sending(
            "service.binding",
            perimeter().layer(authn().layer(sessions::layer().layer(binding().layer(Bare)))),
            request_from_peer,
        )
        .with_floor(SESSION_INSIDE_PERIMETER),
        sending(
            "service.quota",
            authn().layer(quotas::by_itself().layer(Bare)),
            request,
        )
        .with_floor("service.authn"),
        sending(
            "service.quota_in_store",
            authn().layer(quotas::in_memory().layer(Bare)),
            request,
        )
        .with_floor("service.authn"),
        sending(
            "service.step_up",
            authn().layer(step_up().layer(Bare)),
            request,
        )
        .with_floor("service.authn"),
        sending(
            "service.gate",
            gate(anybody()).layer(Bare),
            request_from_peer,
        )
        .with_floor(FLOOR),
    ]
}

/// The layers on a router, as they are used on axum.
#[must_use]
pub fn on_axum() -> Vec<Variant> {
    const FLOOR: &str = "axum.bare";
    let identity = finished(router().layer(Identity::new()));
    let perimeter = finished(router().layer(perimeter()));
    let authn = finished(router().layer(authn()));
    let guarded = gate(anybody()).guard(router());
    vec![
        sending(FLOOR, finished(router()), request),
        sending("axum.identity_layer", identity, request).with_floor(FLOOR),
        sending("axum.perimeter", perimeter, request_from_peer).with_floor(FLOOR),
        sending("axum.authn", authn, request).with_floor(FLOOR),
        sending("axum.gate", guarded, request_from_peer).with_floor(FLOOR),
    ]
}

/// Sessions beside what each layer costs.
#[must_use]
pub fn of_sessions() -> Vec<Variant> {
    const FLOOR: &str = "axum.gate_with_session";
    let guarded = gate_with_session();
    let bound = gate_with_binding();
    let mut variants = vec![
        sending(FLOOR, guarded.guard(router()), request_from_peer).with_floor("axum.bare"),
        sending(
            "axum.gate_with_binding",
            bound.guard(router()),
            request_from_peer,
        )
        .with_floor(FLOOR),
    ];
    variants.extend(sessions::at_a_million());
    variants.extend(sessions::streaming(&guarded, &any_credential()));
    #[cfg(feature = "peers")]
    variants.extend(idle::variants());
    variants
}

fn gate_with_session() -> Gate {
    let builder = Stack::builder()
        .with_resource(RESOURCE)
        .with_session(SessionLayer::builder())
        .add_authenticator(anybody());
    builder.build().expect("the settings work").0
}

fn gate_with_binding() -> Gate {
    let builder = Stack::builder()
        .with_resource(RESOURCE)
        .with_session(SessionLayer::builder())
        .with_binding(BindingLayer::builder())
        .add_authenticator(anybody());
    builder.build().expect("the settings work").0
}

/// The whole of ours and, if it is built, the composite of crates of others for the same.
#[must_use]
pub fn of_the_whole(tokens: &Tokens) -> Vec<Variant> {
    let mut variants = Vec::new();
    for (name, algorithm) in ALGORITHMS {
        #[cfg(feature = "peers")]
        variants.extend(composite::variants(tokens, name, algorithm));
        #[cfg(feature = "peers")]
        variants.extend(peers::variants(tokens, name, algorithm));
        variants.extend(whole::variants(tokens, name, algorithm));
    }
    variants
}

/// Tokens of one algorithm: the raw check, the authenticator alone, the whole stack.
#[must_use]
pub fn of_tokens(tokens: &Tokens, name: &str, algorithm: SigningAlgorithm) -> Vec<Variant> {
    let raw = format!("raw.{name}");
    let mut variants = vec![Variant::new(raw.as_str(), tokens.raw_check(algorithm))];
    for (state, cache) in [
        ("warm", Cache::Default),
        ("cold", Cache::Off),
        ("unseen", Cache::Tiny),
    ] {
        let credentials = || match cache {
            Cache::Default => tokens.same(algorithm),
            Cache::Off | Cache::Tiny => tokens.distinct(algorithm),
        };
        let (alone, inside) = (tokens.authenticator(cache), tokens.authenticator(cache));
        let mut check = checking(format!("jwt.{state}.{name}"), alone.clone(), credentials())
            .with_authenticator(&alone);
        let mut guard = guarding(
            format!("stack.{state}.{name}"),
            inside.clone(),
            credentials(),
        )
        .with_authenticator(&inside);
        if cache != Cache::Default {
            check = check.with_floor(&raw).with_raw(&raw);
            guard = guard.with_raw(&raw);
        }
        variants.extend([check, guard]);
    }
    variants
}

/// A known token of one issuer among many.
#[must_use]
pub fn among_many_issuers(tokens: &Tokens) -> Variant {
    const ALONE: &str = "jwt.warm.es256";
    let authenticator = tokens.authenticator_of_many();
    let credentials = tokens.same(SigningAlgorithm::Es256);
    checking("jwt.warm.among_many_issuers", authenticator, credentials).with_floor(ALONE)
}

/// API keys: the authenticator alone, and the whole stack.
#[must_use]
pub fn of_api_keys() -> Vec<Variant> {
    let (keys, credential) = api_key();
    let site = Site::new(Arc::new(SystemClock::new()));
    let alone = keys
        .clone()
        .into_authenticator(&site)
        .expect("the settings work");
    vec![
        checking("api_keys", alone, Ring::of(credential.clone())),
        guarding("stack.api_keys", keys, Ring::of(credential)),
    ]
}

/// Sends a request to a service.
fn sending<S, B>(
    name: impl Into<String>,
    mut service: S,
    request: fn(&HeaderValue) -> Request<Body>,
) -> Variant
where
    S: Service<Request<Body>, Response = Response<B>, Error: fmt::Debug> + 'static,
    B: HttpBody<Data: fmt::Debug, Error: fmt::Debug>,
{
    let credential = any_credential();
    Variant::new(name, move || send(&mut service, request(&credential)))
}

/// Sends a request to a router behind the whole stack.
fn guarding(
    name: impl Into<String>,
    authenticator: impl IntoAuthenticator + Send + 'static,
    mut credentials: Ring<HeaderValue>,
) -> Variant {
    let mut guarded = gate(authenticator).guard(router());
    Variant::new(name, move || {
        send(&mut guarded, request_from_peer(credentials.advance()));
    })
    .with_floor("axum.bare")
}

/// Asks an authenticator alone. The head of the request is made once: only its credential
/// changes.
fn checking(
    name: impl Into<String>,
    authenticator: impl Authenticator,
    mut credentials: Ring<HeaderValue>,
) -> Variant {
    let clock = SystemClock::new();
    let (mut parts, _) = request(&any_credential()).into_parts();
    Variant::new(name, move || {
        parts
            .headers
            .insert(http::header::AUTHORIZATION, credentials.advance().clone());
        let verdict = authenticator.check(&RequestView::new(&parts, clock.now()));
        assert!(matches!(
            black_box(verdict),
            Check::Done(Verdict::Accept(_))
        ));
    })
}

fn perimeter() -> PerimeterLayer {
    PerimeterLayer::builder()
        .with_resource(RESOURCE)
        .build()
        .expect("the settings work")
}

pub(crate) fn authn() -> AuthnLayer {
    AuthnLayer::builder()
        .with_resource(RESOURCE)
        .add_authenticator(anybody())
        .build()
        .expect("the settings work")
}

/// Compares the network and the user agent.
fn binding() -> BindingLayer {
    BindingLayer::builder().build().expect("the settings work")
}

/// Asks for all that can be asked for, of a caller who has it.
fn step_up() -> StepUpLayer {
    let everything = Requirement::new()
        .with_scopes("notes.read notes.write")
        .add_acr("phr")
        .add_amr("hwk")
        .with_max_age(Duration::from_secs(3600));
    StepUpLayer::builder()
        .with_requirement(everything)
        .add_route_requirement("/payments", Requirement::new().with_scopes("payments"))
        .build()
        .expect("the settings work")
}

fn gate(authenticator: impl IntoAuthenticator + Send + 'static) -> Gate {
    let (gate, _) = Stack::builder()
        .with_resource(RESOURCE)
        .add_authenticator(authenticator)
        .build()
        .expect("the settings work");
    gate
}

/// Vouches for everybody, at once, and names a client.
fn anybody() -> MockAuth {
    let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
        .with_client("app")
        .with_acr("phr")
        .add_amr("hwk")
        .with_auth_time(SystemClock::new().now());
    MockAuth::evidence(evidence).with_scopes("notes.read notes.write")
}

/// A credential of the size of a token, for those who do not look at it.
pub(crate) fn any_credential() -> HeaderValue {
    bearer(&"x".repeat(900))
}
