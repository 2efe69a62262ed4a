//! The keys of an issuer are found by its metadata.

use http::StatusCode;
use portcullis_core::Authenticator as _;
use portcullis_jwt::{Issuer, reason};
use serde_json::json;

use crate::support::{
    Answer, ISSUER,
    idp::{KEYS_URL, Page, World},
    signer::Signer,
};

const OPENID: &str = "https://idp.example/.well-known/openid-configuration";
const OAUTH: &str = "https://idp.example/.well-known/oauth-authorization-server";

fn world(signer: &Signer) -> World {
    World::with(Issuer::new(ISSUER), [signer])
}

fn metadata(issuer: &str, keys: &str) -> String {
    json!({"issuer": issuer, "jwks_uri": keys, "token_endpoint": "https://x.example"}).to_string()
}

#[tokio::test]
async fn both_places_are_tried() {
    let signer = Signer::eddsa("a");
    let of_openid = world(&signer);
    of_openid.network.put(OPENID, metadata(ISSUER, KEYS_URL));
    assert_eq!(of_openid.answer(&signer.token()).await, Answer::Accepted);
    assert_eq!(of_openid.network.requests(), [OPENID, KEYS_URL]);

    let of_oauth = world(&signer);
    let page = Page {
        status: StatusCode::NOT_FOUND,
        cache_control: None,
        body: String::new(),
    };
    of_oauth.network.put_page(OPENID, page);
    of_oauth.network.put(OAUTH, metadata(ISSUER, KEYS_URL));
    assert_eq!(of_oauth.answer(&signer.token()).await, Answer::Accepted);
    assert_eq!(of_oauth.network.requests(), [OPENID, OAUTH, KEYS_URL]);
    assert_eq!(of_oauth.auth.stats().key_retrievals(), 1);
}

#[tokio::test]
async fn metadata_of_another_issuer_is_not_believed() {
    let signer = Signer::eddsa("a");
    for other in [
        "https://evil.example",
        "https://idp.example/",
        "https://IDP.example",
    ] {
        let world = world(&signer);
        world.network.put(OPENID, metadata(other, KEYS_URL));
        let expected = Answer::Unavailable(reason::KEYS_UNAVAILABLE);
        assert_eq!(world.answer(&signer.token()).await, expected, "{other}");
        assert!(!world.network.requests().contains(&KEYS_URL.to_owned()));
        let problem = world.auth.ready().await.unwrap_err().to_string();
        assert!(problem.contains("is not the configured one"), "{problem}");
    }
}

#[tokio::test]
async fn metadata_cannot_point_into_the_local_network() {
    let signer = Signer::eddsa("a");
    for place in [
        "http://idp.example/keys",
        "https://127.0.0.1/keys",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/keys",
        "https://localhost/keys",
        "file:///etc/passwd",
        "keys",
    ] {
        let world = world(&signer);
        world.network.put(OPENID, metadata(ISSUER, place));
        world
            .network
            .put(place, crate::support::signer::jwks([&signer]));
        let expected = Answer::Unavailable(reason::KEYS_UNAVAILABLE);
        assert_eq!(world.answer(&signer.token()).await, expected, "{place}");
        assert_eq!(world.network.requests(), [OPENID], "{place}");
    }
}

#[tokio::test]
async fn keys_may_be_on_another_host() {
    let signer = Signer::eddsa("a");
    let world = world(&signer);
    let elsewhere = "https://keys.example/jwks";
    world.network.put(OPENID, metadata(ISSUER, elsewhere));
    world
        .network
        .put(elsewhere, crate::support::signer::jwks([&signer]));
    assert_eq!(world.answer(&signer.token()).await, Answer::Accepted);
}
