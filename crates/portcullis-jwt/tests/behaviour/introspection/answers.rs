//! What is made of what the issuer says.

use std::time::Duration;

use portcullis_core::{Clock as _, EvidenceKind, Timestamp};
use portcullis_jwt::reason;
use serde_json::{Value, json};

use super::{TOKEN, World, active, page, with, without};
use crate::support::{Answer, ISSUER, NOW, evidence};

fn code(answer: Answer) -> Result<(), String> {
    match answer {
        Answer::Accepted => Ok(()),
        Answer::Rejected(reason) => Err(format!("401 {reason}")),
        Answer::Unavailable(reason) => Err(format!("503 {reason}")),
        Answer::NotMine => Err("not mine".to_owned()),
    }
}

async fn judge(answer: &Value) -> Result<(), String> {
    let world = World::new();
    world.desk.say(answer);
    code(world.answer(TOKEN).await)
}

#[tokio::test]
async fn an_answer_becomes_evidence() {
    let world = World::new();
    world.desk.say(&with(
        with(active(), "cnf", json!({"jkt": "a-thumbprint"})),
        "act",
        json!({"sub": "agent"}),
    ));
    let found = evidence(&world.auth, TOKEN, world.clock.now()).await;
    assert_eq!(found.kind(), EvidenceKind::User);
    assert_eq!((found.issuer(), found.subject()), (ISSUER, "alice"));
    assert_eq!(found.client(), Some("app"));
    assert_eq!(found.token_id(), Some("t1"));
    assert_eq!(found.scopes().to_string(), "notes.read notes.write");
    assert_eq!(
        found.not_after(),
        Some(Timestamp::from_unix_seconds(NOW + 330))
    );
    let confirmation = found.confirmation().unwrap();
    assert_eq!(confirmation.jwk_thumbprint(), Some("a-thumbprint"));
    assert_eq!(found.actors()[0].subject(), "agent");
}

/// A server that names its users by `username` alone does not say who they are: all users of a client
/// would be one.
#[tokio::test]
async fn a_user_without_a_subject_is_nobody() {
    for name in ["username", "user_name"] {
        let answer = with(without(active(), "sub"), name, "alice");
        assert_eq!(judge(&answer).await, Err("401 jwt_sub".to_owned()));
        assert_eq!(judge(&with(active(), name, "alice")).await, Ok(()));
    }
}

/// The time of an answer is when it was asked for, not when it came.
#[tokio::test]
async fn a_slow_answer_is_not_kept_for_longer() {
    let world = World::with(|it| it.with_cache_for(Duration::from_secs(10)));
    world.desk.close();
    let (auth, now) = (world.auth.clone(), world.clock.now());
    let asking = tokio::spawn(async move { crate::support::answer(&auth, TOKEN, now).await });
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(4));
    world.desk.open();
    assert_eq!(asking.await.unwrap(), Answer::Accepted);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
    assert_eq!(world.desk.count(), 1);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
    assert_eq!(world.desk.count(), 2);
}

#[tokio::test]
async fn a_token_is_taken_up_to_an_age_where_one_is_set() {
    let world = World::with(|it| it.with_max_token_age(Duration::from_secs(60)));
    let old = Answer::Rejected(reason::TOKEN_AGE);
    world.desk.say(&with(active(), "iat", NOW - 89));
    assert_eq!(world.answer("young").await, Answer::Accepted);
    let found = evidence(&world.auth, "young", world.clock.now()).await;
    // The session, too, ends with it.
    assert_eq!(
        found.not_after(),
        Some(Timestamp::from_unix_seconds(NOW + 1))
    );
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.answer("young").await, old);
    world.desk.say(&with(active(), "iat", NOW - 89));
    assert_eq!(world.answer("old").await, old);
    world.desk.say(&without(active(), "iat"));
    assert_eq!(world.answer("ageless").await, old);
    // What the issuer ends before is as expired as ever.
    world.desk.say(&with(active(), "exp", NOW - 40));
    assert_eq!(
        world.answer("expired").await,
        Answer::Rejected(reason::EXPIRED)
    );
}

#[tokio::test]
async fn a_token_that_a_client_got_for_itself_is_the_clients() {
    for answer in [without(active(), "sub"), with(active(), "sub", "app")] {
        let world = World::new();
        world.desk.say(&answer);
        let found = evidence(&world.auth, TOKEN, world.clock.now()).await;
        assert_eq!(found.kind(), EvidenceKind::Client);
        assert_eq!(found.subject(), "app");
    }
}

#[tokio::test]
async fn times_may_be_missing() {
    let answer = without(without(active(), "exp"), "iat");
    let world = World::new();
    world.desk.say(&answer);
    let found = evidence(&world.auth, TOKEN, world.clock.now()).await;
    assert_eq!((found.not_after(), found.issued_at()), (None, None));
}

#[tokio::test]
async fn what_the_issuer_does_not_vouch_for_is_refused() {
    for (answer, reason) in [
        (json!({"active": false}), "introspection_inactive"),
        // Nothing else counts then.
        (with(active(), "active", false), "introspection_inactive"),
        (without(active(), "token_type"), "introspection_kind"),
        (with(active(), "token_type", "N_A"), "introspection_kind"),
        (with(active(), "token_type", 7), "introspection_kind"),
        (
            with(active(), "token_type", "refresh_token"),
            "introspection_kind",
        ),
        (
            with(active(), "token_use", "refresh_token"),
            "introspection_kind",
        ),
        (with(active(), "token_use", 1), "introspection_kind"),
        (with(active(), "typ", "Refresh"), "introspection_kind"),
        (with(active(), "typ", "ID"), "introspection_kind"),
        (with(active(), "typ", "Offline"), "introspection_kind"),
        (
            with(active(), "iss", "https://idp.example/"),
            "introspection_issuer",
        ),
        (
            with(active(), "iss", json!([ISSUER])),
            "introspection_issuer",
        ),
        (with(active(), "exp", NOW - 30), "jwt_expired"),
        (with(active(), "nbf", NOW + 31), "jwt_not_yet_valid"),
        (with(active(), "iat", NOW + 31), "jwt_issued_in_future"),
        (without(active(), "aud"), "jwt_audience"),
        (
            with(active(), "aud", "https://evil.example"),
            "jwt_audience",
        ),
        (with(active(), "aud", json!([])), "jwt_audience"),
        (with(active(), "aud", 7), "jwt_audience"),
        (with(active(), "sub", ""), "jwt_sub"),
        (with(active(), "sub", 7), "jwt_sub"),
        (without(without(active(), "sub"), "client_id"), "jwt_sub"),
        (with(active(), "scope", json!(["a"])), "jwt_scope"),
        (with(active(), "cnf", 7), "jwt_cnf"),
        (with(active(), "act", "x"), "jwt_act"),
        (with(active(), "sub", "a\u{0}b"), "jwt_claim_text"),
    ] {
        let expected = format!("401 {reason}");
        assert_eq!(judge(&answer).await, Err(expected), "{answer}");
    }
}

#[tokio::test]
async fn the_forms_that_issuers_use_are_taken() {
    for answer in [
        with(active(), "token_type", "bearer"),
        with(active(), "aud", json!(["x", "https://notes.example"])),
        with(active(), "token_use", "access_token"),
        with(active(), "token_use", "access"),
        with(active(), "typ", "Bearer"),
        without(active(), "iss"),
        with(active(), "exp", NOW - 29),
        without(active(), "client_id"),
        with(active(), "username", "somebody else"),
    ] {
        assert_eq!(judge(&answer).await, Ok(()), "{answer}");
    }
}

#[tokio::test]
async fn a_proof_token_of_no_key_is_no_bearer_token() {
    let world = World::new();
    world.desk.say(&with(active(), "token_type", "DPoP"));
    let found = evidence(&world.auth, TOKEN, world.clock.now()).await;
    let confirmation = found.confirmation().unwrap();
    assert!(confirmation.has_unsupported_member());
}

#[tokio::test]
async fn what_cannot_be_read_is_no_answer() {
    let twice = r#"{"active":true,"active":false}"#;
    let world = World::new();
    for (media_type, text) in [
        ("application/json", ""),
        ("application/json", "true"),
        ("application/json", "[]"),
        ("application/json", "{}"),
        ("application/json", r#"{"active":"true"}"#),
        ("application/json", r#"{"active":1}"#),
        ("application/json", r#"{"active":null}"#),
        ("application/json", twice),
        ("application/json", r#"{"active":true"#),
        ("text/html", r#"{"active":true}"#),
        ("application/token-introspection+jwt", "e30.e30."),
    ] {
        world.desk.say_text(media_type, text);
        let expected = Err("503 introspection_answer".to_owned());
        assert_eq!(code(world.answer(TOKEN).await), expected, "{text}");
    }
    for (name, wrong) in [
        ("exp", json!("soon")),
        ("nbf", json!(null)),
        ("iat", json!(-1)),
    ] {
        world.desk.say(&with(active(), name, wrong));
        let expected = Err("503 introspection_answer".to_owned());
        assert_eq!(code(world.answer(TOKEN).await), expected, "{name}");
    }
    world
        .desk
        .say(&with(active(), "padding", "x".repeat(64 * 1024)));
    let expected = Err("503 introspection_answer".to_owned());
    assert_eq!(code(world.answer(TOKEN).await), expected);
    // None of that was kept.
    world.desk.say(&active());
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
}

#[tokio::test]
async fn a_status_is_not_an_answer() {
    let world = World::new();
    for (status, reason) in [
        (401, "introspection_credentials"),
        (403, "introspection_credentials"),
        (400, "introspection_unavailable"),
        (302, "introspection_unavailable"),
        (404, "introspection_unavailable"),
        (429, "introspection_unavailable"),
        (500, "introspection_unavailable"),
    ] {
        let body = active().to_string();
        world
            .desk
            .respond(move |_| Ok(page(status, "application/json", &body)));
        let expected = Err(format!("503 {reason}"));
        assert_eq!(code(world.answer(TOKEN).await), expected, "{status}");
    }
    world.desk.say(&active());
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
}

#[tokio::test]
async fn an_audience_may_be_missing_where_that_is_said() {
    let world = World::with(|it| it.dangerously_allow_missing_audience());
    world.desk.say(&without(active(), "aud"));
    assert_eq!(world.answer("a").await, Answer::Accepted);
    world.desk.say(&with(active(), "aud", "elsewhere"));
    let expected = Err("401 jwt_audience".to_owned());
    assert_eq!(code(world.answer("b").await), expected);
}

#[tokio::test]
async fn a_token_type_may_be_missing_where_that_is_said() {
    let world = World::with(|it| it.allow_missing_token_type());
    world.desk.say(&without(active(), "token_type"));
    assert_eq!(world.answer("a").await, Answer::Accepted);
    world.desk.say(&with(active(), "token_type", "N_A"));
    let expected = Err("401 introspection_kind".to_owned());
    assert_eq!(code(world.answer("b").await), expected);
}

#[tokio::test]
async fn only_the_clients_that_are_named_may_come() {
    let world = World::with(|it| it.with_clients(["app", "other"]));
    assert_eq!(world.answer("a").await, Answer::Accepted);
    for (token, answer) in [
        ("b", with(active(), "client_id", "evil")),
        ("c", without(active(), "client_id")),
    ] {
        world.desk.say(&answer);
        let expected = Err("401 jwt_client".to_owned());
        assert_eq!(code(world.answer(token).await), expected, "{answer}");
    }
}

#[tokio::test]
async fn an_explanation_asks_and_shows_nothing_of_the_token() {
    let world = World::new();
    let explanation = world.auth.explain(TOKEN).await;
    assert!(explanation.is_accepted());
    world
        .desk
        .say(&with(active(), "aud", "https://canary.example"));
    let explanation = world.auth.explain(TOKEN).await;
    assert_eq!(explanation.reason().unwrap().as_str(), "jwt_audience");
    let text = format!("{explanation} {explanation:?} {:?}", world.auth);
    for secret in [TOKEN, "canary", "alice", "hush"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(world.desk.count(), 2);
    let explanation = world.auth.explain("eyJh.a.b").await;
    assert_eq!((explanation.reason(), world.desk.count()), (None, 2));
    world.desk.respond(|_| Ok(page(500, "text/html", "")));
    let explanation = world.auth.explain(TOKEN).await;
    let reason = explanation.reason().unwrap();
    assert_eq!(reason.as_str(), "introspection_unavailable");
}

#[tokio::test]
async fn an_answer_never_outlives_the_token() {
    let world = World::with(|it| it.with_cache_for(Duration::from_mins(5)));
    world.desk.say(&with(active(), "exp", NOW + 20));
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
    world.clock.advance(Duration::from_secs(19));
    assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
    assert_eq!(world.desk.count(), 1);
    // From its end on it is good by the leeway, and by what its issuer says each time.
    for asked in 2..4 {
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(world.answer(TOKEN).await, Answer::Accepted);
        assert_eq!(world.desk.count(), asked);
    }
    world.desk.say(&json!({"active": false}));
    let expected = Err("401 introspection_inactive".to_owned());
    assert_eq!(code(world.answer(TOKEN).await), expected);
    world.desk.say(&with(active(), "exp", NOW + 20));
    world.clock.advance(Duration::from_secs(29));
    let expected = Err("401 jwt_expired".to_owned());
    assert_eq!(code(world.answer(TOKEN).await), expected);
}
