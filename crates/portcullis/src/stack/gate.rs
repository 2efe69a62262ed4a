//! The gate as a layer.

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::installed::Installed;
use crate::{
    endpoints::Endpoints,
    exchange::Slot,
    frame::{RequestBody, Shell, shell_service},
};

/// All layers of a [`Stack`](super::Stack) as one Tower layer.
///
/// **On axum, routes that are added after `Router::layer` are not guarded by it.** There the
/// documented form is `guard` (feature `axum`), which takes the finished router
/// and returns something that no route can be added to. In a handler that is not guarded, our
/// extractors answer 500 and log which layer is missing.
///
/// The body of a request is a `http_body::Body`, of which nothing else is asked: the gate reads
/// [notices](crate::notices) by itself. The inner service is given a [`RequestBody`]. A service that insists on another body type
/// takes `.map_request(|request| request.map(Body::new))` of `tower::ServiceBuilder` in
/// between.
#[derive(Clone)]
#[must_use = "a gate guards nothing until it is added to a service"]
pub struct Gate {
    installed: Arc<Installed>,
    /// Where the resource metadata is found, which does not change.
    metadata_url: Option<Box<str>>,
}

impl Gate {
    pub(super) fn new(installed: Arc<Installed>) -> Self {
        let metadata_url = installed.outside().load().metadata_url();
        Self {
            installed,
            metadata_url,
        }
    }

    /// What has to be reachable without a credential: the resource metadata, and the paths at
    /// which [notices](crate::notices) of issuers are received.
    ///
    /// A gate at the root of the server answers for them by itself. One that is nested does not
    /// see those requests: mount this service at the root, outside the gate.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::new(Arc::clone(self.installed.outside()))
    }

    /// The URL of the resource metadata (RFC 9728), which challenges point to. `None` without
    /// a resource, or if no authenticator named an authorization server when the gate was built.
    #[must_use]
    pub fn metadata_url(&self) -> Option<&str> {
        self.metadata_url.as_deref()
    }

    /// The layers that stand in this gate now, from outside in.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        let slots: Vec<_> = self.installed.steps().load().slots().collect();
        slots.into_iter()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("steps", self.installed.steps())
            .field("metadata_url", &self.metadata_url)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            shell: Shell::new(inner, self.installed.steps().clone()),
        }
    }
}

shell_service! {
    /// A service behind a [`Gate`].
    pub struct Gated<S>: WrapOrReadBody -> RequestBody<B>;
}
