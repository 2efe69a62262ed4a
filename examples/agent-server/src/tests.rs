//! The example does what it prints.

use axum::body::Body;
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use portcullis::stack::GuardedRouter;

use super::*;

const RESOURCE: &str = "http://127.0.0.1:3000/";
const ORIGIN: &str = "https://app.example";

async fn guarded() -> (GuardedRouter, Issuing, String) {
    let arguments = ["--allow-origin", ORIGIN].map(str::to_owned);
    let Wish::Serve(options) = Options::parse(arguments.into_iter()).unwrap() else {
        panic!("these are settings of a server");
    };
    let issuing = Issuing::start(&options, RESOURCE).await.unwrap();
    let keys = KeyRing::new("demo", &Secret::new([7; 32]));
    let key = keys
        .issue(
            Grant::for_application("reporting"),
            SystemClock::new().now(),
        )
        .unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 3000));
    let stack = gate(RESOURCE, address, &options, &issuing, keys).await;
    let (gate, handle) = stack.unwrap().build().unwrap();
    handle.ready().await.unwrap();
    let guarded = outside::around(
        gate.guard(agent_routes(Agent {
            clock: Arc::new(SystemClock::new()),
            pause: Duration::ZERO,
            tools: Tools::default(),
        })),
        options.allow_origin.as_ref(),
    );
    (guarded, issuing, key.expose().to_owned())
}

async fn get(guarded: &GuardedRouter, path: &str, bearer: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::builder()
        .uri(path)
        .header("host", "127.0.0.1:3000");
    if let Some(bearer) = bearer {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    let request = request.body(Body::empty()).unwrap();
    let response = guarded.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 16)
        .await
        .unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_token_and_a_key_are_let_in_and_nobody_else() {
    let (guarded, issuing, key) = guarded().await;
    let token = issuing.token().unwrap();
    let (status, body) = get(&guarded, "/whoami", Some(&token)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.starts_with("alice of http://127.0.0.1:"), "{body}");
    let (status, body) = get(&guarded, "/whoami", Some(&key)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("reporting"), "{body}");
    assert_eq!(
        get(&guarded, "/whoami", None).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        get(&guarded, "/whoami", Some("else")).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(get(&guarded, "/health", None).await.0, StatusCode::OK);
    let metadata = get(&guarded, "/.well-known/oauth-protected-resource", None).await;
    assert_eq!(metadata.0, StatusCode::OK);
    assert!(metadata.1.contains(issuing.url()), "{}", metadata.1);
}

/// A request of a page, and the response.
async fn from_a_page(
    guarded: &GuardedRouter,
    origin: &str,
    request: http::request::Builder,
) -> http::Response<Body> {
    let request = request
        .header("host", "127.0.0.1:3000")
        .header("origin", origin)
        .body(Body::empty())
        .unwrap();
    guarded.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_page_of_the_allowed_origin_may_ask_and_may_read_why_it_was_refused() {
    let (guarded, ..) = guarded().await;
    let preflight = Request::options("/chat")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        );
    let answer = from_a_page(&guarded, ORIGIN, preflight).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers();
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    assert_eq!(
        headers["access-control-allow-headers"],
        "authorization,content-type"
    );

    let refused = from_a_page(&guarded, ORIGIN, Request::get("/whoami")).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let headers = refused.headers();
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    assert_eq!(
        headers["access-control-expose-headers"],
        "www-authenticate,retry-after"
    );
    assert!(headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_before_its_token_is_looked_at() {
    let (guarded, issuing, _) = guarded().await;
    let token = issuing.token().unwrap();
    let request = Request::get("/whoami").header("authorization", format!("Bearer {token}"));
    let refused = from_a_page(&guarded, "https://evil.example", request).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(refused.headers()["access-control-allow-origin"], ORIGIN);
}

#[test]
fn the_command_line_says_what_it_wants() {
    let parse = |words: &[&str]| Options::parse(words.iter().map(ToString::to_string));
    assert!(matches!(parse(&["--help"]), Ok(Wish::Help)));
    assert!(matches!(parse(&["tour"]), Ok(Wish::Tour)));
    assert!(parse(&["--issuer"]).unwrap_err().contains("wants a value"));
    assert!(
        parse(&["--listen", "x"])
            .unwrap_err()
            .contains("127.0.0.1:3000")
    );
    assert!(parse(&["--what", "x"]).unwrap_err().contains("not known"));
    assert!(matches!(
        parse(&["verify", "logs"]),
        Ok(Wish::Verify(_, None))
    ));
    assert!(parse(&["verify"]).unwrap_err().contains("wants a folder"));
    assert!(
        parse(&["verify", "logs", "no", "head"])
            .unwrap_err()
            .contains("`no head` is no head of a log")
    );
}

#[tokio::test]
async fn what_is_decided_is_kept_and_can_be_verified() {
    let folder = std::env::temp_dir().join(format!("portcullis-example-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    let arguments = ["--audit-dir".to_owned(), folder.display().to_string()];
    let Wish::Serve(options) = Options::parse(arguments.into_iter()).unwrap() else {
        panic!("these are settings of a server");
    };
    let log = records::keep(options.audit_dir.as_deref().unwrap()).unwrap();
    let issuing = Issuing::start(&options, RESOURCE).await.unwrap();
    let keys = KeyRing::new("demo", &Secret::new([7; 32]));
    let address = SocketAddr::from(([127, 0, 0, 1], 3000));
    let stack = gate(RESOURCE, address, &options, &issuing, keys);
    let (gate, handle) = stack
        .await
        .unwrap()
        .with_audit(log.clone())
        .build()
        .unwrap();
    handle.ready().await.unwrap();
    let guarded = gate.guard(agent_routes(Agent {
        clock: Arc::new(SystemClock::new()),
        pause: Duration::ZERO,
        tools: Tools::default(),
    }));
    let guarded = outside::around(guarded, None);
    let token = issuing.token().unwrap();
    let (status, _) = get(&guarded, "/whoami", Some(&token)).await;
    assert_eq!(status, StatusCode::OK);
    let head = log.close().unwrap();
    records::report(&folder, Some(head)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(records::report(&folder, None).is_err());
}
