//! The reason codes of this crate.
//!
//! They appear in records, counters and logs, never in a response.

use portcullis_core::ReasonCode;

macro_rules! reasons {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $meaning, ".")]
            pub const $name: ReasonCode = ReasonCode::new($code);
        )*

        const TABLE: &[(ReasonCode, &str)] = &[$(($name, $meaning)),*];
    };
}

reasons! {
    MALFORMED = "certificate_malformed", "the certificate cannot be read (RFC 5280)";
    NAMES = "certificate_names", "the certificate has no name of the kind that is looked at, or more than one";
    SPIFFE_ID = "certificate_spiffe_id", "the URI of the certificate is no SPIFFE ID";
    NOT_LISTED = "certificate_not_listed", "the name in the certificate is none of those that may call";
    NOT_YET_VALID = "certificate_not_yet_valid", "the time of `notBefore` has not come";
    EXPIRED = "certificate_expired", "the time of `notAfter` has come";
}

/// What a code of this crate means, for people.
#[must_use]
pub fn meaning(code: ReasonCode) -> Option<&'static str> {
    TABLE
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_prefix_and_a_meaning() {
        for (code, text) in TABLE {
            assert!(code.as_str().starts_with("certificate_"), "{code}");
            assert_eq!(meaning(*code), Some(*text));
        }
    }
}
