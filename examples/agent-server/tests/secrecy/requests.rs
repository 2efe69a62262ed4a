//! Requests with a secret in every place of a request.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Secret, SystemClock,
    api_keys::{Grant, KeyRing},
};
use portcullis_testing::identity_provider::{IdentityProvider, Token};
use portcullis_tests::{canaries::Canaries, wire};
use serde_json::json;

use crate::{
    AT_ONCE,
    agent::{Agent, secret_of, without_key},
};

const RESOURCE: &str = "https://agent.example/";

/// What is sent: the lines of a head, but for those that every request has, and a body.
struct Sent {
    start: String,
    lines: Vec<String>,
    body: String,
}

/// Sends everything, looks through everything, and says which statuses there were.
pub(crate) async fn play(canaries: &mut Canaries) -> BTreeSet<u16> {
    let provider = IdentityProvider::new().serve().await;
    let stranger = IdentityProvider::new();
    let mut all = credentials(canaries, &provider, &stranger);
    all.extend(schemes(canaries));
    let good = good(canaries, &provider);
    for authorization in [None, Some(&good)] {
        all.extend(headers(canaries, authorization));
        all.extend(targets(canaries, authorization));
    }
    all.extend(bodies(canaries, &good));
    let mut statuses = BTreeSet::new();
    for part in all.chunks(AT_ONCE) {
        let agent = start(&provider);
        canaries.add("a good API key", secret_of(agent.key()));
        for sent in part {
            let answer = agent.send(&sent.bytes(&agent));
            statuses.extend(note(canaries, &answer));
        }
        let key = format!("authorization: Bearer {}", agent.key());
        let answer = agent.send(&get("/whoami", &[key]).bytes(&agent));
        statuses.extend(note(canaries, &answer));
        finish(agent, canaries);
    }
    statuses.extend(odd_connections(canaries, &provider, &good).await);
    statuses
}

fn start(provider: &IdentityProvider) -> Agent {
    let arguments = ["--issuer", provider.issuer(), "--resource", RESOURCE];
    let origin = ["--allow-origin", "https://app.example"];
    let agent = Agent::start(&[arguments.as_slice(), &origin].concat());
    agent.unwrap_or_else(|left| panic!("{}", String::from_utf8_lossy(&left.stderr)))
}

fn finish(agent: Agent, canaries: &mut Canaries) -> String {
    let key = agent.key().to_owned();
    let mut left = agent.end();
    left.stdout = without_key(&left.stdout, &key);
    assert!(!left.audit.is_empty(), "no record was kept");
    left.search(canaries);
    String::from_utf8_lossy(&left.stdout).into_owned()
}

/// Looks through an answer, and reads its status.
fn note(canaries: &mut Canaries, answer: &[u8]) -> Option<u16> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.unwrap_or(answer.len()));
    canaries.search("heads of answers", head);
    canaries.search("bodies of answers", body);
    let status = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    str::from_utf8(status).ok()?.parse().ok()
}

fn get(target: &str, lines: &[String]) -> Sent {
    Sent {
        start: format!("GET {target}"),
        lines: lines.to_vec(),
        body: String::new(),
    }
}

impl Sent {
    fn bytes(&self, agent: &Agent) -> Vec<u8> {
        let Self { start, lines, body } = self;
        let address = agent.address();
        let start = start.replace("{address}", &address.to_string());
        let mut head = format!("{start} HTTP/1.1\r\nconnection: close\r\n");
        if !lines.iter().any(|line| line.starts_with("host:")) {
            head += &format!("host: {address}\r\n");
        }
        for line in lines {
            head += &format!("{line}\r\n");
        }
        if !body.is_empty() {
            head += &format!("content-length: {}\r\n", body.len());
        }
        format!("{head}\r\n{body}").into_bytes()
    }
}

/// A token with a secret in its claims; so are its claims and its signature.
fn minted(canaries: &mut Canaries, place: &str, token: Token) -> String {
    let inside = canaries.plant(&format!("a claim of {place}"));
    let token = token.with_claim("password", inside).mint();
    for (segment, name) in token.split('.').skip(1).zip(["claims", "signature"]) {
        if !segment.is_empty() {
            canaries.add(&format!("the {name} of {place}"), segment);
        }
    }
    token
}

fn good(canaries: &mut Canaries, provider: &IdentityProvider) -> String {
    let token = provider
        .token("alice")
        .with_audience(RESOURCE)
        .with_scope("notes.read");
    minted(
        canaries,
        "a good token",
        token.with_lifetime(Duration::from_secs(3600)),
    )
}

/// Tokens and keys, good and bad.
fn credentials(
    canaries: &mut Canaries,
    provider: &IdentityProvider,
    stranger: &IdentityProvider,
) -> Vec<Sent> {
    let token = || {
        provider
            .token("alice")
            .with_audience(RESOURCE)
            .with_scope("notes.read")
    };
    let bad = [
        ("a good token", token()),
        (
            "an expired token",
            token().with_age(Duration::from_secs(3600)),
        ),
        (
            "a token with a forged signature",
            token().with_forged_signature(),
        ),
        (
            "a token with the signature of another",
            token().with_signature_of(stranger),
        ),
        (
            "a token with a flipped signature",
            token().with_flipped_signature(),
        ),
        (
            "a token with half a signature",
            token().with_truncated_signature(),
        ),
        (
            "a token without a signature",
            token().with_empty_signature(),
        ),
        ("a token with `none`", token().with_algorithm_none()),
        ("a token with a MAC", token().with_hmac_secret("secret")),
        (
            "a token for somebody else",
            token().with_audience("https://other.example/"),
        ),
        (
            "a token of another issuer",
            stranger.token("alice").with_audience(RESOURCE),
        ),
        (
            "a token of tomorrow",
            token().with_claim("nbf", 4_000_000_000_u64),
        ),
        (
            "a token that lives too long",
            token().with_lifetime(Duration::from_secs(1 << 30)),
        ),
        (
            "a token with a wrong type",
            token().with_header("typ", "JWT"),
        ),
        (
            "a token with a key id",
            token().with_header("kid", "unknown"),
        ),
        (
            "a token with `crit`",
            token().with_header("crit", json!(["exp"])),
        ),
        (
            "a token that is bound",
            token().with_claim("cnf", json!({"jkt": "thumb"})),
        ),
        (
            "a token with broken claims",
            token().with_raw_claims("{\"iss\": "),
        ),
        ("a token without a subject", token().without_claim("sub")),
    ];
    let mut all = Vec::new();
    for (place, token) in bad {
        let text = minted(canaries, place, token);
        all.push(bearer(&text));
        if place == "a good token" {
            for path in [
                "/health",
                "/nowhere",
                "/.well-known/oauth-protected-resource",
            ] {
                canaries.again();
                all.push(get(path, &[format!("authorization: Bearer {text}")]));
            }
        }
    }
    let ring = KeyRing::new("demo", &Secret::new([9; 32]));
    let now = portcullis::Clock::now(&SystemClock::new());
    let unknown = ring
        .issue(Grant::for_application("reporting"), now)
        .unwrap();
    canaries.add("an unknown API key", secret_of(unknown.expose()));
    all.push(bearer(unknown.expose()));
    let garbage = canaries.plant("a malformed API key");
    all.push(bearer(&format!("demo_{garbage}")));
    all.push(bearer(&format!("demo_{}_{garbage}", "a".repeat(15))));
    let long = canaries.plant("an endless token");
    all.push(bearer(&long.repeat(400)));
    for shape in [
        "{}",
        "{}.{}",
        "{}.{}.{}",
        "{}.{}.{}.{}.{}",
        "e30.{}.{}",
        "{}=",
        "\"{}\"",
        "{}ä",
        "{}\t",
    ] {
        let secret = canaries.plant("garbage as a token");
        all.push(bearer(&shape.replace("{}", &secret)));
    }
    all
}

fn bearer(credential: &str) -> Sent {
    get("/whoami", &[format!("authorization: Bearer {credential}")])
}

/// Other schemes, and none.
fn schemes(canaries: &mut Canaries) -> Vec<Sent> {
    let mut all = Vec::new();
    for shape in [
        "{}",
        "Basic {}",
        "DPoP {}",
        "Digest username=\"alice\", response=\"{}\"",
        "Negotiate {}",
        "HOBA result={}",
        "AWS4-HMAC-SHA256 Credential=alice, Signature={}",
        "GNAP {}",
        "bearer {}",
        "Bearer  {}",
        "Bearer\t{}",
        "Bearer {} {}",
        "Bearer {}, Bearer {}",
        "Bearer realm=\"{}\"",
        ": {}",
    ] {
        let secret = canaries.plant(&format!("`Authorization: {shape}`"));
        all.push(get(
            "/whoami",
            &[format!("authorization: {}", shape.replace("{}", &secret))],
        ));
    }
    let password = canaries.plant("the password of `Basic`");
    let basic = STANDARD.encode(format!("alice:{password}"));
    for name in ["authorization", "proxy-authorization"] {
        canaries.again();
        all.push(get("/whoami", &[format!("{name}: Basic {basic}")]));
    }
    let (one, other) = (
        canaries.plant("the first of two"),
        canaries.plant("the second of two"),
    );
    let twice = [&one, &other].map(|secret| format!("authorization: Bearer {secret}"));
    all.push(get("/whoami", &twice));
    all
}

/// Headers, each by itself and beside a good token.
fn headers(canaries: &mut Canaries, good: Option<&String>) -> Vec<Sent> {
    let mut all = Vec::new();
    for shape in [
        "proxy-authorization: Bearer {}",
        "x-api-key: {}",
        "api-key: {}",
        "apikey: {}",
        "x-auth-token: {}",
        "x-access-token: {}",
        "x-amz-security-token: {}",
        "x-goog-iap-jwt-assertion: {}.{}.{}",
        "x-forwarded-access-token: {}",
        "x-forwarded-authorization: Bearer {}",
        "x-forwarded-user: {}",
        "x-forwarded-for: {}",
        "x-forwarded-host: {}",
        "x-original-authorization: Bearer {}",
        "x-csrf-token: {}",
        "x-client-secret: {}",
        "x-device-id: {}",
        "cookie: session={}",
        "cookie: access_token={}",
        "cookie: __Host-session={}; theme=dark",
        "cookie2: {}",
        "set-cookie: session={}",
        "dpop: {}.{}.{}",
        "client-cert: :{}:",
        "signature: sig1=:{}:",
        "mcp-session-id: {}",
        "last-event-id: {}",
        "forwarded: for={}",
        "user-agent: {}",
        "sec-ch-ua: \"{}\"",
        "referer: https://alice:{}@agent.example/?access_token={}",
        "origin: https://alice:{}@app.example",
        "origin: https://{}.example",
        "host: alice:{}@agent.example",
        "host: {}.example",
        "traceparent: 00-{}-1-01",
        "content-type: application/{}",
        "accept: text/html; token={}",
        "expect: {}",
        "upgrade: {}",
        "te: {}",
        "transfer-encoding: {}",
        "content-length: {}",
    ] {
        let place = shape.split("{}").next().unwrap_or_default();
        let secret = canaries.plant(&format!("the header `{place}`"));
        let mut lines = vec![shape.replace("{}", &secret)];
        lines.extend(good.map(|good| format!("authorization: Bearer {good}")));
        all.push(get("/whoami", &lines));
    }
    all
}

/// What is asked for, without and with a good token.
fn targets(canaries: &mut Canaries, good: Option<&String>) -> Vec<Sent> {
    let mut all = Vec::new();
    for shape in [
        "/whoami?access_token={}",
        "/whoami?access%5Ftoken={}",
        "/whoami?token={}",
        "/whoami?api_key={}",
        "/whoami?code={}&state={}",
        "/health?client_secret={}",
        "/nowhere?sig={}",
        "/whoami#access_token={}",
        "http://{address}/whoami?id_token={}",
        "http://alice:{}@{address}/whoami",
        "http://{}@{address}/health",
    ] {
        let secret = canaries.plant(&format!("the target `{shape}`"));
        let lines: Vec<_> = good
            .map(|good| format!("authorization: Bearer {good}"))
            .into_iter()
            .collect();
        all.push(get(&shape.replace("{}", &secret), &lines));
    }
    all
}

/// What is said to the agent, and what is no message.
fn bodies(canaries: &mut Canaries, good: &str) -> Vec<Sent> {
    let mut all = Vec::new();
    for shape in [
        r#"{"message": "my password is {}, keep it"}"#,
        r#"{"message": "pay {} to bob"}"#,
        r#"{"message": "hello", "requestState": "{}", "access_token": "{}"}"#,
        r#"{"message": {"requestState": "{}"}}"#,
        r#"{"jsonrpc": "2.0", "method": "tools/call", "params": {"requestState": "{}"}}"#,
        r#""{}""#,
        r#"{"message": "hello", "message": "{}"}"#,
        r#"{"{}": 1}"#,
        "{}",
        "grant_type=password&password={}",
    ] {
        let secret = canaries.plant(&format!("the body `{shape}`"));
        let authorization = format!("authorization: Bearer {good}");
        for content_type in ["application/json", "application/x-www-form-urlencoded"] {
            canaries.again();
            all.push(Sent {
                start: "POST /chat".to_owned(),
                lines: vec![
                    authorization.clone(),
                    format!("content-type: {content_type}"),
                ],
                body: shape.replace("{}", &secret),
            });
        }
    }
    all
}

/// What is no request, what is not read to its end, and what comes with HTTP/2.
async fn odd_connections(
    canaries: &mut Canaries,
    provider: &IdentityProvider,
    good: &str,
) -> BTreeSet<u16> {
    let mut statuses = BTreeSet::new();
    let agent = start(provider);
    canaries.add("a good API key", secret_of(agent.key()));
    for shape in [
        "{}\r\n\r\n",
        "GET /whoami HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nno header\r\n\r\n",
        "GET /whoami HTTP/1.1\r\nhost: x\r\nbad name {}: x\r\n\r\n",
        "GET /whoami HTTP/1.1\r\nhost: x\r\nx-api-key: {}\0\r\n\r\n",
        "GET /whoami HTTP/3.0\r\nauthorization: Bearer {}\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n{}\r\n\r\n",
        "\u{16}\u{3}\u{1}{}\r\n\r\n",
        "POST /chat HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz;{}\r\n\r\n",
    ] {
        let secret = canaries.plant(&format!("the connection {shape:?}"));
        let answer = agent.send(shape.replace("{}", &secret).as_bytes());
        statuses.extend(note(canaries, &answer));
    }
    // A caller who goes away while the answer streams.
    let secret = canaries.plant("a request whose answer nobody reads");
    let watch = Sent {
        start: "POST /chat".to_owned(),
        lines: vec![
            format!("authorization: Bearer {good}"),
            "content-type: application/json".to_owned(),
            format!("x-device-id: {secret}"),
        ],
        body: r#"{"message": "watch milk"}"#.to_owned(),
    };
    let answer = agent.leave(&watch.bytes(&agent), 200);
    statuses.extend(note(canaries, &answer));
    statuses.extend(over_http2(canaries, &agent, good).await);
    let logged = finish(agent, canaries);
    // A log in which nobody speaks proves nothing. Records go to the audit log alone.
    for speaker in [
        "h2::",
        "hyper_util::",
        "portcullis_jwt::",
        "reqwest::",
        "tower_http::",
    ] {
        assert!(logged.contains(speaker), "{speaker} has logged nothing");
    }
    statuses
}

async fn over_http2(canaries: &mut Canaries, agent: &Agent, good: &str) -> BTreeSet<u16> {
    let mut client = wire::Client::http2(agent.address()).await.unwrap();
    let mut statuses = BTreeSet::new();
    for name in [
        "authorization",
        "x-api-key",
        "cookie",
        "dpop",
        "mcp-session-id",
        "user-agent",
    ] {
        for value in [
            good.to_owned(),
            canaries.plant(&format!("the header {name} of HTTP/2")),
        ] {
            canaries.again();
            let request = Request::get("/whoami?x=1")
                .header("host", agent.address().to_string())
                .header(name, format!("Bearer {value}"))
                .body(Full::new(Bytes::new()).boxed());
            let answer = client.send(request.unwrap()).await.unwrap();
            let (parts, body) = answer.into_parts();
            for (name, value) in &parts.headers {
                canaries.search("heads of answers", name.as_str().as_bytes());
                canaries.search("heads of answers", value.as_bytes());
            }
            canaries.search("bodies of answers", &body);
            statuses.insert(parts.status.as_u16());
        }
    }
    statuses
}
