//! What stands in records, and whether there is one: A02, A06–A08.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use portcullis::{
    RequestBody, Secret, Stack,
    api_keys::{ApiKeys, KeyRing},
    audit::{AuditSink, Record, RecordKind, SinkError, TracingSink, log::AuditLog},
    jwt::{Issuer, Jwt},
    perimeter::PerimeterLayer,
};
use portcullis_testing::{
    http_probe::HandlerProbe,
    identity_provider::{Endpoint, Misbehaviour},
};
use portcullis_tests::{canaries::Canaries, folder::TestFolder, logs::Logs};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::{
    guard::{Guard, ISSUER, RESOURCE, Settings, finish},
    harness::Harness,
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("A02", secrets).await;
    harness.not_yet("A06", "the chain has no key, so that none is rotated");
    harness.row("A07", one_each).await;
    harness.not_yet(
        "A08",
        "there is no mode in which addresses are cut or keyed",
    );
}

/// Both sinks at once.
struct Both(AuditLog);

impl AuditSink for Both {
    fn record(&self, record: &Record<'_>) -> Result<(), SinkError> {
        TracingSink::new().record(record)?;
        self.0.record(record)
    }
}

/// Credentials stand in no record, no log and no answer, wherever they stood in the request.
async fn secrets(harness: &mut Harness) {
    let mut canaries = Canaries::new();
    let guard = Guard::fixed();
    let mut requests = tokens(&mut canaries, &guard);
    for (name, shape) in [
        ("authorization", "Bearer {}"),
        ("authorization", "Basic {}"),
        ("authorization", "DPoP {}"),
        ("authorization", "{}"),
        ("proxy-authorization", "Basic {}"),
        ("x-api-key", "{}"),
        ("cookie", "session={}"),
        ("cookie", "access_token={}"),
        ("dpop", "{}"),
        ("mcp-session-id", "{}"),
        ("x-device-id", "{}"),
        ("user-agent", "{}"),
        ("host", "alice:{}@agent.example"),
        ("origin", "https://alice:{}@agent.example"),
        ("x-forwarded-for", "{}"),
    ] {
        let secret = canaries.plant(name);
        let value = HeaderValue::from_str(&shape.replace("{}", &secret));
        let Ok(value) = value else { continue };
        for good in [None, Some(guard.good_key())] {
            let mut request = match good.filter(|_| name != "authorization") {
                Some(good) => guard.bearer(good),
                None => finish(guard.request("/notes")),
            };
            request.headers_mut().insert(name, value.clone());
            requests.push((format!("{name}: {shape}"), request));
        }
    }
    for target in [
        "/notes?access_token={}",
        "/notes?sig={}",
        "https://alice:{}@agent.example/notes",
    ] {
        let request = finish(guard.request(&target.replace("{}", &canaries.plant(target))));
        requests.push((target.to_owned(), request));
    }
    for (name, request) in requests {
        let judged = match shown(&guard, &mut canaries, request).await {
            Ok(0) => Ok(()),
            Ok(_) => Err(format!("{:?}", canaries.leaks().last())),
            Err(problem) => Err(problem),
        };
        harness.judged(&format!("a secret in {name}"), judged);
    }
}

/// Tokens and keys, good and bad. All of a token is secret but its header.
fn tokens(canaries: &mut Canaries, guard: &Guard) -> Vec<(String, Request<Full<Bytes>>)> {
    let mut requests = Vec::new();
    for (name, token) in [
        ("a good token", guard.token()),
        (
            "an expired token",
            guard.token().with_age(Duration::from_secs(7200)),
        ),
        ("a forged token", guard.token().with_forged_signature()),
        (
            "a token for another",
            guard.token().with_audience("https://other.example/"),
        ),
    ] {
        let token = token.with_claim("password", canaries.plant(name)).mint();
        for segment in token.split('.').skip(1) {
            canaries.add(name, segment);
        }
        requests.push((name.to_owned(), guard.bearer(&token)));
    }
    let (_, unknown) = Guard::fixed().issue(Duration::from_secs(60));
    for (name, key) in [
        ("a good key", guard.good_key()),
        ("an unknown key", &unknown),
    ] {
        canaries.add(name, key.rsplit('_').next().unwrap_or_default());
        requests.push((name.to_owned(), guard.bearer(key)));
    }
    requests
}

/// How many secrets show in the sinks, the logs and the answer of one request.
async fn shown(
    guard: &Guard,
    canaries: &mut Canaries,
    request: Request<Full<Bytes>>,
) -> Result<usize, String> {
    let folder = TestFolder::new();
    let log = AuditLog::builder(folder.path()).with_clock(guard.clock.clone());
    let log = log.open().map_err(|error| error.to_string())?;
    let (logs, listening) = Logs::listen();
    let issuer = Issuer::new(ISSUER).with_static_keys(guard.idp.jwks().to_string());
    let strangers = KeyRing::new("other", &Secret::new([8; 32]));
    let (gate, _handle) = Stack::builder()
        .with_resource(RESOURCE)
        .with_clock(guard.clock.clone())
        .with_audit(Both(log.clone()))
        .with_perimeter(PerimeterLayer::builder())
        .add_authenticator(Jwt::new(issuer))
        .add_authenticator(ApiKeys::new(guard.keys.clone()))
        .add_authenticator(
            ApiKeys::new(strangers).with_header(http::HeaderName::from_static("x-api-key")),
        )
        .build()
        .map_err(|error| error.to_string())?;
    let Ok(response) = gate.layer(HandlerProbe::new()).oneshot(request).await;
    let head = format!("{:?}", response.headers());
    let body =
        crate::guard::text(response.map(http_body_util::combinators::UnsyncBoxBody::new)).await;
    drop(listening);
    log.close().map_err(|error| error.to_string())?;
    let mut records = String::new();
    for line in portcullis_tests::forger::Forger::of(folder.path()).lines() {
        records.push_str(line);
    }
    let logged = logs.all().concat();
    if records.matches("\"kind\":\"decision\"").count() != 1 || logged.is_empty() {
        return Err("there is no record to look at".to_owned());
    }
    let mut found = 0;
    for (stream, text) in [
        ("answers", head),
        ("answers", body),
        ("records", records),
        ("logs", logged),
    ] {
        found += canaries.search(stream, text.as_bytes());
    }
    Ok(found)
}

type Answer = BoxFuture<'static, Result<Response<Full<Bytes>>, Infallible>>;

/// How a handler behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Handler {
    Answers,
    Hangs,
    Panics,
}

/// Each request has one record of the decision, and one of its end if it was let in: whatever
/// becomes of it.
async fn one_each(harness: &mut Harness) {
    let guard = Settings::fixed().build();
    let good = || guard.good();
    let nobody = || finish(guard.request("/notes"));
    let bad = || guard.bearer("garbage");
    let public = || finish(guard.request("/public"));
    let twice = || {
        let mut request = guard.good();
        let value = HeaderValue::from_static("Bearer other");
        request.headers_mut().append(header::AUTHORIZATION, value);
        request
    };
    for (name, request, handler, ends) in [
        ("let in", good(), Handler::Answers, 1),
        ("let in, and the caller leaves", good(), Handler::Hangs, 1),
        ("let in, and the handler panics", good(), Handler::Panics, 1),
        ("anonymous", public(), Handler::Answers, 1),
        ("without a credential", nobody(), Handler::Answers, 0),
        ("with a bad one", bad(), Handler::Answers, 0),
        ("with two", twice(), Handler::Answers, 0),
    ] {
        drop(guard.audit.take());
        run(&guard, request, handler).await;
        harness.judged(name, counted(&guard, ends));
    }
    drop(guard.audit.take());
    let never = service_fn(answer(Handler::Answers));
    drop(guard.gate.layer(never).oneshot(good()).now_or_never());
    harness.judged("a caller who reads nothing", counted(&guard, 1));
    drop(guard.audit.take());
    let mut service = guard.gate.layer(service_fn(answer(Handler::Answers)));
    drop(tower::Service::call(&mut service, nobody()));
    harness.judged("a caller who leaves at once", counted(&guard, 0));

    // Nobody waits until it is decided.
    let guard = Settings::served().await.build();
    guard
        .idp
        .misbehave(Endpoint::Discovery, Misbehaviour::NeverAnswers);
    let token = guard.token().mint();
    let is_decided = guard.send(guard.bearer(&token)).now_or_never().is_some();
    harness.judged(
        "a caller who leaves while keys are waited for",
        match is_decided {
            true => Err("it was decided without keys".to_owned()),
            false => counted(&guard, 0),
        },
    );
}

/// Plays one request until it is answered, hangs or panics, and reads what there is.
async fn run(guard: &Guard, request: Request<Full<Bytes>>, handler: Handler) {
    let call = guard
        .gate
        .layer(service_fn(answer(handler)))
        .oneshot(request);
    let called = std::panic::AssertUnwindSafe(call).catch_unwind();
    let response = if handler == Handler::Hangs {
        called.now_or_never()
    } else {
        Some(called.await)
    };
    if let Some(Ok(Ok(response))) = response {
        crate::guard::text(response.map(http_body_util::combinators::UnsyncBoxBody::new)).await;
    }
}

fn answer(handler: Handler) -> impl Fn(Request<RequestBody<Full<Bytes>>>) -> Answer + Clone {
    move |_| {
        Box::pin(async move {
            match handler {
                Handler::Answers => Ok(Response::new(Full::from("done"))),
                Handler::Hangs => std::future::pending().await,
                Handler::Panics => std::panic::resume_unwind(Box::new("on purpose")),
            }
        })
    }
}

fn counted(guard: &Guard, ends: usize) -> Result<(), String> {
    let records = guard.audit.records();
    let count = |kind| records.iter().filter(|record| record.kind == kind).count();
    match (count(RecordKind::Decision), count(RecordKind::End)) {
        (1, found) if found == ends => Ok(()),
        (decisions, ends) => Err(format!("{decisions} decisions and {ends} ends")),
    }
}
