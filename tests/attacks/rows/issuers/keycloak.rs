//! What a realm of Keycloak signs, shown as an access token.

use portcullis::{
    jwt::{Issuer, Jwt},
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::identity_provider::Token;
use serde_json::json;

use crate::{
    guard::{Guard, Settings},
    harness::{Expected, Harness},
};

const REALM: &str = "https://idp.example/realms/notes";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:keycloak", kinds).await;
    harness.row("own:keycloak roles", roles).await;
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.idp = settings.idp.with_issuer(REALM);
    let issuer = Issuer::keycloak(REALM)
        .with_static_keys(settings.idp.jwks().to_string())
        .with_clients(["notes-app"])
        .with_roles_as_scopes("role:");
    settings.jwt = Jwt::new(issuer);
    settings.step_up = Some(
        StepUpLayer::builder()
            .add_route_requirement("/admin", Requirement::new().with_scopes("role:admin")),
    );
    settings.build()
}

/// As a login of a person gives it.
fn access_token(guard: &Guard) -> Token {
    guard
        .token()
        .without_claim("client_id")
        .with_header("typ", "JWT")
        .with_claim("typ", "Bearer")
        .with_claim("azp", "notes-app")
        .with_claim("sid", "2a88c258")
        .with_claim("realm_access", json!({"roles": ["offline_access"]}))
}

async fn kinds(harness: &mut Harness) {
    let guard = guard();
    let good = access_token(&guard);
    for (name, token) in [
        ("an access token", good.clone()),
        ("with a nonce", good.clone().with_claim("nonce", "n")),
        ("at+jwt", good.clone().with_header("typ", "at+jwt")),
    ] {
        let request = guard.bearer(&token.mint());
        harness.control(name, &guard, request).await;
    }
    let kind = Expected::invalid_token(&["jwt_keycloak_typ"]);
    let attacks = [
        // Its audience is the client, but a mapper can add ours.
        ("an ID token", good.clone().with_claim("typ", "ID"), &kind),
        (
            "an ID token that says at+jwt",
            good.clone()
                .with_claim("typ", "ID")
                .with_header("typ", "at+jwt"),
            &kind,
        ),
        (
            "a refresh token",
            good.clone().with_claim("typ", "Refresh"),
            &kind,
        ),
        (
            "a logout token",
            good.clone().with_claim("typ", "Logout"),
            &kind,
        ),
        (
            "a bound token that is not",
            good.clone().with_claim("typ", "DPoP"),
            &kind,
        ),
        ("no kind", good.clone().without_claim("typ"), &kind),
        (
            "of another client",
            good.clone().with_claim("azp", "other-app"),
            &Expected::invalid_token(&["jwt_client"]),
        ),
        (
            "of another client that says it is ours",
            good.clone()
                .with_claim("azp", "other-app")
                .with_claim("client_id", "notes-app"),
            &Expected::invalid_token(&["jwt_client"]),
        ),
        (
            "of another realm",
            good.clone()
                .with_claim("iss", "https://idp.example/realms/master"),
            &Expected::invalid_token(&["credential_unknown"]),
        ),
        (
            "for the account console",
            good.clone().with_claim("aud", "account"),
            &Expected::invalid_token(&["jwt_audience"]),
        ),
    ];
    for (name, token, expected) in attacks {
        let request = guard.bearer(&token.mint());
        harness.attack(name, &guard, request, expected).await;
    }
}

async fn roles(harness: &mut Harness) {
    let guard = guard();
    let with = |roles: serde_json::Value| access_token(&guard).with_claim("realm_access", roles);
    let admin = with(json!({"roles": ["admin"]}));
    harness
        .control("an admin", &guard, guard.bearer_at("/admin", &admin.mint()))
        .await;
    let scope = Expected::insufficient_scope("role:admin");
    let plain = access_token(&guard);
    let attacks = [
        ("no role", plain.clone(), &scope),
        (
            "a scope that is called like a role",
            plain.clone().with_scope("openid role:admin"),
            &scope,
        ),
        (
            "the role of a client",
            plain
                .clone()
                .with_claim("resource_access", json!({"notes": {"roles": ["admin"]}})),
            &scope,
        ),
        (
            "roles where they do not belong",
            plain.with_claim("roles", ["admin"]),
            &scope,
        ),
        (
            "a list that is none",
            with(json!({"roles": "admin"})),
            &Expected::invalid_token(&["jwt_roles"]),
        ),
    ];
    for (name, token, expected) in attacks {
        let request = guard.bearer_at("/admin", &token.mint());
        harness.attack(name, &guard, request, expected).await;
    }
}
