//! The example as a program, with a provider and a client of others.
#![expect(
    clippy::unwrap_used,
    reason = "a counterpart that answers something else fails the test"
)]

use std::{net::SocketAddr, process::Command};

use http::{Request, header};
use portcullis_testing::counterpart::{Counterpart, RunningCounterpart};
use portcullis_tests::{oidc_provider::Provider, servers, wire};

/// The example, which runs until this is dropped, and the resource that it is.
async fn start(provider: &Provider) -> (RunningCounterpart, String) {
    let running = Counterpart::new(env!("CARGO_BIN_EXE_example-dpop-agent"))
        .add_args(["--issuer", provider.issuer()])
        .with_ready_line("listening at ")
        .start()
        .await;
    let line = running.ready_line();
    let resource = line.strip_prefix("listening at ").unwrap().to_owned();
    (running, resource)
}

async fn client(provider: &Provider, resource: &str, path: &str) -> String {
    let mut client = Command::new(servers::node());
    client
        .current_dir(servers::oidc_provider_folder())
        .args(["dpop-client.mjs", provider.issuer(), resource])
        .args([&format!("{resource}{path}"), "ES256", "2"]);
    let output = tokio::task::spawn_blocking(move || client.output());
    let output = output.await.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_the_key_pays_and_who_does_not_reads() {
    let provider = Provider::start().await;
    let (_running, resource) = start(&provider).await;
    for path in ["balance", "pay"] {
        assert_eq!(
            client(&provider, &resource, path).await,
            "200 machine-es256, bound to a key true\n200 machine-es256, bound to a key false\n",
        );
    }

    let host = resource.trim_start_matches("http://").trim_end_matches('/');
    let address: SocketAddr = host.parse().unwrap();
    let token = provider.machine_token("es256", &resource).await;
    let call = async |path: &str| {
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, host)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(wire::Payload::default())
            .unwrap();
        wire::http1(address, request).await.unwrap()
    };
    let answer = call("/balance").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.body(), "machine-es256, bound to nothing");
    let answer = call("/pay").await;
    assert_eq!(answer.status(), 401);
    let lines = answer.headers().get_all(header::WWW_AUTHENTICATE);
    let dpop = lines
        .iter()
        .filter(|line| line.as_bytes().starts_with(b"DPoP error="));
    assert_eq!(dpop.count(), 1);
}
