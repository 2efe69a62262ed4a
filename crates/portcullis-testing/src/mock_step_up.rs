//! Requirements around a handler: the real layers, with a caller who is always the same.

use portcullis::{
    authn::{Authn, AuthnLayer},
    step_up::{Requirement, StepUp, StepUpBuilder, StepUpLayer},
};
use tower_layer::Layer;

use crate::mock_auth::{MockAuth, authn_layer};

/// Decides on what a handler asks for with `Exchange::authorize`: `authn` and `step_up` as
/// production runs them. There is no other way to a permit, in tests as elsewhere.
///
/// # Example
///
/// ```
/// use axum::{Router, body::Body, routing::post};
/// use portcullis::{Denial, Exchange};
/// use portcullis_testing::mock_step_up::MockStepUp;
/// use tower::{Layer as _, ServiceExt as _};
///
/// async fn pay(exchange: Exchange) -> Result<String, Denial> {
///     let permit = exchange.authorize("payments.transfer", 500_u64).await?;
///     Ok(format!("sent {}", permit.spend()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let status = async |mock: MockStepUp| {
///     let router = Router::new().route("/", post(pay)).layer(mock);
///     let request = http::Request::post("/").body(Body::empty()).unwrap();
///     router.oneshot(request).await.unwrap().status()
/// };
/// assert_eq!(status(MockStepUp::permitting(&["payments.transfer"])).await, 200);
/// assert_eq!(status(MockStepUp::refusing(&["payments.transfer"])).await, 403);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a mock does nothing until it is added to a service"]
pub struct MockStepUp {
    authn: AuthnLayer,
    step_up: StepUpLayer,
}

impl MockStepUp {
    /// Every request comes from this caller, of whom this is required.
    ///
    /// # Panics
    ///
    /// The settings do not work.
    #[track_caller]
    #[expect(clippy::panic, reason = "a slip in a test's set-up ends the test")]
    pub fn new(caller: MockAuth, settings: StepUpBuilder) -> Self {
        let step_up = settings
            .build()
            .unwrap_or_else(|problems| panic!("the layer of the mock cannot be built: {problems}"));
        Self {
            authn: authn_layer(caller),
            step_up,
        }
    }

    /// A user may do all of these, and nothing else.
    ///
    /// # Panics
    ///
    /// A name is no operation, or there is none.
    #[track_caller]
    pub fn permitting(operations: &[&str]) -> Self {
        Self::requiring(operations, &Requirement::new())
    }

    /// A user may do none of these: for each a scope is missing.
    ///
    /// # Panics
    ///
    /// A name is no operation, or there is none.
    #[track_caller]
    pub fn refusing(operations: &[&str]) -> Self {
        Self::requiring(operations, &Requirement::new().with_scopes("mock.missing"))
    }

    #[track_caller]
    fn requiring(operations: &[&str], requirement: &Requirement) -> Self {
        let settings = operations
            .iter()
            .fold(StepUpLayer::builder(), |settings, operation| {
                settings.require(*operation, requirement.clone())
            });
        Self::new(MockAuth::user("alice"), settings)
    }
}

impl<S> Layer<S> for MockStepUp {
    type Service = Authn<StepUp<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.authn.layer(self.step_up.layer(inner))
    }
}
