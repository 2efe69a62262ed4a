//! A token is asked about again for as long as somebody keeps what came of it.

use std::{sync::Arc, time::Duration};

use http::Response;
use portcullis_core::{Authenticator as _, Clock as _, Evidence};
use portcullis_jwt::HttpError;
use serde_json::json;

use super::{TOKEN, World, active, with, without};
use crate::support::{Answer, evidence};

const SPAN: Duration = Duration::from_secs(30);

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

impl World {
    /// Somebody who keeps the evidence.
    async fn run(&self) -> Arc<Evidence> {
        evidence(&self.auth, TOKEN, self.clock.now()).await
    }

    async fn pass(&self, time: Duration) {
        settle().await;
        self.clock.advance(time);
        settle().await;
    }
}

#[tokio::test]
async fn one_that_nobody_keeps_is_not_asked_about_again() {
    let world = World::new();
    drop(world.run().await);
    for _ in 0..5 {
        world.pass(SPAN).await;
    }
    assert_eq!(world.desk.count(), 1);
}

#[tokio::test]
async fn one_that_somebody_keeps_is_asked_about_after_each_span() {
    for without_cache in [false, true] {
        let world = World::with(|it| match without_cache {
            true => it.without_cache(),
            false => it,
        });
        let kept = world.run().await;
        for asked in 2..5 {
            world.pass(SPAN - Duration::from_millis(1)).await;
            assert_eq!(world.desk.count(), asked - 1);
            world.pass(Duration::from_millis(1)).await;
            assert_eq!(world.desk.count(), asked);
            assert!(!kept.is_withdrawn());
        }
        world.desk.say(&json!({"active": false}));
        world.pass(SPAN).await;
        assert!(kept.is_withdrawn());
        let asked = world.desk.count();
        world.pass(10 * SPAN).await;
        assert_eq!(world.desk.count(), asked, "it is over");
    }
}

#[tokio::test]
async fn a_question_of_the_next_request_counts_as_well() {
    let world = World::with(|it| it.without_cache());
    let kept = world.run().await;
    assert!(!kept.is_withdrawn());
    world
        .desk
        .say(&with(active(), "aud", "https://other.example"));
    assert!(matches!(world.answer(TOKEN).await, Answer::Rejected(_)));
    assert!(kept.is_withdrawn());
    // One that is good again is so for who comes from now on.
    world.desk.say(&active());
    assert!(!world.run().await.is_withdrawn());
    assert!(kept.is_withdrawn());
}

#[tokio::test]
async fn the_end_of_a_token_is_not_taken_for_its_withdrawal() {
    let world = World::new();
    let kept = world.run().await;
    world.desk.respond(|_| Err(HttpError::new("offline")));
    world.pass(Duration::from_secs(329)).await;
    world.desk.say(&json!({"active": false}));
    // 300 s until `exp`, and 30 s of leeway.
    world.pass(Duration::from_secs(31)).await;
    assert!(world.desk.count() > 2);
    assert!(!kept.is_withdrawn());
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_takes_nothing_back() {
    let world = World::new();
    world.desk.say(&without(active(), "exp"));
    let kept = world.run().await;
    world
        .desk
        .respond(|_| Ok(Response::builder().status(500).body(Vec::new()).unwrap()));
    for asked in 2..6 {
        world.pass(SPAN).await;
        assert_eq!(world.desk.count(), asked);
    }
    assert!(!kept.is_withdrawn());
    world.desk.say(&json!({"active": false}));
    world.pass(SPAN).await;
    assert!(kept.is_withdrawn());
}

#[tokio::test]
async fn an_authenticator_that_is_shut_down_asks_no_more() {
    let world = World::new();
    let kept = world.run().await;
    world.pass(SPAN).await;
    assert_eq!(world.desk.count(), 2);
    world.auth.shutdown().await;
    world.pass(10 * SPAN).await;
    assert_eq!(world.desk.count(), 2);
    assert!(!kept.is_withdrawn());
}

#[tokio::test]
async fn one_that_is_dropped_asks_no_more() {
    let World { clock, desk, auth } = World::new();
    let kept = evidence(&auth, TOKEN, clock.now()).await;
    settle().await;
    drop(auth);
    clock.advance(10 * SPAN);
    settle().await;
    assert_eq!(desk.count(), 1);
    assert!(!kept.is_withdrawn());
}
