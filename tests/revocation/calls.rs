//! What a handler asks for while it answers.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::{
    Exchange, RequestBody,
    audit::RecordKind,
    revocation::{MemoryRevocations, Revocation},
};
use portcullis_testing::faulty_store::FaultyRevocations;

use crate::world::{ISSUER, World, request};

/// What became of a call before something was done, and of one after it.
async fn before_and_after(world: &World, token: &str, between: impl AsyncFn()) -> [String; 2] {
    let said = Arc::new(Mutex::new(Vec::new()));
    let (told, between) = (Arc::clone(&said), &between);
    let handler = tower::service_fn(move |request: Request<RequestBody<String>>| {
        let exchange = Exchange::of(request.extensions()).unwrap().clone();
        let told = Arc::clone(&told);
        async move {
            for round in 0..2 {
                if round == 1 {
                    between().await;
                }
                let said = match exchange.authorize("notes.write", 7).await {
                    Ok(permit) => permit.spend().to_string(),
                    Err(denial) => format!(
                        "{} {:?} {}",
                        denial.status(),
                        denial.www_authenticate().next(),
                        denial.for_model(),
                    ),
                };
                told.lock().unwrap().push(said);
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    assert_eq!(world.ask_with(request(token), handler).await.0, 200);
    let said = std::mem::take(&mut *said.lock().unwrap());
    said.try_into().unwrap()
}

/// What was recorded of calls.
fn reasons(world: &World) -> Vec<&'static str> {
    let records = world.audit.take();
    let calls = records
        .iter()
        .filter(|record| record.kind == RecordKind::Call);
    calls.map(|record| record.reason.as_str()).collect()
}

#[tokio::test]
async fn a_credential_that_is_revoked_meanwhile_permits_nothing() {
    let asked = FaultyRevocations::new(MemoryRevocations::default());
    for world in [
        World::new(),
        World::with(|stack| stack.with_revocations(asked)),
    ] {
        for token in ["alice.0", "robot.0"] {
            let revocation = || match token {
                "alice.0" => Revocation::token(ISSUER, "id-alice.0"),
                _ => Revocation::credential("keys", "id-0"),
            };
            let revoke = async || world.revoke(revocation()).await;
            let [before, after] = before_and_after(&world, token, revoke).await;
            assert_eq!(before, "7");
            assert!(after.starts_with("401 Unauthorized Some("), "{after}");
            assert!(after.contains("invalid_token"), "{after}");
            assert!(after.contains("sign in"), "{after}");
            assert_eq!(reasons(&world), ["permitted", "credential_revoked"]);
        }
    }
}

#[tokio::test]
async fn what_is_revoked_of_others_changes_nothing() {
    let world = World::new();
    let revoke = async || world.revoke(Revocation::subject(ISSUER, "bob")).await;
    let said = before_and_after(&world, "alice.0", revoke).await;
    assert_eq!(said, ["7", "7"]);
}

#[tokio::test]
async fn a_store_that_is_down_permits_nothing() {
    let store = FaultyRevocations::new(MemoryRevocations::default());
    let world = World::with(|stack| stack.with_revocations(store.clone()));
    let fail = async || store.set_failing(true);
    let [before, after] = before_and_after(&world, "alice.0", fail).await;
    assert_eq!(before, "7");
    assert!(after.starts_with("503 Service Unavailable None"), "{after}");
    assert_eq!(
        reasons(&world),
        ["permitted", "revocation_store_unavailable"]
    );
}
