//! The `Mcp-Session-Id` header: one line of the input for each time that it is sent. `<given>` stands
//! for the id that the client was given, `<own>` for what the server calls it.

use std::{convert::Infallible, sync::OnceLock};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use portcullis::{
    Authenticator, Check, Description, Evidence, EvidenceKind, Gate, RequestBody, RequestView,
    Stack, Verdict, perimeter::PerimeterLayer, session::SessionLayer,
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use tower::{Layer as _, ServiceExt as _};

use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "mcp_session",
    check,
    dictionary: &[
        "<given>",
        "<own>",
        "<given",
        ".",
        "..",
        "\n",
        " ",
        "\t",
        ",",
        "=",
        "A",
        "-",
        "_",
        "\0",
        "\u{e4}",
        "AAAAAAAAAAAAAAAAAAAAAA",
    ],
    executions: 10_000,
};

const NAME: &str = "mcp-session-id";
/// What the server calls its session.
const OWN: &str = "6f0f3bd5.3a1d";

struct Everybody;

impl Authenticator for Everybody {
    fn describe(&self) -> Description {
        Description::bearer("everybody")
    }

    fn check(&self, _: &RequestView<'_>) -> Check<Verdict> {
        let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice");
        Check::Done(Verdict::accept(alice))
    }
}

/// A gate, and what it gave to a client.
fn world() -> &'static (Gate, RecordingAudit, String) {
    static WORLD: OnceLock<(Gate, RecordingAudit, String)> = OnceLock::new();
    WORLD.get_or_init(|| {
        let audit = RecordingAudit::new();
        let (gate, _handle) = Stack::builder()
            .with_resource("https://agent.example/")
            .with_clock(VirtualClock::new())
            .with_audit(audit.clone())
            // Only the session layer is to refuse anything here.
            .with_perimeter(
                PerimeterLayer::builder()
                    .without_refusal_budget()
                    .with_max_headers(1 << 16, 1 << 24),
            )
            .with_session(SessionLayer::builder().with_mcp_sessions())
            .add_authenticator(Everybody)
            .build()
            .unwrap();
        let (status, headers, _) = ask(&gate, &[]);
        assert_eq!(status, 200);
        let given = headers[NAME].to_str().unwrap().to_owned();
        (gate, audit, given)
    })
}

/// The status, the headers, and which id the handler has seen.
fn ask(gate: &Gate, values: &[HeaderValue]) -> (u16, HeaderMap, Option<Bytes>) {
    let mut request = Request::new(Empty::<Bytes>::new());
    let host = HeaderValue::from_static("agent.example");
    request.headers_mut().insert("host", host);
    for value in values {
        request.headers_mut().append(NAME, value.clone());
    }
    let handler = tower::service_fn(async |request: Request<RequestBody<Empty<Bytes>>>| {
        let seen: Vec<_> = request.headers().get_all(NAME).iter().collect();
        assert!(seen.len() <= 1, "the server is left to choose");
        let seen = seen.first().map_or("-", |seen| seen.to_str().unwrap());
        let mut response = Response::new(seen.to_owned());
        let own = HeaderValue::from_static(OWN);
        response.headers_mut().insert(NAME, own);
        Ok::<_, Infallible>(response)
    });
    let response = gate.layer(handler).oneshot(request).now_or_never();
    let response = response.expect("nothing here waits");
    let (parts, body) = response.unwrap_or_else(|never| match never {}).into_parts();
    let body = body.collect().now_or_never().expect("nor here").unwrap();
    let seen = (parts.status == 200).then(|| body.to_bytes());
    (parts.status.as_u16(), parts.headers, seen)
}

fn check(input: &[u8]) -> Answer {
    let (gate, audit, given) = world();
    let lines: Option<Vec<HeaderValue>> = input
        .split(|byte| *byte == b'\n')
        .map(|line| match str::from_utf8(line) {
            Ok(text) => {
                let text = text.replace("<given>", given).replace("<own>", OWN);
                HeaderValue::from_str(&text).ok()
            }
            Err(_) => HeaderValue::from_bytes(line).ok(),
        })
        .collect();
    let Some(values) = lines else {
        return Answer::Refused;
    };
    let _ = audit.take();
    let (status, headers, seen) = ask(gate, &values);
    let records = audit.take();
    let is_given = matches!(&*values, [value] if value.as_bytes() == given.as_bytes());
    // It is the one that was given, byte for byte, or it is unknown.
    assert_eq!(status, if is_given { 200 } else { 404 });
    if !is_given {
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].reason.as_str(), "mcp_session_unknown");
        assert!(!headers.contains_key(NAME));
        return Answer::Refused;
    }
    assert_eq!(seen.unwrap(), OWN);
    assert_eq!(headers[NAME], **given);
    Answer::Taken
}
