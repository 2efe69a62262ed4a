//! What OpenBao signs, shown as a token for this server.

use portcullis::jwt::{Issuer, Jwt};
use portcullis_testing::identity_provider::Token;

use crate::{
    guard::{Guard, Settings},
    harness::{Expected, Harness},
};

const NAME: &str = "https://bao.example:8200/v1/identity/oidc";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:openbao", kinds).await;
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.idp = settings.idp.with_issuer(NAME);
    let keys = settings.idp.jwks().to_string();
    settings.jwt = Jwt::new(Issuer::openbao(NAME).with_static_keys(keys));
    settings.build()
}

/// As an entity reads it from a role whose `client_id` is this server.
fn identity_token(guard: &Guard) -> Token {
    guard
        .token()
        .without_header("typ")
        .without_claim("client_id")
        .without_claim("jti")
        .with_claim("namespace", "root")
}

async fn kinds(harness: &mut Harness) {
    let guard = guard();
    let good = identity_token(&guard);
    harness
        .control("an identity token", &guard, guard.bearer(&good.mint()))
        .await;
    let attacks: [(_, _, &'static [&'static str]); 6] = [
        (
            "of a role for another server",
            good.clone().with_claim("aud", "https://other.example/"),
            &["jwt_audience"],
        ),
        (
            "of a role as it is by default",
            good.clone()
                .with_claim("aud", "SxSouteCYPBoaTFy94hFghmekos"),
            &["jwt_audience"],
        ),
        (
            "an ID token of the provider, with the same key",
            good.clone()
                .with_claim("iss", format!("{NAME}/provider/default")),
            &["credential_unknown"],
        ),
        (
            "of another namespace",
            good.clone()
                .with_claim("iss", "https://bao.example:8200/v1/team/identity/oidc"),
            &["credential_unknown"],
        ),
        (
            "an ID token as this issuer would sign one",
            good.clone().with_claim("nonce", "of a client"),
            &["jwt_not_access_token"],
        ),
        (
            "of another kind",
            good.clone().with_header("typ", "secevent+jwt"),
            &["jwt_typ"],
        ),
    ];
    for (name, token, reasons) in attacks {
        let request = guard.bearer(&token.mint());
        let expected = Expected::invalid_token(reasons);
        harness.attack(name, &guard, request, &expected).await;
    }
}
