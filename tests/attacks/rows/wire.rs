//! Bytes that no client library would send, over TCP: H02 and H03.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, routing::any};
use portcullis_testing::http_probe::HandlerProbe;
use portcullis_tests::wire::Server;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{guard::Guard, harness::Harness};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("H02", heads).await;
    harness.row("H03", framing).await;
}

/// A guarded server, the handler that counts, and a good key.
async fn server() -> Option<(Server, HandlerProbe, String)> {
    let guard = Guard::fixed();
    let key = guard.good_key().to_owned();
    let probe = HandlerProbe::new();
    let router = Router::new().route("/notes", any_service(&probe));
    let server = Server::axum(guard.gate.guard(router)).await.ok()?;
    Some((server, probe, key))
}

fn any_service(probe: &HandlerProbe) -> axum::routing::MethodRouter {
    let probe = probe.clone();
    any(async move |request: axum::extract::Request| {
        use tower::ServiceExt as _;
        match probe.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    })
}

/// Sends bytes and reads until the server closes or falls silent.
#[expect(
    clippy::disallowed_methods,
    reason = "bounds a silent server, in real time"
)]
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return "no connection".to_owned();
    };
    // The server may close while it is still being written to.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whether every answer in a stream of bytes is a refusal, or there is none.
fn is_refused(answer: &str) -> bool {
    answer
        .split("HTTP/1.1 ")
        .skip(1)
        .all(|answer| answer.starts_with('4'))
}

async fn heads(harness: &mut Harness) {
    let Some((server, probe, key)) = server().await else {
        return;
    };
    let head = |extra: &str| {
        format!(
            "GET /notes HTTP/1.1\r\nHost: agent.example\r\nAuthorization: Bearer {key}\r\n{extra}\r\n"
        )
    };
    let good = exchange(server.address(), head("").as_bytes()).await;
    harness.judged(
        "a good request over the wire is let in",
        if good.starts_with("HTTP/1.1 200") && probe.calls() == 1 {
            Ok(())
        } else {
            Err(good)
        },
    );
    let thousand: String = (0..10_000).map(|n| format!("x-{n}: y\r\n")).collect();
    for (name, bytes) in [
        ("obs-fold", head("X-Fold: a\r\n b\r\n").into_bytes()),
        ("a bare CR", head("X-Cr: a\rb\r\n").into_bytes()),
        ("a NUL", head("X-Nul: a\0b\r\n").into_bytes()),
        ("a space in a name", head("X Space: a\r\n").into_bytes()),
        ("a space before the colon", head("X-Space : a\r\n").into_bytes()),
        ("10 000 headers", head(&thousand).into_bytes()),
        ("a header of 1 MiB", head(&format!("X-Big: {}\r\n", "x".repeat(1 << 20))).into_bytes()),
        ("two hosts", head("Host: evil.example\r\n").into_bytes()),
        ("two authorizations", head("Authorization: Bearer x\r\n").into_bytes()),
        ("a NUL in the path", format!("GET /notes\0 HTTP/1.1\r\nHost: agent.example\r\nAuthorization: Bearer {key}\r\n\r\n").into_bytes()),
        ("absolute form of another host", format!("GET http://evil.example/notes HTTP/1.1\r\nHost: agent.example\r\nAuthorization: Bearer {key}\r\n\r\n").into_bytes()),
        ("no host", format!("GET /notes HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n").into_bytes()),
    ] {
        let before = probe.calls();
        let answer = exchange(server.address(), &bytes).await;
        harness.judged(
            name,
            match probe.calls() == before && is_refused(&answer) {
                true => Ok(()),
                false => Err(format!("{answer:.60}")),
            },
        );
    }
}

async fn framing(harness: &mut Harness) {
    let Some((server, probe, key)) = server().await else {
        return;
    };
    // What would be smuggled has a good credential, so that only the framing can stop it.
    let smuggled = format!(
        "GET /notes HTTP/1.1\r\nHost: agent.example\r\nAuthorization: Bearer {key}\r\nX-Smuggled: yes\r\n\r\n"
    );
    let post = |framing: &str, body: &str| {
        format!(
            "POST /notes HTTP/1.1\r\nHost: agent.example\r\nAuthorization: Bearer nobody-knows-this\r\n{framing}\r\n{body}"
        )
    };
    let length = smuggled.len();
    for (name, bytes) in [
        (
            "length and chunks",
            post(
                &format!(
                    "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
                    length + 5
                ),
                &format!("0\r\n\r\n{smuggled}"),
            ),
        ),
        (
            "two lengths",
            post(
                &format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
                &smuggled,
            ),
        ),
        (
            "a list of lengths",
            post(&format!("Content-Length: 0, {length}\r\n"), &smuggled),
        ),
        ("a signed length", post("Content-Length: +0\r\n", &smuggled)),
        (
            "chunks of another name",
            post(
                "Transfer-Encoding: xchunked\r\n",
                &format!("0\r\n\r\n{smuggled}"),
            ),
        ),
        (
            "a bare LF behind a chunk",
            post(
                "Transfer-Encoding: chunked\r\n",
                &format!("1\nx\n0\n\n{smuggled}"),
            ),
        ),
        (
            "a chunk of no size",
            post(
                "Transfer-Encoding: chunked\r\n",
                &format!("zz\r\n\r\n{smuggled}"),
            ),
        ),
    ] {
        let before = probe.calls();
        let answer = exchange(server.address(), bytes.as_bytes()).await;
        harness.judged(
            name,
            match probe.calls() == before && is_refused(&answer) {
                true => Ok(()),
                false => Err(format!("{answer:.60}")),
            },
        );
    }
    let answer = exchange(server.address(), smuggled.as_bytes()).await;
    harness.judged(
        "a good request afterwards is let in",
        if answer.starts_with("HTTP/1.1 200") {
            Ok(())
        } else {
            Err(format!("{answer:.60}"))
        },
    );
}
