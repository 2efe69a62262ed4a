//! What the metadata says for people, and what only the deployment knows.

use std::fmt::Write as _;

use portcullis_core::{ConfigError, ConfigErrors};
use url::Url;

use crate::json::Quoted;

/// The longest name, in bytes.
const MAX_NAME: usize = 256;

/// What the resource metadata says beside what follows from the stack (RFC 9728 §2): a name and
/// pages for people, and whether certificates of clients reach the gate.
///
/// Everything else in the document is what the stack really is: who accepts tokens, which scopes a
/// client is told to ask for, how proofs may be signed and whether they are required.
///
/// # Example
///
/// ```
/// use portcullis::{ResourceDetails, Stack};
///
/// let stack = Stack::builder()
///     .with_resource("https://notes.example/")
///     .with_resource_details(
///         ResourceDetails::new()
///             .with_name("Notes")
///             .with_documentation("https://notes.example/docs")
///             .with_terms_of_service("https://notes.example/terms"),
///     );
/// ```
///
/// Where a listener or a proxy hands the certificates of clients to the gate:
///
/// ```
/// use portcullis::ResourceDetails;
///
/// let details = ResourceDetails::new().with_certificate_bound_tokens();
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ResourceDetails {
    name: Option<Box<str>>,
    documentation: Option<Box<str>>,
    policy: Option<Box<str>>,
    terms: Option<Box<str>>,
    has_certificates: bool,
}

impl ResourceDetails {
    /// Says nothing more.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name for people (`resource_name`), which clients may show when they ask for consent.
    pub fn with_name(mut self, name: impl Into<Box<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A page for developers (`resource_documentation`).
    pub fn with_documentation(mut self, url: impl Into<Box<str>>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    /// A page on what clients may do with the data (`resource_policy_uri`).
    pub fn with_policy(mut self, url: impl Into<Box<str>>) -> Self {
        self.policy = Some(url.into());
        self
    }

    /// The terms of service (`resource_tos_uri`).
    pub fn with_terms_of_service(mut self, url: impl Into<Box<str>>) -> Self {
        self.terms = Some(url.into());
        self
    }

    /// Tokens that are bound to a certificate can be used here
    /// (`tls_client_certificate_bound_access_tokens`, RFC 8705 §3): a listener or a proxy puts a
    /// [`PeerCertificate`](crate::PeerCertificate) into each request. Without one, such tokens are
    /// refused in any case.
    pub fn with_certificate_bound_tokens(mut self) -> Self {
        self.has_certificates = true;
        self
    }

    pub(crate) fn offers_certificate_bound_tokens(&self) -> bool {
        self.has_certificates
    }

    /// The members of the document, each after a comma.
    pub(super) fn members(&self) -> String {
        let mut members = String::new();
        let texts = [
            ("resource_name", &self.name),
            ("resource_documentation", &self.documentation),
            ("resource_policy_uri", &self.policy),
            ("resource_tos_uri", &self.terms),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                // A `String` takes everything.
                let _ = write!(members, ",\"{name}\":{}", Quoted(text));
            }
        }
        if self.has_certificates {
            members.push_str(",\"tls_client_certificate_bound_access_tokens\":true");
        }
        members
    }

    pub(crate) fn check(&self, errors: &mut ConfigErrors) {
        if let Some(name) = &self.name
            && (name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control))
        {
            errors.push(ConfigError::new(
                "with_name",
                "is empty, longer than 256 bytes or holds a control character; give a name for \
                 people",
            ));
        }
        for (setting, url) in [
            ("with_documentation", &self.documentation),
            ("with_policy", &self.policy),
            ("with_terms_of_service", &self.terms),
        ] {
            if url.as_deref().is_some_and(|url| !is_page(url)) {
                errors.push(ConfigError::new(
                    setting,
                    "is no URL of a page; give an absolute one without a user name or a password",
                ));
            }
        }
    }
}

/// Whether people can be sent there.
fn is_page(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_there() {
        assert_eq!(ResourceDetails::new().members(), "");
        let all = ResourceDetails::new()
            .with_name("Notes \"&\" more")
            .with_documentation("https://notes.example/docs")
            .with_policy("https://notes.example/policy")
            .with_terms_of_service("https://notes.example/terms")
            .with_certificate_bound_tokens();
        assert_eq!(
            all.members(),
            ",\"resource_name\":\"Notes \\\"\\u0026\\\" more\",\
             \"resource_documentation\":\"https://notes.example/docs\",\
             \"resource_policy_uri\":\"https://notes.example/policy\",\
             \"resource_tos_uri\":\"https://notes.example/terms\",\
             \"tls_client_certificate_bound_access_tokens\":true"
        );
        let mut errors = ConfigErrors::default();
        all.check(&mut errors);
        assert!(errors.is_empty(), "{errors}");
    }

    #[test]
    fn mistakes_are_named() {
        let mut errors = ConfigErrors::default();
        ResourceDetails::new()
            .with_name("")
            .with_documentation("docs")
            .with_policy("javascript:alert(1)")
            .with_terms_of_service("https://a:b@notes.example/")
            .check(&mut errors);
        let settings: Vec<_> = errors.iter().map(ConfigError::setting).collect();
        assert_eq!(
            settings,
            [
                "with_name",
                "with_documentation",
                "with_policy",
                "with_terms_of_service"
            ]
        );
    }
}
