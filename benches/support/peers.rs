//! Tokens alone, checked at each request by what users take for it today, and by ours without a cache:
//! each as a layer around a service that does next to nothing.
//!
//! | name | what checks | on |
//! |---|---|---|
//! | `peer.authn.…` | `authn` with `Jwt`, its cache off | AWS-LC |
//! | `peer.tower_oauth2_resource_server.…` | `tower-oauth2-resource-server` | AWS-LC |
//! | `peer.jwt_authorizer.…` | `jwt-authorizer` | ring |

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use jwt_authorizer::{
    AuthError, Authorizer, IntoLayer as _, JwtAuthorizer, RegisteredClaims, Validation,
};
use portcullis::authn::AuthnLayer;
use portcullis_testing::identity_provider::SigningAlgorithm;
use tower::{Layer as _, Service, ServiceExt};

use crate::{
    RESOURCE, Variant,
    composite::resource_server,
    credentials::{Cache, Tokens},
    requests::request,
    services::{Bare, answer, send},
};

/// Tokens of one algorithm, by each of them.
///
/// # Panics
///
/// One of them lets in what it should refuse.
pub(crate) fn variants(tokens: &Tokens, name: &str, algorithm: SigningAlgorithm) -> Vec<Variant> {
    let raw = format!("raw.{name}");
    let ours = AuthnLayer::builder()
        .with_resource(RESOURCE)
        .add_authenticator(tokens.authenticator(Cache::Off))
        .build()
        .expect("the settings work")
        .layer(Bare);
    let theirs = resource_server(tokens)
        .into_layer::<Full<Bytes>>()
        .layer(Bare);
    let others = jwt_authorizer(tokens);
    vec![
        measured("authn", ours, tokens, name, algorithm).with_raw(&raw),
        measured(
            "tower_oauth2_resource_server",
            theirs,
            tokens,
            name,
            algorithm,
        )
        .with_raw(&raw),
        measured("jwt_authorizer", others, tokens, name, algorithm).with_raw(&raw),
    ]
}

fn measured<S, B>(
    peer: &str,
    mut service: S,
    tokens: &Tokens,
    name: &str,
    algorithm: SigningAlgorithm,
) -> Variant
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug> + 'static,
    B: axum::body::HttpBody<Data: std::fmt::Debug, Error: std::fmt::Debug>,
{
    for bad in tokens.bad(algorithm) {
        let refused = answer(&mut service, request(&bad));
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{peer} {name}");
    }
    let mut credentials = tokens.distinct(algorithm);
    Variant::new(format!("peer.{peer}.{name}"), move || {
        send(&mut service, request(credentials.advance()));
    })
    .with_floor("service.bare")
}

/// The response of a service that `jwt-authorizer` can wrap: it makes its own of an error.
struct Answer(Response<Full<Bytes>>);

impl From<AuthError> for Answer {
    fn from(_: AuthError) -> Self {
        let mut refused = Response::default();
        *refused.status_mut() = StatusCode::UNAUTHORIZED;
        Self(refused)
    }
}

fn jwt_authorizer(
    tokens: &Tokens,
) -> impl Service<Request<Body>, Response = Response<Full<Bytes>>, Error = Infallible> + use<> {
    let issuer = tokens.issuer();
    let authorizer: Authorizer<RegisteredClaims> =
        JwtAuthorizer::from_jwks_text(&issuer.jwks().to_string())
            .validation(Validation::new().iss(&[issuer.issuer()]).aud(&[RESOURCE]))
            .build()
            .now_or_never()
            .expect("keys that are there are not waited for")
            .expect("the settings work");
    let answering = ServiceExt::<Request<Body>>::map_response(Bare, Answer as fn(_) -> _);
    let guarded = [authorizer].into_layer().layer(answering);
    ServiceExt::<Request<Body>>::map_response(guarded, |Answer(response)| response)
}
