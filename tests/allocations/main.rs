//! How often a guarded request allocates, over the same request unguarded.
//!
//! The counts are exact and depend on nothing but the code, so they are asserted: one that
//! changes is either a regression or an improvement to write down. What is counted is one
//! warm request, with an authenticator that knows its credential already; building the request
//! is not.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed"
)]

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::{
    Authenticator, Check, Clock as _, Description, Evidence, EvidenceKind, PeerAddress,
    RequestView, Scopes, Secret, SystemClock, Verdict,
    api_keys::{ApiKeys, Grant, KeyRegistry, KeyRing, MemoryApiKeys},
    authn::AuthnLayer,
    binding::BindingLayer,
    perimeter::PerimeterLayer,
    quota::{Quota, QuotaBuilder, QuotaLayer},
    revocation::{MemoryRevocations, Revocation},
    session::{MemorySessions, SessionLayer},
    signal::MemorySignals,
    stack::{Gate, Stack},
    step_up::{Requirement, StepUpBuilder, StepUpLayer},
};
use portcullis_testing::far_store::FarStore;
use portcullis_tests::patience::settle;
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _, layer::util::Identity};

/// Hands out the same evidence each time, as a cache does.
struct Cached(Arc<Evidence>);

impl Cached {
    fn new() -> Self {
        let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
            .with_client("app")
            .with_scopes(Scopes::parse("notes.read notes.write").unwrap())
            .with_acr("phr")
            .add_amr("hwk")
            .with_auth_time(SystemClock::new().now());
        Self(Arc::new(alice))
    }
}

impl Authenticator for Cached {
    fn describe(&self) -> Description {
        Description::bearer("cached")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        Check::Done(match request.bearer() {
            Some("known") => Verdict::Accept(Arc::clone(&self.0)),
            _ => Verdict::Absent,
        })
    }
}

const RESOURCE: &str = "https://agent.example/";

/// As users build it, with the sink that they get: `tracing`, and nobody listens.
fn gate() -> Gate {
    let builder = Stack::builder()
        .with_resource(RESOURCE)
        .add_authenticator(Cached::new());
    builder.build().unwrap().0
}

fn loose() -> (PerimeterLayer, AuthnLayer) {
    let perimeter = PerimeterLayer::builder().with_resource(RESOURCE);
    let authn = AuthnLayer::builder().add_authenticator(Cached::new());
    (perimeter.build().unwrap(), authn.build().unwrap())
}

/// Both quotas, so generous that nothing here spends them.
fn quota() -> QuotaBuilder {
    QuotaLayer::builder()
        .with_per_principal(Quota::per_second(1_000_000))
        .with_per_client(Quota::per_second(1_000_000))
}

fn gate_with_quota() -> Gate {
    let builder = Stack::builder()
        .with_resource(RESOURCE)
        .with_quota(quota())
        .add_authenticator(Cached::new());
    builder.build().unwrap().0
}

/// A requirement with every part that there is, for everything and for the route besides.
fn step_up() -> StepUpBuilder {
    let everything = Requirement::new()
        .with_scopes("notes.read")
        .add_acr("phrh")
        .add_acr("phr")
        .add_amr("hwk")
        .with_max_age(Duration::from_secs(3600));
    StepUpLayer::builder()
        .with_requirement(everything)
        .add_implied_scope("notes.write", "notes.delete")
        .add_route_requirement("/notes", Requirement::new().with_scopes("notes.delete"))
}

fn gate_with_step_up() -> Gate {
    let builder = Stack::builder()
        .with_resource(RESOURCE)
        .add_authenticator(Cached::new())
        .with_step_up(step_up());
    builder.build().unwrap().0
}

fn router() -> Router {
    Router::new().route("/notes", get(async || "note"))
}

/// Whether a request comes with the address of its peer, as from `guard` and other servers.
#[derive(Clone, Copy)]
enum Peer {
    Attached,
    Unknown,
}

/// The allocations of a whole request on a warm service, its response dropped and all.
fn count<S, B, R>(service: S, peer: Peer, body: impl Fn() -> B) -> u64
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: std::fmt::Debug,
{
    count_with(service, peer, "Bearer known", body)
}

/// The same, with this credential.
fn count_with<S, B, R>(service: S, peer: Peer, credential: &str, body: impl Fn() -> B) -> u64
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: std::fmt::Debug,
{
    let one = move || {
        let builder = Request::builder()
            .uri("/notes")
            .header("host", "agent.example")
            .header("authorization", credential);
        let mut request = builder.body(body()).unwrap();
        if let Peer::Attached = peer {
            let address = SocketAddr::from(([192, 0, 2, 1], 5000));
            PeerAddress::from(address).attach(request.extensions_mut());
        }
        let mut service = service.clone();
        let counted = allocation_counter::measure(|| {
            let response = now(async { service.ready().await.unwrap().call(request).await });
            assert_eq!(response.unwrap().status(), 200);
        });
        counted.count_total
    };
    // The first may fill what stays.
    one();
    let warm = one();
    assert_eq!(one(), warm, "a warm request is like another");
    warm
}

/// Nothing here waits.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

fn on_axum(router: Router, peer: Peer) -> u64 {
    count(router, peer, Body::empty)
}

/// A layer that does nothing but change the body's type: the least that axum charges for one.
#[derive(Clone)]
struct Rewrap;

impl<S> Layer<S> for Rewrap {
    type Service = Rewrapped<S>;

    fn layer(&self, inner: S) -> Rewrapped<S> {
        Rewrapped(inner)
    }
}

#[derive(Clone)]
struct Rewrapped<S>(S);

impl<S, B> Service<Request<B>> for Rewrapped<S>
where
    S: Service<Request<http_body_util::Limited<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.0
            .call(request.map(|body| http_body_util::Limited::new(body, 64)))
    }
}

/// A router as axum serves it: with every handler and layer put together once.
fn served(router: Router) -> Router {
    router.with_state(())
}

/// The requirement is at most nine over a bare route; what is wished for is seven.
///
/// | what | allocations |
/// |---|---|
/// | axum, for any layer | 2 |
/// | axum, for a body of another type, in each direction | 1 + 1 |
/// | the exchange | 1 |
/// | its place in the extensions | 1 |
/// | the map of extensions grows, if it was just full | 0 or 1 |
#[test]
fn a_guarded_route() {
    for (peer, grows) in [(Peer::Attached, 0), (Peer::Unknown, 1)] {
        let bare = on_axum(served(router()), peer);
        let over_bare = |router: Router| on_axum(served(router), peer) - bare;
        assert_eq!(over_bare(router().layer(Identity::new())), 2);
        assert_eq!(over_bare(router().layer(Rewrap)), 3);
        assert_eq!(over_bare(router().layer(gate())), 6 + grows);
        let guarded = count(gate().guard(router()), peer, Body::empty);
        assert_eq!(guarded - bare, 6 + grows);
    }
}

/// Called as it is, axum puts the handler and its layers together for each request.
#[test]
fn a_router_that_axum_does_not_serve_itself() {
    for (peer, grows) in [(Peer::Attached, 0), (Peer::Unknown, 1)] {
        let bare = on_axum(router(), peer);
        assert_eq!(on_axum(router().layer(Identity::new()), peer) - bare, 3);
        assert_eq!(on_axum(router().layer(gate()), peer) - bare, 8 + grows);
        // `guard` has done so beforehand.
        let guarded = count(gate().guard(router()), peer, Body::empty);
        assert_eq!(guarded - bare, 5 + grows);
    }
}

/// Loose layers cost no more than the gate, if axum is given them as one; each that it is
/// given by itself costs what axum charges for a layer.
#[test]
fn loose_layers_on_a_route() {
    let bare = on_axum(served(router()), Peer::Attached);
    let (perimeter, authn) = loose();
    let together = ServiceBuilder::new()
        .layer(perimeter.clone())
        .layer(authn.clone());
    let together = served(router().layer(together));
    assert_eq!(on_axum(together, Peer::Attached) - bare, 6);
    let apart = served(router().layer(authn).layer(perimeter));
    assert_eq!(on_axum(apart, Peer::Attached) - bare, 10);
}

/// Without axum: the exchange, its place in the extensions, a first clone of the URI, and the
/// response's first header (`Cache-Control`), which are two.
#[test]
fn a_plain_service() {
    async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::default()))
    }
    let bare = count(tower::service_fn(handler), Peer::Attached, String::new);
    assert_eq!(bare, 0);
    let gated = gate().layer(tower::service_fn(handler));
    assert_eq!(count(gated, Peer::Attached, String::new), 5);
    let (perimeter, authn) = loose();
    let loose = perimeter.layer(authn.layer(tower::service_fn(handler)));
    assert_eq!(count(loose, Peer::Attached, String::new), 5);
}

/// A quota adds nothing to a request of somebody who is counted already, in the gate or loose.
#[test]
fn a_quota() {
    async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::default()))
    }
    let bare = on_axum(served(router()), Peer::Attached);
    let guarded = served(router().layer(gate_with_quota()));
    assert_eq!(on_axum(guarded, Peer::Attached) - bare, 6);
    let gated = gate_with_quota().layer(tower::service_fn(handler));
    assert_eq!(count(gated, Peer::Attached, String::new), 5);
    let (perimeter, authn) = loose();
    let innermost = quota().build().unwrap();
    let loose = perimeter.layer(authn.layer(innermost.layer(tower::service_fn(handler))));
    assert_eq!(count(loose, Peer::Attached, String::new), 5);
}

/// A session adds the handler's handle on it, and nothing else, to a request of somebody who
/// is in already; and comparing where it comes from adds nothing.
#[test]
fn a_session() {
    async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::default()))
    }
    let gate = || {
        let builder = Stack::builder()
            .with_resource(RESOURCE)
            .with_session(SessionLayer::builder())
            .with_binding(BindingLayer::builder())
            .add_authenticator(Cached::new());
        builder.build().unwrap().0
    };
    let bare = on_axum(served(router()), Peer::Attached);
    let guarded = served(router().layer(gate()));
    assert_eq!(on_axum(guarded, Peer::Attached) - bare, 7);
    let gated = gate().layer(tower::service_fn(handler));
    assert_eq!(count(gated, Peer::Attached, String::new), 6);
}

/// With stores that have to be asked, a request whose answers are known costs what one costs with
/// stores in memory.
#[test]
fn what_is_kept_of_stores() {
    async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::default()))
    }
    let clock = SystemClock::new();
    let sessions = FarStore::new(MemorySessions::default(), clock, Duration::ZERO);
    let revocations = FarStore::new(MemoryRevocations::default(), clock, Duration::ZERO);
    let session = SessionLayer::builder().with_store(sessions.clone());
    let builder = Stack::builder()
        .with_resource(RESOURCE)
        .with_session(session)
        .with_revocations(revocations.clone())
        .with_signals(MemorySignals::new())
        .with_cache(100)
        .add_authenticator(Cached::new());
    let gated = builder.build().unwrap().0.layer(tower::service_fn(handler));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let mut counted = 0;
    for _ in 0..3 {
        counted = count(gated.clone(), Peer::Attached, String::new);
        // The bus catches up, and the store is told of activity.
        runtime.block_on(settle());
    }
    assert_eq!(counted, 6);
    let asked = sessions.asked() + revocations.asked();
    count(gated, Peer::Attached, String::new);
    assert_eq!(sessions.asked() + revocations.asked(), asked);
}

/// While something is revoked, a request of somebody else is looked up without an allocation.
#[test]
fn a_revocation() {
    async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::default()))
    }
    let builder = Stack::builder()
        .with_resource(RESOURCE)
        .add_authenticator(Cached::new());
    let (gate, handle) = builder.build().unwrap();
    now(handle.revoke(Revocation::subject("https://idp.example", "mallory"))).unwrap();
    let gated = gate.layer(tower::service_fn(handler));
    assert_eq!(count(gated, Peer::Attached, String::new), 5);
}

/// A key costs what a token costs that is known: in a ring or in a store in memory, and with a
/// limit of its own. Only the use that is written down might cost more, and here it does not.
#[test]
fn an_api_key() {
    async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::default()))
    }
    let pepper = Secret::new([7; 32]);
    let clock = SystemClock::new();
    let grants = [
        Grant::for_user("alice"),
        Grant::for_user("alice").with_limit(1_000_000, Duration::from_secs(1)),
    ];
    for grant in grants {
        let ring = KeyRing::new("acme", &pepper);
        let of_ring = ring.issue(grant.clone(), clock.now()).unwrap();
        let registry = KeyRegistry::new("acme", &pepper, MemoryApiKeys::default());
        let of_registry = now(registry.issue(grant, clock.now())).unwrap();
        for (keys, issued) in [
            (ApiKeys::new(ring), of_ring),
            (ApiKeys::from_registry(registry), of_registry),
        ] {
            let builder = Stack::builder()
                .with_resource(RESOURCE)
                .add_authenticator(keys);
            let gated = builder.build().unwrap().0.layer(tower::service_fn(handler));
            let credential = format!("Bearer {}", issued.expose());
            let counted = count_with(gated, Peer::Attached, &credential, String::new);
            assert_eq!(counted, 5);
        }
    }
}

/// Takes whatever is in the credential for a subject, and for a client of the same name.
struct Anybody;

impl Authenticator for Anybody {
    fn describe(&self) -> Description {
        Description::bearer("anybody")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let name = request.bearer().unwrap();
        let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", name);
        Check::Done(Verdict::accept(evidence.with_client(name)))
    }
}

/// However many callers come, and however long their names are, what is kept of them is at
/// most 60 bytes for each that is told apart.
#[test]
fn what_a_quota_keeps() {
    async fn handler(_: Request<String>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::default()))
    }
    // One more in each shard than fit, so that every table has just doubled: the worst case.
    const TOLD_APART: i64 = 64 * 113;
    let quota = QuotaLayer::builder()
        .with_per_principal(Quota::per_hour(1))
        .with_per_client(Quota::per_hour(1))
        .with_capacity(TOLD_APART as usize);
    let authn = AuthnLayer::builder().add_authenticator(Anybody);
    let quota = quota.build().unwrap();
    let service = authn
        .build()
        .unwrap()
        .layer(quota.layer(tower::service_fn(handler)));
    // What was allocated and is still there when all of them have been answered.
    let grown = allocation_counter::measure(|| {
        for n in 0..4 * TOLD_APART {
            let authorization = format!("Bearer {}{n}", "x".repeat(200));
            let request = Request::builder().header("authorization", authorization);
            let request = request.body(String::new()).unwrap();
            drop(now(service.clone().oneshot(request)));
        }
    });
    let kept = grown.bytes_current;
    assert!(kept > 0, "{grown:?}");
    assert!(kept <= 2 * 60 * TOLD_APART, "{grown:?}");
}

/// Whoever meets the requirements costs nothing more, as one layer of the gate or of its own.
/// What is inside another `step_up` is kept in a list beside the first.
#[test]
fn a_requirement_that_is_met() {
    async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::default()))
    }
    let gated = gate_with_step_up().layer(tower::service_fn(handler));
    assert_eq!(count(gated, Peer::Attached, String::new), 5);
    let (perimeter, authn) = loose();
    let step_up = step_up().build().unwrap();
    let inner = step_up.layer(tower::service_fn(handler));
    let loose = perimeter.layer(authn.layer(inner));
    assert_eq!(count(loose, Peer::Attached, String::new), 5);
    let again = step_up.layer(tower::service_fn(handler));
    let again = gate_with_step_up().layer(again);
    assert_eq!(count(again, Peer::Attached, String::new), 6);

    let bare = on_axum(served(router()), Peer::Attached);
    let guarded = gate_with_step_up().guard(router());
    assert_eq!(count(guarded, Peer::Attached, Body::empty) - bare, 6);
}

/// A request that is not let in is answered without the handler's and axum's allocations, and
/// not with many of its own: a flood of them must be cheap.
#[test]
fn a_refusal() {
    async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::default()))
    }
    let service = gate().layer(tower::service_fn(handler));
    let refuse = || {
        let builder = Request::builder()
            .uri("/notes")
            .header("host", "agent.example");
        let request = builder.body(String::new()).unwrap();
        let service = service.clone();
        let counted = allocation_counter::measure(|| {
            assert_eq!(now(service.oneshot(request)).unwrap().status(), 401);
        });
        counted.count_total
    };
    refuse();
    assert_eq!(refuse(), 9);
}
