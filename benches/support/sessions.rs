//! Sessions: the layer, the store at a million, and what a frame of a guarded stream costs.

use std::{
    cell::LazyCell,
    convert::Infallible,
    hint::black_box,
    num::{NonZeroU32, NonZeroU64},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use portcullis::{
    Check, EvidenceKind, Timestamp,
    session::{
        BindingReference, Change, FamilyKey, MemorySessions, OwnerKey, Revision, SessionId,
        SessionKey, SessionLayer, SessionRecord, SessionStore,
    },
};
use tower::{Layer as _, ServiceExt as _};

use crate::{Variant, requests::request, threads::twice_at_once};

/// How many sessions a large server has.
pub const MANY: usize = 1_000_000;

const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

/// A layer as users build it.
///
/// # Panics
///
/// The settings do not work.
pub fn layer() -> SessionLayer {
    SessionLayer::builder().build().expect("the settings work")
}

fn owner(n: usize) -> OwnerKey {
    // As spread as the hashes that stand there in a server.
    OwnerKey::from_u128((n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// A store with so many sessions, each of another owner.
///
/// # Panics
///
/// A session cannot be put there.
#[must_use]
pub fn store(sessions: usize) -> MemorySessions {
    filled(sessions, BindingReference::default())
}

/// The same, and each session has a network and a user agent that it is compared with.
///
/// # Panics
///
/// A session cannot be put there.
#[must_use]
pub fn store_of_bound(sessions: usize) -> MemorySessions {
    let mut reference = BindingReference::default();
    reference.ipv4 = NonZeroU32::new(7);
    reference.user_agent = NonZeroU64::new(7);
    reference.authenticated_at = AT;
    filled(sessions, reference)
}

fn filled(sessions: usize, binding: BindingReference) -> MemorySessions {
    let store = MemorySessions::with_capacity(sessions * 2);
    for n in 0..sessions {
        let mut record = SessionRecord::new(
            key(n),
            FamilyKey::from_u128(owner(n).as_u128() ^ 2),
            SessionId::from_u128(n as u128),
            EvidenceKind::User,
            AT,
            Duration::from_secs(3600),
            AT + Duration::from_secs(86_400),
        );
        record.authenticated_at = Some(AT);
        record.binding = binding;
        let put = store.commit(owner(n), Revision::default(), vec![Change::Put(record)], AT);
        let _ = put
            .now_or_never()
            .expect("memory does not wait")
            .expect("memory does not fail");
    }
    store
}

/// Finding a session among a million, and noting activity in one: what each request does.
#[must_use]
pub fn at_a_million() -> Vec<Variant> {
    let shared = Rc::new(LazyCell::new(|| store(MANY)));
    let each = |name: &str, run: fn(&MemorySessions, usize)| {
        let shared = Rc::clone(&shared);
        let mut n = 0_usize;
        Variant::new(name, move || {
            // Far from the one before: what a cache holds of it does not help.
            n = (n + 500_009) % MANY;
            run(&shared, n);
        })
    };
    vec![
        each("session.find_at_a_million", |store, n| {
            black_box(SessionStore::check(store, owner(n), key(n))).assert_done();
        }),
        each("session.touch_at_a_million", |store, n| {
            let id = SessionId::from_u128(n as u128);
            black_box(store.touch_now(owner(n), key(n), id, AT)).assert_done();
        }),
    ]
}

fn key(n: usize) -> SessionKey {
    SessionKey::from_u128(owner(n).as_u128() ^ 1)
}

trait AssertDone {
    fn assert_done(self);
}

impl<T> AssertDone for Check<T> {
    fn assert_done(self) {
        assert!(matches!(self, Check::Done(_)), "memory does not wait");
    }
}

/// A body that always has one more frame.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: tick\n\n")))))
    }
}

fn frames<B>(name: &str, mut body: Pin<Box<B>>) -> Variant
where
    B: http_body::Body + 'static,
    B::Data: 'static,
    B::Error: 'static,
{
    Variant::new(name, move || {
        let mut cx = Context::from_waker(Waker::noop());
        black_box(body.as_mut().poll_frame(&mut cx)).is_ready();
    })
}

/// A frame of a stream, bare and behind the gate with a session.
///
/// # Panics
///
/// The request is not let in.
#[must_use]
pub fn streaming(guarded: &portcullis::Gate, credential: &http::HeaderValue) -> Vec<Variant> {
    let handler = tower::service_fn(async |_: Request<portcullis::RequestBody<Body>>| {
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, Infallible>(response.body(Endless).expect("a response"))
    });
    let response = guarded
        .layer(handler)
        .oneshot(request(credential))
        .now_or_never();
    let response = response.expect("nobody waits").expect("infallible");
    assert_eq!(response.status(), 200);
    let body = response.into_body();
    assert!(!body.is_end_stream());
    vec![
        frames("stream.frame_bare", Box::pin(Endless)),
        frames("stream.frame", Box::pin(body)).with_floor("stream.frame_bare"),
    ]
}

/// How much more two threads touch in a store of a million than one alone, in the same time.
#[must_use]
pub fn two_threads_over_one() -> f64 {
    const EACH: usize = 1_000_000;
    let store = store(MANY);
    let touch = |from: usize| {
        for n in 0..EACH {
            let n = (from + n * 500_009) % MANY;
            let id = SessionId::from_u128(n as u128);
            black_box(store.touch_now(owner(n), key(n), id, AT)).assert_done();
        }
    };
    twice_at_once(touch)
}
