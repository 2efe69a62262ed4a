//! What evidence can be revoked by.

use std::iter;

/// Something that can be revoked: the issuer, then what it is within the issuer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RevocationKey {
    /// All that a client application holds.
    Client(Box<str>, Box<str>),
    /// One standing credential, such as an API key by its public id.
    Credential(Box<str>, Box<str>),
    /// All that was issued to one device. An authenticator adds it, where its tokens name one.
    Device(Box<str>, Box<str>),
    /// What a subject has granted to one client application: the subject, then the client.
    Grant(Box<str>, Box<str>, Box<str>),
    /// Everything that an issuer vouches for.
    Issuer(Box<str>),
    /// All credentials of one session at the issuer (`sid`).
    Session(Box<str>, Box<str>),
    /// All that was issued to a subject.
    Subject(Box<str>, Box<str>),
    /// All that was issued to one tenant. An authenticator adds it, where its tokens name one.
    Tenant(Box<str>, Box<str>),
    /// One token (`jti`).
    Token(Box<str>, Box<str>),
}

impl RevocationKey {
    /// A stable name of what it is: `client`, `credential`, `device`, `grant`, `issuer`, `session`,
    /// `subject`, `tenant` or `token`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Client(..) => "client",
            Self::Credential(..) => "credential",
            Self::Device(..) => "device",
            Self::Grant(..) => "grant",
            Self::Issuer(..) => "issuer",
            Self::Session(..) => "session",
            Self::Subject(..) => "subject",
            Self::Tenant(..) => "tenant",
            Self::Token(..) => "token",
        }
    }

    /// The issuer, and what it is within the issuer. Two keys are the same if their kinds and
    /// these are.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let (issuer, value, more) = match self {
            Self::Client(issuer, value)
            | Self::Credential(issuer, value)
            | Self::Device(issuer, value)
            | Self::Session(issuer, value)
            | Self::Subject(issuer, value)
            | Self::Tenant(issuer, value)
            | Self::Token(issuer, value) => (issuer, Some(&**value), None),
            Self::Grant(issuer, subject, client) => (issuer, Some(&**subject), Some(&**client)),
            Self::Issuer(issuer) => (issuer, None, None),
        };
        iter::once(&**issuer).chain(value).chain(more)
    }

    /// Whether it names one credential, which is over once it is revoked, whatever it says of
    /// its time. What any other key names is over up to a point in time, and what is issued
    /// later is not.
    #[must_use]
    pub const fn is_of_one_credential(&self) -> bool {
        matches!(self, Self::Credential(..) | Self::Token(..))
    }
}

#[cfg(test)]
mod tests {
    use super::RevocationKey::{self, *};

    #[test]
    fn every_kind_has_a_name_and_all_of_its_values() {
        let a = || Box::from("a");
        let keys = [
            (Client(a(), "b".into()), "client", "a b", false),
            (Credential(a(), "b".into()), "credential", "a b", true),
            (Device(a(), "b".into()), "device", "a b", false),
            (Grant(a(), "b".into(), "c".into()), "grant", "a b c", false),
            (Issuer(a()), "issuer", "a", false),
            (Session(a(), "b".into()), "session", "a b", false),
            (Subject(a(), "b".into()), "subject", "a b", false),
            (Tenant(a(), "b".into()), "tenant", "a b", false),
            (Token(a(), "b".into()), "token", "a b", true),
        ];
        for (key, kind, values, is_of_one) in keys {
            let found: Vec<_> = RevocationKey::values(&key).collect();
            assert_eq!((key.kind(), found.join(" ")), (kind, values.to_owned()));
            assert_eq!(key.is_of_one_credential(), is_of_one);
        }
    }
}
