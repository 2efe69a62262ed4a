//! Headers that name a caller, and that no caller may send.
//!
//! Handlers and libraries behind a gate read headers such as `X-Forwarded-User`, because a
//! proxy in front of some other deployment sets them. Whoever can reach this server could set
//! them as well, so they are removed, in every spelling that a CGI-like reader would take for
//! the same name.

use http::{HeaderMap, HeaderName};

/// Removed by their whole name.
const NAMES: &[&str] = &[
    "client-cert",
    "client-cert-chain",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "tailscale-app-capabilities",
    "x-apigateway-api-userinfo",
    "x-arr-clientcert",
    "x-authkestra-identity",
    "x-client-cert",
    "x-endpoint-api-userinfo",
    "x-forwarded-access-token",
    "x-forwarded-client-cert",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
    "x-remote-user",
    "x-session-id",
    "x-user",
    "x-user-id",
    "x-username",
];

/// Removed by how their name begins.
const PREFIXES: &[&str] = &[
    "cf-access-",
    "ssl-client-",
    "tailscale-user-",
    "x-amzn-mtls-",
    "x-amzn-oidc-",
    "x-auth-request-",
    "x-authenticated-",
    "x-authentik-",
    "x-consumer-",
    "x-forwarded-tls-client-cert",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-jwt-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-pomerium-",
    "x-portcullis-",
    "x-ssl-client-",
    "x-vouch-",
    "x-webauth-",
];

/// The headers that are removed from every request.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdentityHeaders {
    /// What the user has added.
    own: Vec<HeaderName>,
    /// What the user wants to keep.
    kept: Vec<HeaderName>,
}

impl IdentityHeaders {
    pub(crate) fn add(&mut self, name: HeaderName) {
        self.own.push(name);
    }

    pub(crate) fn keep(&mut self, name: HeaderName) {
        self.kept.push(name);
    }

    /// Removes them. A request that has none of them costs a look at each name.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        if portcullis_core::sabotaged!("identity_headers.strip") {
            return;
        }
        // One at a time: a request that has one is rare, and looking again allocates nothing.
        while let Some(name) = headers.keys().find(|name| self.names(name)).cloned() {
            headers.remove(&name);
        }
    }

    /// Whether a header is removed.
    pub(crate) fn names(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        // Every name in the lists begins with one of these; most headers do not.
        let is_listed = matches!(
            text.as_bytes().first(),
            Some(b'c' | b'r' | b's' | b't' | b'x')
        ) && (NAMES
            .iter()
            .any(|listed| listed.len() == text.len() && begins(text, listed))
            || PREFIXES.iter().any(|listed| begins(text, listed)));
        (is_listed && !self.kept.contains(name))
            || self
                .own
                .iter()
                .any(|own| own.as_str().len() == text.len() && begins(text, own.as_str()))
    }
}

/// Whether a name begins with another, `_` taken for `-`.
fn begins(name: &str, with: &str) -> bool {
    let dash = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() >= with.len()
        && name
            .bytes()
            .zip(with.bytes())
            .all(|(a, b)| dash(a) == dash(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(headers: &IdentityHeaders, names: &[&str]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for name in names {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                "x".parse().unwrap(),
            );
        }
        headers.strip(&mut map);
        map.keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn removes_every_spelling() {
        let names = [
            "X-Forwarded-User",
            "x_forwarded_user",
            "X-Forwarded_User",
            "X-Portcullis-Principal",
            "x_portcullis_anything",
            "Client-Cert",
            "X-SSL-Client-S-DN",
            "Remote-User",
            "remote_user",
            "X-Goog-IAP-JWT-Assertion",
            "Cf-Access-Jwt-Assertion",
            "X-Amzn-Oidc-Identity",
            "X-MS-Client-Principal-Name",
            "X-Session-Id",
            "X-Authkestra-Identity",
            "X-User",
        ];
        assert!(strip(&IdentityHeaders::default(), &names).is_empty());
        assert!(strip(&IdentityHeaders::default(), &["X-User", "X-User", "X-User"]).is_empty());
    }

    #[test]
    fn leaves_every_other_header() {
        let names = [
            "content-type",
            "cookie",
            "x-request-id",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-user-agent",
            "x-userx",
            "traceparent",
            "mcp-session-id",
            "remote-user-agent",
            "x-authenticate",
            "x-api-key",
        ];
        assert_eq!(strip(&IdentityHeaders::default(), &names), names);
    }

    #[test]
    fn the_list_is_the_users_to_change() {
        let mut headers = IdentityHeaders::default();
        headers.add(HeaderName::from_static("x-tenant"));
        headers.keep(HeaderName::from_static("x-session-id"));
        assert_eq!(
            strip(&headers, &["x_tenant", "x-tenant", "x-session-id"]),
            ["x-session-id"]
        );
    }

    #[test]
    fn the_first_letters_cover_the_lists() {
        for name in NAMES.iter().chain(PREFIXES) {
            assert!(
                matches!(
                    name.as_bytes().first(),
                    Some(b'c' | b'r' | b's' | b't' | b'x')
                ),
                "{name}"
            );
        }
    }
}
