//! What cannot work is an error, and what is no stack keeps answers as well.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::Response;
use portcullis::{
    Secret, Stack,
    authn::AuthnLayer,
    revocation::MemoryRevocations,
    session::{MemorySessions, SessionLayer},
    signal::MemorySignals,
};
use portcullis_testing::{clock::VirtualClock, far_store::FarStore, mock_auth::MockAuth};
use portcullis_tests::patience::settle;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::world::request;

fn problems(stack: portcullis::stack::StackBuilder<portcullis::stack::Complete>) -> Vec<String> {
    let error = stack.build().err().unwrap();
    error.iter().map(ToString::to_string).collect()
}

#[test]
fn what_cannot_work_is_said_once() {
    let stack = || {
        Stack::builder()
            .with_resource("https://agent.example/")
            .add_authenticator(MockAuth::user("alice"))
            .with_session(SessionLayer::builder())
    };
    let [problem] = &problems(stack().with_cache(10))[..] else {
        panic!("one problem");
    };
    assert!(
        problem.contains("`with_cache`") && problem.contains("with_signals"),
        "{problem}"
    );
    let with_bus = || stack().with_signals(MemorySignals::new());
    for (stack, named) in [
        (with_bus().with_cache(0), "`with_cache`"),
        (
            with_bus().with_max_unheard(Duration::from_secs(1)),
            "`with_max_unheard`",
        ),
        (
            with_bus().with_cache(1).with_max_unheard(Duration::ZERO),
            "`with_max_unheard`",
        ),
        (
            with_bus()
                .with_cache(1)
                .with_max_unheard(Duration::from_secs(61)),
            "`with_max_unheard`",
        ),
    ] {
        let [problem] = &problems(stack)[..] else {
            panic!("one problem: {named}");
        };
        assert!(problem.contains(named), "{problem}");
    }
    // Those of a layer of its own.
    let session = SessionLayer::builder().with_cache(10).build();
    assert!(session.unwrap_err().to_string().contains("with_signals"));
    let authn = AuthnLayer::builder().add_authenticator(MockAuth::user("alice"));
    let problem = authn.with_cache(10).build().err().unwrap().to_string();
    assert!(problem.contains("with_signals"), "{problem}");
    // What is off needs nothing, and what the stack says counts.
    assert!(stack().without_cache().build().is_ok());
    let session = || SessionLayer::builder().with_cache(10);
    let (stack_with, bus) = (stack().with_session(session()), MemorySignals::new());
    assert!(stack_with.without_cache().build().is_ok());
    let stack_with = stack().with_session(session()).with_signals(bus);
    assert!(stack_with.build().is_ok());
}

/// Layers that were added one by one keep answers too.
#[tokio::test]
async fn loose_layers_keep_answers() {
    let clock = VirtualClock::new();
    let (bus, at_once) = (MemorySignals::new(), Duration::ZERO);
    let sessions = FarStore::new(Arc::new(MemorySessions::default()), clock.clone(), at_once);
    let store = Arc::new(MemoryRevocations::default());
    let revocations = FarStore::new(store, clock.clone(), at_once);
    let authn = AuthnLayer::builder()
        .with_clock(clock.clone())
        .add_authenticator(MockAuth::user("alice"))
        .with_revocations(revocations.clone())
        .with_revocation_key(Secret::new([8; 16]))
        .with_signals(bus.clone())
        .with_cache(10)
        .build()
        .unwrap();
    let session = SessionLayer::builder()
        .with_clock(clock.clone())
        .with_store(sessions.clone())
        .with_key(Secret::new([7; 16]))
        .with_signals(bus)
        .with_cache(10)
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(authn)
        .layer(session)
        .service(tower::service_fn(async |_| {
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
    let ask = async || {
        let before = sessions.asked() + revocations.asked();
        let response = service.clone().oneshot(request("/", "alice")).await;
        assert_eq!(response.unwrap().status(), 200);
        settle().await;
        sessions.asked() + revocations.asked() - before
    };
    assert_eq!(ask().await, 3);
    assert_eq!(ask().await, 0);
    clock.advance(Duration::from_secs(3));
    assert_eq!(ask().await, 2, "nobody has asked the bus meanwhile");
    assert_eq!(ask().await, 0);
}
