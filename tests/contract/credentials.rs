//! Credentials that are missing, malformed, bad or too many.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use portcullis::{
    jwt::{ClientCredentials, HttpClient, HttpError, HttpRequest, Introspection},
    revocation::{MemoryReplays, Revocation},
};

use super::*;

/// An issuer that says of every token that it is not active, or nothing.
struct Desk(AtomicBool);

impl HttpClient for Desk {
    async fn send(&self, _: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
        if !self.0.load(Ordering::Relaxed) {
            return Err(HttpError::new("offline"));
        }
        let mut response = http::Response::new(br#"{"active":false}"#.to_vec());
        let json = header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Ok(response)
    }
}

pub(super) fn introspection(is_there: bool) -> Introspection {
    let credentials = ClientCredentials::client_secret_basic("agent", Secret::from("hush"));
    Introspection::new("https://other.example", credentials)
        .with_endpoint("https://other.example/introspect")
        .with_http_client(Desk(AtomicBool::new(is_there)))
}

#[tokio::test]
async fn credentials() {
    let mut lines = Vec::new();
    let site = Site::new();
    let stack = site.stack().add_authenticator(introspection(true));
    let open = site.open(stack);
    lines.push(open.line("no credential", open.with(&[])).await);

    let site = Site::new();
    let dpop = portcullis::jwt::Dpop::new(MemoryReplays::default());
    let stack = site.stack().with_proof_of_possession(dpop);
    let proving = site.open(stack);
    let missing = proving.with(&[]);
    lines.push(
        proving
            .line("no credential, where proofs are taken", missing)
            .await,
    );

    let site = Site::new();
    let keys = ApiKeys::new(site.keys.clone());
    let stack = site.bare().add_authenticator(keys);
    let only_keys = site.open(stack);
    let missing = only_keys.with(&[]);
    lines.push(
        only_keys
            .line("no credential, where there are API keys only", missing)
            .await,
    );
    let unknown = only_keys.bearer("x");
    lines.push(only_keys.line("a bad API key there", unknown).await);

    let token = open.site.token().mint();
    let bearer = &*format!("Bearer {token}");
    for (situation, headers) in [
        (
            "two `Authorization` lines",
            vec![("authorization", bearer), ("authorization", bearer)],
        ),
        (
            "a garbled `Authorization`",
            vec![("authorization", "Bearer a b")],
        ),
        ("a token in a cookie", vec![("cookie", "access_token=abc")]),
    ] {
        lines.push(open.line(situation, open.with(&headers)).await);
    }
    let query = finish(open.to("/notes?access_token=abc", &[]));
    lines.push(open.line("a token in the query", query).await);
    let form = open.to(
        "/notes",
        &[("content-type", "application/x-www-form-urlencoded")],
    );
    let mut form = finish(form.method("POST"));
    *form.body_mut() = Full::from("access_token=abc");
    lines.push(open.line("a token in a form", form).await);

    let site = Site::new();
    let keys = ApiKeys::new(site.keys.clone());
    let keys = keys.with_header(header::HeaderName::from_static("x-api-key"));
    let stack = site
        .bare()
        .add_authenticator(site.jwt())
        .add_authenticator(keys);
    let both = site.open(stack);
    let key = both.site.key();
    let two = both.with(&[("authorization", bearer), ("x-api-key", &key)]);
    lines.push(both.line("credentials of two kinds", two).await);

    let good = || open.site.token();
    for (situation, token) in [
        ("a forged token", good().with_forged_signature()),
        (
            "an expired token",
            good().with_age(Duration::from_secs(86_400)),
        ),
        (
            "a token for another server",
            good().with_audience("https://other.example/"),
        ),
        ("an ID token", good().with_header("typ", "JWT")),
    ] {
        lines.push(open.line(situation, open.bearer(&token.mint())).await);
    }
    lines.push(
        open.line("an opaque token that is not active", open.bearer("opaque"))
            .await,
    );
    let revocation = Revocation::subject(ISSUER, "alice");
    open.handle.revoke(revocation).await.unwrap();
    lines.push(
        open.line("a token that was revoked", open.bearer(&token))
            .await,
    );
    let unknown = both.bearer("of-nobody");
    lines.push(both.line("a credential that nobody knows", unknown).await);
    hold("Credentials", &lines);
}
