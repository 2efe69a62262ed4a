//! Authentication with a fixed outcome: the real layer, around an authenticator that always
//! says the same.
//!
//! There is no other way to a `Principal`, in tests as elsewhere: what a handler sees behind
//! [`MockAuth`] has come through the layer that production runs.

use portcullis::authn::{Authn, AuthnLayer};
use portcullis_core::{
    Authenticator, Check, Description, Evidence, EvidenceKind, ReasonCode, Rejection, RequestView,
    Scopes, Unavailable, Verdict,
};
use tower_layer::Layer;

/// The issuer of evidence that names none.
const ISSUER: &str = "https://mock.example";

/// Says the same about every request, whatever credential it carries.
///
/// It is a layer, for a handler alone, and an authenticator, for a whole stack.
///
/// # Example
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use portcullis::Principal;
/// use portcullis_testing::mock_auth::MockAuth;
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let router = Router::new()
///     .route("/", get(async |principal: Principal| principal.subject().to_owned()))
///     .layer(MockAuth::user("alice").with_scopes("notes.read"));
///
/// let response = router.oneshot(http::Request::new(Body::empty())).await.unwrap();
/// let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
/// assert_eq!(body, "alice");
/// # }
/// ```
///
/// A backend that is down, in a stack:
///
/// ```
/// use portcullis::Stack;
/// use portcullis_testing::mock_auth::MockAuth;
///
/// let (gate, _handle) = Stack::builder()
///     .with_resource("https://agent.example/")
///     .add_authenticator(MockAuth::unavailable())
///     .build()?;
/// # let _ = gate;
/// # Ok::<(), portcullis::ConfigErrors>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a mock does nothing until it is added to a service or a stack"]
pub struct MockAuth(Verdict);

impl MockAuth {
    /// Every request comes from this user.
    pub fn user(subject: &str) -> Self {
        Self::evidence(Evidence::new(EvidenceKind::User, ISSUER, subject))
    }

    /// Every request comes from this client application, on its own behalf.
    pub fn client(subject: &str) -> Self {
        let evidence = Evidence::new(EvidenceKind::Client, ISSUER, subject);
        Self::evidence(evidence.with_client(subject))
    }

    /// Every request comes with this evidence.
    pub fn evidence(evidence: Evidence) -> Self {
        Self(Verdict::accept(evidence))
    }

    /// Every request is without a credential.
    pub fn absent() -> Self {
        Self(Verdict::Absent)
    }

    /// Every credential is bad.
    pub fn rejecting() -> Self {
        Self(Verdict::Reject(Rejection::invalid_token(ReasonCode::new(
            "mock_rejected",
        ))))
    }

    /// Nothing can be found out about any credential.
    pub fn unavailable() -> Self {
        Self(Verdict::Unavailable(Unavailable::new(ReasonCode::new(
            "mock_unavailable",
        ))))
    }

    /// Grants scopes, separated by spaces. Does nothing to a mock that lets nobody in.
    ///
    /// # Panics
    ///
    /// A scope holds a character that no scope may hold.
    #[track_caller]
    #[expect(clippy::panic, reason = "a slip in a test's set-up ends the test")]
    pub fn with_scopes(self, scopes: &str) -> Self {
        let scopes = Scopes::parse(scopes).unwrap_or_else(|problem| {
            panic!("`{}` are no scopes: {problem}", scopes.escape_debug())
        });
        self.map(|evidence| evidence.with_scopes(scopes))
    }

    /// Sets the authentication context class. Does nothing to a mock that lets nobody in.
    pub fn with_acr(self, acr: &str) -> Self {
        self.map(|evidence| evidence.with_acr(acr))
    }

    fn map(self, change: impl FnOnce(Evidence) -> Evidence) -> Self {
        match self.0 {
            Verdict::Accept(evidence) => Self::evidence(change((*evidence).clone())),
            other => Self(other),
        }
    }
}

impl Authenticator for MockAuth {
    fn describe(&self) -> Description {
        Description::bearer("mock_auth")
    }

    fn check(&self, _request: &RequestView<'_>) -> Check<Verdict> {
        Check::Done(self.0.clone())
    }
}

impl<S> Layer<S> for MockAuth {
    type Service = Authn<S>;

    /// # Panics
    ///
    /// The operating system gives no randomness for request ids.
    fn layer(&self, inner: S) -> Authn<S> {
        authn_layer(self.clone()).layer(inner)
    }
}

/// The real layer around a caller.
#[track_caller]
#[expect(clippy::panic, reason = "a slip in a test's set-up ends the test")]
pub(crate) fn authn_layer(caller: MockAuth) -> AuthnLayer {
    let layer = AuthnLayer::builder().add_authenticator(caller).build();
    layer.unwrap_or_else(|problems| panic!("the layer of the mock cannot be built: {problems}"))
}
