//! Who calls.
//!
//! The one function that mints a [`Principal`] is [`Principal::from_evidence`], and its one
//! caller is the `authn` layer.

use std::{fmt, sync::Arc};

use portcullis_core::{Actor, Evidence, EvidenceKind, Scopes, Timestamp};

/// Who calls: evidence that a registered authenticator gave and the `authn` layer accepted.
///
/// There is no constructor, no `Default`, no `Deserialize` and no conversion: not here, and
/// not behind a feature. In a test, run the real layer with fixed evidence; the `MockAuth` of
/// `portcullis-testing` does.
///
/// ```compile_fail
/// use portcullis::{Evidence, EvidenceKind, Principal};
///
/// let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", "admin");
/// let forged: Principal = evidence.into();
/// ```
///
/// A principal is identified by issuer *and* subject. Cheap to clone.
#[derive(Clone)]
pub struct Principal {
    evidence: Arc<Evidence>,
    authenticator: &'static str,
}

/// What `authn` writes into the exchange.
#[derive(Debug)]
pub(crate) enum Identity {
    /// A route that is declared anonymous, and a request without a credential.
    Anonymous,
    /// A caller with a credential.
    Principal(Principal),
}

impl Principal {
    /// Mints a principal. Called by the `authn` layer, on evidence that it has checked.
    pub(crate) fn from_evidence(evidence: Arc<Evidence>, authenticator: &'static str) -> Self {
        Self {
            evidence,
            authenticator,
        }
    }

    /// Who vouches for the caller.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.evidence.issuer()
    }

    /// Who calls, within the issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.evidence.subject()
    }

    /// The client application that the caller uses, or is.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.evidence.client()
    }

    /// Who or what the credential stands for.
    #[must_use]
    pub fn kind(&self) -> EvidenceKind {
        self.evidence.kind()
    }

    /// What was granted.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        self.evidence.scopes()
    }

    /// Whether a scope was granted, byte for byte.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().contains(scope)
    }

    /// The authentication context class.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.evidence.acr()
    }

    /// The authentication methods.
    pub fn amr(&self) -> impl Iterator<Item = &str> {
        self.evidence.amr()
    }

    /// When the end user last actively authenticated.
    #[must_use]
    pub fn auth_time(&self) -> Option<Timestamp> {
        self.evidence.auth_time()
    }

    /// When the credential ends.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.evidence.not_after()
    }

    /// Who acts for the subject, nearest first. Only the first may drive a decision.
    pub fn actors(&self) -> &[Actor] {
        self.evidence.actors()
    }

    /// Whether the credential is bound to a key or a certificate (RFC 9449, RFC 8705), of which
    /// whoever sent this request has shown that he holds it.
    #[must_use]
    pub fn is_sender_constrained(&self) -> bool {
        self.evidence.confirmation().is_some()
    }

    /// The name of the authenticator that accepted the credential.
    #[must_use]
    pub fn authenticator(&self) -> &'static str {
        self.authenticator
    }

    /// What the authenticator found out. A copy of it is evidence again, and no principal.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// What a model or a tool may be shown.
    pub fn actor_view(&self) -> ActorView {
        ActorView(Arc::clone(&self.evidence))
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("authenticator", &self.authenticator)
            .finish_non_exhaustive()
    }
}

/// What a model or a tool is shown of a principal: a name, what was granted, and how strongly
/// the caller authenticated.
///
/// It is a value of its own: nothing leads from it back to the principal or the exchange, and
/// whatever is done to it changes nobody's identity.
#[derive(Clone)]
#[must_use]
pub struct ActorView(Arc<Evidence>);

impl ActorView {
    /// The subject, as a name to address.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.subject()
    }

    /// What was granted.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        self.0.scopes()
    }

    /// How strongly the caller authenticated: the authentication context class.
    #[must_use]
    pub fn assurance(&self) -> Option<&str> {
        self.0.acr()
    }
}

impl fmt::Debug for ActorView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorView")
            .field("name", &self.name())
            .field("scopes", &self.scopes())
            .field("assurance", &self.assurance())
            .finish()
    }
}
