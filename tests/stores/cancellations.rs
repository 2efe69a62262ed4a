//! Requests that end where nobody has foreseen it: a client that goes away at any point, and a handler
//! that panics. Nothing is left half made, and nobody is kept out by it.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, resume_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt as _;
use http::{Request, Response};
use portcullis::Exchange;
use portcullis_tests::{
    node::Node,
    stores::{Place, kept::SECOND},
};
use tower::service_fn;

use crate::ISSUER;

at_every_place! {
    whoever_goes_away_at_any_point_leaves_nothing_half_made
    whoever_goes_away_at_any_point_of_a_logout_is_in_or_out
    a_handler_that_panics_leaves_one_session_and_ends_none
}

/// A session in which nobody has answered counts for so long at most.
const PROVISIONAL: Duration = Duration::from_mins(5);

/// So many sessions of one principal a node allows.
const LIMIT: usize = 3;

/// Polls so often, and drops it.
async fn polled<T>(times: u32, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut left) = (pin!(future), times);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// How far a request came.
#[derive(Default)]
struct Progress {
    has_begun: AtomicBool,
    has_answered: AtomicBool,
}

/// A request, of which the answer is dropped after so many polls. Says the status, if there was one,
/// and how far the handler came.
async fn asked(node: &Node, token: &str, polls: u32, ends: bool) -> (Option<u16>, Arc<Progress>) {
    let progress = Arc::<Progress>::default();
    let handler = service_fn({
        let progress = Arc::clone(&progress);
        move |request: Request<_>| {
            let session = Exchange::of(request.extensions()).and_then(Exchange::session);
            let session = session.cloned();
            let progress = Arc::clone(&progress);
            progress.has_begun.store(true, Ordering::SeqCst);
            async move {
                tokio::task::yield_now().await;
                if ends {
                    session.unwrap().end().await.unwrap();
                }
                tokio::task::yield_now().await;
                progress.has_answered.store(true, Ordering::SeqCst);
                Ok::<_, Infallible>(Response::new("done".to_owned()))
            }
        }
    });
    let answer = polled(polls, node.answer(token, handler)).await;
    let status = answer.map(|answer| answer.status().as_u16());
    (status, progress)
}

async fn whoever_goes_away_at_any_point_leaves_nothing_half_made<P: Place>() {
    let place = P::start().await;
    let [one, other] = place.two_nodes().await;
    let mut gone = Vec::new();
    let mut polls = 0;
    // To the end, wherever that is.
    loop {
        let (comes, stays_away) = (format!("comes-{polls}"), format!("gone-{polls}"));
        let (status, _) = asked(&one, &format!("{comes}.app.0"), polls, false).await;
        let (_, progress) = asked(&one, &format!("{stays_away}.app.0"), polls, false).await;
        gone.push((stays_away, progress));
        // Whoever comes again is in, at either, in one session.
        for node in [&other, &one] {
            assert_eq!(node.ask(&format!("{comes}.app.0")).await, 200, "{polls}");
        }
        let ended = other.handle.end_sessions(ISSUER, &comes).await;
        assert_eq!(ended.unwrap(), 1, "{polls}");
        for node in [&other, &one] {
            assert_eq!(node.ask(&format!("{comes}.app.0")).await, 401, "{polls}");
        }
        if let Some(status) = status {
            assert_eq!(status, 200);
            break;
        }
        polls += 1;
    }
    assert!(polls >= 3, "{polls}");
    place.clock().advance(PROVISIONAL + SECOND);
    for (name, progress) in gone {
        // As many as he may have, by other clients. Work that was begun has begun a session.
        let has_begun = progress.has_begun.load(Ordering::SeqCst);
        let many = if has_begun { LIMIT - 1 } else { LIMIT };
        for client in 0..many {
            let token = format!("{name}.client-{client}.0");
            assert_eq!(other.ask(&token).await, 200, "{token}");
        }
    }
}

async fn whoever_goes_away_at_any_point_of_a_logout_is_in_or_out<P: Place>() {
    let place = P::start().await;
    let [one, other] = place.two_nodes().await;
    let mut polls = 0;
    loop {
        let name = format!("alice-{polls}");
        let token = format!("{name}.app.0");
        assert_eq!(one.ask(&token).await, 200);
        let (status, progress) = asked(&one, &token, polls, true).await;
        // Once it was answered it is done.
        let is_done = progress.has_answered.load(Ordering::SeqCst);
        let first = other.ask(&token).await;
        assert!(
            first == 401 || (first == 200 && !is_done),
            "{polls}: {first}"
        );
        // What was on its way is done soon, or never: by then it is the same at both.
        let ended = other.handle.end_sessions(ISSUER, &name).await.unwrap();
        assert!(ended <= 1, "{ended}");
        for (token, status) in [(token, 401), (format!("{name}.app.1"), 200)] {
            for node in [&other, &one] {
                assert_eq!(node.ask(&token).await, status, "{polls}: {token}");
            }
        }
        if status.is_some() {
            break;
        }
        polls += 1;
    }
    assert!(polls >= 3, "{polls}");
}

async fn a_handler_that_panics_leaves_one_session_and_ends_none<P: Place>() {
    let place = P::start().await;
    let [one, other] = place.two_nodes().await;
    let panics = service_fn(async |_| {
        tokio::task::yield_now().await;
        // No hook is called, so nothing is printed.
        resume_unwind(Box::new("on purpose"));
        #[expect(unreachable_code, reason = "it says of which type the answer would be")]
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let panicked = async |token: &str| {
        let answer = AssertUnwindSafe(one.answer(token, panics)).catch_unwind();
        assert!(answer.await.is_err(), "{token}");
    };
    assert_eq!(one.ask("alice.app.0").await, 200);
    for _ in 0..5 {
        panicked("alice.app.0").await;
        panicked("bob.app.0").await;
    }
    for node in [&one, &other] {
        assert_eq!(node.ask("alice.app.0").await, 200);
    }
    place.clock().advance(PROVISIONAL + SECOND);
    let ended = other.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(one.ask("alice.app.0").await, 401);
    // As many as he may have, by other clients: there is one in which work was begun.
    for client in 0..LIMIT - 1 {
        assert_eq!(other.ask(&format!("bob.client-{client}.0")).await, 200);
    }
}
