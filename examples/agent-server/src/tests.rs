//! The example does what it prints.

use axum::body::Body;
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use portcullis::stack::GuardedRouter;

use super::*;

const RESOURCE: &str = "http://127.0.0.1:3000/";

async fn guarded() -> (GuardedRouter, Issuing, String) {
    let options = Options::parse(std::iter::empty()).unwrap().unwrap();
    let issuing = Issuing::start(&options, RESOURCE).await.unwrap();
    let keys = KeyRing::new("demo", &Secret::new([7; 32]));
    let key = keys
        .issue(
            Grant::for_application("reporting"),
            SystemClock::new().now(),
        )
        .unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 3000));
    let (gate, handle) = gate(RESOURCE, address, &issuing, keys).unwrap();
    handle.ready().await.unwrap();
    (gate.guard(agent()), issuing, key.expose().to_owned())
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

#[test]
fn the_command_line_says_what_it_wants() {
    let parse = |words: &[&str]| Options::parse(words.iter().map(ToString::to_string));
    assert!(parse(&["--help"]).unwrap().is_none());
    assert!(parse(&["--issuer"]).unwrap_err().contains("wants a value"));
    assert!(
        parse(&["--listen", "x"])
            .unwrap_err()
            .contains("127.0.0.1:3000")
    );
    assert!(parse(&["--what", "x"]).unwrap_err().contains("not known"));
}
