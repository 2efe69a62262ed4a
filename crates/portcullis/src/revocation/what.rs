//! What an operator revokes.

use std::{fmt, time::Duration};

use portcullis_core::{Evidence, EvidenceKind, Notice, RevocationKey, StoreError, Timestamp};

/// What is to be over, up to when, and how long that has to be remembered.
///
/// Plain data; it takes effect by [`GateHandle::revoke`](crate::GateHandle::revoke). The names
/// are compared byte for byte with those that the authenticator vouches for, as
/// [`Principal`](crate::Principal) and records show them: of a token its `iss`, `sub`,
/// `client_id`, `jti` and `sid`. The issuer of an API key is `api-keys:` and its prefix, unless
/// its ring names another.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use portcullis::{Timestamp, revocation::Revocation};
///
/// // Whatever was issued to alice until now, for ever.
/// let everything = Revocation::subject("https://idp.example", "alice");
///
/// // What a signal says that was an hour on its way, for as long as refresh tokens live.
/// let signal = Revocation::session("https://idp.example", "08a5019c")
///     .with_cut_off(Timestamp::from_unix_seconds(1_767_222_000))
///     .with_kept_for(Duration::from_secs(30 * 86_400));
/// # let _ = (everything, signal);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "nothing is revoked until a handle or a layer is given it"]
pub struct Revocation {
    key: RevocationKey,
    cut_off: Option<Timestamp>,
    kept_for: Option<Duration>,
}

impl Revocation {
    /// By its key, such as one that an authenticator has
    /// [added](portcullis_core::Evidence::add_revocation_key) to its evidence.
    pub fn new(key: RevocationKey) -> Self {
        Self {
            key,
            cut_off: None,
            kept_for: None,
        }
    }

    /// All that a client application holds, whoever its user is.
    pub fn client(issuer: impl Into<Box<str>>, client: impl Into<Box<str>>) -> Self {
        Self::new(RevocationKey::Client(issuer.into(), client.into()))
    }

    /// One standing credential: an API key by the issuer that its ring names, and its public id.
    pub fn credential(issuer: impl Into<Box<str>>, id: impl Into<Box<str>>) -> Self {
        Self::new(RevocationKey::Credential(issuer.into(), id.into()))
    }

    /// What a subject has granted to one client application.
    pub fn grant(
        issuer: impl Into<Box<str>>,
        subject: impl Into<Box<str>>,
        client: impl Into<Box<str>>,
    ) -> Self {
        let (issuer, subject, client) = (issuer.into(), subject.into(), client.into());
        Self::new(RevocationKey::Grant(issuer, subject, client))
    }

    /// All that was issued to one device, where the authenticator
    /// [adds](portcullis_core::Evidence::add_revocation_key) the key of the device to its evidence.
    pub fn device(issuer: impl Into<Box<str>>, device: impl Into<Box<str>>) -> Self {
        Self::new(RevocationKey::Device(issuer.into(), device.into()))
    }

    /// Everything that an issuer vouches for: whoever authenticates there anew is in again.
    pub fn issuer(issuer: impl Into<Box<str>>) -> Self {
        Self::new(RevocationKey::Issuer(issuer.into()))
    }

    /// One session at the issuer (`sid`).
    pub fn session(issuer: impl Into<Box<str>>, id: impl Into<Box<str>>) -> Self {
        Self::new(RevocationKey::Session(issuer.into(), id.into()))
    }

    /// All that was issued to a subject.
    pub fn subject(issuer: impl Into<Box<str>>, subject: impl Into<Box<str>>) -> Self {
        Self::new(RevocationKey::Subject(issuer.into(), subject.into()))
    }

    /// All that was issued to one tenant of an issuer, where the authenticator
    /// [adds](portcullis_core::Evidence::add_revocation_key) the key of the tenant to its evidence.
    pub fn tenant(issuer: impl Into<Box<str>>, tenant: impl Into<Box<str>>) -> Self {
        Self::new(RevocationKey::Tenant(issuer.into(), tenant.into()))
    }

    /// One token (`jti`), as records show it. Give [`with_kept_for`](Self::with_kept_for): it need not be
    /// remembered for longer than the token lives.
    pub fn token(issuer: impl Into<Box<str>>, id: impl Into<Box<str>>) -> Self {
        Self::new(RevocationKey::Token(issuer.into(), id.into()))
    }

    /// Up to when what was issued is over, that moment included: now by default. What was
    /// issued later is not, also if the revocation is made known only then. A moment that is
    /// yet to come keeps out whoever authenticates before it.
    ///
    /// It is compared with the issuer's clock, and issuers write whole seconds: whoever
    /// authenticates anew within the same second is out until the next one. For an issuer whose
    /// clock is ahead, give a moment that is as much later.
    ///
    /// A token or a standing credential is one thing, and over whatever this says.
    pub fn with_cut_off(mut self, cut_off: Timestamp) -> Self {
        self.cut_off = Some(cut_off);
        self
    }

    /// For how long from now it has to be remembered: as long as anything can live that it is
    /// to keep out, refresh tokens and what they fetch included. After that the store may have
    /// the room back. For ever by default.
    pub fn with_kept_for(mut self, kept_for: Duration) -> Self {
        self.kept_for = Some(kept_for);
        self
    }

    /// What is revoked.
    #[must_use]
    pub fn key(&self) -> &RevocationKey {
        &self.key
    }

    /// Whose sessions end with it.
    pub(crate) fn sessions(&self) -> Reach<'_> {
        match &self.key {
            RevocationKey::Grant(issuer, subject, client) => {
                Reach::Owner(issuer, subject, Some(client))
            }
            RevocationKey::Subject(issuer, subject) => Reach::Owner(issuer, subject, None),
            RevocationKey::Credential(..) | RevocationKey::Token(..) => Reach::Requests,
            // Also a kind that is not known here: it is ended rather than not.
            _ => Reach::Running,
        }
    }

    pub(crate) fn cut_off(&self, now: Timestamp) -> Timestamp {
        if self.key.is_of_one_credential() {
            return Timestamp::MAX;
        }
        self.cut_off.unwrap_or(now)
    }

    pub(super) fn kept_until(&self, now: Timestamp) -> Timestamp {
        self.kept_for.map_or(Timestamp::MAX, |kept| now + kept)
    }

    /// # Errors
    ///
    /// It would have no effect.
    pub(crate) fn validate(&self) -> Result<(), RevokeError> {
        let invalid = |problem: String| Err(RevokeError::Invalid(problem.into()));
        // No evidence has a name that evidence must not have.
        let evidence = Evidence::new(EvidenceKind::Standing, "-", "-");
        if let Err(problem) = evidence.add_revocation_key(self.key.clone()).validate() {
            return invalid(format!(
                "{problem}, so no credential has it; give the name that the issuer gives"
            ));
        }
        if self.kept_for.is_some_and(|kept| kept.is_zero()) {
            return invalid("`with_kept_for` is zero; give it a lifetime, or leave it out".into());
        }
        Ok(())
    }
}

impl From<&Notice> for Revocation {
    fn from(notice: &Notice) -> Self {
        Self {
            key: notice.key().clone(),
            cut_off: notice.time(),
            kept_for: notice.kept_for(),
        }
    }
}

/// What a revocation ends, beside keeping out whoever comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach<'a> {
    /// The sessions of a subject of an issuer, or of one of its clients.
    Owner(&'a str, &'a str, Option<&'a str>),
    /// Sessions that nobody can list, but that can be told by what runs in them.
    Running,
    /// What was let in with one credential. The session may have others.
    Requests,
}

/// Why nothing could be revoked.
#[derive(Debug)]
#[non_exhaustive]
pub enum RevokeError {
    /// The revocation would have no effect: what is wrong with it, and the fix.
    Invalid(Box<str>),
    /// A store cannot say whether it was written, or has no room. Try again.
    Store(StoreError),
}

impl From<StoreError> for RevokeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for RevokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(problem) => write!(f, "it would have no effect: {problem}"),
            Self::Store(_) => f.write_str("the store cannot say that it is revoked"),
        }
    }
}

impl std::error::Error for RevokeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Invalid(_) => None,
            Self::Store(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    #[test]
    fn is_up_to_now_and_for_ever_unless_it_says_otherwise() {
        let subject = Revocation::subject("i", "s");
        assert_eq!(
            (subject.cut_off(NOW), subject.kept_until(NOW)),
            (NOW, Timestamp::MAX)
        );
        let (early, hour) = (Timestamp::from_unix_seconds(5), Duration::from_secs(3600));
        let said = subject.with_cut_off(early).with_kept_for(hour);
        assert_eq!(
            (said.cut_off(NOW), said.kept_until(NOW)),
            (early, NOW + hour)
        );
        for one in [
            Revocation::token("i", "t"),
            Revocation::credential("i", "k"),
        ] {
            assert_eq!(one.with_cut_off(early).cut_off(NOW), Timestamp::MAX);
        }
    }

    #[test]
    fn says_why_it_would_have_no_effect() {
        let zero = Revocation::client("i", "c").with_kept_for(Duration::ZERO);
        for (revocation, problem) in [
            (Revocation::subject("i", ""), "the revocation key is empty"),
            (Revocation::subject("", "s"), "the revocation key is empty"),
            (
                Revocation::grant("i", "s", "a\nb"),
                "holds a control character",
            ),
            (Revocation::token("i", "t".repeat(2049)), "is too long"),
            (zero, "`with_kept_for` is zero"),
        ] {
            let error = revocation.validate().unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let ages = Revocation::session("i", "n").with_kept_for(Duration::MAX);
        assert!(ages.validate().is_ok());
        assert_eq!(ages.kept_until(NOW), Timestamp::MAX);
    }

    #[test]
    fn what_ends_with_it_is_told_by_its_kind() {
        for (revocation, expected) in [
            (
                Revocation::grant("i", "s", "c"),
                Reach::Owner("i", "s", Some("c")),
            ),
            (Revocation::subject("i", "s"), Reach::Owner("i", "s", None)),
            (Revocation::session("i", "n"), Reach::Running),
            (Revocation::client("i", "c"), Reach::Running),
            (Revocation::device("i", "d"), Reach::Running),
            (Revocation::issuer("i"), Reach::Running),
            (Revocation::tenant("i", "t"), Reach::Running),
            (Revocation::token("i", "t"), Reach::Requests),
            (Revocation::credential("i", "k"), Reach::Requests),
        ] {
            assert_eq!(revocation.sessions(), expected);
        }
    }
}
