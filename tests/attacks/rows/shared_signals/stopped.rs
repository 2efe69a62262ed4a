//! A stream that stops, and those who would have that go unnoticed.

use portcullis_tests::patience::settle;

use super::*;

/// Whoever has logged in longer ago has to do so anew while nothing comes.
const AGE: Duration = Duration::from_secs(600);

pub(super) async fn play(harness: &mut Harness) {
    told(harness).await;
    silence(harness).await;
}

async fn pass(world: &World, minutes: u32) {
    for _ in 0..minutes * 6 {
        settle().await;
        world.guard.clock.advance(SECOND * 10);
    }
    settle().await;
}

fn has_alarm(world: &World, reason: &str) -> bool {
    let records = world.guard.audit.take();
    let mut records = records.iter();
    records.any(|record| record.reason.as_str() == reason)
}

/// The transmitter says that it pauses, and what it has said before comes late.
async fn told(harness: &mut Harness) {
    for (status, reason) in [
        ("paused", "set_stream_paused"),
        ("disabled", "set_stream_disabled"),
    ] {
        let world = World::new(|signals| signals.with_fail_safe(AGE));
        settle().await;
        let updated = |status: &str| {
            let token = world.of_stream("stream-updated", json!({ "status": status }));
            token.mint()
        };
        let victim = world.login();
        let enabled = updated("enabled");
        pass(&world, 11).await;
        let new = world.login();
        for token in [&victim, &new] {
            harness
                .control("who is in", &world.guard, world.guard.bearer(token))
                .await;
        }
        let stops = world
            .guard
            .send(world.push(&updated(status)))
            .await
            .status();
        settle().await;
        let is_alarm = has_alarm(&world, reason);
        harness.judged(
            &format!("a stream that is {status}"),
            as_expected(&(stops, is_alarm), &(StatusCode::ACCEPTED, true)),
        );
        let are_in = (world.is_in(&victim).await, world.is_in(&new).await);
        harness.judged(
            &format!("an old login, while the stream is {status}"),
            as_expected(&are_in, &(false, true)),
        );
        let late = world.told(&enabled).await;
        pass(&world, 12).await;
        let again = world.login();
        let are_in = (world.is_in(&new).await, world.is_in(&again).await);
        harness.judged(
            &format!("a stream that was enabled before it was {status}"),
            as_expected(&(late, are_in), &(StatusCode::ACCEPTED, (false, true))),
        );
    }
}

/// No verification comes, but the last one is sent again and again.
async fn silence(harness: &mut Harness) {
    let world = World::new(|signals| signals.with_max_silence(MINUTE * 5).with_fail_safe(AGE));
    settle().await;
    let victim = world.login();
    harness
        .control("who is in", &world.guard, world.guard.bearer(&victim))
        .await;
    let verification = world.of_stream("verification", json!({}));
    let verification = verification.with_claim("jti", "one").mint();
    let another = world.revoked().with_claim("sub_id", user(ISSUER, "bob"));
    let mut is_alarm = false;
    for minute in 0..12 {
        let _ = world.guard.send(world.push(&verification)).await;
        if minute == 4 {
            let _ = world.guard.send(world.push(&another.mint())).await;
        }
        pass(&world, 1).await;
        is_alarm |= has_alarm(&world, "set_silent");
    }
    harness.judged(
        "a verification that is sent again",
        as_expected(&is_alarm, &true),
    );
    let new = world.login();
    let are_in = (world.is_in(&victim).await, world.is_in(&new).await);
    harness.judged(
        "an old login, while nothing comes",
        as_expected(&are_in, &(false, true)),
    );
}
