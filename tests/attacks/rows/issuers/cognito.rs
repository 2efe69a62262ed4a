//! What a user pool of Amazon Cognito signs, shown as an access token.

use portcullis::jwt::{Issuer, Jwt};
use portcullis_testing::identity_provider::Token;

use crate::{
    guard::{Guard, RESOURCE, Settings},
    harness::{Expected, Harness},
};

const POOL: &str = "eu-central-1_a1B2c3D4e";
const CLIENT: &str = "1example23456789";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:cognito", kinds).await;
}

fn name(pool: &str) -> String {
    format!("https://cognito-idp.eu-central-1.amazonaws.com/{pool}")
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.idp = settings.idp.with_issuer(&name(POOL));
    let keys = settings.idp.jwks().to_string();
    settings.jwt = Jwt::new(Issuer::cognito(POOL, [CLIENT]).with_static_keys(keys));
    settings.build()
}

/// As a login of a person gives it.
fn access_token(guard: &Guard) -> Token {
    guard
        .token()
        .without_header("typ")
        .without_claim("aud")
        .with_client(CLIENT)
        .with_claim("token_use", "access")
        .with_claim("scope", "openid notes/read")
        .with_claim("username", "alice")
}

async fn kinds(harness: &mut Harness) {
    let guard = guard();
    let good = access_token(&guard);
    let bound = good.clone().with_claim("aud", RESOURCE);
    for (name, token) in [("an access token", &good), ("for a resource", &bound)] {
        let request = guard.bearer(&token.mint());
        harness.control(name, &guard, request).await;
    }
    let kind = Expected::invalid_token(&["jwt_token_use"]);
    let client = Expected::invalid_token(&["jwt_client"]);
    let audience = Expected::invalid_token(&["jwt_audience"]);
    let attacks = [
        (
            "an ID token that a client of the same name could get",
            bound.clone().with_claim("token_use", "id"),
            &kind,
        ),
        (
            "an ID token without an audience",
            good.clone().with_claim("token_use", "id"),
            &kind,
        ),
        ("of no use", good.clone().without_claim("token_use"), &kind),
        (
            "of another client",
            good.clone().with_client("3example23456789"),
            &client,
        ),
        (
            "of another client, for a resource",
            bound.clone().with_client("3example23456789"),
            &client,
        ),
        (
            "for another resource",
            good.clone().with_claim("aud", "https://other.example/"),
            &audience,
        ),
        (
            "for nothing",
            good.clone().with_claim("aud", serde_json::Value::Null),
            &audience,
        ),
        (
            "of another pool",
            good.clone()
                .with_claim("iss", name("eu-central-1_Z9y8X7w6V")),
            &Expected::invalid_token(&["credential_unknown"]),
        ),
        (
            "of another kind",
            good.clone().with_header("typ", "logout+jwt"),
            &Expected::invalid_token(&["jwt_typ"]),
        ),
    ];
    for (name, token, expected) in attacks {
        let request = guard.bearer(&token.mint());
        harness.attack(name, &guard, request, expected).await;
    }
}
