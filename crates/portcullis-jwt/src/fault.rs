//! What is wrong with a token, and where on the way that was found.

use portcullis_core::ReasonCode;

/// The checks, in the order in which they are made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Step {
    Form,
    Size,
    Segments,
    Base64,
    Header,
    Payload,
    Issuer,
    Extensions,
    Type,
    Algorithm,
    KeyId,
    Times,
    Expiry,
    NotBefore,
    IssuedAt,
    Lifetime,
    Audience,
    Key,
    Signature,
    Subject,
    Client,
    Claims,
}

impl Step {
    pub(crate) const ALL: [Self; 22] = [
        Self::Form,
        Self::Size,
        Self::Segments,
        Self::Base64,
        Self::Header,
        Self::Payload,
        Self::Issuer,
        Self::Extensions,
        Self::Type,
        Self::Algorithm,
        Self::KeyId,
        Self::Times,
        Self::Expiry,
        Self::NotBefore,
        Self::IssuedAt,
        Self::Lifetime,
        Self::Audience,
        Self::Key,
        Self::Signature,
        Self::Subject,
        Self::Client,
        Self::Claims,
    ];

    /// What is checked, for people.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Form => "looks like a JWT",
            Self::Size => "size",
            Self::Segments => "three segments",
            Self::Base64 => "base64url",
            Self::Header => "header is one JSON object",
            Self::Payload => "payload is one JSON object",
            Self::Issuer => "issuer",
            Self::Extensions => "no extensions",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::KeyId => "key id is well-formed",
            Self::Times => "times are numbers",
            Self::Expiry => "not expired",
            Self::NotBefore => "already valid",
            Self::IssuedAt => "issued in the past",
            Self::Lifetime => "lifetime",
            Self::Audience => "audience",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Subject => "subject",
            Self::Client => "client",
            Self::Claims => "other claims",
        }
    }
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    pub(crate) step: Step,
    pub(crate) reason: ReasonCode,
}

impl Fault {
    pub(crate) const fn new(step: Step, reason: ReasonCode) -> Self {
        Self { step, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn the_list_of_steps_is_in_order() {
        assert!(Step::ALL.is_sorted());
        assert_eq!(Step::ALL.last(), Some(&Step::Claims));
        assert_eq!(Step::ALL.len(), Step::Claims as usize + 1);
    }
}
