//! What a refusal says, and to whom.

use axum::{Router, body::Body, routing::post};
use http_body_util::BodyExt as _;
use portcullis::audit::RecordKind;
use portcullis::{Denial, Exchange};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::fixtures::{
    CHALLENGE_SCOPE, CHALLENGE_STRENGTH, PAYMENTS, VAULT, gate, request_with,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{let_in, with_token};

async fn denied(token: &str, operation: &str) -> Denial {
    let exchange = let_in(&gate(&RecordingAudit::new()), with_token(token)).await;
    exchange.authorize(operation, ()).await.unwrap_err()
}

#[tokio::test]
async fn the_client_is_told_the_challenge() {
    let denial = denied("good-alice", "payments.transfer").await;
    let told: Value = serde_json::from_str(&denial.for_client()).unwrap();
    let expected = json!({
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "instance": format!("urn:uuid:{}", denial.request_id()),
        "operation": "payments.transfer",
        "www_authenticate": [CHALLENGE_SCOPE],
    });
    assert_eq!(told, expected);
    let denial = denied("stale-alice", "vault.open").await;
    let told: Value = serde_json::from_str(&denial.for_client()).unwrap();
    assert_eq!(told["status"], 401);
    assert_eq!(told["www_authenticate"], json!([CHALLENGE_STRENGTH]));
    // Where nothing would help there is nothing to follow.
    let denial = denied("machine-app", "vault.open").await;
    let told: Value = serde_json::from_str(&denial.for_client()).unwrap();
    assert_eq!(told["status"], 403);
    assert_eq!(told["www_authenticate"], json!([]));
}

#[tokio::test]
async fn the_model_is_told_in_plain_words_and_no_more_than_the_challenge_says() {
    for (token, operation, words) in [
        (
            "good-alice",
            "payments.transfer",
            "the caller has not granted what it needs",
        ),
        (
            "weak-alice",
            "vault.open",
            "the caller has to authenticate again, more strongly or more recently",
        ),
        (
            "stale-alice",
            "vault.open",
            "the caller has to authenticate again, more strongly or more recently",
        ),
        ("machine-app", "vault.open", "the caller may not do this"),
        ("good-alice", "lost", "there is no such operation"),
    ] {
        let denial = denied(token, operation).await;
        let told: Value = serde_json::from_str(&denial.for_model()).unwrap();
        assert_eq!(told, json!({ "operation": operation, "refused": words }));
        assert_eq!(
            denial.to_string(),
            format!("`{operation}` is refused: {words}")
        );
    }
}

/// Neither a reason code nor a credential is in what leaves the server.
#[tokio::test]
async fn nobody_is_told_the_reason() {
    for (token, operation) in [
        ("good-alice", "payments.transfer"),
        ("weak-alice", "vault.open"),
        ("stale-alice", "vault.open"),
        ("good-alice", "lost"),
    ] {
        let denial = denied(token, operation).await;
        let told = format!(
            "{}{}{denial}{denial:?}",
            denial.for_model(),
            denial.for_client()
        );
        // One code is the name of a parameter as well.
        let codes = portcullis::reason::ALL.iter().map(|code| code.as_str());
        let codes = codes.filter(|code| *code != "resource_metadata");
        for word in codes.chain(["good-", "weak-", "stale-", "alice"]) {
            assert!(!told.contains(word), "{word}: {told}");
        }
    }
}

/// A name that a model made up, to write something else into the stream.
#[tokio::test]
async fn a_name_does_not_break_out() {
    let name = "x\",\"status\":200}\r\n\r\nevent: paid\ndata: {\u{2028}</script>\u{202e}\0\\";
    let denial = denied("good-alice", name).await;
    for text in [denial.for_client(), denial.for_model()] {
        assert!(
            !text.contains(['\n', '\r', '\0', '<', '\u{2028}']),
            "{text}"
        );
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["operation"], name);
        assert_ne!(told["status"], 200);
    }
    assert!(!denial.to_string().contains('\n'));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    /// Whatever a name is, what is told of it is JSON on one line, and it is that name.
    #[test]
    fn every_name_comes_back(name in "(?s).{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let denial = runtime.block_on(denied("good-alice", &name));
        for text in [denial.for_client(), denial.for_model()] {
            proptest::prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
            let told: Value = serde_json::from_str(&text).unwrap();
            proptest::prop_assert_eq!(told["operation"].as_str(), Some(&*name));
        }
    }
}

/// In an answer that has not begun, the denial is the answer: the same that a request to a
/// route with this requirement has.
#[tokio::test]
async fn a_denial_is_a_response() {
    let audit = RecordingAudit::new();
    let router = Router::new()
        .route(
            "/pay",
            post(async |exchange: Exchange| -> Result<String, Denial> {
                let permit = exchange.authorize("payments.transfer", "sent").await?;
                Ok(permit.spend().to_owned())
            }),
        )
        .route(
            "/open",
            post(async |exchange: Exchange| -> Result<(), Denial> {
                exchange.authorize("vault.open", ()).await?.spend();
                Ok(())
            }),
        )
        .route(PAYMENTS, post(async || ()))
        .route(VAULT, post(async || ()))
        .layer(gate(&audit));
    let send = async |path: &str, token: &str| {
        let request = request_with(token).method("POST").uri(path);
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let records = audit.take();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        // The one before ends when its body is dropped.
        let mut records = records
            .iter()
            .filter(|record| record.kind != RecordKind::End);
        let id = records.next().unwrap().request_id.to_string();
        (parts.status, parts.headers, body.replace(&id, "<id>"))
    };
    for (call, route, token) in [
        ("/pay", PAYMENTS, "good-alice"),
        ("/open", VAULT, "weak-alice"),
        ("/open", VAULT, "machine-app"),
    ] {
        let (asked, refused) = (send(call, token).await, send(route, token).await);
        assert!(asked.0.is_client_error());
        let without_length = |(status, mut headers, body): (_, http::HeaderMap, String)| {
            headers.remove("content-length");
            (status, headers, body)
        };
        assert_eq!(without_length(asked), without_length(refused));
    }
    assert_eq!(send("/pay", "scoped-alice").await.2, "sent");
}
