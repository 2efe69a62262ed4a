//! What is kept for a caller outside of his requests ends when he does.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, Weak},
};

use http::{Request, Response};
use portcullis::{
    Exchange, RequestBody, Secret,
    revocation::{MemoryRevocations, Revocation},
    session::{MemorySessions, SessionLayer},
    signal::{Heard, MemorySignals, Signal, SignalBus as _, SignalListener},
};

use crate::world::{ISSUER, World, request};

#[derive(Default)]
struct Notes(Mutex<Vec<Heard>>);

impl SignalListener for Notes {
    fn hear(&self, heard: Heard) {
        self.0.lock().unwrap().push(heard);
    }
}

/// The signals of whoever comes with a token.
async fn signals(world: &World, token: &str) -> Vec<Signal> {
    let seen = Arc::new(Mutex::default());
    let handler = tower::service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<RequestBody<String>>| {
            *seen.lock().unwrap() = Exchange::of(request.extensions()).unwrap().signals();
            std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
        }
    });
    assert_eq!(world.ask_with(request(token), handler).await.0, 200);
    let seen = seen.lock().unwrap();
    seen.clone()
}

fn worlds() -> (World, World, MemorySignals) {
    let bus = MemorySignals::new();
    let (sessions, revocations) = (
        Arc::new(MemorySessions::default()),
        Arc::new(MemoryRevocations::default()),
    );
    let world = || {
        let session = SessionLayer::builder()
            .with_store(Arc::clone(&sessions))
            .with_key(Secret::new([7; 16]));
        World::with(|stack| {
            stack
                .with_revocations(Arc::clone(&revocations))
                .with_revocation_key(Secret::new([9; 16]))
                .with_session(session)
                .with_signals(bus.clone())
        })
    };
    (world(), world(), bus)
}

#[tokio::test]
async fn each_end_of_a_caller_is_told_under_his_signals_and_nobody_elses() {
    let (here, there, bus) = worlds();
    let (alice, bob) = (signals(&there, "alice").await, signals(&there, "bob").await);
    assert_eq!(
        alice,
        signals(&here, "alice").await,
        "the same on each server"
    );
    let notes = Arc::new(Notes::default());
    let listener: Weak<Notes> = Arc::downgrade(&notes);
    bus.subscribe(listener);
    let told = |of: &[Signal]| {
        let heard = std::mem::take(&mut *notes.0.lock().unwrap());
        heard
            .iter()
            .any(|heard| matches!(heard, Heard::Signal(signal) if of.contains(signal)))
    };
    for (revocation, of_bob_too) in [
        (Revocation::subject(ISSUER, "alice"), false),
        (Revocation::grant(ISSUER, "alice", "app"), false),
        (Revocation::session(ISSUER, "sid-alice"), false),
        (Revocation::token(ISSUER, "id-alice"), false),
        (Revocation::client(ISSUER, "app"), true),
    ] {
        for (name, of, expected) in [("alice", &alice, true), ("bob", &bob, of_bob_too)] {
            here.revoke(revocation.clone()).await;
            assert_eq!(told(of), expected, "{name}: {revocation:?}");
        }
    }
    for (name, of, expected) in [("alice", &alice, true), ("bob", &bob, false)] {
        here.handle.end_sessions(ISSUER, "alice").await.unwrap();
        assert_eq!(told(of), expected, "{name}");
    }
}

#[tokio::test]
async fn nothing_is_about_nobody() {
    let world = World::new();
    let handler = tower::service_fn(|request: Request<RequestBody<String>>| {
        assert!(
            Exchange::of(request.extensions())
                .unwrap()
                .signals()
                .is_empty()
        );
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    let request = Request::builder()
        .uri("/public")
        .header("host", "agent.example")
        .body(String::new());
    assert_eq!(world.ask_with(request.unwrap(), handler).await.0, 200);
}
