//! When a token is good: J16, J17.

use std::time::Duration;

use portcullis::{
    Clock as _,
    step_up::{Requirement, StepUpLayer},
};
use serde_json::{Value, json};

use crate::{
    guard::{Guard, Settings},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("J16", types).await;
    harness.row("J17", edges).await;
    harness.row("own:token age", ages).await;
}

async fn types(harness: &mut Harness) {
    let guard = Guard::fixed();
    let now = guard.clock.now().unix_seconds();
    let raw = |claims: &str| {
        format!(
            r#"{{"iss":"https://idp.example","aud":"https://agent.example/","sub":"alice","client_id":"app",{claims}}}"#
        )
    };
    let wrong = Expected::invalid_token(&["jwt_exp", "jwt_iat", "jwt_nbf", "jwt_payload"]);
    let values = [
        "\"never\"",
        "\"99999999999\"",
        "null",
        "true",
        "-1",
        "1e400",
        "[]",
        "{}",
        "\"NaN\"",
        "NaN",
    ];
    for value in values {
        for claims in [
            format!(r#""iat":{now},"exp":{value}"#),
            format!(r#""iat":{value},"exp":{}"#, now + 300),
            format!(r#""iat":{now},"exp":{},"nbf":{value}"#, now + 300),
        ] {
            let token = guard.token().with_raw_claims(raw(&claims)).mint();
            harness
                .attack(&claims, &guard, guard.bearer(&token), &wrong)
                .await;
        }
    }
    for claims in [format!(r#""iat":{now}"#), format!(r#""exp":{}"#, now + 300)] {
        let token = guard.token().with_raw_claims(raw(&claims)).mint();
        harness
            .attack(
                &format!("only {claims}"),
                &guard,
                guard.bearer(&token),
                &wrong,
            )
            .await;
    }
    let late = Expected::invalid_token(&["jwt_lifetime"]);
    for exp in [
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "1e300",
        "253402300799",
    ] {
        let token = guard
            .token()
            .with_raw_claims(raw(&format!(r#""iat":{now},"exp":{exp}"#)))
            .mint();
        harness
            .attack(&format!("exp {exp}"), &guard, guard.bearer(&token), &late)
            .await;
    }
    let inverted = guard
        .token()
        .with_claim("exp", now + 5)
        .with_claim("iat", now + 10)
        .mint();
    harness
        .attack("exp before iat", &guard, guard.bearer(&inverted), &late)
        .await;
    let zero = guard.token().with_claim("exp", 0).mint();
    let expired = Expected::invalid_token(&["jwt_expired"]);
    harness
        .attack("exp 0", &guard, guard.bearer(&zero), &expired)
        .await;
    for claims in [
        format!(r#""iat":{now},"exp":{}.5"#, now + 300),
        format!(r#""iat":{now},"exp":{},"nbf":{now}"#, now + 300),
    ] {
        let token = guard.token().with_raw_claims(raw(&claims)).mint();
        harness.control(&claims, &guard, guard.bearer(&token)).await;
    }
}

/// The leeway is 30 s by default: a token is good from `nbf − 30 s` on, and before
/// `exp + 30 s`.
async fn edges(harness: &mut Harness) {
    let guard = Guard::fixed();
    let now = guard.clock.now().unix_seconds();
    let with = |claims: [(&str, i64); 3]| {
        let mut token = guard.token();
        for (name, value) in claims {
            token = token.with_claim(name, Value::from(value));
        }
        token.mint()
    };
    let expired = Expected::invalid_token(&["jwt_expired"]);
    for late in [30, 31, 3600] {
        let token = with([
            ("iat", now - 4000),
            ("nbf", now - 4000),
            ("exp", now - late),
        ]);
        harness
            .attack(
                &format!("exp {late} s ago"),
                &guard,
                guard.bearer(&token),
                &expired,
            )
            .await;
    }
    let early = Expected::invalid_token(&["jwt_not_yet_valid"]);
    let token = with([("iat", now), ("nbf", now + 31), ("exp", now + 300)]);
    harness
        .attack("nbf in 31 s", &guard, guard.bearer(&token), &early)
        .await;
    let future = Expected::invalid_token(&["jwt_issued_in_future"]);
    let token = with([("iat", now + 31), ("nbf", now), ("exp", now + 300)]);
    harness
        .attack("iat in 31 s", &guard, guard.bearer(&token), &future)
        .await;
    for (name, claims) in [
        (
            "exp 29 s ago",
            [("iat", now - 100), ("nbf", now - 100), ("exp", now - 29)],
        ),
        (
            "exp now",
            [("iat", now - 100), ("nbf", now - 100), ("exp", now)],
        ),
        (
            "nbf in 30 s",
            [("iat", now), ("nbf", now + 30), ("exp", now + 300)],
        ),
        (
            "iat in 30 s",
            [("iat", now + 30), ("nbf", now), ("exp", now + 300)],
        ),
    ] {
        harness
            .control(name, &guard, guard.bearer(&with(claims)))
            .await;
    }
    let beyond = Expected::invalid_token(&["jwt_auth_time"]);
    for auth_time in [now + 31, now * 1000, i64::MAX] {
        let token = guard.token().with_claim("auth_time", auth_time).mint();
        let name = format!("auth_time {auth_time}");
        harness
            .attack(&name, &guard, guard.bearer(&token), &beyond)
            .await;
    }
    let long = Expected::invalid_token(&["jwt_lifetime"]);
    let day = 86_400;
    let token = with([("iat", now), ("nbf", now), ("exp", now + day + 1)]);
    harness
        .attack(
            "a second more than a day",
            &guard,
            guard.bearer(&token),
            &long,
        )
        .await;
    harness
        .control(
            "a day",
            &guard,
            guard.bearer(&with([("iat", now), ("nbf", now), ("exp", now + day)])),
        )
        .await;

    // The clock that counts is the gate's, also for a token that it has seen before.
    let token = guard.token().with_claim("exp", json!(now + 60)).mint();
    harness
        .control("before it expires", &guard, guard.bearer(&token))
        .await;
    guard.clock.advance(Duration::from_secs(90));
    harness
        .attack(
            "after it has expired",
            &guard,
            guard.bearer(&token),
            &expired,
        )
        .await;
    guard.clock.step_wall_back(Duration::from_secs(3600));
    let token = guard.token().mint();
    guard.clock.step_wall_forward(Duration::from_secs(3600));
    harness
        .attack("of an hour ago", &guard, guard.bearer(&token), &expired)
        .await;
}

/// Tokens that their issuer has live longer than this server likes.
async fn ages(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.jwt = settings.jwt.with_max_token_age(Duration::from_secs(600));
    let guard = settings.build();
    let long = || guard.token().with_lifetime(Duration::from_secs(7200));
    let old = Expected::invalid_token(&["jwt_token_age"]);
    let young = long().with_age(Duration::from_secs(629)).mint();
    harness
        .control("just young enough", &guard, guard.bearer(&young))
        .await;
    let token = long().with_age(Duration::from_secs(630)).mint();
    harness
        .attack("just too old", &guard, guard.bearer(&token), &old)
        .await;
    // Also one that has been known since it was young.
    guard.clock.advance(Duration::from_secs(1));
    harness
        .attack("grown too old", &guard, guard.bearer(&young), &old)
        .await;

    // For one route only.
    let mut settings = Settings::fixed();
    let requirement = Requirement::new().with_max_token_age(Duration::from_secs(60));
    settings.step_up = Some(StepUpLayer::builder().add_route_requirement("/pay", requirement));
    let guard = settings.build();
    let old = Expected::invalid_token(&["token_too_old"]);
    let aged = |seconds| {
        let token = guard.token().with_age(Duration::from_secs(seconds));
        token.mint()
    };
    harness
        .control("young", &guard, guard.bearer_at("/pay", &aged(90)))
        .await;
    harness
        .control("old, elsewhere", &guard, guard.bearer(&aged(91)))
        .await;
    harness
        .attack("old", &guard, guard.bearer_at("/pay", &aged(91)), &old)
        .await;
    // A key was issued once, and stands.
    guard.clock.advance(Duration::from_secs(91));
    let key = guard.bearer_at("/pay", guard.good_key());
    let stands = Expected::status(403, &["token_too_old"]);
    harness.attack("an api key", &guard, key, &stands).await;
}
