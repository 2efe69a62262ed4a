//! Keys come and go.

use std::time::Duration;

use portcullis_core::{Authenticator as _, Check, Clock as _, RequestView};
use portcullis_jwt::{Issuer, reason};
use serde_json::json;

use crate::support::{
    Answer, ISSUER, answer, check,
    idp::{KEYS_URL, World},
    signer::Signer,
};

const SECOND: Duration = Duration::from_secs(1);
/// The keys of these tests are fresh for ten minutes at most, and for more than nine: at the
/// end of it their refresh is due, and for less than the minute in which nobody waits for it.
const LIFETIME: Duration = Duration::from_secs(600);

/// Lets the tasks of this thread get on with their work.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_rotated_key_works_at_once() {
    let (old, new) = (Signer::eddsa("old"), Signer::es256("new"));
    let world = World::new([&old]);
    assert_eq!(world.answer(&old.token()).await, Answer::Accepted);
    world.network.put_keys([&old, &new]);
    assert_eq!(world.answer(&new.token()).await, Answer::Accepted);
    assert_eq!(world.answer(&old.token()).await, Answer::Accepted);
    assert_eq!(world.network.count(), 2);
}

#[tokio::test]
async fn a_new_key_that_is_first_seen_under_load_is_retrieved_once() {
    let (old, new) = (Signer::eddsa("old"), Signer::eddsa("new"));
    let world = World::new([&old]);
    assert_eq!(world.answer(&old.token()).await, Answer::Accepted);
    world.network.put_keys([&old, &new]);
    world.network.close();
    let waiting: Vec<_> = (0..50)
        .map(|n| {
            let (auth, now) = (world.auth.clone(), world.clock.now());
            let token = new.token_with(json!({"jti": n.to_string()}));
            tokio::spawn(async move { answer(&auth, &token, now).await })
        })
        .collect();
    settle().await;
    assert_eq!(
        world.answer(&old.token()).await,
        Answer::Accepted,
        "others do not wait"
    );
    world.network.open();
    for request in waiting {
        assert_eq!(request.await.unwrap(), Answer::Accepted);
    }
    assert_eq!(world.network.count(), 2);
}

#[tokio::test]
async fn a_hundred_thousand_invented_key_ids_cause_one_retrieval() {
    let signer = Signer::eddsa("good");
    let world = World::new([&signer]);
    let good = signer.token();
    assert_eq!(world.answer(&good).await, Answer::Accepted);
    let (_, rest) = good.split_once('.').unwrap();
    for n in 0..100_000 {
        let header = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"invented-{n}"}}"#);
        let token = format!("{}.{rest}", crate::support::signer::b64(header));
        let expected = Answer::Rejected(reason::KID_UNKNOWN);
        assert_eq!(world.answer(&token).await, expected);
        if n % 10_000 == 0 {
            assert_eq!(world.answer(&good).await, Answer::Accepted);
        }
    }
    assert_eq!(world.network.count(), 2, "one load and one for the unknown");
}

#[tokio::test]
async fn on_a_cold_start_invented_key_ids_cause_one_retrieval_in_all() {
    let signer = Signer::eddsa("good");
    let world = World::new([&signer]);
    for n in 0..1000 {
        let token = signer.renamed(&format!("invented-{n}")).token();
        let expected = Answer::Rejected(reason::KID_UNKNOWN);
        assert_eq!(world.answer(&token).await, expected);
    }
    assert_eq!(world.network.count(), 1);
    assert_eq!(world.answer(&signer.token()).await, Answer::Accepted);
    assert_eq!(world.network.count(), 1);
}

#[tokio::test]
async fn after_the_cool_down_a_new_key_id_is_asked_for_and_an_absent_one_is_not() {
    let (old, new) = (Signer::eddsa("old"), Signer::eddsa("new"));
    let world = World::new([&old]);
    assert_eq!(world.answer(&old.token()).await, Answer::Accepted);
    let unknown = old.renamed("unknown").token();
    let expected = Answer::Rejected(reason::KID_UNKNOWN);
    assert_eq!(world.answer(&unknown).await, expected);
    assert_eq!(world.network.count(), 2);
    world.network.put_keys([&old, &new]);
    world.clock.advance(29 * SECOND);
    assert_eq!(
        world.answer(&new.token()).await,
        expected,
        "within the cool-down"
    );
    world.clock.advance(SECOND);
    assert_eq!(world.answer(&unknown).await, expected);
    assert_eq!(world.network.count(), 2, "known to be absent");
    assert_eq!(world.answer(&new.token()).await, Answer::Accepted);
    assert_eq!(world.network.count(), 3);
    world.clock.advance(60 * SECOND);
    assert_eq!(world.answer(&unknown).await, expected);
    assert_eq!(world.network.count(), 4, "asked for again in the end");
}

#[tokio::test]
async fn a_withdrawn_key_is_refused_within_the_bound_also_for_known_tokens() {
    let (old, new) = (Signer::eddsa("old"), Signer::eddsa("new"));
    let world = World::new([&old, &new]);
    let token = old.token();
    assert_eq!(world.answer(&token).await, Answer::Accepted);
    world.network.put_keys([&new]);
    // The bound after a pause: without traffic nobody asks, and the first request waits.
    world.clock.advance(LIFETIME + 60 * SECOND);
    assert_eq!(
        world.answer(&token).await,
        Answer::Rejected(reason::KID_UNKNOWN)
    );
    assert_eq!(world.answer(&new.token()).await, Answer::Accepted);
}

#[tokio::test]
async fn a_refresh_that_is_due_does_not_keep_anybody_waiting() {
    let (old, new) = (Signer::eddsa("old"), Signer::eddsa("new"));
    let world = World::new([&old]);
    let token = old.token();
    assert_eq!(world.answer(&token).await, Answer::Accepted);
    world.network.put_keys([&new]);
    world.network.close();
    world.clock.advance(LIFETIME);
    for _ in 0..100 {
        let checked = check(&world.auth, &token, world.clock.now());
        assert!(matches!(checked, Check::Done(_)));
    }
    settle().await;
    assert_eq!(world.network.count(), 2, "one refresh, in the background");
    world.network.open();
    settle().await;
    assert_eq!(
        world.answer(&token).await,
        Answer::Rejected(reason::KID_UNKNOWN)
    );
}

#[tokio::test]
async fn an_unchanged_key_stays_known_across_refreshes() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    let token = signer.token();
    for _ in 0..4 {
        assert_eq!(world.answer(&token).await, Answer::Accepted);
        settle().await;
        world.clock.advance(LIFETIME);
    }
    assert_eq!(world.network.count(), 4);
    assert_eq!(world.auth.stats().signature_checks(), 1);
}

#[tokio::test]
async fn a_key_id_that_is_used_again_for_another_key_ends_the_old_one() {
    let (old, new) = (Signer::eddsa("same"), Signer::eddsa("same"));
    let world = World::new([&old]);
    let token = old.token();
    assert_eq!(world.answer(&token).await, Answer::Accepted);
    world.network.put_keys([&new]);
    world.clock.advance(LIFETIME + 60 * SECOND);
    assert_eq!(
        world.answer(&token).await,
        Answer::Rejected(reason::SIGNATURE)
    );
    assert_eq!(world.answer(&new.token()).await, Answer::Accepted);
}

#[tokio::test]
async fn the_last_good_keys_serve_until_they_are_too_stale() {
    let signer = Signer::eddsa("a");
    let issuer = Issuer::new(ISSUER)
        .with_jwks_url(KEYS_URL)
        .with_max_stale(300 * SECOND);
    let world = World::with(issuer, [&signer]);
    let token = signer.token();
    assert_eq!(world.answer(&token).await, Answer::Accepted);
    world.network.fail(KEYS_URL);
    world.clock.advance(LIFETIME + 200 * SECOND);
    assert_eq!(
        world.answer(&token).await,
        Answer::Accepted,
        "stale, but usable"
    );
    assert_eq!(
        world.answer(&signer.token_with(json!({"jti": "2"}))).await,
        Answer::Accepted
    );
    world.clock.advance(100 * SECOND);
    let expected = Answer::Unavailable(reason::KEYS_UNAVAILABLE);
    assert_eq!(world.answer(&token).await, expected, "known, but too stale");
    assert_eq!(
        world.answer(&signer.token_with(json!({"jti": "3"}))).await,
        expected
    );
    world.network.put_keys([&signer]);
    world.clock.advance(30 * SECOND);
    assert_eq!(world.answer(&token).await, Answer::Accepted, "back again");
}

#[tokio::test]
async fn an_unknown_key_is_no_refusal_while_the_issuer_is_down() {
    let (old, new) = (Signer::eddsa("old"), Signer::eddsa("new"));
    let world = World::new([&old]);
    assert_eq!(world.answer(&old.token()).await, Answer::Accepted);
    world.network.fail(KEYS_URL);
    let expected = Answer::Unavailable(reason::KEYS_UNAVAILABLE);
    assert_eq!(world.answer(&new.token()).await, expected);
    assert_eq!(world.answer(&old.token()).await, Answer::Accepted);
    world.network.put_keys([&old, &new]);
    world.clock.advance(30 * SECOND);
    assert_eq!(world.answer(&new.token()).await, Answer::Accepted);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_anyway_causes_no_retrieval() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    let expired = signer.token_with(json!({"exp": 1}));
    assert_eq!(
        world.answer(&expired).await,
        Answer::Rejected(reason::EXPIRED)
    );
    let elsewhere = signer.token_with(json!({"aud": "https://other.example"}));
    assert_eq!(
        world.answer(&elsewhere).await,
        Answer::Rejected(reason::AUDIENCE)
    );
    assert_eq!(world.network.count(), 0);
}

#[tokio::test]
async fn a_restricted_request_with_a_known_token_gets_overdue_keys_refreshed() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    let token = signer.token();
    assert_eq!(world.answer(&token).await, Answer::Accepted);
    world.clock.advance(LIFETIME + 60 * SECOND);
    let parts = crate::support::parts(&token);
    let view = RequestView::new(&parts, world.clock.now()).with_restriction(true);
    assert!(matches!(world.auth.check(&view), Check::NeedsIo));
    settle().await;
    assert!(matches!(world.auth.check(&view), Check::Done(_)));
    assert_eq!(world.auth.stats().signature_checks(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_share_one_retrieval() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    let requests: Vec<_> = (0..2000)
        .map(|n| {
            let (auth, now) = (world.auth.clone(), world.clock.now());
            let token = signer.token_with(json!({"jti": n.to_string()}));
            tokio::spawn(async move { answer(&auth, &token, now).await })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), Answer::Accepted);
    }
    assert_eq!(world.network.count(), 1);
}
