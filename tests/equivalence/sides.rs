//! A stack, and the loose layers that should be the same: each a service with its own sink and
//! clock, and what can be seen of it.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Exchange, PeerAddress, RequestBody,
    authn::AuthnLayer,
    binding::{BindingBuilder, BindingLayer},
    perimeter::{PerimeterBuilder, PerimeterLayer},
    quota::{Quota, QuotaBuilder, QuotaLayer},
    session::{MemorySessions, SessionBuilder, SessionLayer},
    stack::Stack,
    step_up::{Requirement, StepUpBuilder, StepUpLayer},
};
use portcullis_testing::{
    audit::{Recorded, RecordingAudit},
    clock::VirtualClock,
    faulty_store::FaultyStore,
};
use portcullis_tests::{
    echo::shown,
    fixtures::{RESOURCE, a_scope, strength},
    patience::settle,
    table_auth::TableAuth,
};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, util::BoxCloneSyncService};

use crate::requests::{DEVICE, Generated, Settings};

type Boxed = BoxCloneSyncService<Request<String>, Response<Bytes>, std::convert::Infallible>;

/// A service under test, with its own sink and clock.
pub(crate) struct Side {
    service: Boxed,
    audit: RecordingAudit,
    clock: VirtualClock,
}

/// What can be seen of one request from outside: the answer, the record and what the handler
/// was given.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: String,
    pub(crate) records: Vec<String>,
}

pub(crate) fn stack(settings: Settings) -> Side {
    let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
    let (gate, _) = Stack::builder()
        .with_audit(audit.clone())
        .with_clock(clock.clone())
        .with_base_path("/agents")
        .with_resource(RESOURCE)
        .with_challenge_scopes("notes.read")
        .add_anonymous_route("/agents/public")
        .add_anonymous_route("/agents/public/vault")
        .with_perimeter(perimeter(PerimeterLayer::builder()))
        .with_session(session(settings))
        .with_binding(binding(settings))
        .with_quota(quota(QuotaLayer::builder()))
        .with_step_up(step_up())
        .add_authenticator(TableAuth::new())
        .build()
        .unwrap();
    Side::new(gate.layer(tower::service_fn(handler)), audit, clock)
}

pub(crate) fn by_hand(settings: Settings) -> Side {
    let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
    let outer = perimeter(PerimeterLayer::builder())
        .with_audit(audit.clone())
        .with_clock(clock.clone())
        .with_base_path("/agents")
        .with_resource(RESOURCE)
        .build()
        .unwrap();
    let inner = AuthnLayer::builder()
        // Only the outermost layer writes records and says when a request arrived.
        .with_audit(RecordingAudit::failing())
        .with_clock(clock.clone())
        .with_resource(RESOURCE)
        .with_challenge_scopes("notes.read")
        .add_anonymous_route("/agents/public")
        .add_anonymous_route("/agents/public/vault")
        .add_authenticator(TableAuth::new())
        .build()
        .unwrap();
    let session = session(settings)
        .with_audit(RecordingAudit::failing())
        .with_clock(clock.clone())
        .build()
        .unwrap();
    let binding = binding(settings)
        .with_audit(RecordingAudit::failing())
        .with_clock(clock.clone())
        .build()
        .unwrap();
    let inside = quota(QuotaLayer::builder())
        .with_audit(RecordingAudit::failing())
        .with_clock(clock.clone())
        .build()
        .unwrap();
    let innermost = step_up()
        .with_audit(RecordingAudit::failing())
        .with_clock(clock.clone())
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(outer)
        .layer(inner)
        .layer(session)
        .layer(binding)
        .layer(inside)
        .layer(innermost)
        .service_fn(handler);
    Side::new(service, audit, clock)
}

impl Side {
    fn new<S, R>(service: S, audit: RecordingAudit, clock: VirtualClock) -> Self
    where
        S: Service<Request<String>, Response = Response<R>, Error = std::convert::Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        R: http_body::Body<Data: Send, Error: Into<portcullis::BoxError>> + Send + 'static,
    {
        let service =
            BoxCloneSyncService::new(service.and_then(async |response| {
                Ok(portcullis_tests::wire::read(response).await.unwrap())
            }));
        Self {
            service,
            audit,
            clock,
        }
    }

    pub(crate) async fn see(&self, generated: &Generated) -> Seen {
        self.clock.advance(Duration::from_secs(generated.pause));
        let mut request = generated.request();
        if let Some(last) = generated.peer {
            let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
            PeerAddress::from(peer).attach(request.extensions_mut());
        }
        let response = self.service.clone().oneshot(request).await.unwrap();
        // A store that is asked is told of activity by a task of its own.
        settle().await;
        let (parts, body) = response.into_parts();
        let mut records = self.audit.take();
        // A gate records the admission before the handler runs and asks for something, loose
        // layers when it has answered.
        records.sort_by_key(|record| record.kind.as_str());
        let mut body = String::from_utf8(body.to_vec()).unwrap();
        for record in &records {
            body = body.replace(&record.request_id.to_string(), "<id>");
        }
        Seen {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            records: records.iter().map(without_id).collect(),
        }
    }
}

/// Few refusals, so that sequences get to the end of the budget; and every setting that
/// changes what comes in.
fn perimeter(builder: PerimeterBuilder) -> PerimeterBuilder {
    builder
        .add_allowed_host("localhost:3000")
        .add_allowed_origin("https://app.example")
        .add_trusted_proxy("10.0.0.0/8")
        .add_identity_header(HeaderName::from_static("x-tenant"))
        .with_max_body(64)
        .with_max_uri(256)
        .with_max_headers(12, 1024)
        .with_refusal_budget(5, Duration::from_secs(60))
}

/// So few requests that sequences get to the end of both quotas, and find a request back
/// after some of their pauses.
fn quota(builder: QuotaBuilder) -> QuotaBuilder {
    builder
        .with_per_principal(Quota::per_minute(4).with_burst(2))
        .with_per_client(Quota::per_minute(6).with_burst(3))
}

/// Something on a route, something for an operation, and nothing on others, so that the others
/// are reached.
fn step_up() -> StepUpBuilder {
    StepUpLayer::builder()
        .add_route_requirement("/agents/payments", a_scope())
        .add_route_requirement("/agents/vault", strength())
        // Where no credential is needed, one that is there may still have to be better.
        .add_route_requirement("/agents/public/vault", strength())
        .require("payments.transfer", a_scope())
        .require("vault.open", strength().with_scopes("vault"))
        .require("notes.list", Requirement::new())
}

/// What a handler asks for in a header of the request.
async fn ask(parts: &http::request::Parts) -> String {
    let Some(operation) = parts.headers.get("x-ask-for") else {
        return String::new();
    };
    let exchange = Exchange::of(&parts.extensions).unwrap();
    match exchange
        .authorize(operation.to_str().unwrap(), "arguments")
        .await
    {
        Ok(permit) => {
            let shown = format!("{permit:?} {:?}", permit.actor());
            format!("{shown} {}", permit.spend())
        }
        Err(denial) => format!("{denial} {}", denial.for_client()),
    }
}

/// Reads the body and says what it was given, headers in the order of their names.
async fn handler(
    request: Request<RequestBody<String>>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (parts, body) = request.into_parts();
    let address = Exchange::of(&parts.extensions).unwrap().client_address();
    let asked = ask(&parts).await;
    let mut headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(n, v)| format!("{n}={v:?}"))
        .collect();
    headers.sort();
    let body = match body.collect().await {
        Ok(body) => format!("{:?}", body.to_bytes()),
        Err(error) => error.to_string(),
    };
    let text = format!("{} {address:?} {headers:?} {body} {asked}", shown(&parts));
    let mut response = Response::new(Full::from(text));
    if parts.headers.contains_key("x-ask-to-switch") {
        *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
    }
    if parts.headers.contains_key("x-ask-to-cache") {
        let value = http::HeaderValue::from_static("max-age=60");
        response.headers_mut().append("cache-control", value);
    }
    Ok(response)
}

/// Compares the device in any case, with a header that nobody sends where it should not: a layer
/// that compares nothing cannot be built.
fn binding(settings: Settings) -> BindingBuilder {
    let Settings {
        network,
        user_agent,
        device,
        ..
    } = settings;
    let mut builder = BindingLayer::builder();
    builder = match network {
        Some(reaction) => builder.with_network(reaction),
        None => builder.without_network(),
    };
    builder = match user_agent {
        Some(reaction) => builder.with_user_agent(reaction),
        None => builder.without_user_agent(),
    };
    match device {
        Some(reaction) => builder
            .with_device_header(HeaderName::from_static(DEVICE))
            .with_device(reaction),
        None => builder.with_device_header(HeaderName::from_static("x-no-device-id")),
    }
}

/// Idle so soon that sequences find a session back after it is over.
fn session(settings: Settings) -> SessionBuilder {
    let builder = SessionLayer::builder()
        .with_idle(Duration::from_secs(2))
        .with_limit(2);
    match settings.is_asked {
        true => builder.with_store(FaultyStore::new(MemorySessions::default())),
        false => builder.with_store(MemorySessions::default()),
    }
}

/// Everything in a record but the id.
fn without_id(record: &Recorded) -> String {
    let id = record.request_id.to_string();
    format!("{record:?}")
        .replace(&format!("{:?}", record.request_id), "<id>")
        .replace(&id, "<id>")
        .replace(&format!("{:?}", record.session), "<session>")
}
