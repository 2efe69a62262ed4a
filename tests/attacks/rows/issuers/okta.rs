//! What an authorization server of Okta signs, shown as an access token.

use portcullis::jwt::{Issuer, Jwt};
use portcullis_testing::identity_provider::Token;

use crate::{
    guard::{Guard, RESOURCE, Settings},
    harness::{Expected, Harness},
};

const CLIENT: &str = "0oa1f2g3h4J5k6L7m8n9";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:okta", kinds).await;
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.idp = settings
        .idp
        .with_issuer("https://acme.okta.com/oauth2/default");
    let issuer = Issuer::okta("acme.okta.com", "default")
        .with_static_keys(settings.idp.jwks().to_string())
        .with_clients([CLIENT]);
    settings.jwt = Jwt::new(issuer);
    settings.build()
}

/// As a login of a person gives it.
fn access_token(guard: &Guard) -> Token {
    guard
        .token()
        .without_header("typ")
        .without_claim("client_id")
        .without_claim("scope")
        .with_claim("ver", 1)
        .with_claim("cid", CLIENT)
        .with_claim("uid", "00u1f2g3h4J5k6L7m8n9")
        .with_claim("scp", ["openid", "notes.read"])
}

async fn kinds(harness: &mut Harness) {
    let guard = guard();
    let good = access_token(&guard);
    harness
        .control("an access token", &guard, guard.bearer(&good.mint()))
        .await;
    let kind = Expected::invalid_token(&["jwt_okta_kind"]);
    let unknown = Expected::invalid_token(&["credential_unknown"]);
    let attacks = [
        (
            "an ID token",
            good.clone().without_claim("cid").with_claim("aud", CLIENT),
            &kind,
        ),
        (
            "an ID token whose client is called like this server",
            good.clone()
                .with_claim("cid", RESOURCE)
                .with_claim("aud", RESOURCE),
            &kind,
        ),
        (
            "an ID token with the hash of an access token",
            good.clone().with_claim("at_hash", "h"),
            &kind,
        ),
        (
            "of another client",
            good.clone().with_claim("cid", "0oaanother"),
            &Expected::invalid_token(&["jwt_client"]),
        ),
        (
            "of the organization itself",
            good.clone().with_claim("iss", "https://acme.okta.com"),
            &unknown,
        ),
        (
            "of another authorization server",
            good.clone()
                .with_claim("iss", "https://acme.okta.com/oauth2/other"),
            &unknown,
        ),
        (
            "for Okta",
            good.clone()
                .with_header("typ", "application/okta-internal-at+jwt"),
            &Expected::invalid_token(&["jwt_typ"]),
        ),
    ];
    for (name, token, expected) in attacks {
        let request = guard.bearer(&token.mint());
        harness.attack(name, &guard, request, expected).await;
    }
}
