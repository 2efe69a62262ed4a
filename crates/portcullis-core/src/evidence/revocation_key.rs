//! What evidence can be revoked by.

/// Something that can be revoked: the issuer, then the value.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RevocationKey {
    /// All that a client application holds.
    Client(Box<str>, Box<str>),
    /// One standing credential, such as an API key by its public id.
    Credential(Box<str>, Box<str>),
    /// All credentials of one session at the issuer (`sid`).
    Session(Box<str>, Box<str>),
    /// All that was issued to a subject.
    Subject(Box<str>, Box<str>),
    /// One token (`jti`).
    Token(Box<str>, Box<str>),
}
