//! What is a good event, and ends nothing more than it may.

use super::*;
use crate::harness::Expected;

pub(super) async fn play(harness: &mut Harness) {
    beyond_its_reach(harness).await;
    times(harness).await;
    carried_out(harness).await;
}

/// An event about what is not told apart here, or not the transmitter's, ends nothing.
async fn beyond_its_reach(harness: &mut Harness) {
    let world = World::new(|signals| {
        signals
            .with_critical_subject_members(["group"])
            .add_whole_tenant("acme")
    });
    let victim = world.login();
    harness
        .control("who is in", &world.guard, world.guard.bearer(&victim))
        .await;
    world.guard.clock.advance(SECOND);
    let complex = |one: (&str, Value), other: (&str, Value)| json!({ "format": "complex", one.0: one.1, other.0: other.1 });
    let email = json!({ "format": "email", "email": "bob@example.com" });
    let new = world.guard.idp.security_event(
        RESOURCE,
        "https://evil.example/event-type/session-revoked",
        json!({}),
        user(ISSUER, "alice"),
    );
    for (name, token) in [
        (
            "of the holder of an API key",
            world.event(json!({}), user("api-keys:acme", "application:good")),
        ),
        (
            "with a critical member",
            world.event(
                json!({}),
                complex(("user", user(ISSUER, "alice")), ("group", opaque("staff"))),
            ),
        ),
        (
            "of somebody unknown in a tenant",
            world.event(
                json!({}),
                complex(("user", email), ("tenant", opaque("acme"))),
            ),
        ),
        (
            "of a unit of a tenant",
            world.event(
                json!({}),
                complex(("org_unit", opaque("sales")), ("tenant", opaque("acme"))),
            ),
        ),
        ("of an unknown kind", new),
    ] {
        let told = world.told(&token.mint()).await;
        let is_in = world.is_in(&victim).await;
        let is_good_in = world.is_in(world.guard.good_key()).await;
        harness.judged(
            &format!("an event {name}"),
            as_expected(
                &(told, is_in, is_good_in),
                &(StatusCode::ACCEPTED, true, true),
            ),
        );
    }
    // The whole tenant is another matter.
    let tenant = json!({ "format": "complex", "tenant": opaque("acme") });
    let told = world.told(&world.event(json!({}), tenant).mint()).await;
    let is_in = world.is_in(&victim).await;
    harness.judged(
        "a tenant that goes on",
        as_expected(&(told, is_in), &(StatusCode::ACCEPTED, false)),
    );
}

/// Late, again, in the wrong order: an event ends what was there when it happened.
async fn times(harness: &mut Harness) {
    let world = World::new(|signals| signals);
    let start = world.guard.clock.now().unix_seconds();
    let at = |seconds: i64| {
        let members = json!({ "event_timestamp": start + seconds });
        let token = world.event(members, user(ISSUER, "alice"));
        token.with_claim("jti", format!("at {seconds}"))
    };
    world.guard.clock.advance(SECOND * 10);
    let victim = world.login();
    world.guard.clock.advance(SECOND * 10);
    let first = at(20);
    for (name, token, expected) in [
        ("late", at(5), true),
        ("of now", first.clone(), false),
        ("of before that, late", at(6), false),
    ] {
        let told = world.told(&token.mint()).await;
        let is_in = world.is_in(&victim).await;
        harness.judged(
            &format!("an event {name}"),
            as_expected(&(told, is_in), &(StatusCode::ACCEPTED, expected)),
        );
    }
    world.guard.clock.advance(SECOND);
    let later = world.login();
    harness
        .control("a later login", &world.guard, world.guard.bearer(&later))
        .await;
    world.guard.clock.advance(SECOND);
    for (name, token) in [("again", first), ("of before it, late", at(19))] {
        let told = world.told(&token.mint()).await;
        let is_in = world.is_in(&later).await;
        harness.judged(
            &format!("an event {name}, after a later login"),
            as_expected(&(told, is_in), &(StatusCode::ACCEPTED, true)),
        );
    }
}

/// A good one counts once it is durable, however often it comes.
async fn carried_out(harness: &mut Harness) {
    let world = World::new(|signals| signals);
    let victim = world.login();
    harness
        .control("who is in", &world.guard, world.guard.bearer(&victim))
        .await;
    world.guard.clock.advance(SECOND);
    let token = world.revoked().with_claim("jti", "one").mint();
    world.store.set_failing(true);
    let expected = Expected::status(503, &["notice_store_unavailable"]);
    for again in ["", ", again"] {
        let name = format!("an event that is not kept{again}");
        let request = world.push(&token);
        harness
            .attack_without_good(&name, &world.guard, request, &expected)
            .await;
    }
    world.store.set_failing(false);
    for again in ["", ", again"] {
        let told = world.told(&token).await;
        let is_in = world.is_in(&victim).await;
        harness.judged(
            &format!("whose session was revoked{again}"),
            as_expected(&(told, is_in), &(StatusCode::ACCEPTED, false)),
        );
    }
}
