//! What an authenticator found out.

mod bytes;
mod revocation_key;
mod validity;
mod withdrawal;

pub use self::{
    bytes::InvalidEvidenceBytes, revocation_key::RevocationKey, validity::InvalidEvidence,
    withdrawal::Withdrawal,
};
use crate::{Scopes, Timestamp};

/// What an authenticator found out about the caller: plain data, constructible by anybody.
///
/// Evidence proves nothing by itself. It becomes a `Principal` only inside the `authn` layer
/// of `portcullis`, and only when a registered authenticator returned it.
///
/// The identity of a caller is the pair of [`issuer`](Self::issuer) and
/// [`subject`](Self::subject): a subject is unique within its issuer, not beyond.
///
/// # Example
///
/// ```
/// use portcullis_core::{Evidence, EvidenceKind, Scopes};
///
/// let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
///     .with_client("notes-app")
///     .with_scopes(Scopes::parse("notes.read")?);
/// assert_eq!(evidence.subject(), "alice");
/// assert!(evidence.validate().is_ok());
/// # Ok::<(), portcullis_core::InvalidScope>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Evidence {
    kind: EvidenceKind,
    issuer: Box<str>,
    subject: Box<str>,
    client: Option<Box<str>>,
    scopes: Scopes,
    acr: Option<Box<str>>,
    amr: Vec<Box<str>>,
    auth_time: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    not_after: Option<Timestamp>,
    token_id: Option<Box<str>>,
    session_id: Option<Box<str>>,
    confirmation: Option<Confirmation>,
    actors: Vec<Actor>,
    revocation_keys: Vec<RevocationKey>,
    is_asserted_per_request: bool,
    withdrawal: Option<Withdrawal>,
}

impl Evidence {
    /// The least that identifies a caller.
    pub fn new(
        kind: EvidenceKind,
        issuer: impl Into<Box<str>>,
        subject: impl Into<Box<str>>,
    ) -> Self {
        Self {
            kind,
            issuer: issuer.into(),
            subject: subject.into(),
            client: None,
            scopes: Scopes::default(),
            acr: None,
            amr: Vec::new(),
            auth_time: None,
            issued_at: None,
            not_after: None,
            token_id: None,
            session_id: None,
            confirmation: None,
            actors: Vec::new(),
            revocation_keys: Vec::new(),
            is_asserted_per_request: false,
            withdrawal: None,
        }
    }

    /// The client application that holds the credential (`client_id`).
    pub fn with_client(mut self, client: impl Into<Box<str>>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// What was granted.
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    /// The authentication context class (`acr`, OpenID Connect Core §2).
    pub fn with_acr(mut self, acr: impl Into<Box<str>>) -> Self {
        self.acr = Some(acr.into());
        self
    }

    /// One authentication method (`amr`, RFC 8176).
    pub fn add_amr(mut self, method: impl Into<Box<str>>) -> Self {
        self.amr.push(method.into());
        self
    }

    /// When the end user last actively authenticated (`auth_time`).
    pub fn with_auth_time(mut self, time: Timestamp) -> Self {
        self.auth_time = Some(time);
        self
    }

    /// When the credential was issued (`iat`).
    pub fn with_issued_at(mut self, time: Timestamp) -> Self {
        self.issued_at = Some(time);
        self
    }

    /// Somebody between client and server says anew with each request who calls, such as a proxy with
    /// single sign-on, and the client has no credential for this server.
    ///
    /// When that was said tells nothing of when anybody authenticated. So the end of a session, for
    /// whatever reason, keeps nobody out, because nobody could ever come with something later: that
    /// is for whoever says it to do. And a revocation keeps out for as long as it is kept, whatever
    /// is said later.
    pub fn asserted_per_request(mut self) -> Self {
        self.is_asserted_per_request = true;
        self
    }

    /// When the credential ends: it is good before this point, not at it (`exp`).
    pub fn with_not_after(mut self, time: Timestamp) -> Self {
        self.not_after = Some(time);
        self
    }

    /// The credential's own id (`jti`).
    pub fn with_token_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.token_id = Some(id.into());
        self
    }

    /// The issuer's session that the credential belongs to (`sid`).
    pub fn with_session_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// The key that the credential is bound to (`cnf`, RFC 7800). Evidence with a
    /// confirmation that nothing has met is refused.
    pub fn with_confirmation(mut self, confirmation: Confirmation) -> Self {
        self.confirmation = Some(confirmation);
        self
    }

    /// One more actor, nearest first (`act`, RFC 8693 §4.1).
    pub fn add_actor(mut self, actor: Actor) -> Self {
        self.actors.push(actor);
        self
    }

    /// One more key by which this evidence can be revoked, beside those that follow from
    /// its issuer, subject, client, token id and session id. At most 8 are taken.
    pub fn add_revocation_key(mut self, key: RevocationKey) -> Self {
        self.revocation_keys.push(key);
        self
    }

    /// By what its authenticator takes it back.
    pub fn with_withdrawal(mut self, withdrawal: Withdrawal) -> Self {
        self.withdrawal = Some(withdrawal);
        self
    }

    /// Who or what the credential stands for.
    #[must_use]
    pub fn kind(&self) -> EvidenceKind {
        self.kind
    }

    /// Who vouches: for a token its `iss`, byte for byte.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who is vouched for: for a token its `sub`, byte for byte.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The client application that holds the credential.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// What was granted.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// The authentication context class.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.acr.as_deref()
    }

    /// The authentication methods.
    pub fn amr(&self) -> impl Iterator<Item = &str> {
        self.amr.iter().map(|method| &**method)
    }

    /// When the end user last actively authenticated.
    #[must_use]
    pub fn auth_time(&self) -> Option<Timestamp> {
        self.auth_time
    }

    /// When the credential was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// Whether somebody else says anew with each request who calls.
    #[must_use]
    pub fn is_asserted_per_request(&self) -> bool {
        self.is_asserted_per_request
    }

    /// When the credential ends.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }

    /// By what its authenticator takes it back, if it may.
    #[must_use]
    pub fn withdrawal(&self) -> Option<&Withdrawal> {
        self.withdrawal.as_ref()
    }

    /// Whether its authenticator has taken it back.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawal().is_some_and(Withdrawal::is_withdrawn)
    }

    /// The credential's own id.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// The issuer's session that the credential belongs to.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// The key that the credential is bound to.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Confirmation> {
        self.confirmation.as_ref()
    }

    /// The actors, nearest first. Only the first may drive a decision; the others are
    /// informational (RFC 8693 §4.1).
    pub fn actors(&self) -> &[Actor] {
        &self.actors
    }

    /// Every key by which this evidence can be revoked: those that follow from what it says,
    /// and then those that were added.
    #[must_use]
    pub fn revocation_keys(&self) -> Vec<RevocationKey> {
        let issuer = || self.issuer.clone();
        let subject = || self.subject.clone();
        let mut keys = vec![RevocationKey::Subject(issuer(), subject())];
        if let Some(client) = &self.client {
            keys.push(RevocationKey::Client(issuer(), client.clone()));
            keys.push(RevocationKey::Grant(issuer(), subject(), client.clone()));
        }
        if let Some(id) = &self.token_id {
            keys.push(RevocationKey::Token(issuer(), id.clone()));
        }
        if let Some(id) = &self.session_id {
            keys.push(RevocationKey::Session(issuer(), id.clone()));
        }
        keys.push(RevocationKey::Issuer(issuer()));
        keys.extend_from_slice(&self.revocation_keys);
        keys
    }

    /// The keys by which this evidence can be revoked beside those that follow from what it
    /// says.
    #[must_use]
    pub fn added_revocation_keys(&self) -> &[RevocationKey] {
        &self.revocation_keys
    }
}

/// Who or what a credential stands for. Decides what may reopen a session that has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EvidenceKind {
    /// A client application on its own behalf (client credentials).
    Client,
    /// A credential that is always there: an API key, a certificate.
    Standing,
    /// A person, by way of a client application.
    User,
}

impl EvidenceKind {
    /// A stable name for records: `client`, `standing`, `user`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Standing => "standing",
            Self::User => "user",
        }
    }
}

/// The key that a credential is bound to (`cnf`, RFC 7800). Where several members are set,
/// all have to be met.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use]
pub struct Confirmation {
    certificate_thumbprint: Option<Box<str>>,
    jwk_thumbprint: Option<Box<str>>,
    has_unsupported: bool,
}

impl Confirmation {
    /// A binding to a DPoP key by its thumbprint (`jkt`, RFC 9449 §6.1).
    pub fn with_jwk_thumbprint(mut self, thumbprint: impl Into<Box<str>>) -> Self {
        self.jwk_thumbprint = Some(thumbprint.into());
        self
    }

    /// A binding to a certificate by its thumbprint (`x5t#S256`, RFC 8705 §3.1).
    pub fn with_certificate_thumbprint(mut self, thumbprint: impl Into<Box<str>>) -> Self {
        self.certificate_thumbprint = Some(thumbprint.into());
        self
    }

    /// A binding of a kind that is not known here. Nothing can meet it.
    pub fn with_unsupported_member(mut self) -> Self {
        self.has_unsupported = true;
        self
    }

    /// The thumbprint of the DPoP key.
    #[must_use]
    pub fn jwk_thumbprint(&self) -> Option<&str> {
        self.jwk_thumbprint.as_deref()
    }

    /// The thumbprint of the certificate.
    #[must_use]
    pub fn certificate_thumbprint(&self) -> Option<&str> {
        self.certificate_thumbprint.as_deref()
    }

    /// Whether there is a member that nothing can meet.
    #[must_use]
    pub fn has_unsupported_member(&self) -> bool {
        self.has_unsupported
    }
}

/// Somebody who acts for the subject (`act`, RFC 8693 §4.1).
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Actor {
    issuer: Option<Box<str>>,
    subject: Box<str>,
}

impl Actor {
    /// An actor by its subject.
    pub fn new(subject: impl Into<Box<str>>) -> Self {
        Self {
            issuer: None,
            subject: subject.into(),
        }
    }

    /// Who vouches for the actor, where that is another than for the subject.
    pub fn with_issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The actor's subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Who vouches for the actor.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_its_revocation_keys() {
        let keys = Evidence::new(EvidenceKind::User, "i", "s")
            .with_client("c")
            .with_token_id("t")
            .with_session_id("n")
            .revocation_keys();
        assert_eq!(
            keys,
            [
                RevocationKey::Subject("i".into(), "s".into()),
                RevocationKey::Client("i".into(), "c".into()),
                RevocationKey::Grant("i".into(), "s".into(), "c".into()),
                RevocationKey::Token("i".into(), "t".into()),
                RevocationKey::Session("i".into(), "n".into()),
                RevocationKey::Issuer("i".into()),
            ]
        );
    }
}
