//! A session around a handler: the real layers, with a caller who is always the same.

use portcullis::{
    authn::{Authn, AuthnLayer},
    session::{SessionBuilder, SessionLayer, WithSession},
};
use tower_layer::Layer;

use crate::mock_auth::{MockAuth, authn_layer};

/// Gives every request a session of the same caller: `authn` and `session` as production runs
/// them. Clones, and all services that are made with one, share the sessions.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, body::Body, routing::get};
/// use portcullis::session::{Session, SessionLayer};
/// use portcullis_testing::{clock::VirtualClock, mock_auth::MockAuth, mock_session::MockSession};
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = VirtualClock::new();
/// let settings = SessionLayer::builder()
///     .with_clock(clock.clone())
///     .with_idle(Duration::from_secs(60));
/// let router = Router::new()
///     .route("/", get(async |session: Session| session.id().to_string()))
///     .layer(MockSession::new(MockAuth::user("alice"), settings));
///
/// let ask = async || router.clone().oneshot(http::Request::new(Body::empty())).await.unwrap();
/// assert_eq!(ask().await.status(), 200);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(ask().await.status(), 401); // idle, and nobody signs in again
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a mock does nothing until it is added to a service"]
pub struct MockSession {
    authn: AuthnLayer,
    session: SessionLayer,
}

impl MockSession {
    /// Every request comes from this caller, whose sessions have these settings.
    ///
    /// # Panics
    ///
    /// The settings do not work.
    #[track_caller]
    pub fn new(caller: MockAuth, settings: SessionBuilder) -> Self {
        Self {
            authn: authn_layer(caller),
            session: session_layer(settings),
        }
    }

    /// Every request comes from this user, whose sessions have the default settings.
    ///
    /// # Panics
    ///
    /// The operating system gives no randomness.
    #[track_caller]
    pub fn user(subject: &str) -> Self {
        Self::new(MockAuth::user(subject), SessionLayer::builder())
    }
}

impl<S> Layer<S> for MockSession {
    type Service = Authn<WithSession<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.authn.layer(self.session.layer(inner))
    }
}

/// The real layer with these settings.
#[track_caller]
#[expect(clippy::panic, reason = "a slip in a test's set-up ends the test")]
pub(crate) fn session_layer(settings: SessionBuilder) -> SessionLayer {
    let layer = settings.build();
    layer.unwrap_or_else(|problems| panic!("the layer of the mock cannot be built: {problems}"))
}
