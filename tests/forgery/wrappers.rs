//! Ways in which one service calls another.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::BoxError;
use tower::{Service, ServiceExt as _, buffer::Buffer, util::BoxCloneSyncService};

use crate::thief::Answer;

/// How what is inside is called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Called {
    /// On the spot.
    Directly,
    /// By a worker, which hands the future back.
    ByAWorker,
    /// On the spot; what comes back runs in a task of its own.
    ThenSpawned,
    /// By a worker; what comes back runs in a task of its own.
    ByAWorkerThenSpawned,
    /// In a task of its own, and it runs there.
    InATask,
}

/// Where at the call or at each poll a request's own flight can be seen.
pub(crate) const WITH_A_FLIGHT_IN_SIGHT: [Called; 3] =
    [Called::Directly, Called::ByAWorker, Called::ThenSpawned];

/// Where neither the call nor any poll is made by the layer outside.
pub(crate) const OUT_OF_SIGHT: [Called; 2] = [Called::ByAWorkerThenSpawned, Called::InATask];

pub(crate) type Boxed<B> = BoxCloneSyncService<Request<B>, Response<Full<Bytes>>, BoxError>;

/// Puts a way of calling in front of a service.
pub(crate) fn wrap<S, B, R>(called: Called, service: S) -> Boxed<B>
where
    S: Service<Request<B>, Response = Response<R>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    R: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    B: Send + 'static,
{
    let service = service.map_err(Into::into);
    match called {
        Called::Directly => boxed(service),
        Called::ByAWorker => boxed(Buffer::new(service, 8)),
        Called::ThenSpawned => boxed(Spawning(service)),
        Called::ByAWorkerThenSpawned => boxed(Spawning(Buffer::new(service, 8))),
        Called::InATask => boxed(tower::service_fn(move |request| {
            let service = service.clone();
            async move { tokio::spawn(service.oneshot(request)).await? }
        })),
    }
}

fn boxed<S, B, R>(service: S) -> Boxed<B>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    R: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    B: Send + 'static,
{
    BoxCloneSyncService::new(service.and_then(async |response| {
        Ok(portcullis_tests::wire::read(response)
            .await?
            .map(Into::into))
    }))
}

/// Runs what a call gives back in a task of its own.
#[derive(Clone)]
struct Spawning<S>(S);

impl<S, B, R> Service<Request<B>> for Spawning<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError, Future: Send + 'static>,
    R: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let task = tokio::spawn(self.0.call(request));
        let answer: Answer = Box::pin(async { portcullis_tests::wire::read(task.await??).await });
        Box::pin(async { Ok(answer.await?.map(Into::into)) })
    }
}
