//! The table.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use portcullis_tests::{
    fixtures::{
        CHALLENGE_INVALID_REQUEST, CHALLENGE_INVALID_TOKEN, CHALLENGE_MISSING, CHALLENGE_SCOPE,
        CHALLENGE_STRENGTH, HOST, ORIGIN,
    },
    wire::Payload,
};

/// What is sent as a credential.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sent {
    /// One that is good.
    Good,
    Nothing,
    Token(&'static str),
}

/// What is sent as a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carried {
    /// So many bytes, and their number in `Content-Length`.
    Measured(usize),
    /// So many bytes, without a word about their number.
    Streamed(usize),
}

/// One row: a request, and what has to come of it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// The route that a router matches it with.
    pub(crate) route: &'static str,
    pub(crate) sent: Sent,
    headers: Vec<(&'static str, &'static str)>,
    carried: Carried,
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
    pub(crate) challenge: Option<&'static str>,
    pub(crate) retry_after: Option<&'static str>,
    /// Whom the handler is shown, if it is called and says so.
    pub(crate) caller: Option<&'static str>,
    /// Whether no route matches it.
    pub(crate) is_fallback: bool,
}

impl Case {
    /// What must work at any time.
    pub(crate) fn good() -> Self {
        Self {
            what: "a good credential",
            method: Method::GET,
            path: "/who",
            route: "/who",
            sent: Sent::Good,
            headers: Vec::new(),
            carried: Carried::Measured(0),
            status: StatusCode::OK,
            reason: "admitted",
            challenge: None,
            retry_after: None,
            caller: Some("alice"),
            is_fallback: false,
        }
    }

    fn refused(what: &'static str, sent: Sent, status: u16, reason: &'static str) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        let challenge = match status {
            StatusCode::BAD_REQUEST => Some(CHALLENGE_INVALID_REQUEST),
            StatusCode::UNAUTHORIZED if sent == Sent::Nothing => Some(CHALLENGE_MISSING),
            StatusCode::UNAUTHORIZED => Some(CHALLENGE_INVALID_TOKEN),
            _ => None,
        };
        Self {
            what,
            sent,
            status,
            reason,
            challenge,
            caller: None,
            ..Self::good()
        }
    }

    fn at(mut self, path: &'static str) -> Self {
        self.path = path;
        self.route = path;
        self
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Whether the gate says no.
    pub(crate) fn is_refusal(&self) -> bool {
        !self.reason.starts_with("admitted") && self.reason != "preflight"
    }

    pub(crate) fn request(&self, prefix: &str) -> Request<Payload> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(format!("{prefix}{}", self.path));
        if !self.headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", HOST);
        }
        let token = match self.sent {
            Sent::Good => Some("good-alice"),
            Sent::Nothing => None,
            Sent::Token(token) => Some(token),
        };
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let body = match self.carried {
            Carried::Measured(0) => Full::default().boxed(),
            Carried::Measured(bytes) => {
                request = request.header("content-length", bytes);
                Full::from(vec![b'x'; bytes]).boxed()
            }
            Carried::Streamed(bytes) => streamed(bytes),
        };
        request.body(body).unwrap()
    }
}

/// Bytes one by one.
fn streamed(bytes: usize) -> Payload {
    let frames = (0..bytes).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))));
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

pub(crate) fn cases() -> Vec<Case> {
    use Sent::{Good, Nothing, Token};
    let upload = |carried, status, reason| Case {
        method: Method::POST,
        carried,
        ..Case::refused("a body", Good, status, reason).at("/upload")
    };
    vec![
        Case::refused("no credential", Nothing, 401, "credentials_missing"),
        Case {
            sent: Token("io-good-alice"),
            ..Case::good()
        },
        Case::refused("a bad credential", Token("bad"), 401, "table_bad"),
        Case::refused(
            "a bad credential, after I/O",
            Token("io-bad"),
            401,
            "table_bad",
        ),
        Case::refused(
            "an unknown credential",
            Token("strange"),
            401,
            "credential_unknown",
        ),
        Case::refused("two tokens", Token("a b"), 400, "authorization_malformed"),
        Case::refused("two headers", Good, 400, "authorization_malformed")
            .with("authorization", "Bearer good-mallory"),
        Case::refused(
            "another scheme besides",
            Good,
            400,
            "authorization_malformed",
        )
        .with("authorization", "Basic bWFsbG9yeTo="),
        Case {
            retry_after: Some("7"),
            ..Case::refused("no answer", Token("down"), 503, "table_down")
        },
        Case {
            retry_after: Some("7"),
            ..Case::refused("no answer, after I/O", Token("io-down"), 503, "table_down")
        },
        Case {
            method: Method::OPTIONS,
            ..Case::refused("a preflight", Nothing, 204, "preflight")
        }
        .with("origin", ORIGIN)
        .with("access-control-request-method", "POST"),
        Case {
            method: Method::OPTIONS,
            ..Case::refused(
                "a preflight from elsewhere",
                Nothing,
                403,
                "origin_not_allowed",
            )
        }
        .with("origin", "https://evil.example")
        .with("access-control-request-method", "POST"),
        Case::refused("a rebound host", Good, 403, "host_not_allowed").with("host", "evil.example"),
        Case::refused("another page", Good, 403, "origin_not_allowed")
            .with("origin", "https://evil.example"),
        Case {
            is_fallback: true,
            ..Case::refused(
                "no route, no credential",
                Nothing,
                401,
                "credentials_missing",
            )
            .at("/nowhere")
        },
        Case {
            is_fallback: true,
            caller: None,
            status: StatusCode::NOT_FOUND,
            ..Case::good().at("/nowhere")
        },
        Case {
            sent: Nothing,
            route: "/public/{id}",
            reason: "admitted_anonymous",
            caller: Some("anonymous"),
            ..Case::good().at("/public/7")
        },
        Case {
            route: "/public/{id}",
            ..Case::good().at("/public/7")
        },
        Case {
            challenge: Some(CHALLENGE_SCOPE),
            ..Case::refused("a scope too few", Good, 403, "scope_missing").at("/payments/7")
        },
        Case {
            sent: Token("scoped-alice"),
            route: "/payments/{id}",
            ..Case::good().at("/payments/7")
        },
        Case {
            sent: Token("io-scoped-alice"),
            route: "/payments/{id}",
            ..Case::good().at("/payments/7")
        },
        // A route by its exact name: what stands below it, and no other, is open.
        Case {
            route: "/payments/{id}/more",
            ..Case::good().at("/payments/7/more")
        },
        Case {
            challenge: Some(CHALLENGE_STRENGTH),
            ..Case::refused(
                "too old an authentication",
                Token("stale-alice"),
                401,
                "auth_too_old",
            )
            .at("/vault/7")
        },
        Case {
            challenge: Some(CHALLENGE_STRENGTH),
            ..Case::refused(
                "too weak an authentication",
                Token("io-weak-alice"),
                401,
                "acr_insufficient",
            )
            .at("/vault/7")
        },
        Case::refused("a machine", Token("machine-app"), 403, "acr_insufficient").at("/vault/7"),
        Case {
            sent: Token("strong-alice"),
            route: "/vault/{id}",
            ..Case::good().at("/vault/7")
        },
        Case::refused(
            "a bad credential where none is needed",
            Token("bad"),
            401,
            "table_bad",
        )
        .at("/public/7"),
        Case::refused(
            "below an anonymous route",
            Nothing,
            401,
            "credentials_missing",
        )
        .at("/public/7/more"),
        Case {
            is_fallback: true,
            ..Case::refused(
                "above an anonymous route",
                Nothing,
                401,
                "credentials_missing",
            )
            .at("/public")
        },
        Case {
            is_fallback: true,
            ..Case::refused(
                "beside an anonymous route",
                Nothing,
                401,
                "credentials_missing",
            )
            .at("/publicity/7")
        },
        Case {
            caller: None,
            ..upload(Carried::Measured(64), 200, "admitted")
        },
        Case {
            caller: None,
            ..upload(Carried::Streamed(64), 200, "admitted")
        },
        upload(Carried::Measured(65), 413, "body_too_large"),
        // Let in by its head; the handler finds out.
        upload(Carried::Streamed(65), 413, "admitted"),
    ]
}
