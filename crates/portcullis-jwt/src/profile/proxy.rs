//! Proxies that let people log in. See [`crate::assertion`].

use portcullis_core::sabotaged;
use url::Url;

use super::ProviderClaims;
use crate::{
    claims::Claims,
    fault::{Fault, Step},
    header::Kind,
    json::Raw,
    reason,
};

/// A proxy whose assertions are known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proxy {
    CloudflareAccess,
    GoogleIap,
    Other,
    Pomerium,
}

impl Proxy {
    pub(super) const fn setting(self) -> &'static str {
        match self {
            Self::CloudflareAccess => "ProxyAssertion::cloudflare_access",
            Self::GoogleIap => "ProxyAssertion::google_iap",
            Self::Other => "ProxyAssertion::new",
            Self::Pomerium => "ProxyAssertion::pomerium",
        }
    }

    pub(super) fn problem_of(self, name: &str) -> Option<&'static str> {
        match self {
            Self::GoogleIap | Self::Other => None,
            Self::CloudflareAccess => {
                let team = name
                    .strip_prefix("https://")
                    .and_then(|rest| rest.strip_suffix(".cloudflareaccess.com"));
                (!team.is_some_and(is_label)).then_some(
                    "is not that of a team; give its name, such as `acme` of \
                     `acme.cloudflareaccess.com`",
                )
            }
            Self::Pomerium => (!is_host(name))
                .then_some("is no host; give that of the route, such as `notes.example`"),
        }
    }

    /// Whether it is what the proxy says of a request, and not another token of the same keys.
    pub(super) fn check_kind(
        self,
        own: &ProviderClaims<'_>,
        claims: &Claims<'_>,
        kind: Kind,
    ) -> Result<(), Fault> {
        let refused = Err(Fault::new(Step::Type, reason::ASSERTION_KIND));
        if kind == Kind::AccessToken && !sabotaged!("jwt.assertion_kind") {
            return refused;
        }
        claims.check_kind(kind)?;
        // The token of Cloudflare's own session is signed with the same keys.
        let is_of_application = own.kind.and_then(Raw::text).as_deref() == Some("app");
        let is_right = self != Self::CloudflareAccess || is_of_application;
        if is_right || sabotaged!("jwt.assertion_kind") {
            Ok(())
        } else {
            refused
        }
    }

    /// The service that called with a token of its own: Cloudflare leaves `sub` empty then.
    fn service<'a>(self, own: &ProviderClaims<'a>, claims: &Claims<'a>) -> Option<Raw<'a>> {
        let is_service = self == Self::CloudflareAccess
            && claims
                .sub
                .is_none_or(|sub| sub.text().is_some_and(|sub| sub.is_empty()));
        own.common_name.filter(|_| is_service)
    }

    pub(super) fn subject<'a>(
        self,
        own: &ProviderClaims<'a>,
        claims: &Claims<'a>,
    ) -> Option<Raw<'a>> {
        self.service(own, claims).or(claims.sub)
    }

    pub(super) fn client<'a>(
        self,
        own: &ProviderClaims<'a>,
        claims: &Claims<'a>,
    ) -> Option<Raw<'a>> {
        match self {
            Self::CloudflareAccess => self.service(own, claims),
            Self::Other => claims.client_id.or(claims.azp),
            Self::GoogleIap | Self::Pomerium => None,
        }
    }

    pub(super) fn is_client(self, own: &ProviderClaims<'_>, claims: &Claims<'_>) -> bool {
        self.service(own, claims).is_some()
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Whether the text is a host as it stands in a URL, and nothing else.
fn is_host(text: &str) -> bool {
    let whole = format!("https://{text}/");
    Url::parse(&whole).is_ok_and(|url| url.as_str() == whole && url.path() == "/")
        && !text.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_one_label() {
        let problem = |name: &str| Proxy::CloudflareAccess.problem_of(name);
        assert_eq!(problem("https://acme-2.cloudflareaccess.com"), None);
        for name in [
            "https://.cloudflareaccess.com",
            "https://a.b.cloudflareaccess.com",
            "https://evil.example/.cloudflareaccess.com",
            "https://Acme.cloudflareaccess.com",
            "http://acme.cloudflareaccess.com",
            "https://acme.cloudflareaccess.com/",
            "acme",
        ] {
            assert!(problem(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_route_is_one_host() {
        let problem = |name: &str| Proxy::Pomerium.problem_of(name);
        for name in ["notes.example", "notes.example:8443", "10.1.2.3"] {
            assert_eq!(problem(name), None, "{name}");
        }
        for name in [
            "",
            "https://notes.example",
            "notes.example/",
            "notes.example/a",
            "notes.example:443",
            "Notes.example",
            "alice@notes.example",
            "notes.example?a",
        ] {
            assert!(problem(name).is_some(), "{name}");
        }
    }
}
