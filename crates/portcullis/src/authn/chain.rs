//! Authenticators behind one object-safe face.

use std::{future::Future, pin::Pin, sync::Arc};

use http::request::Parts;
use portcullis_core::{
    Authenticator, Check, ConfigErrors, Description, IntoAuthenticator, NotReady, RequestView,
    Site, Verdict,
};

use crate::exchange::Exchange;

/// The future of an authenticator's I/O. The head of the request moves in and out, so that
/// one box owns all that the look needs.
pub(crate) type Verifying = Pin<Box<dyn Future<Output = (Parts, Verdict)> + Send + 'static>>;

/// The future of [`Authenticator::ready`].
pub(crate) type Readying = Pin<Box<dyn Future<Output = Result<(), NotReady>> + Send + 'static>>;

/// The future of [`Authenticator::shutdown`].
pub(crate) type Ending = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// The object-safe twin of [`Authenticator`], whose own async methods return opaque futures.
pub(crate) trait AnyAuthenticator: Send + Sync + 'static {
    fn describe(&self) -> Description;
    fn check(&self, request: &RequestView<'_>) -> Check<Verdict>;
    fn verify(self: Arc<Self>, parts: Parts, exchange: Exchange) -> Verifying;
    fn ready(self: Arc<Self>) -> Readying;
    fn shutdown(self: Arc<Self>) -> Ending;
}

struct Twin<A>(A);

impl<A: Authenticator> AnyAuthenticator for Twin<A> {
    fn describe(&self) -> Description {
        self.0.describe()
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        self.0.check(request)
    }

    fn verify(self: Arc<Self>, parts: Parts, exchange: Exchange) -> Verifying {
        Box::pin(async move {
            let verdict = self.0.verify(&exchange.view(&parts)).await;
            (parts, verdict)
        })
    }

    fn ready(self: Arc<Self>) -> Readying {
        Box::pin(async move { self.0.ready().await })
    }

    fn shutdown(self: Arc<Self>) -> Ending {
        Box::pin(async move { self.0.shutdown().await })
    }
}

/// An authenticator that waits for the place where it will stand.
pub(crate) type Planned =
    Box<dyn FnOnce(&Site) -> Result<Arc<dyn AnyAuthenticator>, ConfigErrors> + Send>;

/// Keeps the configuration of an authenticator until the stack is built.
pub(crate) fn plan<A: IntoAuthenticator + Send + 'static>(config: A) -> Planned {
    Box::new(move |site| {
        let authenticator = config.into_authenticator(site)?;
        Ok(Arc::new(Twin(authenticator)) as Arc<dyn AnyAuthenticator>)
    })
}
