//! The perimeter around something that answers at once.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use portcullis::{
    RequestBody, ResponseBody,
    perimeter::{PerimeterBuilder, PerimeterLayer},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use tower::{Layer as _, Service, ServiceExt as _, util::BoxCloneSyncService};

/// The body of the requests.
pub(crate) type Body = Empty<Bytes>;

/// A service behind a perimeter. It answers with text.
pub(crate) struct Guarded {
    service: BoxCloneSyncService<Request<Body>, Response<String>, Infallible>,
    audit: RecordingAudit,
}

impl Guarded {
    /// Lets in what the builder lets in; an address is never refused for what it sent before.
    pub(crate) fn new<S, R>(
        set: impl FnOnce(PerimeterBuilder) -> PerimeterBuilder,
        inner: S,
    ) -> Self
    where
        S: Service<Request<RequestBody<Body>>, Response = Response<R>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        R: http_body::Body<Data = Bytes, Error: Into<portcullis::BoxError>> + Send + 'static,
    {
        let audit = RecordingAudit::new();
        let builder = PerimeterLayer::builder()
            .with_audit(audit.clone())
            .with_clock(VirtualClock::new())
            .dangerously_allow_any_host()
            .without_refusal_budget();
        let layer = set(builder).build().unwrap();
        let service = layer
            .layer(inner)
            .and_then(async |response: Response<ResponseBody<R>>| {
                let (parts, body) = response.into_parts();
                let bytes = body
                    .collect()
                    .await
                    .map(|body| body.to_bytes())
                    .unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Ok(Response::from_parts(parts, text))
            });
        Self {
            service: BoxCloneSyncService::new(service),
            audit,
        }
    }

    /// What a request is answered; `None` where it is refused. Whatever it is, there is one
    /// record of the decision.
    pub(crate) fn answer(&self, request: Request<Body>) -> Option<String> {
        let _ = self.audit.take();
        let response = self
            .service
            .clone()
            .oneshot(request)
            .now_or_never()
            .expect("nothing here waits")
            .unwrap_or_else(|never| match never {});
        let decisions = self.audit.take();
        let decisions = decisions
            .iter()
            .filter(|record| record.kind.as_str() == "decision");
        assert_eq!(decisions.count(), 1, "a request has one record");
        assert!(
            !response.status().is_server_error(),
            "{}",
            response.status()
        );
        (response.status() == StatusCode::OK).then(|| response.into_body())
    }
}
