//! A thousand callers through one service in this process, polled in any order, some of whom go
//! away: every answer names the one who asked.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::Exchange;
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{authn, gate, perimeter, request_with, stack_builder},
    wire::read,
};
use proptest::test_runner::{Config, TestRunner};
use tokio_test::task;
use tower::{Layer as _, Service, ServiceExt, buffer::Buffer};

const CALLERS: usize = 1000;

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        Self(7)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % bound
    }
}

/// Looks at the principal before and after it has given way a few times.
#[derive(Clone, Copy)]
struct Slow;

impl<B: Send + 'static> Service<Request<B>> for Slow {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let subject = |request: &Request<B>| {
            let principal = Exchange::of(request.extensions())?.principal()?;
            Some(principal.subject().to_owned())
        };
        let at_the_call = subject(&request);
        Box::pin(async move {
            let first = subject(&request);
            let rounds = first.as_ref().map_or(0, String::len) % 4;
            for _ in 0..=rounds {
                tokio::task::yield_now().await;
            }
            let last = subject(&request);
            let answer = format!("{} {} {}", show(&at_the_call), show(&first), show(&last));
            Ok(Response::new(answer.into()))
        })
    }
}

fn show(subject: &Option<String>) -> &str {
    subject.as_deref().unwrap_or("nobody")
}

/// The name is longer for some, so that they take longer.
fn name(n: usize) -> String {
    format!("caller-{n}{}", "x".repeat(n % 7))
}

/// With I/O for every other caller.
fn token(n: usize) -> String {
    let io = if n.is_multiple_of(2) { "io-" } else { "" };
    format!("{io}good-{}", name(n))
}

#[track_caller]
fn assert_own(n: usize, response: &Response<Bytes>) {
    let name = name(n);
    assert_eq!(response.status(), 200, "{name}");
    assert_eq!(response.body(), &format!("{name} {name} {name}"));
}

/// Polls the calls in a random order on one thread, and drops some of them at a random point.
macro_rules! interleaves {
    ($service:expr, $audit:expr) => {{
        let mut dice = Dice::new();
        let mut service = $service;
        let mut calls = Vec::new();
        for n in 0..CALLERS {
            let request = request_with(&token(n)).body(String::new()).unwrap();
            let call = ServiceExt::<Request<String>>::ready(&mut service)
                .await
                .unwrap()
                .call(request);
            calls.push((n, task::spawn(call)));
        }
        let (mut answered, mut dropped) = (0, 0);
        while !calls.is_empty() {
            let index = dice.below(calls.len());
            if dice.below(20) == 0 {
                let _gone = calls.swap_remove(index);
                dropped += 1;
                continue;
            }
            let (n, call) = &mut calls[index];
            if let Poll::Ready(response) = call.poll() {
                assert_own(*n, &read(response.unwrap()).await.unwrap());
                let _done = calls.swap_remove(index);
                answered += 1;
            }
            // A buffer's worker is a task of this runtime.
            tokio::task::yield_now().await;
        }
        assert!(
            answered > CALLERS / 4 && dropped > CALLERS / 20,
            "{answered}, {dropped}"
        );
        $audit.assert_decisions(CALLERS);
        for record in $audit.records() {
            if record.reason.as_str() == "abandoned" {
                assert_eq!(record.subject(), None);
            }
        }
    }};
}

#[tokio::test]
async fn through_a_gate() {
    let audit = RecordingAudit::new();
    interleaves!(gate(&audit).layer(Slow), audit);
}

#[tokio::test]
async fn through_loose_layers() {
    let audit = RecordingAudit::new();
    let inner = authn(&RecordingAudit::failing()).layer(Slow);
    interleaves!(perimeter(&audit).layer(inner), audit);
}

/// The worker calls the inner layer for one request while another is polled.
#[tokio::test]
async fn through_loose_layers_with_a_buffer_between() {
    let audit = RecordingAudit::new();
    let inner = authn(&RecordingAudit::failing()).layer(Slow);
    interleaves!(perimeter(&audit).layer(Buffer::new(inner, CALLERS)), audit);
}

/// Many threads, and futures that move from one to another between two polls.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads() {
    let audit = RecordingAudit::new();
    let inner = Buffer::new(authn(&RecordingAudit::failing()).layer(Slow), CALLERS);
    let service = perimeter(&audit).layer(inner);
    let mut tasks = Vec::new();
    for n in 0..CALLERS {
        let request = request_with(&token(n)).body(String::new()).unwrap();
        let call = service.clone().oneshot(request);
        tasks.push((
            n,
            tokio::spawn(async { read(call.await.unwrap()).await.unwrap() }),
        ));
    }
    for (n, task) in tasks {
        assert_own(n, &task.await.unwrap());
    }
    audit.assert_decisions(CALLERS);
}

/// The same with generated names and orders, over a guarded axum router.
#[test]
fn any_two_requests_through_a_guarded_router() {
    use axum::{Router, body::Body, routing::get};
    use portcullis::Principal;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let handler = async |principal: Principal| {
        tokio::task::yield_now().await;
        principal.subject().to_owned()
    };
    let audit = RecordingAudit::new();
    let (gate, _) = stack_builder(&audit).build().unwrap();
    let service = gate.guard(Router::new().route("/", get(handler)));
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(256)
    });
    let name = || "[a-z0-9._~-]{1,12}";
    let polls = proptest::collection::vec(proptest::bool::ANY, 0..16);
    runner
        .run(&(name(), name(), polls), |(one, two, polls)| {
            runtime.block_on(async {
                let call = |name: &str, io: &str| {
                    let request = request_with(&format!("{io}good-{name}"));
                    let request: Request<Body> = request.body(Body::empty()).unwrap();
                    task::spawn(service.clone().oneshot(request))
                };
                let mut calls = [
                    (call(&one, ""), &one, None),
                    (call(&two, "io-"), &two, None),
                ];
                for is_first in polls {
                    let (call, _, answer) = &mut calls[usize::from(is_first)];
                    if answer.is_none()
                        && let Poll::Ready(response) = call.poll()
                    {
                        *answer = Some(response.unwrap());
                    }
                }
                for (call, name, answer) in calls {
                    let answer = match answer {
                        Some(answer) => answer,
                        None => call.await.unwrap(),
                    };
                    let body = read(answer).await.unwrap().into_body();
                    assert_eq!(body, name.as_bytes());
                }
            });
            Ok(())
        })
        .unwrap();
}
