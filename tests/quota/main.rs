//! What a quota counts, what it answers, and what it leaves alone: of the layer by itself, of
//! the gate, and over real connections. Time is virtual.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed"
)]

mod answers;
mod counted;
mod gate;
mod readiness;
mod together;
mod wire;

use bytes::Bytes;
use http::Response;
use portcullis::{
    BoxError,
    authn::AuthnLayer,
    quota::{MemoryQuotas, QuotaBuilder, QuotaLayer},
    stack::{Complete, StackBuilder},
};
use portcullis_testing::{
    audit::RecordingAudit, clock::VirtualClock, faulty_store::FaultyQuotas,
    http_probe::HandlerProbe,
};
use portcullis_tests::fixtures::{authn_builder, request_with, stack_builder};
use tower::{Service, ServiceExt as _, layer::util};

portcullis_testing::quota_store_contract!(memory, async { MemoryQuotas::with_capacity(10_000) });
portcullis_testing::quota_store_contract!(memory_that_is_asked, async {
    FaultyQuotas::new(MemoryQuotas::with_capacity(10_000))
});

/// What stands around a handler here, and what is seen of it.
#[derive(Default)]
struct Site {
    audit: RecordingAudit,
    clock: VirtualClock,
    handler: HandlerProbe,
}

impl Site {
    /// A quota just inside `authn`, which lets anonymous callers in at `/public`.
    fn loose(&self, quota: QuotaBuilder) -> util::Stack<QuotaLayer, AuthnLayer> {
        let authn = authn_builder(&self.audit)
            .with_clock(self.clock.clone())
            .add_anonymous_route("/public");
        let quota = quota
            .with_clock(self.clock.clone())
            .with_audit(RecordingAudit::failing());
        util::Stack::new(quota.build().unwrap(), authn.build().unwrap())
    }

    /// A gate whose quota is this one.
    fn stack(&self, quota: QuotaBuilder) -> StackBuilder<Complete> {
        stack_builder(&self.audit)
            .with_clock(self.clock.clone())
            .add_anonymous_route("/public")
            .with_quota(quota)
    }
}

/// Sends a request with this token to a clone of a service.
async fn ask<S, B>(service: &S, token: &str) -> Response<Bytes>
where
    S: Service<http::Request<String>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: http_body::Body<Error: Into<BoxError>>,
{
    send(service, request_with(token)).await
}

async fn send<S, B>(service: &S, request: http::request::Builder) -> Response<Bytes>
where
    S: Service<http::Request<String>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let call = service
        .clone()
        .oneshot(request.body(String::new()).unwrap());
    let response = call.await.map_err(Into::into).unwrap();
    portcullis_tests::wire::read(response).await.unwrap()
}

/// The statuses of one request after the other.
async fn statuses<S, B>(service: &S, tokens: &[&str]) -> Vec<u16>
where
    S: Service<http::Request<String>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let mut statuses = Vec::new();
    for token in tokens {
        statuses.push(ask(service, token).await.status().as_u16());
    }
    statuses
}
