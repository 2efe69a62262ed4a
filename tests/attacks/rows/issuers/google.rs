//! What Google signs for others, shown as a token for this server.

use portcullis::jwt::{Issuer, Jwt};
use portcullis_testing::identity_provider::Token;

use crate::{
    guard::{Guard, Settings},
    harness::{Expected, Harness},
};

const ACCOUNT: &str = "112233445566778899000";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:google", kinds).await;
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.idp = settings.idp.with_issuer("https://accounts.google.com");
    let keys = settings.idp.jwks().to_string();
    settings.jwt = Jwt::new(Issuer::google([ACCOUNT]).with_static_keys(keys));
    settings.build()
}

fn identity_token(guard: &Guard) -> Token {
    guard
        .token()
        .with_header("typ", "JWT")
        .without_claim("client_id")
        .with_claim("sub", ACCOUNT)
        .with_claim("azp", ACCOUNT)
}

async fn kinds(harness: &mut Harness) {
    let guard = guard();
    let good = identity_token(&guard);
    harness
        .control("of a service account", &guard, guard.bearer(&good.mint()))
        .await;
    let app = "1234.apps.googleusercontent.com";
    let attacks: [(_, _, &'static [&'static str]); 5] = [
        (
            "of a person, by a named account",
            good.clone().with_claim("sub", "1"),
            &["jwt_google_kind"],
        ),
        (
            "of an account of somebody else",
            good.clone().with_claim("sub", "1").with_claim("azp", "1"),
            &["jwt_client"],
        ),
        (
            "of a person, by an application",
            good.clone().with_claim("azp", app),
            &["jwt_google_kind"],
        ),
        (
            "of nobody's application",
            good.clone().without_claim("azp"),
            &["jwt_google_kind"],
        ),
        (
            "for an application",
            good.with_claim("aud", app),
            &["jwt_audience"],
        ),
    ];
    for (name, token, reasons) in attacks {
        let request = guard.bearer(&token.mint());
        let expected = Expected::invalid_token(reasons);
        harness.attack(name, &guard, request, &expected).await;
    }
}
