//! What a load balancer of AWS says of its users.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use futures_util::{FutureExt as _, future::join_all};
use http::{Request, Response};
use portcullis_core::{
    Authenticator as _, Check, Clock as _, ConfigError, Evidence, EvidenceKind, RequestView, Site,
    Timestamp, Verdict,
};
use portcullis_jwt::{AlbAuthenticator, AlbUserClaims, HttpClient, HttpError, HttpRequest};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{ISSUER, NOW, clock::ManualClock, signer::Signer};

const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/notes/50dc6c495c0c9188";
const KID: &str = "12345678-90ab-cdef-0123-456789abcdef";
const HEADER: &str = "x-amzn-oidc-data";

/// The place with the keys of a region.
#[derive(Clone)]
struct Keys {
    pages: Arc<Mutex<HashMap<String, (u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
    is_open: watch::Sender<bool>,
}

impl HttpClient for Keys {
    async fn send(&self, request: &HttpRequest) -> Result<Response<Vec<u8>>, HttpError> {
        self.asked.lock().unwrap().push(request.url().to_owned());
        let mut is_open = self.is_open.subscribe();
        is_open.wait_for(|is_open| *is_open).await.unwrap();
        let page = self.pages.lock().unwrap().get(request.url()).cloned();
        let (status, text) = page.unwrap_or((403, "AccessDenied".to_owned()));
        let response = Response::builder().status(status);
        Ok(response.body(text.into_bytes()).unwrap())
    }
}

struct World {
    clock: ManualClock,
    keys: Keys,
    signer: Signer,
    auth: AlbAuthenticator,
}

fn url(kid: &str) -> String {
    format!("https://public-keys.auth.elb.eu-central-1.amazonaws.com/{kid}")
}

impl World {
    fn new() -> Self {
        Self::with(AlbUserClaims::new(ARN, ISSUER))
    }

    fn with(claims: AlbUserClaims) -> Self {
        let clock = ManualClock::new();
        let keys = Keys {
            pages: Arc::default(),
            asked: Arc::default(),
            is_open: watch::Sender::new(true),
        };
        let signer = Signer::es256(KID);
        let page = (200, signer.pem());
        keys.pages.lock().unwrap().insert(url(KID), page);
        let site = Site::new(Arc::new(clock.clone()));
        let auth = claims.with_http_client(keys.clone()).build(&site);
        Self {
            clock,
            keys,
            signer,
            auth: auth.unwrap_or_else(|errors| panic!("{errors}")),
        }
    }

    /// As the load balancer writes it: with padding.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE.encode(self.signer.signature(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn good(&self) -> String {
        self.sign(&header(), &claims())
    }

    async fn judge(&self, text: &str) -> Result<Arc<Evidence>, String> {
        self.judge_all(&[(HEADER, text)]).await
    }

    async fn judge_all(&self, headers: &[(&str, &str)]) -> Result<Arc<Evidence>, String> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let view = RequestView::new(&parts, self.clock.now());
        let verdict = match self.auth.check(&view) {
            Check::Done(verdict) => verdict,
            Check::NeedsIo => self.auth.verify(&view).await,
        };
        match verdict {
            Verdict::Accept(evidence) => Ok(evidence),
            Verdict::Reject(rejection) => Err(rejection.reason().to_string()),
            Verdict::Unavailable(unavailable) => Err(format!("503 {}", unavailable.reason())),
            Verdict::Absent => Err("absent".to_owned()),
            other => panic!("{other:?}"),
        }
    }
}

fn header() -> Value {
    json!({
        "typ": "JWT", "kid": KID, "alg": "ES256", "iss": ISSUER, "client": "notes-client",
        "signer": ARN, "exp": NOW + 120,
    })
}

fn claims() -> Value {
    json!({"sub": "alice", "email": "alice@acme.example", "exp": NOW + 120, "iss": ISSUER})
}

fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

#[tokio::test]
async fn a_user_is_named_with_padding_or_without() {
    let world = World::new();
    let good = world.good();
    assert!(good.contains('='), "nothing is padded: {good}");
    for text in [good, world.signer.sign(&header(), &claims())] {
        let evidence = world.judge(&text).await.unwrap();
        assert_eq!(evidence.kind(), EvidenceKind::User);
        assert_eq!((evidence.issuer(), evidence.subject()), (ISSUER, "alice"));
        assert_eq!(evidence.client(), Some("notes-client"));
        let end = Timestamp::from_unix_seconds(NOW + 150);
        assert_eq!(evidence.not_after(), Some(end));
    }
    assert_eq!(world.auth.key_retrievals(), 1);
    assert_eq!(*world.keys.asked.lock().unwrap(), [url(KID)]);
}

#[tokio::test]
async fn what_another_load_balancer_says_is_refused() {
    let world = World::with(AlbUserClaims::new(ARN, ISSUER).with_clients(["notes-client"]));
    for (header, reason) in [
        (
            with(
                header(),
                "signer",
                ARN.replace("123456789012", "999999999999"),
            ),
            "alb_signer",
        ),
        (with(header(), "signer", format!("{ARN}/")), "alb_signer"),
        (without(header(), "signer"), "alb_signer"),
        (with(header(), "iss", "https://evil.example"), "alb_issuer"),
        (without(header(), "iss"), "alb_issuer"),
        (with(header(), "client", "another"), "alb_client"),
        (without(header(), "client"), "alb_client"),
        (with(header(), "alg", "none"), "alb_alg"),
        (with(header(), "alg", "HS256"), "alb_alg"),
        (with(header(), "alg", "RS256"), "alb_alg"),
        (without(header(), "kid"), "alb_key_id"),
        (with(header(), "kid", "../../../evil"), "alb_key_id"),
        (with(header(), "exp", NOW - 30), "alb_expired"),
        (with(header(), "exp", "soon"), "alb_expired"),
        (without(header(), "exp"), "alb_expired"),
        (with(header(), "crit", json!(["exp"])), "alb_malformed"),
        (with(header(), "b64", false), "alb_malformed"),
    ] {
        let text = world.sign(&header, &claims());
        assert_eq!(world.judge(&text).await.unwrap_err(), reason, "{header}");
        assert_eq!(world.auth.explain(&text).await.unwrap().as_str(), reason);
    }
    for (claims, reason) in [
        (with(claims(), "exp", NOW - 30), "alb_expired"),
        (with(claims(), "exp", json!(null)), "alb_expired"),
        (with(claims(), "sub", ""), "alb_subject"),
        (without(claims(), "sub"), "alb_subject"),
        (with(claims(), "sub", "a\u{0}"), "alb_subject"),
    ] {
        let text = world.sign(&header(), &claims);
        assert_eq!(world.judge(&text).await.unwrap_err(), reason, "{claims}");
    }
    assert_eq!(
        world.auth.key_retrievals(),
        0,
        "nothing of that needs a key"
    );
    let good = world.good();
    assert!(world.judge(&good).await.is_ok());
    assert_eq!(world.auth.explain(&good).await, None);
}

#[tokio::test]
async fn a_signature_is_of_the_key_that_is_named() {
    let world = World::new();
    let good = world.good();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = Signer::es256(KID);
    let forged = format!(
        "{signed}.{}",
        URL_SAFE.encode(other.signature(signed.as_bytes()))
    );
    for text in [
        forged,
        format!("{signed}."),
        format!("{signed}.{}", URL_SAFE.encode([0; 64])),
        format!("{signed}.{}", &signature[..signature.len() - 4]),
    ] {
        assert_eq!(
            world.judge(&text).await.unwrap_err(),
            "alb_signature",
            "{text}"
        );
    }
    for text in [
        "",
        "a",
        "a.b",
        "a.b.c",
        &format!("{good}.a"),
        &"a".repeat(16 * 1024 + 1),
    ] {
        assert_eq!(
            world.judge(text).await.unwrap_err(),
            "alb_malformed",
            "{text}"
        );
    }
}

#[tokio::test]
async fn there_is_one_header() {
    let world = World::new();
    let good = world.good();
    let twice = world.judge_all(&[(HEADER, &good), (HEADER, &good)]).await;
    assert_eq!(twice.unwrap_err(), "jwt_assertion_twice");
    let beside = world.judge_all(&[("x-amzn-oidc-identity", "alice")]).await;
    assert_eq!(beside.unwrap_err(), "absent");
    let described = world.auth.describe();
    let headers: Vec<_> = described
        .headers()
        .iter()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(
        headers,
        [HEADER, "x-amzn-oidc-identity", "x-amzn-oidc-accesstoken"]
    );
    assert!(described.declares(ISSUER));
}

#[tokio::test]
async fn what_is_known_is_good_until_it_ends() {
    let world = World::new();
    let good = world.good();
    assert!(world.judge(&good).await.is_ok());
    world.keys.pages.lock().unwrap().clear();
    world.clock.advance(Duration::from_secs(149));
    assert!(world.judge(&good).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.judge(&good).await.unwrap_err(), "alb_expired");
}

#[tokio::test]
async fn a_key_is_retrieved_once_for_all() {
    let world = World::new();
    world.keys.is_open.send_replace(false);
    let good = world.good();
    let mut waiting = Box::pin(join_all((0..50).map(|_| world.judge(&good))));
    assert!((&mut waiting).now_or_never().is_none());
    world.keys.is_open.send_replace(true);
    assert!(waiting.await.iter().all(Result::is_ok));
    assert_eq!(world.auth.key_retrievals(), 1);
}

#[tokio::test]
async fn a_key_that_is_not_there_is_not_asked_for_again_for_a_while() {
    let world = World::new();
    let kid = "00000000-0000-0000-0000-000000000000";
    let text = world.sign(&with(header(), "kid", kid), &claims());
    for _ in 0..5 {
        assert_eq!(world.judge(&text).await.unwrap_err(), "alb_key_unknown");
    }
    assert_eq!(world.auth.key_retrievals(), 1);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.judge(&text).await.unwrap_err(), "alb_key_unknown");
    assert_eq!(world.auth.key_retrievals(), 2);
}

#[tokio::test]
async fn a_flood_of_invented_keys_has_few_asked_for() {
    let world = World::new();
    let good = world.good();
    assert!(world.judge(&good).await.is_ok());
    for number in 0..1000 {
        let kid = format!("00000000-0000-0000-0000-{number:012x}");
        let text = world.sign(&with(header(), "kid", kid), &claims());
        assert!(world.judge(&text).await.is_err());
    }
    assert_eq!(world.auth.key_retrievals(), 16);
    assert!(world.judge(&good).await.is_ok());
    world.clock.advance(Duration::from_secs(30));
    let kid = "00000000-0000-0000-0000-ffffffffffff";
    let text = world.sign(&with(header(), "kid", kid), &claims());
    assert_eq!(world.judge(&text).await.unwrap_err(), "alb_key_unknown");
}

#[tokio::test]
async fn what_is_no_key_is_a_failure_and_not_kept() {
    let world = World::new();
    let good = world.good();
    let p384 = Signer::es384("k");
    for (status, text) in [
        (500, String::new()),
        (302, String::new()),
        (200, "<html>".to_owned()),
        (200, world.signer.pem().replace("PUBLIC", "PRIVATE")),
        (200, p384.pem()),
        (200, "a".repeat(5000)),
    ] {
        world
            .keys
            .pages
            .lock()
            .unwrap()
            .insert(url(KID), (status, text.clone()));
        let found = world.judge(&good).await.unwrap_err();
        assert_eq!(found, "503 alb_keys_unavailable", "{status} {text}");
    }
    let page = (200, world.signer.pem());
    world.keys.pages.lock().unwrap().insert(url(KID), page);
    assert!(world.judge(&good).await.is_ok());
}

#[tokio::test]
async fn who_is_restricted_gets_in_only_with_what_is_known() {
    let world = World::new();
    let good = world.good();
    let check = || {
        let request = Request::builder().header(HEADER, &good).body(());
        let (parts, ()) = request.unwrap().into_parts();
        let view = RequestView::new(&parts, world.clock.now()).with_restriction(true);
        matches!(world.auth.check(&view), Check::Done(Verdict::Accept(_)))
    };
    assert!(!check());
    assert!(world.judge(&good).await.is_ok());
    assert!(check());
}

#[test]
fn mistakes_are_named() {
    let site = Site::new(Arc::new(ManualClock::new()));
    for (claims, setting) in [
        (AlbUserClaims::new("notes", ISSUER), "AlbUserClaims::new"),
        (AlbUserClaims::new(ARN, "idp"), "AlbUserClaims::new"),
        (
            AlbUserClaims::new(ARN, ISSUER).with_keys_url("http://keys.example"),
            "with_keys_url",
        ),
        (
            AlbUserClaims::new(ARN, ISSUER).with_clients([""]),
            "with_clients",
        ),
        (
            AlbUserClaims::new(ARN, ISSUER).with_leeway(Duration::from_secs(61)),
            "with_leeway",
        ),
    ] {
        let errors = claims.build(&site).unwrap_err();
        let settings: Vec<_> = errors.iter().map(ConfigError::setting).collect();
        assert_eq!(settings, [setting]);
    }
}
