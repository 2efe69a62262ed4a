//! What cannot be found out is no answer, and no 401.

use portcullis::{
    jwt::{HttpClient, HttpError, HttpRequest},
    quota::{MemoryQuotas, Quota, QuotaLayer},
    revocation::MemoryRevocations,
    session::{MemorySessions, SessionLayer},
};
use portcullis_testing::faulty_store::{FaultyQuotas, FaultyRevocations, FaultyStore};

use super::*;

struct Offline;

impl HttpClient for Offline {
    async fn send(&self, _: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
        Err(HttpError::new("offline"))
    }
}

#[tokio::test]
async fn failures() {
    let mut lines = Vec::new();
    let site = Site::new();
    let issuer = Issuer::new(ISSUER).with_jwks_url("https://idp.example/keys");
    let jwt = Jwt::new(issuer).with_http_client(Offline);
    let stack = site.bare().add_authenticator(jwt);
    let open = site.open(stack);
    let token = open.site.token().mint();
    lines.push(
        open.line("the issuer's keys cannot be had", open.bearer(&token))
            .await,
    );

    let site = Site::new();
    let stack = site
        .stack()
        .add_authenticator(credentials::introspection(false));
    let open = site.open(stack);
    lines.push(
        open.line(
            "the issuer does not answer about an opaque token",
            open.bearer("x"),
        )
        .await,
    );

    let site = Site::new();
    let store = FaultyRevocations::new(MemoryRevocations::default());
    store.set_failing(true);
    let stack = site.stack().with_revocations(store);
    let open = site.open(stack);
    let token = open.site.token().mint();
    lines.push(
        open.line("the store of revocations fails", open.bearer(&token))
            .await,
    );

    let site = Site::new();
    let store = FaultyStore::new(MemorySessions::default());
    store.set_failing(true);
    let session = SessionLayer::builder().with_store(store);
    let stack = site.stack().with_session(session);
    let open = site.open(stack);
    let token = open.site.token().mint();
    lines.push(
        open.line("the store of sessions fails", open.bearer(&token))
            .await,
    );

    let site = Site::new();
    let store = FaultyQuotas::new(MemoryQuotas::default());
    store.set_failing(true);
    let quota = QuotaLayer::builder()
        .with_per_principal(Quota::per_minute(1))
        .with_store(store);
    let stack = site.stack().with_quota(quota);
    let open = site.open(stack);
    let token = open.site.token().mint();
    lines.push(
        open.line("the store of quotas fails", open.bearer(&token))
            .await,
    );

    let site = Site::new();
    let stack = site.stack();
    let open = site.open(stack);
    let token = open.site.token().mint();
    let _ = open.handle.shutdown(std::time::Duration::ZERO).await;
    lines.push(
        open.line("the gate is shut down", open.bearer(&token))
            .await,
    );
    hold("Failures", &lines);
}
