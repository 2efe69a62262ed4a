//! A session that knows where it came from, around a handler: the real layers, with a caller who
//! is always the same.

use portcullis::{
    authn::{Authn, AuthnLayer},
    binding::{BindingBuilder, BindingLayer, Bound},
    session::{SessionLayer, WithSession},
};
use tower_layer::Layer;

use crate::{mock_auth::MockAuth, mock_session::session_layer};

/// Compares where requests come from: `authn`, `session` and `binding` as production runs them.
/// Clones, and all services that are made with one, share the sessions.
///
/// # Example
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use http::HeaderName;
/// use portcullis::binding::{BindingLayer, Reaction};
/// use portcullis_testing::{mock_auth::MockAuth, mock_binding::MockBinding};
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let settings = BindingLayer::builder()
///     .with_device_header(HeaderName::from_static("x-device-id"))
///     .with_device(Reaction::Ask);
/// let router = Router::new()
///     .route("/", get(async || "done"))
///     .layer(MockBinding::new(MockAuth::user("alice"), settings));
///
/// let from = async |device: &str| {
///     let request = http::Request::get("/").header("x-device-id", device);
///     let request = request.body(Body::empty()).unwrap();
///     router.clone().oneshot(request).await.unwrap().status()
/// };
/// assert_eq!(from("laptop").await, 200);
/// assert_eq!(from("elsewhere").await, 401);
/// assert_eq!(from("laptop").await, 200);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a mock does nothing until it is added to a service"]
pub struct MockBinding {
    authn: AuthnLayer,
    session: SessionLayer,
    binding: BindingLayer,
}

impl MockBinding {
    /// Every request comes from this caller, and is compared by these settings.
    ///
    /// # Panics
    ///
    /// The settings do not work.
    #[track_caller]
    #[expect(clippy::panic, reason = "a slip in a test's set-up ends the test")]
    pub fn new(caller: MockAuth, settings: BindingBuilder) -> Self {
        let binding = settings
            .build()
            .unwrap_or_else(|problems| panic!("the layer of the mock cannot be built: {problems}"));
        Self {
            authn: crate::mock_auth::authn_layer(caller),
            session: session_layer(SessionLayer::builder()),
            binding,
        }
    }
}

impl<S> Layer<S> for MockBinding {
    type Service = Authn<WithSession<Bound<S>>>;

    fn layer(&self, inner: S) -> Self::Service {
        let bound = self.binding.layer(inner);
        self.authn.layer(self.session.layer(bound))
    }
}
