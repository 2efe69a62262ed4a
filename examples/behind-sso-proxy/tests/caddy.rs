//! The example as a program, with a Caddy in front.
#![expect(
    clippy::unwrap_used,
    reason = "a counterpart that answers something else fails the test"
)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use portcullis_testing::counterpart::{Counterpart, RunningCounterpart};
use portcullis_tests::{servers, wire};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The proxy and the agent, which run until this is dropped.
struct Example {
    proxy: SocketAddr,
    agent: SocketAddr,
    _running: [RunningCounterpart; 2],
}

impl Example {
    async fn start() -> Self {
        // Each has to know the other's address before it listens.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let agent = free.local_addr().unwrap();
        drop(free);
        let caddyfile = concat!(env!("CARGO_MANIFEST_DIR"), "/Caddyfile");
        let proxy = servers::caddy(caddyfile)
            .add_env("AGENT", agent.to_string())
            .add_env("PROXY_PORT", "{port}")
            .add_env("PROXY_SECRET", SECRET)
            .start()
            .await;
        let public = format!("http://127.0.0.1:{}/", proxy.port());
        let example = Counterpart::new(env!("CARGO_BIN_EXE_example-behind-sso-proxy"))
            .add_args(["--listen", &agent.to_string(), "--public", &public])
            .add_env("PROXY_SECRET", SECRET)
            .with_ready_line("listening at ")
            .start()
            .await;
        // It has said so before it accepts; the socket is bound by then.
        Self {
            proxy: (Ipv4Addr::LOCALHOST, proxy.port()).into(),
            agent,
            _running: [proxy, example],
        }
    }

    async fn call(
        &self,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response<Bytes> {
        let mut request = Request::builder()
            .uri(path)
            .header("host", self.proxy.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(wire::Payload::default()).unwrap();
        wire::http1(address, request).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_who_the_proxy_says_they_are() {
    let example = Example::start().await;
    let password = format!("Basic {}", STANDARD.encode("alice:correct horse"));
    let alice = ("authorization", &*password);
    let expected = format!("alice of http://{}/", example.proxy);

    assert_eq!(
        example.call(example.proxy, "/whoami", &[]).await.status(),
        401
    );
    for more in [
        vec![],
        vec![("x-forwarded-user", "root")],
        vec![("x-forwarded-user", "root"), ("x-forwarded-user", "admin")],
        vec![("x-forwarded-groups", "admins"), ("x-proxy-secret", SECRET)],
        vec![("x_forwarded_user", "root")],
    ] {
        let headers = [vec![alice], more].concat();
        let answer = example.call(example.proxy, "/whoami", &headers).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (200, expected.as_bytes()),
            "{headers:?}"
        );
    }
    let notes = example.call(example.proxy, "/notes", &[alice]).await;
    assert_eq!(notes.body(), "buy milk");
    let wrong = format!("Basic {}", STANDARD.encode("alice:battery staple"));
    let wrong = [("authorization", &*wrong)];
    assert_eq!(
        example
            .call(example.proxy, "/whoami", &wrong)
            .await
            .status(),
        401
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_proxy_a_name_is_nothing() {
    let example = Example::start().await;
    for headers in [
        vec![("x-forwarded-user", "root")],
        vec![("x-forwarded-user", "root"), ("x-proxy-secret", "guessed")],
        vec![
            ("x-forwarded-user", "root"),
            ("x-forwarded-for", "127.0.0.1"),
        ],
    ] {
        let answer = example.call(example.agent, "/whoami", &headers).await;
        assert_eq!(answer.status(), 401, "{headers:?}");
    }
}
