//! The `Cookie` header: one line of the input for each time that it is sent. An `@` stands for the
//! value of a cookie that is good.

use std::sync::LazyLock;

use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Empty};
use portcullis::{
    Gate, PeerAddress, ResponseBody, Stack,
    perimeter::PerimeterLayer,
    session::{SessionCookie, SessionLayer},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    desk::{cookie_of, desk},
    table_auth::TableAuth,
};
use tower::{Layer as _, ServiceExt as _};

use super::perimeter::Body;
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "cookie",
    check,
    dictionary: &[
        "@",
        "=@",
        "__Host-s",
        "__Host-s=@",
        "; __Host-s=@",
        ";__Host-s=@",
        "\n__Host-s=@",
        "__host-s",
        "__HOST-S=",
        "a=b",
        "=",
        ";",
        "; ",
        ";;",
        " ",
        "\t",
        ",",
        "\"",
        "\\",
        "$Version=1",
        "$Path=/",
        "\n",
        "\u{e4}",
        "\u{a0}",
    ],
    executions: 4_000,
};

/// The name of the cookie, in lower case.
const NAME: &str = "__host-s";

/// A gate, and the value of a cookie that it has given out.
struct Server {
    gate: Gate,
    audit: RecordingAudit,
    value: String,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let audit = RecordingAudit::new();
    let (gate, _) = Stack::builder()
        .with_resource("https://agent.example/")
        .with_audit(audit.clone())
        .with_clock(VirtualClock::new())
        .with_perimeter(PerimeterLayer::builder().without_refusal_budget())
        .with_session(SessionLayer::builder().with_cookie(SessionCookie::new("s")))
        .add_authenticator(TableAuth::new())
        .build()
        .unwrap();
    let login = request().uri("/login").method("POST");
    let login = login.header("authorization", "Bearer good-alice");
    let response = send(&gate, login.body(Body::new()).unwrap());
    let value = cookie_of(&response).unwrap();
    Server {
        gate,
        audit,
        value: value.split_once('=').unwrap().1.to_owned(),
    }
});

fn check(input: &[u8]) -> Answer {
    let Server { gate, audit, value } = &*SERVER;
    let text: Vec<u8> = input
        .iter()
        .flat_map(|byte| match byte {
            b'@' => value.as_bytes(),
            byte => std::slice::from_ref(byte),
        })
        .copied()
        .collect();
    let mut sent = request().uri("/notes");
    for line in text.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
        let Ok(line) = HeaderValue::from_bytes(line) else {
            return Answer::Refused;
        };
        sent = sent.header(header::COOKIE, line);
    }
    let _ = audit.take();
    let response = send(gate, sent.body(Empty::new()).unwrap());
    let status = response.status().as_u16();
    let records = audit.take();
    let decisions = records
        .iter()
        .filter(|record| record.kind.as_str() == "decision");
    assert_eq!(decisions.count(), 1, "a request has one record");
    let body = response.into_body().collect().now_or_never().unwrap();
    let body = body.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body);
    // Behind the name and the scopes, of which there is one at most.
    let shown = body.to_ascii_lowercase();
    let shown = shown.splitn(3, ' ').nth(2).unwrap_or_default();
    let mut shown = shown.split([';', '|']).map(str::trim);
    assert!(
        !shown.any(|pair| pair.starts_with("__host-s=")),
        "a handler is shown it"
    );
    // Who splits at every semicolon, and minds neither case nor blanks nor quotes, as some do.
    let ours: Vec<_> = text
        .split(|byte| matches!(byte, b';' | b'\n'))
        .filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let name = String::from_utf8_lossy(&pair[..at]).to_ascii_lowercase();
            let name = name.trim_matches(|c: char| c == '"' || c == ' ' || c == '\t');
            (name == NAME).then(|| pair[at + 1..].to_vec())
        })
        .collect();
    match status {
        200 => {
            assert_eq!(ours, [value.as_bytes()], "one of two was chosen");
            assert!(body.starts_with("alice "), "{body}");
        }
        400 => assert!(
            text.to_ascii_lowercase()
                .windows(8)
                .any(|w| w == NAME.as_bytes())
        ),
        401 => assert!(ours.len() <= 1, "of two there is one answer"),
        // The perimeter counts them.
        other => assert_eq!(other, 431),
    }
    Answer::taken_if(status == 200)
}

fn request() -> http::request::Builder {
    let mut request = Request::builder().header("host", "agent.example");
    if let Some(extensions) = request.extensions_mut() {
        PeerAddress::from(std::net::IpAddr::from([192, 0, 2, 1])).attach(extensions);
    }
    request
}

fn send(gate: &Gate, request: Request<Body>) -> Response<ResponseBody<String>> {
    let service = gate.layer(tower::service_fn(desk::<Body>));
    let response = service.oneshot(request).now_or_never();
    response.expect("nothing here waits").unwrap()
}
