//! The service.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
    request::Parts,
};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::{
    LAYER, OperatorBuilder,
    order::{Endpoint, Order},
    perform::{perform, refusal},
};
use crate::{
    exchange::Exchange,
    frame::{RequestBodies, Unread, WrapOrReadBody},
    reason,
    refusal::Refusal,
    stack::GateHandle,
    step_up::Requirements,
};

/// The longest form, in bytes: one token, and what else there may be.
const MAX_FORM: usize = 32 * 1024;
/// How long a form may take to come.
const TIME: Duration = Duration::from_secs(10);

/// Ends and revokes over HTTP what a [`GateHandle`] does in Rust. See the [module docs](super).
#[derive(Clone)]
#[must_use = "an operator has to be mounted behind a gate to be reached"]
pub struct Operator(Arc<Inner>);

struct Inner {
    handle: GateHandle,
    requirements: Arc<Requirements>,
    base_path: Box<str>,
}

impl Operator {
    /// Builds an operator of the gate that the handle is of.
    pub fn builder(handle: &GateHandle) -> OperatorBuilder {
        OperatorBuilder::new(handle.clone())
    }

    pub(super) fn new(
        handle: GateHandle,
        requirements: Arc<Requirements>,
        base_path: Box<str>,
    ) -> Self {
        Self(Arc::new(Inner {
            handle,
            requirements,
            base_path,
        }))
    }
}

impl<B> Service<Request<B>> for Operator
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = OperatorFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> OperatorFuture {
        let inner = Arc::clone(&self.0);
        let (mut parts, body) = request.into_parts();
        let exchange = Exchange::of_own(&parts.extensions).cloned();
        OperatorFuture(Box::pin(async move {
            let Some(exchange) = exchange else {
                return inner.stands_alone(&mut parts);
            };
            let reading = <WrapOrReadBody as RequestBodies<B>>::read(body, MAX_FORM);
            inner
                .answer(
                    &parts.method,
                    parts.uri.path(),
                    &parts.headers,
                    reading,
                    exchange,
                )
                .await
        }))
    }
}

impl Inner {
    /// Nobody has been authenticated, and nobody may do anything.
    fn stands_alone(&self, parts: &mut Parts) -> Response<Bytes> {
        let exchange = self.handle.open(parts);
        tracing::error!(
            target: "portcullis",
            request_id = %exchange.id(),
            "an operator stands behind no gate, or the request carries the exchange of another; \
             mount it inside one",
        );
        let refused = refusal(StatusCode::INTERNAL_SERVER_ERROR, reason::STACK_MISORDERED);
        exchange.record_refusal(&refused);
        refused.into_response(exchange.id())
    }

    async fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        reading: impl Future<Output = Result<Bytes, Unread>>,
        exchange: Exchange,
    ) -> Response<Bytes> {
        let order = match self.order(method, path, headers, reading, &exchange).await {
            Ok(order) => order,
            Err(refused) => {
                let now = exchange.clock().now();
                exchange.record_call(LAYER, now, Err(&refused));
                return refused.into_response(exchange.id());
            }
        };
        let operation = order.operation();
        let asked = exchange.authorize_by(&self.requirements, operation, order);
        let order = match asked.await {
            Ok(permit) => permit.spend(),
            Err(denial) => return denial.into_answer(),
        };
        let (handle, id) = (self.handle.clone(), exchange.id());
        // To its end, and with its record, whoever waits for it.
        let performed = self.handle.to_the_end(async move {
            let (answer, key) = perform(&handle, &exchange, order).await;
            exchange.record_operation(operation, &answer, key.as_ref());
            answer
        });
        let answer = performed.await.unwrap_or_else(|_| Refusal::shutting_down());
        answer.into_response(id)
    }

    /// What is asked for, of whoever may ask for something at all.
    async fn order(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        reading: impl Future<Output = Result<Bytes, Unread>>,
        exchange: &Exchange,
    ) -> Result<Order, Refusal> {
        let endpoint = path.strip_prefix(&*self.base_path).and_then(Endpoint::of);
        let endpoint =
            endpoint.ok_or_else(|| refusal(StatusCode::NOT_FOUND, reason::OPERATOR_PATH))?;
        if *method != Method::POST {
            let refused = refusal(StatusCode::METHOD_NOT_ALLOWED, reason::OPERATOR_METHOD);
            return Err(refused.with_header(ALLOW, HeaderValue::from_static("POST")));
        }
        if exchange.cookie().is_some() && !portcullis_core::sabotaged!("operator.cookie") {
            return Err(refusal(StatusCode::FORBIDDEN, reason::OPERATOR_COOKIE));
        }
        if !is_form(headers) && !portcullis_core::sabotaged!("operator.media_type") {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(refusal(status, reason::OPERATOR_MEDIA_TYPE));
        }
        let body = self.read(reading, exchange).await?;
        let order = endpoint.read(&body);
        order.ok_or_else(|| refusal(StatusCode::BAD_REQUEST, reason::OPERATOR_FORM))
    }

    async fn read(
        &self,
        reading: impl Future<Output = Result<Bytes, Unread>>,
        exchange: &Exchange,
    ) -> Result<Bytes, Refusal> {
        let clock = exchange.clock();
        let mut late = clock.sleep_until(clock.instant() + TIME);
        let mut reading = pin!(reading);
        let read = std::future::poll_fn(|cx| {
            if let Poll::Ready(read) = reading.as_mut().poll(cx) {
                return Poll::Ready(read);
            }
            Pin::new(&mut late).poll(cx).map(|()| Err(Unread::Late))
        });
        read.await.map_err(|unread| match unread {
            Unread::TooLong => refusal(StatusCode::PAYLOAD_TOO_LARGE, reason::BODY_TOO_LARGE),
            Unread::Late => refusal(StatusCode::REQUEST_TIMEOUT, reason::OPERATOR_UNREAD),
            Unread::Failed => refusal(StatusCode::BAD_REQUEST, reason::OPERATOR_UNREAD),
        })
    }
}

/// Whether it says once, and of no other kind, that the body is a form.
fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let named = value.to_str().ok().and_then(|text| text.split(';').next());
    named.is_some_and(|named| {
        named
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// The future of an answer of an [`Operator`].
pub struct OperatorFuture(Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>);

impl Future for OperatorFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.0.as_mut().poll(cx);
        polled.map(|response| Ok(response.map(Full::new)))
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("requirements", &self.0.requirements)
            .field("base_path", &self.0.base_path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OperatorFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorFuture").finish_non_exhaustive()
    }
}
