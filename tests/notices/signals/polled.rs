//! Events that are asked for (RFC 8936).

use std::sync::{Arc, Mutex};

use portcullis::{
    audit::Outcome,
    jwt::{HttpClient, HttpError, HttpRequest},
};
use portcullis_testing::identity_provider::{Endpoint, Misbehaviour, SigningAlgorithm};
use portcullis_tests::patience::{settle, until};

use super::*;
use crate::world::SECOND;

/// An issuer at which events wait, over HTTP.
async fn served(clock: &VirtualClock) -> IdentityProvider {
    IdentityProvider::new()
        .with_algorithms([SigningAlgorithm::Es256])
        .with_clock(clock.clone())
        .serve()
        .await
}

fn polled(idp: &IdentityProvider) -> SharedSignals {
    SharedSignals::poll(issuer(idp), idp.events_endpoint()).dangerously_allow_local_network()
}

fn of_alice(idp: &IdentityProvider) -> Token {
    let subject = json!({ "format": "iss_sub", "iss": idp.issuer(), "sub": "alice" });
    revoked(idp).with_claim("sub_id", subject)
}

/// Lets time go by until something is so.
async fn passing(world: &World, what: &str, mut is_so: impl FnMut() -> bool) {
    until(what, async || {
        world.clock.advance(SECOND * 10);
        settle().await;
        is_so()
    })
    .await;
}

fn has_acknowledged(world: &World, id: &str) -> bool {
    world
        .idp
        .acknowledged_events()
        .iter()
        .any(|known| known == id)
}

fn has_record(world: &World, outcome: Outcome, reason: &str) -> bool {
    let records = world.audit.records();
    let mut records = records.iter();
    records.any(|record| record.outcome == outcome && record.reason.as_str() == reason)
}

/// Over real HTTP: what is waiting is carried out, and told; what is no good is refused, once.
#[tokio::test]
async fn what_is_waiting_is_carried_out_and_acknowledged() {
    let clock = VirtualClock::new();
    let idp = served(&clock).await;
    let alice = idp
        .token("alice")
        .with_audience(RESOURCE)
        .with_lifetime(Duration::from_secs(7200))
        .with_claim("auth_time", clock.now().unix_seconds())
        .mint();
    clock.advance(SECOND);
    for number in 0..40 {
        let bob = of_alice(&idp).with_claim(
            "sub_id",
            json!({ "format": "iss_sub", "iss": idp.issuer(), "sub": format!("bob {number}") }),
        );
        idp.queue_event(&format!("b{number}"), &bob);
    }
    idp.queue_event("forged", &of_alice(&idp).with_flipped_signature());
    idp.queue_event("other", &of_alice(&idp).with_audience("other"));
    idp.queue_event("one", &of_alice(&idp));
    let world = World::of(clock, idp, |stack, idp| {
        stack.add_notice_receiver(polled(idp))
    });
    // All of them at once, though they do not fit into one answer.
    until("all of them are told", async || {
        settle().await;
        has_acknowledged(&world, "one")
    })
    .await;
    assert_eq!(world.call(&alice).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.idp.acknowledged_events().len(), 41);
    assert_eq!(world.kept.len(), 41);
    let refused = [
        ("forged".to_owned(), "invalid_key".to_owned()),
        ("other".to_owned(), "invalid_audience".to_owned()),
    ];
    assert_eq!(world.idp.refused_events(), refused);
    let stats = world.handle.stats();
    assert_eq!(stats.notices["set_carried_out"], 41);
    assert_eq!(stats.notices["set_signature"], 1);
    assert_eq!(stats.notices["set_audience"], 1);
    // What comes later is asked for later, and the same is no event again.
    let asked = world.idp.event_requests();
    world.idp.queue_event("two", &of_alice(&world.idp));
    settle().await;
    assert_eq!(world.idp.event_requests(), asked);
    passing(&world, "the next is told", || {
        has_acknowledged(&world, "two")
    })
    .await;
    world.idp.queue_event("three", &of_alice(&world.idp));
    passing(&world, "another is told", || {
        has_acknowledged(&world, "three")
    })
    .await;
}

#[tokio::test]
async fn what_could_not_be_carried_out_is_not_acknowledged() {
    let clock = VirtualClock::new();
    let idp = served(&clock).await;
    idp.queue_event("one", &of_alice(&idp));
    let world = World::of(clock, idp, |stack, idp| {
        stack.add_notice_receiver(polled(idp))
    });
    world.store.set_failing(true);
    passing(&world, "it fails", || {
        has_record(&world, Outcome::Failed, "notice_store_unavailable")
    })
    .await;
    let asked = world.idp.event_requests();
    passing(&world, "it is asked again", || {
        world.idp.event_requests() > asked + 1
    })
    .await;
    assert!(world.idp.acknowledged_events().is_empty());
    assert!(world.idp.refused_events().is_empty());
    world.store.set_failing(false);
    passing(&world, "it is told", || has_acknowledged(&world, "one")).await;
    assert_eq!(world.kept.len(), 1);
}

#[tokio::test]
async fn a_transmitter_that_does_not_answer_is_an_alarm() {
    let clock = VirtualClock::new();
    let idp = served(&clock).await;
    idp.misbehave(Endpoint::Events, Misbehaviour::Status(500));
    let world = World::of(clock, idp, |stack, idp| {
        let silence = Duration::from_secs(60);
        stack.add_notice_receiver(polled(idp).with_max_silence(silence))
    });
    passing(&world, "it is silent", || {
        has_record(&world, Outcome::Failed, "set_silent")
    })
    .await;
    for misbehaviour in [
        Misbehaviour::Html,
        Misbehaviour::Body("{}".into()),
        Misbehaviour::HugeBody,
        Misbehaviour::NeverAnswers,
    ] {
        let _ = world.audit.take();
        world.idp.misbehave(Endpoint::Events, misbehaviour.clone());
        passing(&world, &format!("{misbehaviour:?} is a failure"), || {
            has_record(&world, Outcome::Failed, "set_poll_failed")
        })
        .await;
        assert!(!has_record(&world, Outcome::Answered, "set_stream_enabled"));
    }
    world.idp.behave(Endpoint::Events);
    passing(&world, "it answers again", || {
        has_record(&world, Outcome::Answered, "set_stream_enabled")
    })
    .await;
}

/// Answers with what it is given, and keeps what it was asked.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<(Vec<String>, Vec<Asked>)>>);

/// The body, `Authorization` and `Content-Type`.
type Asked = (Value, String, String);

impl HttpClient for Script {
    async fn send(&self, request: &HttpRequest) -> Result<Response<Vec<u8>>, HttpError> {
        assert_eq!(request.url(), "https://mdm.example/poll");
        assert_eq!(request.method(), "POST");
        let header = |name: &str| {
            let value = request.headers().get(name);
            value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
        };
        let body = serde_json::from_slice(request.body()).unwrap();
        let mut state = self.0.lock().unwrap();
        state
            .1
            .push((body, header("authorization"), header("content-type")));
        let answer = state.0.pop().unwrap_or_else(|| r#"{"sets":{}}"#.to_owned());
        Ok(Response::new(answer.into_bytes()))
    }
}

#[tokio::test]
async fn asks_with_its_token_and_tells_what_became_of_each() {
    let script = Script::default();
    let clock = VirtualClock::new();
    let idp = idp(&clock);
    let token = revoked(&idp).with_claim("jti", "one").mint();
    let sets = json!({ "sets": { "one": token, "two": token }, "moreAvailable": false });
    // The same for ever, whatever it is told.
    script.0.lock().unwrap().0 = vec![sets.to_string(); 100];
    let world = World::of(clock, idp, |stack, idp| {
        let signals = SharedSignals::poll(issuer(idp), "https://mdm.example/poll")
            .with_token(Secret::from("7a1f9c"))
            .with_http_client(script.clone());
        stack.add_notice_receiver(signals)
    });
    let asked = async || {
        settle().await;
        script.0.lock().unwrap().1.clone()
    };
    let first = asked().await;
    assert_eq!(first.len(), 2, "{first:?}");
    let (body, authorization, content_type) = &first[0];
    assert_eq!(authorization, "Bearer 7a1f9c");
    assert_eq!(content_type, "application/json");
    assert_eq!(*body, json!({ "maxEvents": 32, "returnImmediately": true }));
    let (body, ..) = &first[1];
    assert_eq!(body["ack"], json!(["one"]));
    // It came under another id than its own.
    assert_eq!(body["setErrs"]["two"]["err"], "invalid_request");
    assert!(body["setErrs"]["two"]["description"].is_string());
    for more in 1..4 {
        world.clock.advance(Duration::from_secs(10));
        assert_eq!(asked().await.len(), 2 + more);
    }
    // What a gate that is shut down has asked for is nobody's.
    assert_eq!(world.handle.shutdown(SECOND).await.left, 0);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(asked().await.len(), 5);
}
