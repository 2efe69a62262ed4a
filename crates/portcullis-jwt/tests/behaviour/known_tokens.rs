//! A token that is known costs no signature, and nothing else is skipped.

use std::{num::NonZeroUsize, time::Duration};

use portcullis_core::Clock as _;
use portcullis_jwt::{Issuer, Jwt, reason};
use serde_json::json;

use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, answer,
    clock::ManualClock,
    idp::{World, fixed, site},
    signer::{Signer, jwks},
};

#[tokio::test]
async fn a_signature_is_checked_once() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    let token = signer.token();
    for _ in 0..10 {
        assert_eq!(world.answer(&token).await, Answer::Accepted);
    }
    assert_eq!(world.auth.stats().signature_checks(), 1);
    assert_eq!(world.auth.stats().key_retrievals(), 1);
}

#[tokio::test]
async fn the_time_is_looked_at_every_time() {
    let signer = Signer::eddsa("a");
    let (clock, auth) = (ManualClock::new(), fixed([&signer]));
    let token = signer.token_with(json!({"exp": NOW + 60, "nbf": NOW}));
    assert_eq!(answer(&auth, &token, clock.now()).await, Answer::Accepted);
    let later = clock.now() + Duration::from_secs(90);
    let just_before = later - Duration::from_millis(1);
    assert_eq!(answer(&auth, &token, just_before).await, Answer::Accepted);
    assert_eq!(auth.stats().signature_checks(), 1);
    assert_eq!(
        answer(&auth, &token, later).await,
        Answer::Rejected(reason::EXPIRED)
    );
    let earlier = clock.now() - Duration::from_secs(31);
    let expected = Answer::Rejected(reason::NOT_YET_VALID);
    assert_eq!(answer(&auth, &token, earlier).await, expected);
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let signer = Signer::eddsa("a");
    let (clock, auth) = (ManualClock::new(), fixed([&signer]));
    let token = signer.token_with(json!({"nbf": NOW + 60}));
    let expected = Answer::Rejected(reason::NOT_YET_VALID);
    assert_eq!(answer(&auth, &token, clock.now()).await, expected);
    let later = clock.now() + Duration::from_secs(60);
    assert_eq!(answer(&auth, &token, later).await, Answer::Accepted);
}

#[tokio::test]
async fn only_the_very_same_text_is_known() {
    let signer = Signer::es256("a");
    let (clock, auth) = (ManualClock::new(), fixed([&signer]));
    let token = signer.token();
    assert_eq!(answer(&auth, &token, clock.now()).await, Answer::Accepted);
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    let expected = Answer::Rejected(reason::SIGNATURE);
    assert_eq!(answer(&auth, &forged, clock.now()).await, expected);
}

#[tokio::test]
async fn the_number_of_known_tokens_is_bounded() {
    let signer = Signer::eddsa("a");
    let clock = ManualClock::new();
    let build = |jwt: Jwt| jwt.with_audience(AUDIENCE).build(&site(&clock)).unwrap();
    let issuer = || Issuer::new(ISSUER).with_static_keys(jwks([&signer]));
    let tokens: Vec<_> = (0..200)
        .map(|n| signer.token_with(json!({"jti": n.to_string()})))
        .collect();
    let small = build(Jwt::new(issuer()).with_token_cache(NonZeroUsize::new(32).unwrap()));
    let none = build(Jwt::new(issuer()).without_token_cache());
    for auth in [&small, &none] {
        for token in tokens.iter().chain(&tokens) {
            assert_eq!(answer(auth, token, clock.now()).await, Answer::Accepted);
        }
    }
    assert!(small.stats().signature_checks() > 300);
    assert_eq!(none.stats().signature_checks(), 400);
}

#[tokio::test]
async fn clones_share_what_is_known() {
    let signer = Signer::eddsa("a");
    let (clock, auth) = (ManualClock::new(), fixed([&signer]));
    let token = signer.token();
    assert_eq!(
        answer(&auth.clone(), &token, clock.now()).await,
        Answer::Accepted
    );
    assert_eq!(answer(&auth, &token, clock.now()).await, Answer::Accepted);
    assert_eq!(auth.stats().signature_checks(), 1);
}
