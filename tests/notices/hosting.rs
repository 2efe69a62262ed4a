//! A receiver of a plug-in author, as the gate hosts it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Gate, ReasonCode, RevocationKey,
    audit::{Outcome, RecordKind},
    notices::{
        AcceptedNotices, Notice, NoticeDelivery, NoticeDesk, NoticeReceipt, NoticeReceiver,
        NoticeReply, ReceiverDescription, RefusedNotices,
    },
    perimeter::PerimeterLayer,
};
use portcullis_testing::http_probe::HandlerProbe;
use portcullis_tests::patience::settle;
use tower::{Layer as _, ServiceExt as _};

use crate::world::{ISSUER, SECOND, World, post, read};

/// Takes the name of a subject that is gone. What it attends to is told from outside.
#[derive(Clone, Default)]
struct Leavers(Arc<Told>);

#[derive(Default)]
struct Told {
    received: AtomicU64,
    confirmed: AtomicU64,
    is_refused_in_the_end: AtomicBool,
    attends: AtomicU64,
    left: Arc<AtomicU64>,
}

/// Notices that it is dropped.
struct Leaves(Arc<AtomicU64>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const GONE: ReasonCode = ReasonCode::new("leavers_gone");
const NOT_GONE: ReasonCode = ReasonCode::new("leavers_not_gone");

impl NoticeReceiver for Leavers {
    fn describe(&self) -> ReceiverDescription {
        ReceiverDescription::new("leavers")
            .with_path("/hr/leavers")
            .with_max_body(16)
    }

    async fn receive(&self, delivery: &NoticeDelivery<'_>) -> NoticeReceipt {
        self.0.received.fetch_add(1, Ordering::Relaxed);
        let name = std::str::from_utf8(delivery.body()).unwrap();
        if name.is_empty() {
            let reply = NoticeReply::json(StatusCode::BAD_REQUEST, r#"{"who":"?"}"#);
            return NoticeReceipt::Refuse(RefusedNotices::new(NOT_GONE, reply));
        }
        let key = RevocationKey::Subject(ISSUER.into(), name.into());
        let reply = NoticeReply::new(StatusCode::ACCEPTED);
        NoticeReceipt::Accept(AcceptedNotices::new(vec![Notice::new(key)], GONE, reply))
    }

    async fn confirm(
        &self,
        _: &AcceptedNotices,
        _: portcullis::Timestamp,
    ) -> Result<(), RefusedNotices> {
        self.0.confirmed.fetch_add(1, Ordering::Relaxed);
        match self.0.is_refused_in_the_end.load(Ordering::Relaxed) {
            true => Err(RefusedNotices::new(
                NOT_GONE,
                NoticeReply::new(StatusCode::CONFLICT),
            )),
            false => Ok(()),
        }
    }

    async fn attend(&self, desk: &dyn NoticeDesk) {
        let _leaves = Leaves(Arc::clone(&self.0.left));
        self.0.attends.fetch_add(1, Ordering::Relaxed);
        let key = RevocationKey::Subject(ISSUER.into(), "eve".into());
        let _ = desk.carry_out(&[Notice::new(key)], GONE).await;
        desk.report(Outcome::Failed, NOT_GONE);
        std::future::pending::<()>().await;
    }
}

fn world() -> (World, Leavers) {
    let leavers = Leavers::default();
    let world = World::new(|stack, _| stack.add_notice_receiver(leavers.clone()));
    (world, leavers)
}

fn gone(name: &'static str) -> Request<Full<Bytes>> {
    post("/hr/leavers", "text/plain", name)
}

#[tokio::test]
async fn what_is_over_is_over_when_it_is_answered() {
    let (world, leavers) = world();
    settle().await;
    let _ = world.audit.take();
    let (alice, bob) = (world.login("alice", "1"), world.login("bob", "2"));
    assert_eq!(world.call(&alice).await, StatusCode::OK);
    world.clock.advance(SECOND);
    let answer = world.send(gone("alice")).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let records = world.audit.records();
    assert_eq!(records[0].authenticator, Some("leavers"));
    assert_eq!(records[0].outcome, Outcome::Answered);
    assert_eq!(world.one_record(), ("notices", "leavers_gone".into()));
    assert_eq!(world.call(&alice).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.call(&bob).await, StatusCode::OK);
    world.clock.advance(SECOND);
    let again = world.login("alice", "3");
    assert_eq!(world.call(&again).await, StatusCode::OK);
    assert_eq!(leavers.0.confirmed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_nothing_is_confirmed() {
    let (world, leavers) = world();
    settle().await;
    let _ = world.audit.take();
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND);
    world.store.set_failing(true);
    let answer = world.send(gone("alice")).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(
        world.one_record(),
        ("notices", "notice_store_unavailable".into())
    );
    assert_eq!(leavers.0.confirmed.load(Ordering::Relaxed), 0);
    // Sent again, as the sender is told to do, it counts.
    world.store.set_failing(false);
    assert_eq!(
        world.send(gone("alice")).await.status(),
        StatusCode::ACCEPTED
    );
    assert_eq!(world.call(&alice).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn each_way_to_refuse_has_its_status_and_one_record() {
    let (world, leavers) = world();
    settle().await;
    let _ = world.audit.take();
    let answer = world.send(gone("")).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.body(), r#"{"who":"?"}"#);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    assert_eq!(world.one_record(), ("notices", "leavers_not_gone".into()));

    let answer = world.send(gone("a name of seventeen")).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.one_record(), ("notices", "body_too_large".into()));

    let get = Request::get("/hr/leavers").header("host", "agent.example");
    let answer = world.send(get.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers()["allow"], "POST");
    assert_eq!(world.one_record(), ("notices", "notice_method".into()));

    let elsewhere = Request::post("/hr/leavers").header("host", "evil.example");
    let answer = world.send(elsewhere.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.one_record(), ("perimeter", "host_not_allowed".into()));

    // Carried out, and refused all the same.
    leavers
        .0
        .is_refused_in_the_end
        .store(true, Ordering::Relaxed);
    assert_eq!(
        world.send(gone("alice")).await.status(),
        StatusCode::CONFLICT
    );
    assert_eq!(world.one_record(), ("notices", "leavers_not_gone".into()));

    // Neither path is its.
    for path in ["/hr/leavers/", "/hr"] {
        let answer = world.send(post(path, "text/plain", "alice")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_refusal_costs_what_a_bad_credential_costs() {
    let leavers = Leavers::default();
    let world = World::new(|stack, _| {
        let perimeter = PerimeterLayer::builder().with_refusal_budget(2, Duration::from_secs(60));
        stack
            .add_notice_receiver(leavers.clone())
            .with_perimeter(perimeter)
    });
    settle().await;
    for expected in [400, 400, 429] {
        let _ = world.audit.take();
        assert_eq!(world.send(gone("")).await.status(), expected);
    }
    assert_eq!(world.one_record(), ("notices", "budget_spent".into()));
    assert_eq!(leavers.0.received.load(Ordering::Relaxed), 2);
    let answer = world.send(gone("alice")).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn endpoints_answer_where_the_gate_sees_nothing() {
    let (world, _) = world();
    settle().await;
    let _ = world.audit.take();
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND);
    let answer = read(world.gate.endpoints(), gone("alice")).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(world.one_record(), ("notices", "leavers_gone".into()));
    assert_eq!(world.call(&alice).await, StatusCode::UNAUTHORIZED);
    let nothing = read(world.gate.endpoints(), post("/notes", "text/plain", "")).await;
    assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
    assert!(world.audit.is_empty());
    let metadata = Request::get("/.well-known/oauth-protected-resource").body(Full::default());
    let metadata = read(world.gate.endpoints(), metadata.unwrap()).await;
    assert_eq!(metadata.status(), StatusCode::OK);
}

/// As a reverse proxy mounts it, with a base path that another server has stripped.
#[tokio::test]
async fn endpoints_of_a_gate_below_a_base_path_stand_at_the_root() {
    let leavers = Leavers::default();
    let world = World::new(|stack, _| {
        stack
            .with_base_path("/agent")
            .add_notice_receiver(leavers.clone())
    });
    let answer = read(world.gate.endpoints(), gone("alice")).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    // The gate sees `/agent/hr/leavers` there, which is none of its paths.
    assert_eq!(
        world.send(gone("bob")).await.status(),
        StatusCode::UNAUTHORIZED
    );
}

/// A body that gives what it has, and then never anything.
struct Slow(Option<Bytes>);

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Poll::Pending,
        }
    }
}

fn slow(gate: &Gate) -> tokio::task::JoinHandle<StatusCode> {
    let service = gate.layer(HandlerProbe::new());
    let request = Request::post("/hr/leavers")
        .header("host", "agent.example")
        .body(Slow(Some("ali".into())))
        .unwrap();
    tokio::spawn(async move {
        let response = service.oneshot(request).await.unwrap();
        let status = response.status();
        response.into_body().collect().await.unwrap();
        status
    })
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (world, leavers) = world();
    settle().await;
    let _ = world.audit.take();
    let waiting = slow(&world.gate);
    settle().await;
    world.clock.advance(Duration::from_secs(9));
    settle().await;
    assert!(!waiting.is_finished());
    world.clock.advance(SECOND);
    assert_eq!(waiting.await.unwrap(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(world.one_record(), ("notices", "notice_unread".into()));
    assert_eq!(leavers.0.received.load(Ordering::Relaxed), 0);

    // Whoever goes away has a record, too.
    let gone = slow(&world.gate);
    settle().await;
    gone.abort();
    let _ = gone.await;
    assert_eq!(world.one_record().1, "abandoned");
}

#[tokio::test]
async fn a_gate_that_is_shut_down_waits_for_no_body_and_attends_to_nothing() {
    let (world, leavers) = world();
    settle().await;
    assert_eq!(leavers.0.attends.load(Ordering::Relaxed), 1);
    let waiting = slow(&world.gate);
    settle().await;
    let shutdown = tokio::spawn({
        let handle = world.handle.clone();
        async move { handle.shutdown(SECOND).await }
    });
    settle().await;
    world.clock.advance(SECOND);
    assert_eq!(waiting.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    for _ in 0..8 {
        settle().await;
        world.clock.advance(SECOND);
    }
    let shutdown = shutdown.await.unwrap();
    assert_eq!((shutdown.ended, shutdown.left), (1, 0));
    assert_eq!(leavers.0.left.load(Ordering::Relaxed), 1);
    let after = world.send(gone("alice")).await;
    assert_eq!(after.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_is_learnt_without_a_request_has_records_and_counters_of_its_own() {
    let (world, leavers) = world();
    let eve = world.login("eve", "1");
    settle().await;
    let records = world.audit.take();
    let found: Vec<_> = records
        .iter()
        .map(|record| (record.kind, record.outcome, record.reason.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (RecordKind::Notice, Outcome::Answered, "leavers_gone"),
            (RecordKind::Notice, Outcome::Failed, "leavers_not_gone"),
        ]
    );
    assert_ne!(records[0].request_id, records[1].request_id);
    let stats = world.handle.stats();
    assert_eq!((stats.notices["leavers_gone"], stats.admitted), (1, 0));
    assert!(stats.not_admitted.is_empty());
    assert_eq!(world.call(&eve).await, StatusCode::UNAUTHORIZED);
    // With the last of gate and handle it ends.
    drop((world.gate, world.handle));
    settle().await;
    assert_eq!(leavers.0.left.load(Ordering::Relaxed), 1);
}

#[test]
fn settings_that_cannot_work_are_named() {
    struct At(&'static str, &'static str);
    impl NoticeReceiver for At {
        fn describe(&self) -> ReceiverDescription {
            ReceiverDescription::new(self.0).with_path(self.1)
        }

        async fn receive(&self, _: &NoticeDelivery<'_>) -> NoticeReceipt {
            std::future::pending().await
        }
    }
    struct Keys;
    impl portcullis::Authenticator for Keys {
        fn describe(&self) -> portcullis::Description {
            portcullis::Description::bearer("keys")
        }

        fn check(&self, _: &portcullis::RequestView<'_>) -> portcullis::Check<portcullis::Verdict> {
            portcullis::Check::Done(portcullis::Verdict::Absent)
        }
    }
    for (receivers, problem) in [
        (vec![At("a", "x")], "is none below the root"),
        (vec![At("a", "/")], "is none below the root"),
        (vec![At("a", "/a/../b")], "is none below the root"),
        (vec![At("a", "/a?b")], "is none below the root"),
        (vec![At("a b", "/a")], "no name for records"),
        (vec![At("a", "/a"), At("b", "/a")], "two receivers"),
    ] {
        let stack = portcullis::Stack::builder()
            .with_resource("https://agent.example/")
            .add_authenticator(Keys);
        let stack = receivers
            .into_iter()
            .fold(stack, |stack, receiver| stack.add_notice_receiver(receiver));
        let errors = stack.build().unwrap_err().to_string();
        assert!(errors.contains("add_notice_receiver"), "{errors}");
        assert!(errors.contains(problem), "{errors}");
    }
}
