//! Identity providers that answer with secrets.

use std::net::SocketAddr;

use portcullis_testing::identity_provider::{Endpoint, IdentityProvider, Misbehaviour};
use portcullis_tests::canaries::Canaries;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use crate::agent::Agent;

/// Starts an agent behind each of them. It cannot get its keys, says so and ends.
pub(crate) async fn play(canaries: &mut Canaries) {
    let secret = canaries.plant("a redirect of an identity provider");
    let elsewhere = format!("http://alice:{secret}@127.0.0.1:9/?access_token={secret}");
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        misbehaves(
            canaries,
            endpoint,
            Misbehaviour::RedirectTo(elsewhere.clone()),
        )
        .await;
    }
    for shape in [
        "{}",
        r#"{"access_token": "{}"}"#,
        r#"{"issuer": "https://alice:{}@idp.example", "jwks_uri": "http://127.0.0.1:9/"}"#,
        r#"{"issuer": "{}"#,
        r#"{"{}": 1, "{}": 1}"#,
    ] {
        let secret = canaries.plant(&format!("the metadata `{shape}`"));
        let body = Misbehaviour::Body(shape.replace("{}", &secret));
        misbehaves(canaries, Endpoint::Discovery, body).await;
    }
    for shape in [
        "{}",
        r#"{"keys": [{"kty": "oct", "k": "{}"}]}"#,
        r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "{}"}]}"#,
        r#"{"keys": [{"kty": "RSA", "n": "AA", "e": "AQAB", "d": "{}", "p": "{}"}]}"#,
        r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "{}", "d": "{}"}]}"#,
        r#"{"keys": [{"kty": "{}"}]}"#,
        r#"{"keys": "{}"}"#,
    ] {
        let secret = canaries.plant(&format!("the key set `{shape}`"));
        let body = Misbehaviour::Body(shape.replace("{}", &secret));
        misbehaves(canaries, Endpoint::Jwks, body).await;
    }
    names_a_place(canaries).await;
    speaks_no_http(canaries).await;
}

async fn misbehaves(canaries: &mut Canaries, endpoint: Endpoint, how: Misbehaviour) {
    canaries.again();
    let provider = IdentityProvider::new().serve().await;
    provider.misbehave(endpoint, how);
    fails(canaries, provider.issuer());
}

/// Keys are at a place whose address holds a password, or more than is good for a log.
async fn names_a_place(canaries: &mut Canaries) {
    for shape in [
        "http://alice:{}@127.0.0.1:9/jwks",
        "http://127.0.0.1:9/jwks?sig={}",
        "http://127.0.0.1:9/jwks#{}",
        "alice:{}@127.0.0.1",
    ] {
        let secret = canaries.plant(&format!("the `jwks_uri` `{shape}`"));
        let provider = IdentityProvider::new().serve().await;
        let mut metadata = provider.metadata();
        metadata["jwks_uri"] = json!(shape.replace("{}", &secret));
        provider.misbehave(
            Endpoint::Discovery,
            Misbehaviour::Body(metadata.to_string()),
        );
        fails(canaries, provider.issuer());
    }
}

/// What answers is no server of HTTP, or not of TLS.
async fn speaks_no_http(canaries: &mut Canaries) {
    for shape in [
        "{}\r\n\r\n",
        "HTTP/1.1 200 {}\r\nset-cookie: session={}\r\nbad header {}\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz{}\r\n",
        "HTTP/1.1 503 {}\r\nset-cookie: session={}\r\nretry-after: {}\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncache-control: max-age={}\r\ncontent-length: 5\r\n\r\n{\"{}\"}",
    ] {
        let secret = canaries.plant(&format!("the answer {shape:?}"));
        let (address, server) = answering(shape.replace("{}", &secret)).await;
        for scheme in ["http", "https"] {
            canaries.again();
            fails(canaries, &format!("{scheme}://{address}"));
        }
        server.abort();
    }
}

/// A server that answers everything alike.
async fn answering(answer: String) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, server)
}

fn fails(canaries: &mut Canaries, issuer: &str) {
    let Err(left) = Agent::start(&["--issuer", issuer]) else {
        panic!("an agent starts without keys");
    };
    assert!(left.status.is_some_and(|status| !status.success()));
    left.search(canaries);
}
