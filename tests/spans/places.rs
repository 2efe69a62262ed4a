//! What happens in the span of a request, and what does not.

use std::{convert::Infallible, future::ready, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use portcullis::{
    Authenticator, Check, Description, Evidence, EvidenceKind, Exchange, RequestBody, RequestView,
    Stack, Verdict, audit::TracingSink,
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    fixtures::{ABSOLUTE, authn, perimeter, request_with, short_sessions, stack_builder},
    patience::settle,
    spans::{SeenEvent, Spans},
    wire,
};
use tower::{Layer as _, ServiceExt as _};
use tracing::{Instrument as _, Span};

type Stream = UnsyncBoxBody<Bytes, Infallible>;

/// Logs when it is dropped.
struct Parting(&'static str);

impl Drop for Parting {
    fn drop(&mut self) {
        tracing::info!("{}", self.0);
    }
}

/// Logs wherever a handler can: at the call, while it answers, while it streams, and when what it
/// holds is dropped.
fn talkative<B>(
    _: Request<B>,
) -> impl Future<Output = Result<Response<Stream>, Infallible>> + Send + 'static {
    tracing::info!("called");
    async {
        let _parting = Parting("answered");
        tokio::task::yield_now().await;
        tracing::info!("awake");
        let parting = Parting("stream dropped");
        let frames = futures_util::stream::iter([1, 2]).then_log(parting);
        Ok(Response::new(frames))
    }
}

/// Frames that say when they are made, and keep something.
trait ThenLog {
    fn then_log(self, kept: Parting) -> Stream;
}

impl<S: futures_util::Stream<Item = u8> + Send + 'static> ThenLog for S {
    fn then_log(self, kept: Parting) -> Stream {
        use futures_util::StreamExt as _;
        let frames = self.map(move |number| {
            let _ = &kept;
            tracing::info!("frame {number}");
            Ok(Frame::data(Bytes::from("x")))
        });
        BodyExt::boxed_unsync(StreamBody::new(frames))
    }
}

fn good() -> Request<String> {
    request_with("good-alice").body(String::new()).unwrap()
}

fn names(spans: &Spans, event: &SeenEvent) -> Vec<&'static str> {
    let all = spans.all();
    event.spans.iter().map(|number| all[*number].name).collect()
}

#[tokio::test]
async fn all_that_a_handler_does_is_in_the_span() {
    let gate = stack_builder(&RecordingAudit::new()).build().unwrap().0;
    let gated = gate.layer(tower::service_fn(talkative));
    let inner = authn(&RecordingAudit::failing());
    let loose = perimeter(&RecordingAudit::new()).layer(inner.layer(tower::service_fn(talkative)));
    for token in ["good-alice", "io-good-alice"] {
        let request = || request_with(token).body(String::new()).unwrap();
        for is_loose in [false, true] {
            let (spans, _listening) = Spans::listen();
            if is_loose {
                drop(wire::read(loose.clone().oneshot(request()).await.unwrap()).await);
            } else {
                drop(wire::read(gated.clone().oneshot(request()).await.unwrap()).await);
            }
            for what in [
                "called",
                "awake",
                "answered",
                "frame 1",
                "frame 2",
                "stream dropped",
            ] {
                let event = spans.event(what);
                assert_eq!(
                    names(&spans, &event),
                    ["request"],
                    "{what} {token} {is_loose}"
                );
            }
            assert!(spans.request().1.is_closed);
            assert!(Span::current().is_none(), "the thread is left as it was");
        }
    }
}

#[tokio::test]
async fn what_is_dropped_early_is_dropped_in_the_span() {
    let gate = stack_builder(&RecordingAudit::new()).build().unwrap().0;
    // Before it has answered.
    let (spans, _listening) = Spans::listen();
    let waits = tower::service_fn(|_| async {
        let _parting = Parting("gone");
        std::future::pending::<Result<Response<Stream>, Infallible>>().await
    });
    let mut future = Box::pin(gate.layer(waits).oneshot(good()));
    assert!((&mut future).now_or_never().is_none());
    assert!(!spans.request().1.is_closed);
    drop(future);
    assert_eq!(names(&spans, &spans.event("gone")), ["request"]);
    let (_, span) = spans.request();
    assert!(span.is_closed);
    assert_eq!(span.get("http.response.status_code"), None);
    assert_eq!(span.get("error.type"), None, "to go away is no failure");

    // In the middle of its stream.
    let (spans, _listening) = Spans::listen();
    let service = gate.layer(tower::service_fn(talkative));
    let mut body = service.oneshot(good()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert!(!spans.request().1.is_closed);
    drop(body);
    assert_eq!(names(&spans, &spans.event("stream dropped")), ["request"]);
    let (_, span) = spans.request();
    assert!(span.is_closed);
    assert_eq!(span.get("error.type"), None);
}

/// Lets a session become too old, in steps in which everybody gets on: what runs is not idle.
async fn pass(clock: &VirtualClock) {
    for _ in 0..=ABSOLUTE.as_secs() {
        clock.advance(Duration::from_secs(1));
        settle().await;
    }
}

#[tokio::test]
async fn what_ends_with_its_session_is_dropped_in_the_span() {
    let clock = VirtualClock::new();
    let gate = |clock: &VirtualClock| {
        let builder = stack_builder(&RecordingAudit::new()).with_clock(clock.clone());
        builder.with_session(short_sessions()).build().unwrap().0
    };
    let pending = |kept: Parting| {
        let frames = futures_util::stream::pending::<u8>().then_log(kept);
        ready(Ok::<_, Infallible>(Response::new(frames)))
    };
    let streams = tower::service_fn(move |_: Request<_>| pending(Parting("cut")));
    let (spans, _listening) = Spans::listen();
    let response = gate(&clock).layer(streams).oneshot(good()).await.unwrap();
    let mut body = response.into_body();
    assert!(body.frame().now_or_never().is_none());
    pass(&clock).await;
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(names(&spans, &spans.event("cut")), ["request"]);
    let (_, span) = spans.request();
    assert!(span.is_closed);
    assert_eq!(span.get("http.response.status_code"), Some("200"));
    assert_eq!(span.get("error.type"), None, "it ended as it should");

    let waits = tower::service_fn(|_| async {
        let _parting = Parting("cut");
        std::future::pending::<Result<Response<Stream>, Infallible>>().await
    });
    let (spans, _listening) = Spans::listen();
    let mut answer = Box::pin(gate(&clock).layer(waits).oneshot(good()));
    assert!((&mut answer).now_or_never().is_none());
    pass(&clock).await;
    assert_eq!(answer.await.unwrap().status(), 401);
    assert_eq!(names(&spans, &spans.event("cut")), ["request"]);
    let (_, span) = spans.request();
    assert_eq!(span.get("http.response.status_code"), Some("401"));
}

#[tokio::test]
async fn spans_of_others_keep_their_places() {
    let (spans, _listening) = Spans::listen();
    let handler = tower::service_fn(|_: Request<RequestBody<String>>| {
        let work = async {
            tracing::info!("at work");
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        };
        work.instrument(tracing::info_span!("handler"))
    });
    let (outer, inner) = (
        perimeter(&RecordingAudit::new()),
        authn(&RecordingAudit::failing()),
    );
    let inner = inner.layer(handler);
    // Between two layers of ours.
    let between = tower::service_fn(move |request: Request<_>| {
        let span = tracing::info_span!("between");
        let call = span.in_scope(|| inner.clone().oneshot(request));
        call.instrument(span)
    });
    let service = outer.layer(between);
    let outside = tracing::info_span!("outside");
    let response = service.oneshot(good()).instrument(outside).await.unwrap();
    drop(response);
    let event = spans.event("at work");
    assert_eq!(
        names(&spans, &event),
        ["handler", "between", "request", "outside"]
    );
}

/// Logs in both of its methods.
struct Talkative;

impl Authenticator for Talkative {
    fn describe(&self) -> Description {
        Description::bearer("talkative")
    }

    fn check(&self, _: &RequestView<'_>) -> Check<Verdict> {
        tracing::info!("checked");
        Check::NeedsIo
    }

    async fn verify(&self, _: &RequestView<'_>) -> Verdict {
        let _parting = Parting("no longer asked");
        tokio::task::yield_now().await;
        tracing::info!("verified");
        Verdict::accept(Evidence::new(
            EvidenceKind::User,
            "https://idp.example",
            "alice",
        ))
    }
}

#[tokio::test]
async fn what_decides_and_what_is_recorded_is_in_the_span() {
    let (spans, _listening) = Spans::listen();
    let builder = Stack::builder()
        .with_resource(portcullis_tests::fixtures::RESOURCE)
        .with_audit(TracingSink::new())
        .add_authenticator(Talkative);
    let gate = builder.build().unwrap().0;
    let service = gate.layer(tower::service_fn(talkative));
    drop(wire::read(service.clone().oneshot(good()).await.unwrap()).await);
    let id = spans.request().1.get("request_id").unwrap().to_owned();
    // It is not asked again when it is its turn to do I/O.
    let mut checks = spans.events();
    checks.retain(|event| event.line.ends_with("=checked"));
    assert_eq!(checks.len(), 1);
    for check in checks {
        assert_eq!(names(&spans, &check), ["request"]);
    }
    for what in ["verified", "no longer asked", "kind=decision", "kind=end"] {
        assert_eq!(names(&spans, &spans.event(what)), ["request"], "{what}");
    }
    assert!(spans.event("kind=decision").line.contains(&id));

    // Somebody who goes away meanwhile.
    let (spans, _listening) = Spans::listen();
    let mut future = Box::pin(service.oneshot(good()));
    assert!((&mut future).now_or_never().is_none());
    drop(future);
    for what in ["no longer asked", "reason=abandoned"] {
        assert_eq!(names(&spans, &spans.event(what)), ["request"], "{what}");
    }
    assert!(spans.request().1.is_closed);
}

#[tokio::test]
async fn a_spawned_task_is_in_the_span_only_if_it_says_so() {
    let (spans, _listening) = Spans::listen();
    let gate = stack_builder(&RecordingAudit::new()).build().unwrap().0;
    let spawns = tower::service_fn(|_: Request<_>| async {
        tokio::spawn(async { tracing::info!("alone") });
        let work = async {
            tokio::task::yield_now().await;
            tracing::info!("together");
        };
        tokio::spawn(work.in_current_span());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    drop(gate.layer(spawns).oneshot(good()).await);
    assert!(!spans.request().1.is_closed, "a task still works for it");
    settle().await;
    assert!(spans.event("alone").spans.is_empty());
    assert_eq!(names(&spans, &spans.event("together")), ["request"]);
    assert!(spans.request().1.is_closed);
}

/// An exchange may be kept for as long as somebody likes; the request is over all the same.
#[tokio::test]
async fn who_keeps_the_exchange_does_not_keep_the_span_open() {
    let (spans, _listening) = Spans::listen();
    let (keep, kept) = std::sync::mpsc::channel();
    let keeps = tower::service_fn(move |request: Request<_>| {
        keep.send(Exchange::of(request.extensions()).cloned())
            .unwrap();
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    });
    let gate = stack_builder(&RecordingAudit::new()).build().unwrap().0;
    drop(wire::read(gate.layer(keeps).oneshot(good()).await.unwrap()).await);
    let exchange = kept.recv().unwrap().unwrap();
    assert!(spans.request().1.is_closed);
    assert_eq!(exchange.method(), "GET");
}

#[tokio::test]
async fn a_handler_may_say_more() {
    let (spans, _listening) = Spans::listen();
    let names_caller = tower::service_fn(|request: Request<_>| {
        let exchange = Exchange::of(request.extensions()).unwrap();
        let subject = exchange.principal().unwrap().subject();
        Span::current().record("user.id", subject);
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    });
    let gate = stack_builder(&RecordingAudit::new()).build().unwrap().0;
    drop(gate.layer(names_caller).oneshot(good()).await);
    assert_eq!(spans.request().1.get("user.id"), Some("alice"));
}

#[tokio::test]
async fn requests_that_take_turns_are_not_mixed_up() {
    let (spans, _listening) = Spans::listen();
    let gate = stack_builder(&RecordingAudit::new()).build().unwrap().0;
    let handler = tower::service_fn(|request: Request<RequestBody<String>>| async move {
        for turn in 0..3 {
            tracing::info!(path = request.uri().path(), turn);
            tokio::task::yield_now().await;
        }
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = gate.layer(handler);
    let send = |path: &'static str| {
        let request = request_with("good-alice").uri(path).body(String::new());
        service.clone().oneshot(request.unwrap())
    };
    let (one, two) = tokio::join!(send("/one"), send("/two"));
    drop((one, two));
    let (all, mut seen) = (spans.all(), Vec::new());
    for event in spans.events() {
        let Some((_, rest)) = event.line.split_once(" path=") else {
            continue;
        };
        let path = rest.split(' ').next().unwrap();
        seen.push(path.to_owned());
        let [number] = event.spans[..] else {
            panic!("{event:?}")
        };
        assert_eq!(all[number].get("url.path"), Some(path));
    }
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[..2], ["/one", "/two"], "they do take turns");
}

#[tokio::test]
async fn a_panic_leaves_the_thread_as_it_was() {
    let (spans, _listening) = Spans::listen();
    let gate = stack_builder(&RecordingAudit::new()).build().unwrap().0;
    let panics = tower::service_fn(|_: Request<_>| async {
        tokio::task::yield_now().await;
        panic!("on purpose");
        #[expect(unreachable_code, reason = "says what it would answer with")]
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let task = tokio::spawn(gate.layer(panics).oneshot(good()));
    assert!(task.await.unwrap_err().is_panic());
    assert!(Span::current().is_none());
    assert!(spans.request().1.is_closed);
}
