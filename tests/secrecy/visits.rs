//! What a browser keeps, what a handler keeps for it, and what an issuer tells of it.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Exchange, Gate, RequestBody,
    jwt::{BackChannelLogout, Issuer},
    revocation::MemoryReplays,
    session::{SessionCookie, SessionLayer, SessionValue},
};
use portcullis_testing::{audit::RecordingAudit, identity_provider::IdentityProvider};
use portcullis_tests::{canaries::Canaries, desk::cookie_of, fixtures::stack_builder};
use tower::{Layer as _, ServiceExt as _};

use crate::show;

const ISSUER: &str = "https://idp.example";
const FORM: &str = "application/x-www-form-urlencoded";

/// What the agent calls others with.
struct RefreshToken(String);

impl SessionValue for RefreshToken {
    const NAME: &'static str = "refresh_token";

    fn to_bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(String::from_utf8(bytes.to_vec()).ok()?))
    }
}

pub(crate) async fn play(canaries: &mut Canaries) {
    let audit = RecordingAudit::new();
    let provider = IdentityProvider::new().with_issuer(ISSUER);
    let issuer = Issuer::new(ISSUER).with_static_keys(provider.jwks().to_string());
    let logouts = BackChannelLogout::new(issuer, "notes-app", MemoryReplays::default());
    show(canaries, &logouts);
    let (gate, handle) = stack_builder(&audit)
        .with_session(SessionLayer::builder().with_cookie(SessionCookie::new("s")))
        .add_notice_receiver(logouts)
        .build()
        .unwrap();

    let kept = canaries.plant("what a handler keeps in a session");
    let login = get("authorization", "Bearer good-alice");
    let answer = visit(&gate, login, kept).await;
    let cookie = cookie_of(&answer).unwrap();
    canaries.add("a cookie", cookie.split_once('=').unwrap().1);
    // Of the answer to the login, all but the cookie.
    look(canaries, answer, &[header::SET_COOKIE]);
    for (sent, expected) in [
        (cookie.clone(), StatusCode::OK),
        (format!("{cookie}; {cookie}"), StatusCode::BAD_REQUEST),
        (cookie.to_ascii_uppercase(), StatusCode::BAD_REQUEST),
        (
            format!("__Host-s={}", canaries.plant("a cookie that is none")),
            StatusCode::UNAUTHORIZED,
        ),
    ] {
        let again = canaries.plant("what a handler would keep");
        let answer = visit(&gate, get("cookie", &sent), again).await;
        assert_eq!(answer.status(), expected);
        look(canaries, answer, &[]);
    }

    let token = || provider.logout_token("notes-app");
    for (token, expected) in [
        (token().with_claim("sid", "s-1"), StatusCode::OK),
        (token().with_flipped_signature(), StatusCode::BAD_REQUEST),
        (token().with_algorithm_none(), StatusCode::BAD_REQUEST),
        (token().with_audience("other"), StatusCode::BAD_REQUEST),
        (token(), StatusCode::BAD_REQUEST),
        (
            token().with_raw_claims("{\"iss\": "),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let inside = canaries.plant("a claim of a logout token");
        let token = token.with_claim("password", inside).mint();
        for segment in token.split('.').skip(1).filter(|part| !part.is_empty()) {
            canaries.add("a segment of a logout token", segment);
        }
        let answer = logout(&gate, format!("logout_token={token}")).await;
        assert_eq!(answer.status(), expected);
        look(canaries, answer, &[]);
    }
    for shape in ["logout_token={}", "logout_token=a.{}.b", "{}=x", "%{}&{}"] {
        let secret = canaries.plant(&format!("the form `{shape}`"));
        let answer = logout(&gate, shape.replace("{}", &secret)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        look(canaries, answer, &[]);
    }
    show(canaries, &gate);
    show(canaries, &handle.stats());
    let records = audit.take();
    assert!(records.len() > 10, "{records:?}");
    show(canaries, &records);
}

fn get(name: &str, value: &str) -> Request<Full<Bytes>> {
    let request = Request::get("/notes").header("host", "agent.example");
    request.header(name, value).body(Full::default()).unwrap()
}

/// A handler asks for a cookie, keeps a text in the session, and says nothing.
async fn visit(gate: &Gate, request: Request<Full<Bytes>>, kept: String) -> Response<Bytes> {
    let handler = tower::service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        let kept = RefreshToken(kept.clone());
        let exchange = Exchange::of(request.extensions()).unwrap();
        let session = exchange.session().unwrap().clone();
        async move {
            session.put(&kept).await.unwrap();
            let read = session.get::<RefreshToken>().await.unwrap().unwrap();
            assert_eq!(read.0, kept.0);
            // Who came by a cookie has one.
            let _ = session.issue_cookie().await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let response = gate.layer(handler).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

async fn logout(gate: &Gate, form: String) -> Response<Bytes> {
    let request = Request::post("/backchannel-logout")
        .header("host", "agent.example")
        .header("content-type", FORM)
        .body(Full::from(form))
        .unwrap();
    visit(gate, request, String::new()).await
}

/// Looks through an answer, but for these of its headers.
fn look(canaries: &mut Canaries, mut answer: Response<Bytes>, but: &[header::HeaderName]) {
    for name in but {
        assert!(answer.headers_mut().remove(name).is_some());
    }
    show(canaries, answer.headers());
    canaries.search("bodies of answers", answer.body());
}
