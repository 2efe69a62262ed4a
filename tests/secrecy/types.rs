//! Everything that is made with a secret, or is given one.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use http::{HeaderName, Request};
use portcullis::{
    Authenticator as _, Check, Clock as _, IntoAuthenticator as _, ReasonCode, RequestView, Secret,
    Site, SystemClock,
    api_keys::{ApiKeys, Grant, KeyHash, KeyRegistry, KeyRing, MemoryApiKeys, StoredKey},
    audit::{Outcome, log::AuditLog},
    authn::AuthnLayer,
    binding::BindingLayer,
    jwt::{
        Algorithm, ClientCredentials, HttpClient, HttpError, HttpRequest, Introspection, Issuer,
        Jwt, SharedSignals,
    },
    notices::{
        CarryingOut, IntoNoticeReceiver as _, Notice, NoticeDelivery, NoticeDesk,
        NoticeReceiver as _,
    },
    quota::{MemoryQuotas, Quota, QuotaLayer},
    session::{SessionData, SessionLayer, StoredData},
};
use portcullis_testing::{
    audit::RecordingAudit,
    counterpart::Counterpart,
    identity_provider::{IdentityProvider, SigningAlgorithm},
};
use portcullis_tests::{canaries::Canaries, fixtures::stack_builder, folder::TestFolder};

use crate::{show, told};

pub(crate) async fn play(canaries: &mut Canaries) {
    keys(canaries);
    keys_in_a_store(canaries).await;
    issuers(canaries).await;
    introspection(canaries).await;
    shared_signals(canaries).await;
    layers(canaries);
    requests(canaries);
    tokens(canaries).await;
    for_tests(canaries);
}

fn secret(canaries: &mut Canaries, place: &str) -> Secret {
    Secret::from(canaries.plant(place))
}

/// API keys, and what they are kept with.
fn keys(canaries: &mut Canaries) {
    let pepper = secret(canaries, "the key of a ring");
    show(canaries, &pepper);
    let ring = KeyRing::new("demo", &pepper);
    let now = SystemClock::new().now();
    let issued = ring
        .issue(Grant::for_application("reporting"), now)
        .unwrap();
    canaries.add("an API key", issued.expose().rsplit('_').next().unwrap());
    // What is stored would let somebody try keys out without asking anybody.
    canaries.add("the hash of an API key", &issued.stored().hash().to_hex());
    show(canaries, &issued);
    show(canaries, issued.stored());
    show(canaries, issued.stored().hash());
    show(canaries, issued.stored().grant());
    let again = ring
        .rotate(issued.stored().id(), Duration::from_secs(60), now)
        .unwrap();
    canaries.add(
        "a rotated API key",
        again.expose().rsplit('_').next().unwrap(),
    );
    show(canaries, &again);
    show(canaries, again.stored());
    show(canaries, &again.stored().superseded());
    show(canaries, &ring);
    show(canaries, &ring.snapshot());
    show(canaries, &ring.find(issued.stored().id()));
    told(canaries, &ring.insert(again.into_stored()).unwrap_err());
    let id = canaries.plant("a key in the place of its id");
    let stored = StoredKey::new(
        id.clone(),
        issued.stored().hash().clone(),
        Grant::for_application("a"),
    );
    told(canaries, &ring.insert(stored).unwrap_err());
    told(canaries, &ring.revoke(&id).unwrap_err());
    told(canaries, &KeyHash::from_hex(&id).unwrap_err());
    let keys = ApiKeys::new(ring.clone()).with_header(HeaderName::from_static("x-api-key"));
    show(canaries, &keys);
    show(canaries, &AuthnLayer::builder().add_authenticator(keys));
    show(canaries, &ring.explain(&id, now));
}

/// The same of keys in a store.
async fn keys_in_a_store(canaries: &mut Canaries) {
    let pepper = secret(canaries, "the key of a registry");
    let store = Arc::new(MemoryApiKeys::default());
    let registry = KeyRegistry::new("demo", &pepper, Arc::clone(&store));
    let now = SystemClock::new().now();
    let issued = registry.issue(Grant::for_user("alice"), now).await.unwrap();
    let text = issued.expose();
    canaries.add("a key of a registry", text.rsplit('_').next().unwrap());
    let hash = issued.stored().hash().to_hex();
    canaries.add("the hash of a key of a registry", &hash);
    show(canaries, &issued);
    show(canaries, &registry);
    show(canaries, &store);
    show(canaries, &registry.list("alice", None, 10).await);
    show(canaries, &registry.find(issued.stored().id()).await);
    let explained = registry.explain(text, now).await.unwrap();
    show(canaries, &explained);
    canaries.search("explanations", explained.to_string().as_bytes());
    told(canaries, &registry.revoke(text, now).await.unwrap_err());
    let cut = issued.stored().to_bytes();
    let cut = cut.get(..cut.len() - 1).unwrap();
    told(canaries, &StoredKey::from_bytes(cut).unwrap_err());
    show(canaries, &ApiKeys::from_registry(registry));
}

/// An HTTP client that shows what it is asked for, and gets nothing.
struct Spy(std::sync::mpsc::Sender<HttpRequest>);

impl HttpClient for Spy {
    async fn send(&self, request: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
        drop(self.0.send(request.clone()));
        Err(HttpError::new("offline"))
    }
}

/// Issuers whose addresses hold what they should not, and keys that are not for everybody.
async fn issuers(canaries: &mut Canaries) {
    for shape in [
        "https://alice:{}@idp.example",
        "https://idp.example/?sig={}",
        "https://idp.example/#{}",
        "alice:{}@idp.example",
    ] {
        let address = shape.replace("{}", &canaries.plant(&format!("the address {shape}")));
        for issuer in [
            Issuer::new(address.clone()),
            Issuer::new("https://idp.example").with_jwks_url(address.clone()),
        ] {
            show(canaries, &issuer);
            show(canaries, &Jwt::new(issuer));
        }
    }
    let private = canaries.plant("a private key in a key set");
    let set = format!(r#"{{"keys": [{{"kty": "oct", "k": "{private}"}}]}}"#);
    show(
        canaries,
        &Issuer::new("https://idp.example").with_static_keys(set),
    );

    let (sender, requests) = std::sync::mpsc::channel();
    let sig = canaries.plant("the signature of an address of keys");
    let issuer = Issuer::new("https://idp.example")
        .with_jwks_url(format!("https://idp.example/keys?sig={sig}"));
    let jwt = Jwt::new(issuer)
        .with_audience("me")
        .with_http_client(Spy(sender));
    let clock = Arc::new(SystemClock::new());
    let authenticator = jwt.into_authenticator(&Site::new(clock)).unwrap();
    show(canaries, &authenticator);
    told(canaries, &authenticator.ready().await.unwrap_err());
    show(canaries, &authenticator);
    show(canaries, &requests.recv().unwrap());
}

/// What the agent is asked for when it asks about a token, and the token.
async fn introspection(canaries: &mut Canaries) {
    let hush = secret(canaries, "the secret of a client");
    let token = canaries.plant("a token that is asked about");
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        canaries.plant("a private key that is none")
    );
    let broken = ClientCredentials::private_key_jwt("agent", Algorithm::Es256, Secret::from(&*key));
    show(canaries, &broken);
    let clock = Arc::new(SystemClock::new());
    let site = Site::new(clock).with_resource("https://agent.example");
    let of = |credentials| Introspection::new("https://idp.example", credentials);
    told(canaries, &of(broken).build(&site).unwrap_err());
    for credentials in [
        ClientCredentials::client_secret_basic("agent", hush.clone()),
        ClientCredentials::client_secret_post("agent", hush),
    ] {
        show(canaries, &credentials);
        let (sender, requests) = std::sync::mpsc::channel();
        let introspection = of(credentials)
            .with_endpoint("https://idp.example/introspect")
            .with_http_client(Spy(sender));
        show(canaries, &introspection);
        let authenticator = introspection.build(&site).unwrap();
        show(canaries, &authenticator);
        let request = Request::builder().header("authorization", format!("Bearer {token}"));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let view = RequestView::new(&parts, SystemClock::new().now());
        show(canaries, &authenticator.verify(&view).await);
        show(canaries, &authenticator.explain(&token).await);
        show(canaries, &authenticator);
        show(canaries, &requests.recv().unwrap());
    }
}

/// What a receiver of events brings along, has to be brought, and is sent.
async fn shared_signals(canaries: &mut Canaries) {
    let hush = secret(canaries, "the token of a receiver");
    let state = secret(canaries, "the state of a verification");
    let token = canaries.plant("an event that is none");
    let address = canaries.plant("the query of a poll");
    let site = Site::new(Arc::new(SystemClock::new())).with_resource("https://agent.example");
    let idp = IdentityProvider::new().with_algorithms([SigningAlgorithm::Es256]);
    let keys = idp.jwks().to_string();
    let issuer = || Issuer::new("https://idp.example").with_static_keys(&*keys);
    let (sender, requests) = std::sync::mpsc::channel();
    let broken = SharedSignals::poll(issuer(), format!("ftp://idp.example/?sig={address}"));
    show(canaries, &broken);
    told(canaries, &broken.into_notice_receiver(&site).unwrap_err());
    for signals in [
        SharedSignals::push(issuer()),
        SharedSignals::poll(issuer(), format!("https://idp.example/?sig={address}")),
    ] {
        let signals = signals
            .with_token(hush.clone())
            .with_verification_state(state.clone())
            .with_http_client(Spy(sender.clone()));
        show(canaries, &signals);
        let receiver = signals.into_notice_receiver(&site).unwrap();
        show(canaries, &receiver);
        let request = Request::post("/shared-signals")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/secevent+jwt");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let view = RequestView::new(&parts, SystemClock::new().now());
        let delivery = NoticeDelivery::new(view, token.as_bytes());
        show(canaries, &delivery);
        show(canaries, &receiver.receive(&delivery).await);
        assert!(receiver.attend(&Quiet).now_or_never().is_none());
        show(canaries, &receiver);
    }
    show(canaries, &requests.try_recv().unwrap());
}

/// A desk at which nothing is done.
struct Quiet;

impl NoticeDesk for Quiet {
    fn carry_out<'a>(&'a self, _: &'a [Notice], _: ReasonCode) -> CarryingOut<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn report(&self, _: Outcome, _: ReasonCode) {}
}

/// Layers that are given a key, and what they make of it.
fn layers(canaries: &mut Canaries) {
    // As long as such a key has to be.
    let key = |canaries: &mut Canaries, place: &str| Secret::from(&canaries.plant(place)[..16]);
    let of_sessions = key(canaries, "the key of sessions");
    let session = SessionLayer::builder()
        .with_key(of_sessions)
        .with_sealing_key(secret(canaries, "the key that seals sessions"))
        .add_old_sealing_key(secret(canaries, "the key that sealed sessions"));
    show(canaries, &session);
    let of_quotas = key(canaries, "the key of quotas");
    let quota = QuotaLayer::builder()
        .with_per_principal(Quota::per_minute(1))
        .with_store(MemoryQuotas::default())
        .with_key(of_quotas);
    show(canaries, &quota);
    let revocations = key(canaries, "the key of revocations");
    let pepper = secret(canaries, "the key of a ring behind a gate");
    let ring = KeyRing::new("demo", &pepper);
    let stack = stack_builder(&RecordingAudit::new())
        .with_session(session)
        .with_quota(quota)
        .with_revocation_key(revocations.clone())
        .add_authenticator(ApiKeys::new(ring.clone()));
    show(canaries, &stack);
    let (gate, handle) = stack.build().unwrap();
    show(canaries, &gate);
    show(canaries, &handle);
    show(canaries, &handle.stats());
    show(canaries, &gate.endpoints());
    let authn = AuthnLayer::builder()
        .with_resource("https://agent.example/")
        .with_revocation_key(revocations)
        .add_authenticator(ApiKeys::new(ring));
    show(canaries, &authn);
    show(canaries, &authn.build().unwrap());
    show(canaries, &BindingLayer::builder());
    let mut data = SessionData::new();
    data.insert(
        "refresh_token",
        canaries.plant("what is kept in a session").into_bytes(),
    );
    show(canaries, &data);
    show(canaries, &StoredData::Plain(data.clone()));
    show(canaries, &StoredData::Sealed(data.to_bytes().into()));
    let folder = TestFolder::new();
    let builder = AuditLog::builder(folder.path());
    show(canaries, &builder);
    show(canaries, &builder.open().unwrap());
}

/// Requests, as authenticators are shown them.
fn requests(canaries: &mut Canaries) {
    for shape in [
        "Bearer {}",
        "Basic {}",
        "DPoP {}",
        "Bearer {} {}",
        "{}",
        "Bearer a=\"{}\"",
    ] {
        let value = shape.replace("{}", &canaries.plant(&format!("`Authorization: {shape}`")));
        let query = canaries.plant("the query of a request");
        let request = Request::get(format!("/notes?access_token={query}"))
            .header("authorization", value)
            .header("cookie", format!("session={}", canaries.plant("a cookie")))
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let view = RequestView::new(&parts, SystemClock::new().now());
        show(canaries, &view);
        show(canaries, &view.authorization());
        match view.try_authorization() {
            Ok(authorization) => show(canaries, &authorization),
            Err(error) => told(canaries, &error),
        }
    }
}

/// Tokens, and what is said about them to whoever wonders why they are refused.
async fn tokens(canaries: &mut Canaries) {
    let provider = IdentityProvider::new();
    let issuer = Issuer::new(provider.issuer()).with_static_keys(provider.jwks().to_string());
    let jwt = Jwt::new(issuer).with_audience("me");
    let authenticator = jwt.build(&Site::new(Arc::new(SystemClock::new()))).unwrap();
    let token = || provider.token("alice").with_audience("me");
    for token in [
        token(),
        token().with_age(Duration::from_secs(3600)),
        token().with_flipped_signature(),
        token().with_algorithm_none(),
        token().with_audience("somebody else"),
        token().with_raw_claims("{\"password\": "),
        token().with_header("crit", "x"),
    ] {
        let inside = canaries.plant("a claim of a token");
        let token = token.with_claim("password", inside).mint();
        for segment in token
            .split('.')
            .skip(1)
            .filter(|segment| !segment.is_empty())
        {
            canaries.add("a segment of a token", segment);
        }
        let explained = authenticator.explain(&token).await;
        show(canaries, &explained);
        canaries.search("explanations", explained.to_string().as_bytes());
        let request = Request::get("/").header("authorization", format!("Bearer {token}"));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let view = RequestView::new(&parts, SystemClock::new().now());
        match authenticator.check(&view) {
            Check::NeedsIo => show(canaries, &authenticator.verify(&view).await),
            done @ Check::Done(_) => show(canaries, &done),
        }
        show(canaries, &authenticator);
    }
}

/// What tests are written with, whose output is read by many.
fn for_tests(canaries: &mut Canaries) {
    let secret = canaries.plant("the secret of a client of the test provider");
    let provider = IdentityProvider::new().add_client("app", &secret);
    show(canaries, &provider);
    let claim = canaries.plant("a claim of a token that is being made");
    let shared = canaries.plant("the key of a MAC");
    show(
        canaries,
        &provider
            .token("alice")
            .with_claim("password", claim)
            .with_hmac_secret(shared),
    );
    let password = canaries.plant("the environment of a counterpart");
    show(
        canaries,
        &Counterpart::new("true").add_env("PASSWORD", &password),
    );
}
