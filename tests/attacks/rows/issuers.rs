//! Tokens that are good, and not for here: of other clients, and what else providers sign.

mod auth0;
mod cognito;
mod entra;
mod google;
mod keycloak;
mod okta;
mod openbao;

use portcullis::jwt::{Issuer, Jwt};

use crate::{
    guard::{ISSUER, Settings},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:clients", clients).await;
    keycloak::play(harness).await;
    entra::play(harness).await;
    auth0::play(harness).await;
    cognito::play(harness).await;
    okta::play(harness).await;
    openbao::play(harness).await;
    google::play(harness).await;
}

async fn clients(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    let issuer = Issuer::new(ISSUER).with_static_keys(settings.idp.jwks().to_string());
    settings.jwt = Jwt::new(issuer.with_clients(["notes-app", "https://app.example/client"]));
    let guard = settings.build();
    for client in ["notes-app", "https://app.example/client"] {
        let token = guard.token().with_client(client).mint();
        harness.control(client, &guard, guard.bearer(&token)).await;
    }
    let expected = Expected::invalid_token(&["jwt_client"]);
    for client in [
        "test-client",
        "Notes-app",
        "notes-app ",
        "notes-ap",
        "https://app.example/client/",
        "https://app.example:443/client",
        "",
    ] {
        let token = guard.token().with_client(client).mint();
        let name = format!("client {client:?}");
        harness
            .attack(&name, &guard, guard.bearer(&token), &expected)
            .await;
    }
}
