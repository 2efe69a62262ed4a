//! The example as a program, with a provider of others.
#![expect(
    clippy::unwrap_used,
    reason = "a counterpart that answers something else fails the test"
)]

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, header};
use portcullis_testing::counterpart::{Counterpart, RunningCounterpart};
use portcullis_tests::{
    oidc_provider::{ALGORITHMS, Provider, algorithm_of, key_of},
    wire,
};

/// The example, which runs until this is dropped.
struct Example {
    resource: String,
    address: SocketAddr,
    _running: RunningCounterpart,
}

impl Example {
    async fn start(provider: &Provider) -> Self {
        let running = Counterpart::new(env!("CARGO_BIN_EXE_example-oidc-resource-server"))
            .add_args(["--issuer", provider.issuer()])
            .with_ready_line("listening at ")
            .start()
            .await;
        let line = running.ready_line();
        let resource = line.strip_prefix("listening at ").unwrap().to_owned();
        let host = resource.trim_start_matches("http://").trim_end_matches('/');
        Self {
            address: host.parse().unwrap(),
            resource,
            _running: running,
        }
    }

    async fn call(&self, path: &str, token: Option<&str>) -> Response<Bytes> {
        let mut request = Request::builder()
            .uri(path)
            .header(header::HOST, self.address.to_string());
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(wire::Payload::default()).unwrap();
        wire::http1(self.address, request).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_finds_its_way_in() {
    let provider = Provider::start().await;
    let example = Example::start(&provider).await;
    let refused = example.call("/notes", None).await;
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()[header::WWW_AUTHENTICATE]
        .to_str()
        .unwrap();
    let place = format!(
        "Bearer resource_metadata=\"{}.well-known/oauth-protected-resource\", scope=\"notes.read\"",
        example.resource
    );
    assert_eq!(challenge, place);
    let metadata = example
        .call("/.well-known/oauth-protected-resource", None)
        .await;
    let metadata: serde_json::Value = serde_json::from_slice(metadata.body()).unwrap();
    assert_eq!(metadata["resource"], example.resource);
    assert_eq!(metadata["authorization_servers"][0], provider.issuer());

    for (name, algorithm) in ALGORITHMS {
        let token = provider.machine_token(name, &example.resource).await;
        assert_eq!(algorithm_of(&token), algorithm);
        let answer = example.call("/notes", Some(&token)).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (200, &b"buy milk"[..])
        );
        let who = example.call("/whoami", Some(&token)).await;
        assert_eq!(
            who.body(),
            &format!("machine-{name} of {}", provider.issuer())
        );
    }
    let elsewhere = provider
        .machine_token("es256", "https://other.example/")
        .await;
    assert_eq!(example.call("/notes", Some(&elsewhere)).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_let_in_and_a_rotated_key_does_not_matter() {
    let provider = Provider::start().await;
    let example = Example::start(&provider).await;
    let old = provider.log_in("alice", "es256", &example.resource).await;
    let answer = example.call("/whoami", Some(&old.access)).await;
    assert_eq!(answer.body(), &format!("alice of {}", provider.issuer()));
    assert_eq!(example.call("/whoami", Some(&old.id)).await.status(), 401);

    provider.rotate().await;
    let new = provider.machine_token("es256", &example.resource).await;
    assert_ne!(key_of(&old.access), key_of(&new));
    // No unknown key has been asked for before, so that this one is asked for at once.
    assert_eq!(example.call("/whoami", Some(&new)).await.status(), 200);
    assert_eq!(
        example.call("/whoami", Some(&old.access)).await.status(),
        200
    );
}
