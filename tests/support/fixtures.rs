//! One configuration of each layer, and requests that they let in or refuse.

use std::time::Duration;

use http::request::Builder;
use portcullis::{
    authn::{AuthnBuilder, AuthnLayer},
    binding::{BindingBuilder, BindingLayer},
    perimeter::{PerimeterBuilder, PerimeterLayer},
    quota::{Quota, QuotaBuilder, QuotaLayer},
    session::{SessionBuilder, SessionLayer},
    stack::{Complete, Gate, Stack, StackBuilder},
    step_up::{Requirement, StepUpBuilder, StepUpLayer},
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

/// The challenge to a caller who lacks the scope of [`PAYMENTS`].
pub const CHALLENGE_SCOPE: &str = "Bearer error=\"insufficient_scope\", scope=\"payments.write\", \
     resource_metadata=\"https://agent.example/.well-known/oauth-protected-resource\", \
     error_description=\"The request requires more scopes than the access token has\"";

/// The challenge to a user who is not authenticated well enough for [`VAULT`].
pub const CHALLENGE_STRENGTH: &str = "Bearer error=\"insufficient_user_authentication\", \
     acr_values=\"phr\", max_age=\"300\", \
     resource_metadata=\"https://agent.example/.well-known/oauth-protected-resource\"";

/// A path that requires the scope `payments.write`.
pub const PAYMENTS: &str = "/payments";

/// A path that requires a strong and recent authentication.
pub const VAULT: &str = "/vault";

/// How long the sessions of [`short_sessions`] may be idle.
pub const IDLE: Duration = Duration::from_secs(60);

/// How long the sessions of [`short_sessions`] last at most.
pub const ABSOLUTE: Duration = Duration::from_secs(600);

/// What requires the scope of [`PAYMENTS`].
pub fn a_scope() -> Requirement {
    Requirement::new().with_scopes("payments.write")
}

/// What requires the strength of [`VAULT`].
pub fn strength() -> Requirement {
    Requirement::new()
        .add_acr("phr")
        .add_amr("hwk")
        .with_max_age(Duration::from_secs(300))
}

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

/// The settings of a `session` layer whose sessions end while a test looks.
pub fn short_sessions() -> SessionBuilder {
    SessionLayer::builder()
        .with_idle(IDLE)
        .with_absolute(ABSOLUTE)
}

/// A `session` layer with its default settings. It stands inside [`authn`].
#[expect(clippy::expect_used, reason = "fixed settings that work")]
pub fn session(audit: &RecordingAudit) -> SessionLayer {
    session_builder(audit).build().expect("the settings work")
}

/// The settings of a `binding` layer that notes every difference, and refuses nobody.
pub fn binding_builder(audit: &RecordingAudit) -> BindingBuilder {
    BindingLayer::builder().with_audit(audit.clone())
}

/// A `binding` layer that notes every difference. It stands inside [`session`].
#[expect(clippy::expect_used, reason = "fixed settings that work")]
pub fn binding(audit: &RecordingAudit) -> BindingLayer {
    binding_builder(audit).build().expect("the settings work")
}

/// [`session`] in the one place where it can stand alone: just inside [`authn`].
#[must_use]
pub fn authn_and_session(audit: &RecordingAudit) -> util::Stack<SessionLayer, AuthnLayer> {
    util::Stack::new(session(&RecordingAudit::failing()), authn(audit))
}

/// [`binding`] in the one place where it can stand alone: inside [`authn`] and [`session`].
#[must_use]
pub fn authn_and_binding(
    audit: &RecordingAudit,
) -> util::Stack<BindingLayer, util::Stack<SessionLayer, AuthnLayer>> {
    util::Stack::new(
        binding(&RecordingAudit::failing()),
        authn_and_session(audit),
    )
}

/// [`quota`] in the one place where it can stand alone: just inside [`authn`].
#[must_use]
pub fn authn_and_quota(audit: &RecordingAudit) -> util::Stack<QuotaLayer, AuthnLayer> {
    util::Stack::new(quota(&RecordingAudit::failing()), authn(audit))
}

/// The settings of a `step_up` for [`PAYMENTS`] and [`VAULT`], and for operations that require
/// the same: `payments.transfer`, `vault.open`, and `notes.list`, which requires nothing.
pub fn step_up_builder() -> StepUpBuilder {
    StepUpLayer::builder()
        .add_route_requirement(PAYMENTS, a_scope())
        .add_route_requirement(VAULT, strength())
        .require("payments.transfer", a_scope())
        .require("vault.open", strength())
        .require("notes.list", Requirement::new())
}

/// A `step_up` for them. It stands inside [`authn`].
#[expect(clippy::expect_used, reason = "fixed settings that work")]
pub fn step_up(audit: &RecordingAudit) -> StepUpLayer {
    let builder = step_up_builder().with_audit(audit.clone());
    builder.build().expect("the settings work")
}

/// [`step_up`] in the one place where it can stand alone: just inside [`authn`].
#[must_use]
pub fn authn_and_step_up(audit: &RecordingAudit) -> util::Stack<StepUpLayer, AuthnLayer> {
    util::Stack::new(step_up(&RecordingAudit::failing()), authn(audit))
}

/// The settings of a gate of all layers.
pub fn stack_builder(audit: &RecordingAudit) -> StackBuilder<Complete> {
    Stack::builder()
        .with_audit(audit.clone())
        .with_resource(RESOURCE)
        .with_challenge_scopes("notes.read")
        .with_perimeter(PerimeterLayer::builder().with_max_body(MAX_BODY))
        .with_session(session_builder(audit))
        .with_binding(binding_builder(audit))
        .with_quota(quota_builder(audit))
        .with_step_up(step_up_builder())
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
