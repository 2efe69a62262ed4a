//! The gate as a layer.

use std::sync::Arc;

use tower_layer::Layer;

use crate::{
    endpoints::Endpoints,
    exchange::Slot,
    frame::{RequestBody, Shell, Steps, shell_service},
    resource::Metadata,
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
#[derive(Clone, Debug)]
#[must_use = "a gate guards nothing until it is added to a service"]
pub struct Gate {
    steps: Arc<Steps>,
    metadata: Option<Metadata>,
    endpoints: Endpoints,
}

impl Gate {
    pub(super) fn new(steps: Arc<Steps>, metadata: Option<Metadata>, endpoints: Endpoints) -> Self {
        Self {
            steps,
            metadata,
            endpoints,
        }
    }

    /// What has to be reachable without a credential: the resource metadata, and the paths at
    /// which [notices](crate::notices) of issuers are received.
    ///
    /// A gate at the root of the server answers for them by itself. One that is nested does not
    /// see those requests: mount this service at the root, outside the gate.
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints.clone()
    }

    /// The URL of the resource metadata (RFC 9728), which challenges point to. `None` without
    /// a resource, or if no authenticator names an authorization server.
    #[must_use]
    pub fn metadata_url(&self) -> Option<&str> {
        self.metadata.as_ref().map(Metadata::url)
    }

    /// The layers that stand in this gate, from outside in.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.steps.slots()
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            shell: Shell::new(inner, Arc::clone(&self.steps)),
        }
    }
}

shell_service! {
    /// A service behind a [`Gate`].
    pub struct Gated<S>: WrapOrReadBody -> RequestBody<B>;
}
