//! One configuration of each layer, and requests that they let in or refuse.

use http::request::Builder;
use portcullis::{
    authn::{AuthnBuilder, AuthnLayer},
    perimeter::{PerimeterBuilder, PerimeterLayer},
    quota::{Quota, QuotaBuilder, QuotaLayer},
    session::{SessionBuilder, SessionLayer},
    stack::{Complete, Gate, Stack, StackBuilder},
};
use portcullis_testing::audit::RecordingAudit;
use tower::layer::util;

use crate::table_auth::TableAuth;

/// Who the agent is.
pub const RESOURCE: &str = "https://agent.example/";

/// The host that is allowed.
pub const HOST: &str = "agent.example";

/// The one page that may call.
pub const ORIGIN: &str = "https://agent.example";

/// The most bytes of a body.
pub const MAX_BODY: u64 = 64;

/// The challenge to a request without a credential.
pub const CHALLENGE_MISSING: &str = "Bearer resource_metadata=\"https://agent.example/\
     .well-known/oauth-protected-resource\", scope=\"notes.read\"";

/// The challenge to a bad credential.
pub const CHALLENGE_INVALID_TOKEN: &str = "Bearer error=\"invalid_token\", \
     error_description=\"The access token is not valid\", \
     resource_metadata=\"https://agent.example/.well-known/oauth-protected-resource\"";

/// The challenge to what is no credential.
pub const CHALLENGE_INVALID_REQUEST: &str = "Bearer error=\"invalid_request\"";

/// The settings of an `authn` layer that asks a [`TableAuth`].
pub fn authn_builder(audit: &RecordingAudit) -> AuthnBuilder {
    AuthnLayer::builder()
        .with_audit(audit.clone())
        .with_resource(RESOURCE)
        .with_challenge_scopes("notes.read")
        .add_authenticator(TableAuth::new())
}

/// An `authn` layer that asks a [`TableAuth`].
#[expect(clippy::expect_used, reason = "fixed settings that work")]
pub fn authn(audit: &RecordingAudit) -> AuthnLayer {
    authn_builder(audit).build().expect("the settings work")
}

/// The settings of a `perimeter` for [`HOST`], with a body of at most [`MAX_BODY`] bytes.
pub fn perimeter_builder(audit: &RecordingAudit) -> PerimeterBuilder {
    PerimeterLayer::builder()
        .with_audit(audit.clone())
        .with_resource(RESOURCE)
        .with_max_body(MAX_BODY)
}

/// A `perimeter` for [`HOST`].
#[expect(clippy::expect_used, reason = "fixed settings that work")]
pub fn perimeter(audit: &RecordingAudit) -> PerimeterLayer {
    perimeter_builder(audit).build().expect("the settings work")
}

/// The settings of a `quota` that no test spends by accident.
pub fn quota_builder(audit: &RecordingAudit) -> QuotaBuilder {
    QuotaLayer::builder()
        .with_audit(audit.clone())
        .with_per_principal(Quota::per_second(1_000_000))
        .with_per_client(Quota::per_second(1_000_000))
}

/// A `quota` that no test spends by accident. It stands inside [`authn`].
#[expect(clippy::expect_used, reason = "fixed settings that work")]
pub fn quota(audit: &RecordingAudit) -> QuotaLayer {
    quota_builder(audit).build().expect("the settings work")
}

/// The settings of a `session` layer as they are by default.
pub fn session_builder(audit: &RecordingAudit) -> SessionBuilder {
    SessionLayer::builder().with_audit(audit.clone())
}

/// A `session` layer with its default settings. It stands inside [`authn`].
#[expect(clippy::expect_used, reason = "fixed settings that work")]
pub fn session(audit: &RecordingAudit) -> SessionLayer {
    session_builder(audit).build().expect("the settings work")
}

/// [`session`] in the one place where it can stand alone: just inside [`authn`].
#[must_use]
pub fn authn_and_session(audit: &RecordingAudit) -> util::Stack<SessionLayer, AuthnLayer> {
    util::Stack::new(session(&RecordingAudit::failing()), authn(audit))
}

/// [`quota`] in the one place where it can stand alone: just inside [`authn`].
#[must_use]
pub fn authn_and_quota(audit: &RecordingAudit) -> util::Stack<QuotaLayer, AuthnLayer> {
    util::Stack::new(quota(&RecordingAudit::failing()), authn(audit))
}

/// The settings of a gate of all layers.
pub fn stack_builder(audit: &RecordingAudit) -> StackBuilder<Complete> {
    Stack::builder()
        .with_audit(audit.clone())
        .with_resource(RESOURCE)
        .with_challenge_scopes("notes.read")
        .with_perimeter(PerimeterLayer::builder().with_max_body(MAX_BODY))
        .with_session(session_builder(audit))
        .with_quota(quota_builder(audit))
        .add_authenticator(TableAuth::new())
}

/// A gate of all layers.
#[expect(clippy::expect_used, reason = "fixed settings that work")]
pub fn gate(audit: &RecordingAudit) -> Gate {
    let (gate, _handle) = stack_builder(audit).build().expect("the settings work");
    gate
}

/// A request for [`HOST`] without a credential.
#[must_use]
pub fn request() -> Builder {
    http::Request::builder().header("host", HOST)
}

/// A request for [`HOST`] with a bearer token.
#[must_use]
pub fn request_with(token: &str) -> Builder {
    request().header("authorization", format!("Bearer {token}"))
}
