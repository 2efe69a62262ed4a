//! Retrievals that fail, hang, or outlive the request that asked for them.

use std::time::Duration;

use http::StatusCode;
use portcullis_core::{Authenticator as _, Check, Clock as _};
use portcullis_jwt::reason;
use serde_json::json;

use crate::support::{
    Answer, answer, check,
    idp::{KEYS_URL, Page, World},
    signer::Signer,
};

const SECOND: Duration = Duration::from_secs(1);
const UNAVAILABLE: Answer = Answer::Unavailable(reason::KEYS_UNAVAILABLE);

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn keys_are_retrieved_by_the_first_request_that_needs_them() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    assert_eq!(world.network.count(), 0);
    let token = signer.token();
    assert!(matches!(
        check(&world.auth, &token, world.clock.now()),
        Check::NeedsIo
    ));
    assert_eq!(world.answer(&token).await, Answer::Accepted);
    assert_eq!(world.network.count(), 1);
}

#[tokio::test]
async fn ready_loads_keys_or_says_why_not() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    world.auth.ready().await.unwrap();
    assert_eq!(world.network.count(), 1);
    world.auth.ready().await.unwrap();
    assert_eq!(world.network.count(), 1);

    let world = World::new([&signer]);
    world.network.fail(KEYS_URL);
    let problem = world.auth.ready().await.unwrap_err().to_string();
    assert_eq!(
        problem,
        "`jwt` is not ready: no keys of \"https://idp.example\": \
         \"https://idp.example/keys\" answers with status 500"
    );
    let again = world.auth.ready().await.unwrap_err().to_string();
    assert_eq!(problem, again, "also while no new attempt is due");
    assert_eq!(world.network.count(), 1);
}

#[tokio::test]
async fn an_answer_without_usable_keys_is_a_failure() {
    let signer = Signer::eddsa("a");
    for body in [
        String::new(),
        "<html>".to_owned(),
        "{}".to_owned(),
        r#"{"keys":[]}"#.to_owned(),
        r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"a"}]}"#.to_owned(),
        format!(r#"{{"keys":[{}],"keys":[]}}"#, signer.jwk()),
        format!(r#"{{"keys":[{}]}}{}"#, signer.jwk(), " ".repeat(256 * 1024)),
    ] {
        let world = World::new([&signer]);
        world.network.put(KEYS_URL, body.clone());
        assert_eq!(
            world.answer(&signer.token()).await,
            UNAVAILABLE,
            "{body:.80}"
        );
        world.clock.advance(SECOND);
        world.network.put_keys([&signer]);
        assert_eq!(world.answer(&signer.token()).await, Answer::Accepted);
        world.network.put(KEYS_URL, body);
        world.clock.advance(700 * SECOND);
        assert_eq!(
            world.answer(&signer.token()).await,
            Answer::Accepted,
            "last good"
        );
    }
}

#[tokio::test]
async fn any_status_but_200_is_a_failure() {
    let signer = Signer::eddsa("a");
    for status in [204, 301, 302, 304, 307, 401, 404, 500] {
        let world = World::new([&signer]);
        let page = Page {
            status: StatusCode::from_u16(status).unwrap(),
            cache_control: None,
            body: crate::support::signer::jwks([&signer]),
        };
        world.network.put_page(KEYS_URL, page);
        assert_eq!(world.answer(&signer.token()).await, UNAVAILABLE, "{status}");
    }
}

#[tokio::test]
async fn failures_are_not_repeated_at_once() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    world.network.fail(KEYS_URL);
    for _ in 0..100 {
        assert_eq!(world.answer(&signer.token()).await, UNAVAILABLE);
    }
    assert_eq!(world.network.count(), 1);
    world.clock.advance(SECOND);
    assert_eq!(world.answer(&signer.token()).await, UNAVAILABLE);
    assert_eq!(world.answer(&signer.token()).await, UNAVAILABLE);
    assert_eq!(world.network.count(), 2);
}

#[tokio::test]
async fn a_retrieval_that_hangs_meets_its_deadline() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    world.network.close();
    let (auth, now, token) = (world.auth.clone(), world.clock.now(), signer.token());
    let waiting = tokio::spawn(async move { answer(&auth, &token, now).await });
    settle().await;
    world.clock.advance(5 * SECOND);
    assert_eq!(waiting.await.unwrap(), UNAVAILABLE);
    world.network.open();
    world.clock.advance(SECOND);
    assert_eq!(world.answer(&signer.token()).await, Answer::Accepted);
}

#[tokio::test]
async fn a_client_that_goes_away_neither_cancels_nor_repeats_the_retrieval() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    world.network.close();
    for _ in 0..10 {
        let (auth, now, token) = (world.auth.clone(), world.clock.now(), signer.token());
        let client = tokio::spawn(async move { answer(&auth, &token, now).await });
        settle().await;
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
    }
    assert_eq!(world.network.count(), 1);
    world.network.open();
    settle().await;
    assert!(matches!(
        check(&world.auth, &signer.token(), world.clock.now()),
        Check::Done(_)
    ));
    assert_eq!(world.network.count(), 1);
}

#[tokio::test]
async fn the_retrieval_ends_with_the_authenticator() {
    let signer = Signer::eddsa("a");
    let World {
        network,
        auth,
        clock,
    } = World::new([&signer]);
    network.close();
    let token = signer.token();
    let now = clock.now();
    let client = {
        let auth = auth.clone();
        tokio::spawn(async move { answer(&auth, &token, now).await })
    };
    settle().await;
    client.abort();
    let _ = client.await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    assert_eq!(tasks(), 1);
    drop(auth);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[test]
fn a_runtime_that_ends_in_mid_retrieval_blocks_nothing() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    world.network.close();
    let first = runtime();
    let (auth, now, token) = (world.auth.clone(), world.clock.now(), signer.token());
    first.spawn(async move { answer(&auth, &token, now).await });
    first.block_on(settle());
    drop(first);
    world.network.open();
    world.clock.advance(SECOND);
    let token = signer.token_with(json!({"jti": "2"}));
    assert_eq!(runtime().block_on(world.answer(&token)), Answer::Accepted);
}

#[test]
fn without_a_runtime_the_answer_is_unavailable_and_no_panic() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    let answered = futures_util::FutureExt::now_or_never(world.answer(&signer.token()));
    assert_eq!(answered, Some(UNAVAILABLE));
}
