//! Other settings for a gate that runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt as _;
use portcullis::{
    Authenticator, Check, Description, Evidence, EvidenceKind, NotReady, RequestView, Secret,
    Verdict,
    perimeter::PerimeterLayer,
    revocation::{MemoryRevocations, Revocation},
    session::{MemorySessions, SessionCookie, SessionLayer},
    signal::MemorySignals,
    stack::{Complete, ReplaceError, Stack, StackBuilder},
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    fixtures::{RESOURCE, request as request_without, short_sessions},
    patience::settle,
    streams::{TICK, streaming},
    table_auth::{self, TableAuth},
};
use tower::{Layer as _, ServiceExt as _};

use crate::world::{World, answer, request, request_as};

/// Settings that may come in the place of those of the world.
fn other() -> StackBuilder<Complete> {
    Stack::builder()
        .with_resource(RESOURCE)
        .with_session(short_sessions())
        .add_authenticator(TableAuth::new())
}

/// Knows who comes with its name, and can be told when it is ready.
#[derive(Clone)]
struct Named {
    name: &'static str,
    is_ready: bool,
    is_shut_down: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

impl Named {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            is_ready: true,
            is_shut_down: Arc::default(),
            asked: Arc::default(),
        }
    }
}

impl Authenticator for Named {
    fn describe(&self) -> Description {
        Description::bearer(self.name)
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Check::Done(match request.bearer() {
            None => Verdict::Absent,
            Some(token) if token == self.name => Verdict::accept(
                Evidence::new(EvidenceKind::User, "https://idp.example", self.name)
                    .with_auth_time(request.now()),
            ),
            Some(_) => Verdict::NotMine,
        })
    }

    async fn ready(&self) -> Result<(), NotReady> {
        match self.is_ready {
            true => Ok(()),
            false => Err(NotReady::new(self.name, "it has no keys")),
        }
    }

    async fn shutdown(&self) {
        self.is_shut_down.store(true, Ordering::SeqCst);
    }
}

fn stack_of(authenticator: Named) -> StackBuilder<Complete> {
    Stack::builder()
        .with_resource(RESOURCE)
        .with_session(short_sessions())
        .add_authenticator(authenticator)
}

#[tokio::test]
async fn the_next_request_is_decided_by_the_new_settings() {
    let world = World::new();
    let service = world.gate.layer(answer());
    let ask = async |token| {
        let response = service.clone().oneshot(request_as(token)).await.unwrap();
        response.status().as_u16()
    };
    let public = async |path| {
        let request = request_without().uri(path).body(String::new()).unwrap();
        world.ask(request, answer()).await
    };
    assert_eq!((ask("good-alice").await, ask("new").await), (200, 401));
    assert_eq!(
        (public("/public").await, public("/health").await),
        (200, 401)
    );

    let new = Named::new("new");
    let requirement = StepUpLayer::builder()
        .add_route_requirement("/", Requirement::new().with_scopes("notes.read"));
    let stack = stack_of(new.clone()).add_anonymous_route("/health");
    world.handle.replace(stack).await.unwrap();
    // The service was made before: it goes along.
    assert_eq!((ask("good-alice").await, ask("new").await), (401, 200));
    assert_eq!(
        (public("/public").await, public("/health").await),
        (401, 200)
    );

    let stack = stack_of(new).with_step_up(requirement);
    world.handle.replace(stack).await.unwrap();
    assert_eq!(ask("new").await, 403);
    world.handle.replace(other()).await.unwrap();
    assert_eq!((ask("good-alice").await, ask("new").await), (200, 401));
}

#[tokio::test]
async fn what_was_ended_and_revoked_before_stays_so() {
    let world = World::new();
    for token in ["good-alice", "good-bob"] {
        assert_eq!(world.ask(request_as(token), answer()).await, 200);
    }
    let subject = Revocation::subject(table_auth::ISSUER, "bob");
    world.handle.revoke(subject).await.unwrap();
    let ended = world.handle.end_sessions(table_auth::ISSUER, "alice");
    assert_eq!(ended.await.unwrap(), 1);
    world.handle.replace(other()).await.unwrap();
    let _ = world.audit.take();
    for token in ["good-alice", "good-bob"] {
        assert_eq!(world.ask(request_as(token), answer()).await, 401);
    }
    assert_eq!(world.reasons(), ["session_revoked", "credential_revoked"]);
    assert_eq!(world.ask(request_as("good-carol"), answer()).await, 200);
}

#[tokio::test]
async fn what_runs_goes_on_and_can_be_ended_still() {
    for end in ["sessions", "revocation", "shutdown"] {
        let world = World::new();
        let handler = world
            .gate
            .layer(streaming(&world.clock, "text/event-stream", TICK));
        let stream = handler.oneshot(request()).await.unwrap();
        let reading = tokio::spawn(stream.into_body().collect());
        settle().await;
        world.handle.replace(other()).await.unwrap();
        world.pass(5).await;
        assert!(!reading.is_finished());
        assert_eq!(world.handle.stats().running, 1, "the doors are the same");
        let mut shutting = None;
        match end {
            "sessions" => {
                let ended = world.handle.end_sessions(table_auth::ISSUER, "alice");
                assert_eq!(ended.await.unwrap(), 1);
            }
            "revocation" => {
                let subject = Revocation::subject(table_auth::ISSUER, "alice");
                world.handle.revoke(subject).await.unwrap();
            }
            _ => shutting = Some(world.shut().await),
        }
        world.pass(15).await;
        let body = reading.await.unwrap().unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("\nevent: "), "{end}: {body}");
        if let Some(shutting) = shutting {
            assert_eq!(shutting.await.unwrap().ended, 1);
        }
    }
}

#[tokio::test]
async fn the_rules_of_sessions_are_those_of_the_new_settings() {
    let world = World::new();
    assert_eq!(world.ask(request(), answer()).await, 200);
    let one = SessionLayer::builder().with_limit(1);
    world
        .handle
        .replace(other().with_session(one))
        .await
        .unwrap();
    // The session that was there counts.
    let another = request_as("by-other-good-alice");
    let _ = world.audit.take();
    assert_eq!(world.ask(request(), answer()).await, 200);
    assert_eq!(world.ask(another, answer()).await, 429);
}

#[tokio::test]
async fn nothing_changes_where_something_is_wrong() {
    let world = World::new();
    let mut late = Named::new("late");
    late.is_ready = false;
    let error = world.handle.replace(stack_of(late)).await.unwrap_err();
    assert_eq!(error.to_string(), "`late` is not ready: it has no keys");
    assert!(matches!(error, ReplaceError::NotReady(_)));
    let short = SessionLayer::builder().with_idle(Duration::ZERO);
    let error = world.handle.replace(other().with_session(short)).await;
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("`with_idle`: "), "{error}");
    assert_eq!(world.ask(request(), answer()).await, 200);
    assert_eq!(world.ask(request_as("late"), answer()).await, 401);

    let _ = world.shut().await.await.unwrap();
    let error = world.handle.replace(other()).await.unwrap_err().to_string();
    assert_eq!(error, "`gate` is not ready: it is shut down");
}

#[tokio::test]
async fn what_the_gate_keeps_is_not_given_again() {
    let world = World::new();
    let secret = || Secret::new([7; 16]);
    let session = SessionLayer::builder()
        .with_store(MemorySessions::default())
        .with_key(secret())
        .with_signals(MemorySignals::new())
        .with_cache(9)
        .with_sealing_key(Secret::new([7; 32]))
        .add_old_sealing_key(Secret::new([8; 32]))
        .with_cookie(SessionCookie::new("session"));
    let stack = Stack::builder()
        .with_resource("https://other.example/")
        .with_clock(VirtualClock::new())
        .with_audit(RecordingAudit::new())
        .with_base_path("/agents")
        .with_revocations(MemoryRevocations::default())
        .with_revocation_key(secret())
        .with_signals(MemorySignals::new())
        .with_cache(9)
        .with_session(session)
        .add_authenticator(TableAuth::new());
    let Err(ReplaceError::Config(errors)) = world.handle.replace(stack).await else {
        unreachable!("it is no stack that could come in the place of another");
    };
    let settings: Vec<_> = errors.iter().map(|error| error.setting()).collect();
    assert_eq!(
        settings,
        [
            "with_clock",
            "with_audit",
            "with_base_path",
            "with_revocations",
            "with_revocation_key",
            "with_signals",
            "with_cache",
            "with_store",
            "with_key",
            "with_signals",
            "with_cache",
            "with_sealing_key",
            "add_old_sealing_key",
            "with_cookie",
            "with_resource",
        ]
    );
    let bare = || {
        Stack::builder()
            .with_resource(RESOURCE)
            .add_authenticator(TableAuth::new())
    };
    let error = world.handle.replace(bare()).await.unwrap_err().to_string();
    assert!(
        error.starts_with("`with_session`: was not called"),
        "{error}"
    );
    let world = World::bare(RecordingAudit::new());
    let error = world.handle.replace(other()).await.unwrap_err().to_string();
    assert!(error.starts_with("`with_session`: was called"), "{error}");
    world.handle.replace(bare()).await.unwrap();
}

#[tokio::test]
async fn whoever_decided_before_is_told_to_end_once_nobody_asks() {
    let world = World::new();
    let (first, second, third) = (
        Named::new("first"),
        Named::new("second"),
        Named::new("third"),
    );
    for named in [&first, &second] {
        world.handle.replace(stack_of(named.clone())).await.unwrap();
    }
    let ended = |named: &Named| named.is_shut_down.load(Ordering::SeqCst);
    settle().await;
    assert!(!ended(&first));
    world.pass(61).await;
    assert!(ended(&first) && !ended(&second));
    // One whose minute is not over ends with the gate.
    world.handle.replace(stack_of(third.clone())).await.unwrap();
    assert!(!ended(&second));
    let shutting = world.shut().await;
    world.pass(2).await;
    let _ = shutting.await.unwrap();
    assert!(ended(&second) && ended(&third));
}

#[tokio::test]
async fn the_metadata_is_that_of_the_new_settings() {
    let world = World::new();
    let endpoints = world.gate.endpoints();
    let document = async || {
        let request = request_without()
            .uri("/.well-known/oauth-protected-resource")
            .body(String::new())
            .unwrap();
        let response = endpoints.clone().oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    };
    assert!(
        document()
            .await
            .contains(r#""scopes_supported":["notes.read"]"#)
    );
    let stack = other().with_challenge_scopes("notes.write");
    world.handle.replace(stack).await.unwrap();
    assert!(
        document()
            .await
            .contains(r#""scopes_supported":["notes.write"]"#)
    );
}

/// While requests come without a pause, each is decided by one stack or the other as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_decided_by_half() {
    let world = World::new();
    let (one, two) = (Named::new("one"), Named::new("two"));
    // Whoever is let in by the second stack needs a body that the first refuses.
    let stack = |named: &Named, body| {
        stack_of(named.clone()).with_perimeter(
            PerimeterLayer::builder()
                .with_max_body(body)
                .without_refusal_budget(),
        )
    };
    world.handle.replace(stack(&one, 1)).await.unwrap();
    let service = world.gate.layer(answer());
    let asking: Vec<_> = ["one", "two"]
        .into_iter()
        .map(|token| {
            let service = service.clone();
            tokio::spawn(async move {
                let mut statuses = [0_u32; 2];
                for _ in 0..500 {
                    let mut request = request_as(token);
                    let length = http::HeaderValue::from_static("2");
                    request.headers_mut().insert("content-length", length);
                    let status = service.clone().oneshot(request).await.unwrap().status();
                    match (token, status.as_u16()) {
                        ("one", 413) | ("two", 200) => statuses[0] += 1,
                        (_, 401) | ("two", 413) => statuses[1] += 1,
                        other => unreachable!("{other:?}"),
                    }
                    tokio::task::yield_now().await;
                }
                statuses
            })
        })
        .collect();
    for round in 0..50 {
        let stack = match round % 2 {
            0 => stack(&two, 8),
            _ => stack(&one, 1),
        };
        world.handle.replace(stack).await.unwrap();
        tokio::task::yield_now().await;
    }
    for asking in asking {
        assert_eq!(asking.await.unwrap().iter().sum::<u32>(), 500);
    }
}
