//! Whether anything comes, and what is done if nothing does.

use portcullis::audit::{Outcome, RecordKind};
use portcullis_tests::patience::settle;

use super::*;
use crate::world::SECOND;

const MINUTE: Duration = Duration::from_secs(60);

/// Five minutes without a word are an alarm, and ten minutes old the oldest login then.
fn watched() -> World {
    World::new(|stack, idp| {
        let signals = pushed(idp)
            .with_max_silence(MINUTE * 5)
            .with_fail_safe(MINUTE * 10);
        stack.add_notice_receiver(signals)
    })
}

fn updated(world: &World, status: &str) -> Token {
    of_stream(&world.idp, "stream-updated", json!({ "status": status }))
}

fn verification(world: &World) -> Token {
    of_stream(&world.idp, "verification", json!({}))
}

/// What was recorded since without a request.
async fn told(world: &World) -> Vec<(Outcome, String)> {
    settle().await;
    let records = world.audit.take();
    let records = records
        .iter()
        .filter(|record| record.kind == RecordKind::Notice);
    records
        .map(|record| (record.outcome, record.reason.as_str().to_owned()))
        .collect()
}

async fn pass(world: &World, time: Duration) {
    for _ in 0..time.as_secs() / 10 {
        settle().await;
        world.clock.advance(SECOND * 10);
    }
    settle().await;
}

fn alarm(reason: &str) -> Vec<(Outcome, String)> {
    vec![
        (Outcome::Failed, reason.into()),
        (Outcome::Answered, "set_fail_safe".into()),
    ]
}

#[tokio::test]
async fn a_stream_that_stops_is_an_alarm_and_bounds_what_goes_on() {
    for (status, reason) in [
        ("paused", "set_stream_paused"),
        ("disabled", "set_stream_disabled"),
    ] {
        let world = World::new(|stack, idp| {
            stack.add_notice_receiver(pushed(idp).with_fail_safe(MINUTE * 10))
        });
        let old = world.login("alice", "1");
        pass(&world, MINUTE * 11).await;
        let new = world.login("bob", "2");
        assert_eq!(world.call(&old).await, StatusCode::OK);
        assert_eq!(told(&world).await, []);
        let stopped = updated(&world, status);
        assert_eq!(taken(&world, &stopped).await, "set_stream_updated");
        assert_eq!(told(&world).await, alarm(reason));
        assert_eq!(world.call(&old).await, StatusCode::UNAUTHORIZED);
        assert_eq!(world.call(&new).await, StatusCode::OK);
        // The bound moves with the time, by steps, and is no alarm again.
        pass(&world, MINUTE * 12).await;
        let told_since = told(&world).await;
        assert!((5..=10).contains(&told_since.len()), "{told_since:?}");
        let is_safe = |(_, reason): &(_, String)| reason == "set_fail_safe";
        assert!(told_since.iter().all(is_safe), "{told_since:?}");
        assert_eq!(world.call(&new).await, StatusCode::UNAUTHORIZED);
        let again = world.login("alice", "3");
        assert_eq!(world.call(&again).await, StatusCode::OK);

        let flows = updated(&world, "enabled");
        assert_eq!(taken(&world, &flows).await, "set_stream_updated");
        let over = vec![(Outcome::Answered, "set_stream_enabled".into())];
        assert_eq!(told(&world).await, over);
        pass(&world, MINUTE * 12).await;
        assert_eq!(told(&world).await, []);
        assert_eq!(world.call(&again).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn what_is_said_of_a_stream_counts_by_its_time() {
    let world = watched();
    settle().await;
    let old = updated(&world, "enabled");
    let event = revoked(&world.idp);
    world.clock.advance(SECOND);
    let paused = updated(&world, "paused").with_claim("jti", "paused");
    assert_eq!(taken(&world, &paused).await, "set_stream_updated");
    assert_eq!(told(&world).await, alarm("set_stream_paused"));
    // Said before it, and come after it.
    assert_eq!(taken(&world, &old).await, "set_stream_updated");
    assert_eq!(taken(&world, &event).await, "set_carried_out");
    // The same again.
    assert_eq!(taken(&world, &paused).await, "set_repeated");
    assert_eq!(told(&world).await, []);
    // Whoever has the stream enabled again hears no word of it, but the next event.
    world.clock.advance(SECOND);
    let event = revoked(&world.idp);
    assert_eq!(
        world.send(push(&event)).await.status(),
        StatusCode::ACCEPTED
    );
    let over = vec![(Outcome::Answered, "set_stream_enabled".into())];
    assert_eq!(told(&world).await, over);
}

#[tokio::test]
async fn silence_is_an_alarm_until_something_new_comes() {
    let world = watched();
    let silent = alarm("set_silent");
    settle().await;
    let first = verification(&world).with_claim("jti", "first");
    let late = revoked(&world.idp);
    assert_eq!(taken(&world, &first).await, "set_verified");
    pass(&world, MINUTE * 4 + SECOND * 50).await;
    assert_eq!(told(&world).await, []);
    // Neither what has come before nor what comes late says that anything comes now.
    assert_eq!(taken(&world, &first).await, "set_repeated");
    assert_eq!(taken(&world, &late).await, "set_carried_out");
    pass(&world, SECOND * 10).await;
    assert_eq!(told(&world).await, silent);
    assert_eq!(taken(&world, &first).await, "set_repeated");
    assert_eq!(told(&world).await, []);

    let new = verification(&world);
    assert_eq!(taken(&world, &new).await, "set_verified");
    let over = vec![(Outcome::Answered, "set_stream_enabled".into())];
    assert_eq!(told(&world).await, over);
    pass(&world, MINUTE * 4 + SECOND * 50).await;
    assert_eq!(told(&world).await, []);
    // An event will do as well as a verification.
    let event = revoked(&world.idp);
    assert_eq!(taken(&world, &event).await, "set_carried_out");
    pass(&world, MINUTE * 4 + SECOND * 50).await;
    assert_eq!(told(&world).await, []);
    pass(&world, SECOND * 10).await;
    assert_eq!(told(&world).await, silent);
    // What is refused says nothing.
    let other = verification(&world).with_audience("other");
    is_refused(&world.send(push(&other)).await, "invalid_audience");
    assert_eq!(told(&world).await, []);
}

#[tokio::test]
async fn a_bound_that_cannot_be_kept_is_tried_again() {
    let world = watched();
    let old = world.login("alice", "1");
    pass(&world, MINUTE * 4 + SECOND * 50).await;
    world.store.set_failing(true);
    pass(&world, SECOND * 10).await;
    let failed = (Outcome::Failed, "notice_store_unavailable".to_owned());
    assert_eq!(
        told(&world).await,
        [(Outcome::Failed, "set_silent".to_owned()), failed]
    );
    world.store.set_failing(false);
    pass(&world, MINUTE * 7).await;
    assert_eq!(world.call(&old).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_alarm_is_all_where_that_is_said() {
    let world = World::new(|stack, idp| {
        let signals = pushed(idp).with_max_silence(MINUTE * 5).without_fail_safe();
        stack.add_notice_receiver(signals)
    });
    let old = world.login("alice", "1");
    pass(&world, MINUTE * 20).await;
    let silent = (Outcome::Failed, "set_silent".to_owned());
    assert_eq!(told(&world).await, [silent]);
    assert_eq!(world.call(&old).await, StatusCode::OK);
}
