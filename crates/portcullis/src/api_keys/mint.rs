//! Where keys are cut: the form, the pepper, and who vouches for the holders.

use std::time::Duration;

use portcullis_core::{ConfigError, ConfigErrors, Evidence, EvidenceKind, Secret, Timestamp};

use super::{
    Grant, IssuedKey, KeyHash, StoredKey, Superseded,
    entry::Entry,
    error::{KeyError, KeyErrorKind},
    format::{Format, KeyId, ParseError},
    hash::Pepper,
};

/// Cuts keys, and reads what was presented as one. What is kept of the keys is kept elsewhere.
pub(super) struct Mint {
    format: Format,
    pepper: Pepper,
    issuer: Box<str>,
    /// A hash that is nobody's, to compare with where there is none.
    nobody: KeyHash,
    /// Why nothing may be issued: the form or the pepper is a stand-in.
    unsound: ConfigErrors,
}

impl Mint {
    /// The mistakes are kept, under the names of the arguments of this function.
    pub(super) fn new(function: &str, prefix: &str, pepper: &Secret) -> Self {
        let mut unsound = ConfigErrors::default();
        let mut keep = |argument, problem| {
            let setting = format!("{function}({argument})");
            unsound.push(ConfigError::new(setting, problem));
        };
        let format = Format::new(prefix).unwrap_or_else(|problem| {
            keep("prefix", problem);
            Format::missing()
        });
        let pepper = Pepper::new(pepper).unwrap_or_else(|problem| {
            keep("pepper", problem);
            Pepper::missing()
        });
        Self {
            issuer: format!("api-keys:{}", format.prefix()).into(),
            format,
            pepper,
            nobody: KeyHash::from_bytes([0; 32]),
            unsound,
        }
    }

    pub(super) fn set_issuer(&mut self, issuer: Box<str>) {
        self.issuer = issuer;
    }

    pub(super) fn prefix(&self) -> &str {
        self.format.prefix()
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn nobody(&self) -> &KeyHash {
        &self.nobody
    }

    /// What is wrong with the form and the pepper.
    pub(super) fn errors(&self) -> &ConfigErrors {
        &self.unsound
    }

    /// Reads the id of what was presented.
    pub(super) fn parse(&self, text: &[u8]) -> Result<KeyId, ParseError> {
        self.format.parse(text)
    }

    pub(super) fn hash(&self, text: &[u8]) -> [u8; 32] {
        self.pepper.hash(text)
    }

    /// Refuses a key that could never be used.
    pub(super) fn check(&self, stored: &StoredKey) -> Result<KeyId, KeyError> {
        Entry::check(stored, &self.issuer)
    }

    /// A new key, which nobody keeps yet.
    pub(super) fn issue(&self, grant: Grant, now: Timestamp) -> Result<IssuedKey, KeyError> {
        self.check_sound()?;
        if grant.is_over(now) {
            return Err(KeyError::new(
                KeyErrorKind::Expired,
                "the key would end before its first use; move `with_expires_at` later",
            ));
        }
        let id = KeyId::random().map_err(KeyError::no_randomness)?;
        let (text, hash) = self.cut(id)?;
        let stored = StoredKey::new(id.as_str(), hash, grant).with_issued_at(now);
        self.check(&stored)?;
        Ok(IssuedKey::new(text, stored))
    }

    /// The same key with a new secret. The present one works until the overlap is over.
    pub(super) fn rotate(
        &self,
        stored: StoredKey,
        overlap: Duration,
        now: Timestamp,
    ) -> Result<IssuedKey, KeyError> {
        self.check_sound()?;
        let id = self.check(&stored)?;
        if stored.revoked_at().is_some() {
            return Err(KeyError::new(
                KeyErrorKind::Revoked,
                "the key has been revoked; issue another",
            ));
        }
        if stored.grant().is_over(now) {
            return Err(KeyError::new(
                KeyErrorKind::Expired,
                "the key has expired; issue another, or replace it with a later end first",
            ));
        }
        let (text, hash) = self.cut(id)?;
        let until = now + overlap;
        let mut old = Superseded::new(stored.hash().clone(), until);
        if let Some(time) = stored.issued_at() {
            old = old.with_issued_at(time);
        }
        let rotated = stored.with_hash(hash).with_issued_at(now);
        // A secret whose time has run out at once need not be kept.
        let rotated = match until > now {
            true => rotated.with_superseded(old),
            false => rotated.without_superseded(),
        };
        Ok(IssuedKey::new(text, rotated))
    }

    fn cut(&self, id: KeyId) -> Result<(Secret, KeyHash), KeyError> {
        let text = self.format.cut(id).map_err(KeyError::no_randomness)?;
        let hash = KeyHash::from_bytes(self.pepper.hash(text.expose()));
        Ok((text, hash))
    }

    fn check_sound(&self) -> Result<(), KeyError> {
        if self.unsound.is_empty() {
            return Ok(());
        }
        Err(KeyError::new(
            KeyErrorKind::Misconfigured,
            self.unsound.to_string(),
        ))
    }
}

/// Why an issuer cannot be one, and the fix.
pub(super) fn issuer_problem(issuer: &str) -> Option<String> {
    let error = Evidence::new(EvidenceKind::Standing, issuer, "-")
        .validate()
        .err()?;
    Some(format!("{error}; name the issuer as a URL or a short name"))
}
