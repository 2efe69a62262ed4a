//! Code behind the gate that wants to be somebody else: S05.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Extensions, Request, Response, StatusCode};
use http_body_util::Full;
use portcullis::{Exchange, RequestBody, authn::AuthnLayer, perimeter::PerimeterLayer};
use portcullis_testing::{http_probe::HandlerProbe, mock_auth::MockAuth};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use crate::{
    guard::{Guard, text},
    harness::Harness,
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("S05", planted).await;
}

/// How a middleware carries extensions from one request to the next.
#[derive(Clone, Copy, Debug)]
enum Theft {
    Clone,
    Move,
}

/// A middleware that takes the extensions of the first request and gives them to the second.
#[derive(Clone)]
struct Thief<S> {
    inner: S,
    theft: Theft,
    spawns: bool,
    loot: Arc<Mutex<Option<Extensions>>>,
}

impl<S, B> Service<Request<B>> for Thief<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut loot = self.loot.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stolen) = loot.take() else {
            *loot = Some(match self.theft {
                Theft::Clone => request.extensions().clone(),
                Theft::Move => std::mem::take(request.extensions_mut()),
            });
            // The robbed request goes nowhere, so that its exchange stays fresh.
            return Box::pin(std::future::pending());
        };
        drop(loot);
        *request.extensions_mut() = stolen;
        if self.spawns {
            let mut inner = self.inner.clone();
            let task = tokio::spawn(async move { inner.call(request).await });
            Box::pin(async move {
                match task.await {
                    Ok(result) => result,
                    Err(_) => std::future::pending().await,
                }
            })
        } else {
            Box::pin(self.inner.call(request))
        }
    }
}

fn request() -> Request<Full<Bytes>> {
    Request::builder()
        .header("host", "agent.example")
        .body(Full::default())
        .unwrap_or_default()
}

async fn planted(harness: &mut Harness) {
    between_layers(harness).await;
    before_a_handler(harness).await;
}

/// Between `perimeter` and `authn`: the second request must not pass with the first one's
/// exchange. The first is held back, so that its own exchange is still fresh.
async fn between_layers(harness: &mut Harness) {
    for (theft, spawns) in [
        (Theft::Clone, false),
        (Theft::Clone, true),
        (Theft::Move, false),
    ] {
        let probe = HandlerProbe::new();
        let authn = AuthnLayer::builder()
            .add_authenticator(MockAuth::user("second"))
            .build();
        let perimeter = PerimeterLayer::builder()
            .add_allowed_host("agent.example")
            .build();
        let (Ok(authn), Ok(perimeter)) = (authn, perimeter) else {
            continue;
        };
        let loot = Arc::default();
        let thief = Thief {
            inner: authn.layer(probe.clone()),
            theft,
            spawns,
            loot,
        };
        let service = perimeter.layer(thief);
        // The first request is given up as soon as it has been robbed.
        let robbed = service.clone().oneshot(request()).now_or_never();
        debug_assert!(robbed.is_none(), "the first request goes nowhere");
        let before = probe.calls();
        let status = match service.oneshot(request()).await {
            Ok(response) => response.status(),
            Err(never) => match never {},
        };
        let name = format!("{theft:?} between layers, spawned: {spawns}");
        let is_refused = status == StatusCode::INTERNAL_SERVER_ERROR && probe.calls() == before;
        harness.judged(
            &name,
            if is_refused {
                Ok(())
            } else {
                Err(status.to_string())
            },
        );
    }
}

/// Inside the gate: a handler must not be told another request's principal.
async fn before_a_handler(harness: &mut Harness) {
    let guard = Guard::fixed();
    let handler = service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        let name = Exchange::of(request.extensions())
            .and_then(Exchange::principal)
            .map_or("nobody", |principal| principal.subject())
            .to_owned();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(name)))
    });
    for theft in [Theft::Clone, Theft::Move] {
        let thief = Thief {
            inner: handler,
            theft,
            spawns: false,
            loot: Arc::default(),
        };
        let service = guard.gate.layer(thief);
        let request = |subject: &str| {
            let token = guard
                .idp
                .token(subject)
                .with_audience(crate::guard::RESOURCE)
                .mint();
            guard.bearer(&token)
        };
        let robbed = service.clone().oneshot(request("alice")).now_or_never();
        debug_assert!(robbed.is_none(), "the first request goes nowhere");
        let response = match service.oneshot(request("mallory")).await {
            Ok(response) => response.map(http_body_util::combinators::UnsyncBoxBody::new),
            Err(never) => match never {},
        };
        let seen = text(response).await;
        harness.judged(
            &format!("{theft:?} before a handler"),
            if seen == "alice" {
                Err("mallory is taken for alice".to_owned())
            } else {
                Ok(())
            },
        );
    }
}
