//! What a tenant of Auth0 signs, shown as an access token.

use portcullis::{
    jwt::{Issuer, Jwt},
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::identity_provider::Token;

use crate::{
    guard::{Guard, RESOURCE, Settings},
    harness::{Expected, Harness},
};

const CLIENT: &str = "q4hYkYkZ0mJ2";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:auth0", kinds).await;
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.idp = settings.idp.with_issuer("https://acme.eu.auth0.com/");
    let issuer = Issuer::auth0("acme.eu.auth0.com")
        .with_static_keys(settings.idp.jwks().to_string())
        .with_clients([CLIENT])
        .with_roles_as_scopes("permission:");
    settings.jwt = Jwt::new(issuer);
    settings.step_up = Some(
        StepUpLayer::builder()
            .add_route_requirement("/admin", Requirement::new().with_scopes("permission:admin")),
    );
    settings.build()
}

/// As a login of a person gives it, in the profile that is the default.
fn access_token(guard: &Guard) -> Token {
    guard
        .token()
        .with_header("typ", "JWT")
        .without_claim("client_id")
        .without_claim("jti")
        .with_claim("aud", [RESOURCE, "https://acme.eu.auth0.com/userinfo"])
        .with_claim("azp", CLIENT)
}

async fn kinds(harness: &mut Harness) {
    let guard = guard();
    let good = access_token(&guard);
    let modern = good
        .clone()
        .with_header("typ", "at+jwt")
        .without_claim("azp")
        .with_claim("client_id", CLIENT);
    for (name, token) in [("the old profile", &good), ("the new profile", &modern)] {
        let request = guard.bearer(&token.mint());
        harness.control(name, &guard, request).await;
    }
    let admin = good.clone().with_claim("permissions", ["admin"]);
    harness
        .control("an admin", &guard, guard.bearer_at("/admin", &admin.mint()))
        .await;
    let kind = Expected::invalid_token(&["jwt_auth0_kind"]);
    let client = Expected::invalid_token(&["jwt_client"]);
    let attacks = [
        (
            "an ID token",
            good.clone()
                .without_claim("azp")
                .without_claim("scope")
                .with_claim("aud", CLIENT),
            &kind,
        ),
        (
            "an ID token whose client is called like this server",
            good.clone()
                .with_claim("aud", RESOURCE)
                .with_claim("azp", RESOURCE),
            &kind,
        ),
        (
            "an ID token for more than one",
            good.clone().with_claim("aud", [CLIENT, RESOURCE]),
            &kind,
        ),
        (
            "an ID token with a nonce",
            good.clone().with_claim("nonce", "n"),
            &kind,
        ),
        (
            "of another client",
            good.clone().with_claim("azp", "another"),
            &client,
        ),
        (
            "of another client in the new profile",
            modern.with_claim("client_id", "another"),
            &client,
        ),
        (
            "of another tenant",
            good.clone().with_claim("iss", "https://evil.eu.auth0.com/"),
            &Expected::invalid_token(&["credential_unknown"]),
        ),
        (
            "for the user info alone",
            good.clone()
                .with_claim("aud", "https://acme.eu.auth0.com/userinfo"),
            &Expected::invalid_token(&["jwt_audience"]),
        ),
    ];
    for (name, token, expected) in attacks {
        let request = guard.bearer(&token.mint());
        harness.attack(name, &guard, request, expected).await;
    }
    let scope = Expected::insufficient_scope("permission:admin");
    let token = good.with_scope("permission:admin admin");
    harness
        .attack(
            "a scope that is called like a permission",
            &guard,
            guard.bearer_at("/admin", &token.mint()),
            &scope,
        )
        .await;
}
