//! What vouches for somebody elsewhere and is not read here, so that it grants nothing: P13, T04.

use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use serde_json::Value;

use super::timing::{alike, answer};
use crate::{
    guard::{Guard, finish},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("P13", message_signatures).await;
    harness.row("T04", device_bound_sessions).await;
}

/// The signed requests of RFC 9421, appendix B: a signature is no credential, a good one not either.
async fn message_signatures(harness: &mut Harness) {
    let guard = Guard::fixed();
    let signatures = signatures();
    if signatures.len() != 12 {
        harness.fail("the examples", &format!("there are {}", signatures.len()));
    }
    for (section, headers) in signatures {
        let request = || {
            let mut request = guard.request("/foo?param=Value&Pet=dog").method("POST");
            for (name, value) in &headers {
                request = request.header(name, value);
            }
            request
        };
        let alone = request();
        harness
            .attack(&section, &guard, body(alone), &Expected::missing())
            .await;
        let good = format!("Bearer {}", guard.token().mint());
        let beside = request().header("authorization", good);
        harness.control(&section, &guard, body(beside)).await;
    }
}

fn body(request: http::request::Builder) -> Request<Full<bytes::Bytes>> {
    finish(request).map(|_| Full::from(r#"{"hello": "world"}"#))
}

/// The lines of each request or part of one that is signed, but for those that a server sets by itself.
fn signatures() -> Vec<(String, Vec<(HeaderName, HeaderValue)>)> {
    const OURS: [&str; 4] = [
        "host",
        "content-length",
        "authorization",
        "transfer-encoding",
    ];
    let examples = include_str!("../vectors/rfc9421.json");
    let examples: Vec<Value> = serde_json::from_str(examples).unwrap_or_default();
    let mut signatures = Vec::new();
    for example in &examples {
        for block in example["blocks"].as_array().into_iter().flatten() {
            let text = block["text"].as_str().unwrap_or_default();
            if block["kind"] != "http-message" || !text.contains("Signature-Input:") {
                continue;
            }
            let head = text.split("\n\n").next().unwrap_or_default();
            let headers = unfolded(head)
                .lines()
                .filter_map(|line| line.split_once(": "))
                .filter(|(name, _)| !OURS.contains(&name.to_lowercase().as_str()))
                .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
                .collect();
            let section = example["section"].as_str().unwrap_or_default();
            signatures.push((format!("{section} {}", signatures.len()), headers));
        }
    }
    signatures
}

/// Without the breaks that the document has for its own width (RFC 8792 §7).
fn unfolded(text: &str) -> String {
    let mut parts = text.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start())
}

/// What a browser sends of a device-bound session, from anywhere: there is nothing that would look
/// for it, so all of it is answered as a request without a credential is.
async fn device_bound_sessions(harness: &mut Harness) {
    let guard = Guard::fixed();
    let mut answers = vec![answer(&guard, finish(guard.request("/notes"))).await];
    for (name, value) in [
        ("sec-secure-session-id", "\"a\""),
        ("sec-session-id", "a"),
        ("secure-session-response", "\"e30.e30.AAAA\""),
        ("sec-session-response", "e30.e30.AAAA"),
        (
            "secure-session-skipped",
            "unreachable;session_identifier=\"a\"",
        ),
        ("cookie", "__Host-session=a"),
    ] {
        let request = guard.request("/notes").header(name, value);
        answers.push(answer(&guard, finish(request)).await);
        let request = guard
            .request("/notes")
            .header("sec-fetch-site", "cross-site")
            .header(name, value);
        answers.push(answer(&guard, finish(request)).await);
    }
    alike(
        harness,
        "nobody is recognised by a browser's headers",
        401,
        &answers,
    );
    harness.control("a token", &guard, guard.good()).await;
}
