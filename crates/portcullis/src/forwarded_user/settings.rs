//! The configuration.

use http::{HeaderName, header};
use portcullis_core::{ConfigError, ConfigErrors, IntoAuthenticator, Scopes, Site};

use super::{ForwardedUserAuthenticator, Hop};

/// The configuration of an authenticator of users that a proxy names. See the [module](super).
///
/// Setters keep their mistakes; the stack that this is added to reports all of them.
#[derive(Clone, Debug)]
#[must_use]
pub struct ForwardedUser {
    pub(super) hop: Hop,
    pub(super) issuer: Box<str>,
    pub(super) user: HeaderName,
    pub(super) groups: Option<(HeaderName, Box<str>)>,
}

impl ForwardedUser {
    /// Takes the user that the proxy on this hop names in `X-Forwarded-User`.
    ///
    /// The issuer is whoever lets users log in: its URL, or a name that no other authenticator
    /// uses. A user is the pair of issuer and name.
    pub fn dangerously_from_headers_of(hop: Hop, issuer: impl Into<Box<str>>) -> Self {
        Self {
            hop,
            issuer: issuer.into(),
            user: HeaderName::from_static("x-forwarded-user"),
            groups: None,
        }
    }

    /// The header in which the user stands.
    pub fn with_user_header(mut self, header: HeaderName) -> Self {
        self.user = header;
        self
    }

    /// Takes the groups in this header, joined by commas, as scopes with a prefix. What is no
    /// scope token (RFC 6749 §3.3), such as a group with a blank in its name, is left out.
    pub fn with_groups_as_scopes(
        mut self,
        header: HeaderName,
        prefix: impl Into<Box<str>>,
    ) -> Self {
        self.groups = Some((header, prefix.into()));
        self
    }

    fn check(&self, errors: &mut ConfigErrors) {
        self.hop.check(errors);
        let issuer = &self.issuer;
        if issuer.is_empty() || issuer.len() > 2048 || issuer.chars().any(char::is_control) {
            errors.push(ConfigError::new(
                "dangerously_from_headers_of",
                "the issuer is empty, longer than 2048 bytes or holds a control character; give \
                 the URL of who lets users log in",
            ));
        }
        let mut headers = vec![&self.user];
        headers.extend(self.groups.iter().map(|(header, _)| header));
        headers.extend(self.hop.header());
        if headers.contains(&&header::AUTHORIZATION) {
            errors.push(ConfigError::new(
                "with_user_header",
                "`authorization` is for credentials of clients; choose another header",
            ));
        }
        let mut rest = headers.iter();
        while let Some(header) = rest.next() {
            if rest.as_slice().contains(header) {
                let problem = format!("`{header}` is to hold two things; choose another header");
                errors.push(ConfigError::new("with_user_header", problem));
            }
        }
        if let Some((_, prefix)) = &self.groups
            && Scopes::collect([&**prefix]).is_err()
        {
            errors.push(ConfigError::new(
                "with_groups_as_scopes",
                "the prefix is empty or cannot begin a scope; give one that no scope begins with, \
                 such as `group:`",
            ));
        }
    }
}

impl IntoAuthenticator for ForwardedUser {
    type Authenticator = ForwardedUserAuthenticator;

    fn into_authenticator(self, _site: &Site) -> Result<ForwardedUserAuthenticator, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        self.check(&mut errors);
        errors.into_result(ForwardedUserAuthenticator::new(self))
    }
}
