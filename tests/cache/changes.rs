//! What is changed on one server, as the other one sees it.

use std::convert::Infallible;

use http::HeaderName;
use portcullis::{
    GateHandle, RequestBody,
    binding::{BindingBuilder, BindingLayer, Reaction},
    revocation::Revocation,
};
use portcullis_tests::patience::settle;
use tower::{Layer as _, ServiceExt as _};

use crate::world::{ISSUER, Node, ROUND_TRIP, SECOND, Two, request, request_from};

/// All that takes somebody's session or credential away.
pub(crate) const ENDS: [&str; 6] = [
    "end_sessions",
    "end",
    "subject",
    "token",
    "session",
    "client",
];

/// Has alice out, by one server.
pub(crate) async fn end(node: &Node, how: &str) {
    let revocation = match how {
        "end_sessions" => {
            let end =
                |handle: GateHandle| async move { handle.end_sessions(ISSUER, "alice").await };
            assert_eq!(node.operate(end).await.unwrap(), 1);
            return;
        }
        "end" => {
            assert_eq!(node.ask_for("/end", "alice.0").await.status, 200);
            return;
        }
        "subject" => Revocation::subject(ISSUER, "alice"),
        "token" => Revocation::token(ISSUER, "id-alice.0"),
        "session" => Revocation::session(ISSUER, "sid-alice"),
        _ => Revocation::client(ISSUER, "app"),
    };
    let revoke = |handle: GateHandle| async move { handle.revoke(revocation).await };
    node.operate(revoke).await.unwrap();
}

#[tokio::test]
async fn whoever_is_out_on_one_server_is_out_on_both_at_once() {
    for how in ENDS {
        let two = Two::new();
        two.know("alice.0").await;
        end(&two.here, how).await;
        // Also where it was done, and how often he comes.
        for node in [&two.there, &two.here, &two.there] {
            assert_eq!(node.ask("alice.0").await.status, 401, "{how}");
        }
        // Nobody is refused by what was kept: it is asked for each time.
        assert!(two.there.ask("alice.0").await.asked > 0, "{how}");
    }
}

#[tokio::test]
async fn whoever_logs_in_again_is_in_at_once_on_both() {
    for how in ENDS {
        let two = Two::new();
        two.know("alice.0").await;
        two.pass(5 * SECOND).await;
        two.know("alice.0").await;
        end(&two.here, how).await;
        two.pass(20 * SECOND).await;
        let token = "alice.20";
        // By either server.
        for (first, second) in [(&two.there, &two.here), (&two.here, &two.there)] {
            assert_eq!(first.ask(token).await.status, 200, "{how}");
            assert_eq!(second.ask(token).await.status, 200, "{how}");
        }
        two.know(token).await;
        assert_eq!(two.there.ask(token).await.asked, 0, "{how}");
        let old = two.there.ask("alice.0").await.status;
        // The session of the same person is open again, but for the credential that is over.
        let expected = match how {
            "end_sessions" | "end" => 200,
            _ => 401,
        };
        assert_eq!(old, expected, "{how}");
    }
}

#[tokio::test]
async fn what_a_handler_keeps_is_read_on_the_other_server() {
    let two = Two::new();
    two.know("alice.0").await;
    for number in 0..5 {
        let (here, there) = match number % 2 {
            0 => (&two.here, &two.there),
            _ => (&two.there, &two.here),
        };
        let put = here.ask_for(&format!("/put?{number}"), "alice.0").await;
        assert_eq!(put.status, 200);
        assert_eq!(
            there.ask_for("/get", "alice.0").await.body,
            number.to_string()
        );
        assert_eq!(
            here.ask_for("/get", "alice.0").await.body,
            number.to_string()
        );
    }
    assert_eq!(
        two.here.signals.published(),
        0,
        "data is asked for, not kept"
    );
}

/// What was asked before something changed is of no use after it was heard, also where the answer comes
/// later than that.
#[tokio::test]
async fn an_answer_that_was_on_its_way_is_not_kept() {
    for how in ENDS {
        let slow = 10 * ROUND_TRIP;
        let two = Two::with_round_trips([ROUND_TRIP, slow]);
        assert_eq!(two.here.ask("alice.0").await.status, 200);
        // The bus of the other one has caught up, and nobody is known there.
        assert_eq!(two.there.ask("bob.0").await.status, 200);
        let late = two.there.gate.layer(tower::service_fn(answer));
        let late = tokio::spawn(late.oneshot(request("/", "alice.0")));
        settle().await;
        // The stores have been asked: the answers are on their way.
        two.pass(slow / 2).await;
        end(&two.here, how).await;
        assert!(!late.is_finished(), "{how}");
        two.pass(slow / 2).await;
        let status = late.await.unwrap().unwrap().status();
        assert_eq!(status, 200, "{how}: it began before");
        assert_eq!(two.there.ask("alice.0").await.status, 401, "{how}");
    }
}

#[tokio::test]
async fn where_a_session_came_from_is_told() {
    let two = Two::with(
        |session| session,
        |stack| stack.with_cache(1000).with_binding(binding()),
    );
    let (home, office) = ([192, 0, 2, 1], [198, 51, 100, 1]);
    for node in [&two.here, &two.there, &two.here, &two.there] {
        assert_eq!(node.ask_from(home, "laptop", "alice.0").await.status, 200);
    }
    let answer = two.there.ask_from(home, "laptop", "alice.0").await;
    assert_eq!((answer.status, answer.asked), (200, 0));
    // A thief is refused, by the store.
    let answer = two.there.ask_from(office, "laptop", "alice.0").await;
    assert_eq!((answer.status, answer.asked), (401, 1));
    // She authenticates elsewhere, by the other server.
    two.pass(3 * SECOND).await;
    assert_eq!(
        two.here.ask_from(office, "laptop", "alice.3").await.status,
        200
    );
    settle().await;
    for node in [&two.there, &two.here] {
        assert_eq!(node.ask_from(office, "laptop", "alice.3").await.status, 200);
        assert_eq!(node.ask_from(home, "laptop", "alice.0").await.status, 401);
    }
}

/// Of a change that nobody waits for any more, others are told all the same.
#[tokio::test]
async fn where_a_session_came_from_is_told_by_whoever_goes_away_too() {
    let two = Two::with(
        |session| session,
        |stack| stack.with_cache(9).with_binding(binding()),
    );
    let (home, office) = ([192, 0, 2, 1], [198, 51, 100, 1]);
    for node in [&two.here, &two.there, &two.there] {
        assert_eq!(node.ask_from(home, "laptop", "alice.0").await.status, 200);
    }
    two.pass(3 * SECOND).await;
    let moved = two.here.gate.layer(tower::service_fn(answer));
    let moved = moved.oneshot(request_from(office, "laptop", "alice.3"));
    let mut moving = tokio_test::task::spawn(moved);
    let published = two.here.signals.published();
    // It was let in, was late enough to be an authentication, and has been written down half a round
    // trip ago.
    for _ in 0..7 {
        assert!(moving.poll().is_pending());
        settle().await;
        two.clock.advance(ROUND_TRIP / 2);
    }
    assert!(moving.poll().is_pending());
    drop(moving);
    settle().await;
    assert!(two.here.signals.published() > published);
    let answer = two.there.ask_from(home, "laptop", "alice.0").await;
    assert_eq!(answer.status, 401);
    for node in [&two.there, &two.here] {
        assert_eq!(node.ask_from(office, "laptop", "alice.3").await.status, 200);
    }
}

fn binding() -> BindingBuilder {
    BindingLayer::builder()
        .with_network(Reaction::Ask)
        .with_device_header(HeaderName::from_static("x-device"))
}

async fn answer(
    _: http::Request<RequestBody<String>>,
) -> Result<http::Response<String>, Infallible> {
    Ok(http::Response::new(String::new()))
}
