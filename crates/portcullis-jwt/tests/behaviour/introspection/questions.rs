//! What is asked, when, and how often.

use std::{num::NonZeroUsize, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use futures_util::{FutureExt as _, future::join_all};
use http::Method;
use portcullis_core::{Authenticator as _, Check, Clock as _, RequestView, Secret, Verdict};
use portcullis_jwt::{
    Algorithm, HttpError,
    introspection::{ClientCredentials, Introspection},
};
use serde_json::{Value, json};

use super::{ENDPOINT, TOKEN, World, active, page};
use crate::support::{AUDIENCE, Answer, ISSUER, check, parts, to_answer};

#[tokio::test]
async fn the_question_is_a_form_with_the_credentials_of_the_agent() {
    let world = World::new();
    assert_eq!(world.answer("a-token+/=").await, Answer::Accepted);
    let asked = world.desk.asked().remove(0);
    assert_eq!(asked.method, Method::POST);
    assert_eq!(asked.url, ENDPOINT);
    assert_eq!(asked.headers["accept"], "application/json");
    assert_eq!(
        asked.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    // notes-agent:hush
    assert_eq!(
        asked.headers["authorization"],
        "Basic bm90ZXMtYWdlbnQ6aHVzaA=="
    );
    assert!(asked.headers["authorization"].is_sensitive());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        asked.form,
        [
            pair("token", "a-token+/="),
            pair("token_type_hint", "access_token")
        ]
    );
}

#[tokio::test]
async fn an_answer_is_kept_for_its_span_and_no_longer() {
    let world = World::with(|it| it.with_cache_for(Duration::from_secs(10)));
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
    world.desk.say(&json!({"active": false}));
    world.clock.advance(Duration::from_millis(9_999));
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
    assert_eq!(world.desk.count(), 1);
    world.clock.advance(Duration::from_millis(1));
    assert!(matches!(world.answer(TOKEN).await, Answer::Rejected(_)));
    assert_eq!(world.desk.count(), 2);
    assert_eq!(world.auth.stats().questions(), 2);
}

#[tokio::test]
async fn a_refusal_is_kept_for_five_seconds() {
    let world = World::new();
    world.desk.say(&json!({"active": false}));
    for _ in 0..3 {
        assert!(matches!(world.answer(TOKEN).await, Answer::Rejected(_)));
    }
    assert_eq!(world.desk.count(), 1);
    world.desk.say(&active());
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
    assert_eq!(world.desk.count(), 2);
}

#[tokio::test]
async fn a_failure_is_never_kept_and_takes_nothing_away() {
    let world = World::with(|it| it.with_cache_for(Duration::from_secs(10)));
    assert_eq!(world.answer("known").await, Answer::Accepted);
    world
        .desk
        .respond(|_| Err(HttpError::new("connection refused")));
    for count in 2..5 {
        assert!(matches!(world.answer(TOKEN).await, Answer::Unavailable(_)));
        assert_eq!(world.desk.count(), count);
    }
    assert_eq!(world.answer("known").await, Answer::Accepted);
    world.clock.advance(Duration::from_secs(10));
    assert!(matches!(
        world.answer("known").await,
        Answer::Unavailable(_)
    ));
    world.desk.say(&active());
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
}

#[tokio::test]
async fn without_a_cache_every_request_asks() {
    let world = World::with(|it| it.without_cache());
    for count in 1..4 {
        assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
        assert_eq!(world.desk.count(), count);
    }
}

#[tokio::test]
async fn those_who_come_at_once_share_one_question() {
    for world in [World::new(), World::with(|it| it.without_cache())] {
        world.desk.close();
        let mut waiting = Box::pin(join_all((0..100).map(|_| world.answer(TOKEN))));
        assert!((&mut waiting).now_or_never().is_none());
        let mut other = Box::pin(world.answer("another"));
        assert!((&mut other).now_or_never().is_none());
        assert_eq!(world.desk.count(), 2);
        world.desk.open();
        let answers = waiting.await;
        assert!(answers.iter().all(|answer| *answer == Answer::Accepted));
        assert_eq!(other.await, Answer::Accepted);
        assert_eq!(world.desk.count(), 2);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_waited_for_so_long() {
    let world = World::with(|it| it.with_timeout(Duration::from_secs(3)));
    world.desk.close();
    let mut waiting = Box::pin(world.answer(TOKEN));
    assert!((&mut waiting).now_or_never().is_none());
    world.clock.advance(Duration::from_millis(2_999));
    assert!((&mut waiting).now_or_never().is_none());
    world.clock.advance(Duration::from_millis(1));
    let answer = waiting.await;
    let Answer::Unavailable(reason) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(reason.as_str(), "introspection_unavailable");
    world.desk.open();
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
}

#[tokio::test]
async fn so_many_are_asked_about_at_once() {
    let turns = NonZeroUsize::new(2).unwrap();
    let world = World::with(|it| it.with_max_concurrency(turns));
    world.desk.close();
    let tokens: Vec<_> = (0..5).map(|number| format!("token-{number}")).collect();
    let mut waiting = Box::pin(join_all(tokens.iter().map(|token| world.answer(token))));
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(world.desk.count(), 2);
    world.desk.open();
    let answers = waiting.await;
    assert!(answers.iter().all(|answer| *answer == Answer::Accepted));
    assert_eq!(world.desk.count(), 5);
}

#[tokio::test]
async fn jwts_and_tokens_of_others_are_not_asked_about() {
    let world = World::with(|it| it.with_prefix("ory_at_").add_prefix("ory_rt_"));
    for token in [
        "eyJhbGciOiJub25lIn0.e30.",
        "pk_live_a_b_c",
        "ory_",
        "xory_at_",
    ] {
        assert_eq!(world.answer(token).await, Answer::NotMine, "{token}");
    }
    assert_eq!(world.desk.count(), 0);
    assert_eq!(world.answer("ory_at_1").await, Answer::Accepted);
    assert_eq!(world.answer("ory_rt_1").await, Answer::Accepted);
    let world = World::with(|it| it.with_jwts());
    let jwt = "eyJhbGciOiJub25lIn0.e30.";
    assert_eq!(world.answer(jwt).await, Answer::Accepted);
}

#[tokio::test]
async fn a_token_that_is_too_long_is_not_asked_about() {
    let world = World::new();
    let longest = "a".repeat(16 * 1024);
    assert_eq!(world.answer(&longest).await, Answer::Accepted);
    let answer = world.answer(&format!("{longest}a")).await;
    let Answer::Rejected(reason) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(reason.as_str(), "introspection_size");
    assert_eq!(world.desk.count(), 1);
}

#[tokio::test]
async fn who_is_restricted_gets_in_only_with_a_token_that_is_known() {
    let world = World::new();
    let restricted = |token: &str| {
        let parts = parts(token);
        let view = RequestView::new(&parts, world.clock.now()).with_restriction(true);
        world.auth.check(&view)
    };
    assert!(matches!(restricted(TOKEN), Check::NeedsIo));
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
    let Check::Done(Verdict::Accept(_)) = restricted(TOKEN) else {
        panic!("not accepted");
    };
    let Check::Done(Verdict::NotMine) = restricted("eyJhbGciOiJub25lIn0.e30.") else {
        panic!("not left to others");
    };
    assert_eq!(world.desk.count(), 1);
}

#[tokio::test]
async fn a_known_token_needs_no_waiting() {
    let world = World::new();
    assert!(matches!(
        check(&world.auth, TOKEN, world.clock.now()),
        Check::NeedsIo
    ));
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
    let Check::Done(verdict) = check(&world.auth, TOKEN, world.clock.now()) else {
        panic!("it waits");
    };
    assert_eq!(to_answer(verdict), Answer::Accepted);
}

#[tokio::test]
async fn the_endpoint_is_found_once() {
    let metadata = json!({"issuer": ISSUER, "introspection_endpoint": ENDPOINT}).to_string();
    let world = World::discovering();
    world.desk.respond(|_| Ok(page(404, "text/html", "")));
    assert!(matches!(world.answer(TOKEN).await, Answer::Unavailable(_)));
    assert!(world.auth.ready().await.is_err());
    world.desk.respond(move |asked| {
        Ok(match asked.url.as_str() {
            ENDPOINT => page(200, "application/json", &active().to_string()),
            url if url.ends_with("/.well-known/openid-configuration") => {
                page(200, "application/json", &metadata)
            }
            _ => page(404, "text/html", ""),
        })
    });
    let before = world.desk.count();
    assert!(world.auth.ready().await.is_ok());
    for token in ["a", "b"] {
        assert_eq!(world.answer(token).await, Answer::Accepted);
    }
    assert_eq!(world.desk.count(), before + 3);
}

#[tokio::test]
async fn metadata_of_another_issuer_or_a_private_place_is_not_taken() {
    for metadata in [
        json!({"issuer": "https://evil.example", "introspection_endpoint": ENDPOINT}),
        json!({"issuer": ISSUER, "introspection_endpoint": "https://127.0.0.1/introspect"}),
        json!({"issuer": ISSUER, "introspection_endpoint": "http://idp.example/introspect"}),
        json!({"issuer": ISSUER}),
    ] {
        let world = World::discovering();
        world.desk.say(&metadata);
        let answer = world.answer(TOKEN).await;
        assert!(matches!(answer, Answer::Unavailable(_)), "{metadata}");
        let asked = world.desk.asked();
        let is_metadata = |url: &str| url.contains("/.well-known/");
        assert!(
            asked.iter().all(|asked| is_metadata(&asked.url)),
            "{asked:?}"
        );
    }
}

/// A new key, as PEM.
fn private_key() -> String {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let text = STANDARD.encode(document.unwrap().as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

#[tokio::test]
async fn an_assertion_is_new_each_time_and_for_this_issuer() {
    let key = Secret::from(private_key());
    let credentials = ClientCredentials::private_key_jwt("notes-agent", Algorithm::Es256, key);
    let introspection = Introspection::new(ISSUER, credentials)
        .with_endpoint(ENDPOINT)
        .with_audience(AUDIENCE);
    let world = World::of(introspection);
    for token in ["a", "b"] {
        assert_eq!(world.answer(token).await, Answer::Accepted);
    }
    let mut seen = Vec::new();
    for asked in world.desk.asked() {
        assert!(!asked.headers.contains_key("authorization"));
        let value = |name: &str| {
            let pair = asked.form.iter().find(|(known, _)| known == name);
            pair.map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!(value("client_id"), "notes-agent");
        assert_eq!(
            value("client_assertion_type"),
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        let assertion = value("client_assertion");
        let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap());
        let claims: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("notes-agent"), &json!("notes-agent"))
        );
        assert_eq!(claims["aud"], ISSUER);
        let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(lifetime, 60);
        seen.push(claims["jti"].clone());
    }
    assert_ne!(seen[0], seen[1]);
}
