//! Okta. See [`crate::provider::okta`].

use portcullis_core::sabotaged;
use url::Url;

use super::{ProviderClaims, is_for};
use crate::{
    claims::Claims,
    fault::{Fault, Step},
    json::Raw,
    reason,
};

pub(super) fn problem_of(name: &str) -> Option<&'static str> {
    let is_server = Url::parse(name).is_ok_and(|url| {
        let id = url.path().strip_prefix("/oauth2/").unwrap_or_default();
        url.as_str() == name
            && !id.is_empty()
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.domain().is_some()
    });
    (!is_server).then_some(
        "is not that of an authorization server; give the domain alone, in lower case, and the \
         id, such as `acme.okta.com` and `default`",
    )
}

pub(super) fn check_kind(own: &ProviderClaims<'_>, claims: &Claims<'_>) -> Result<(), Fault> {
    let is_access_token = !claims.is_of_another_kind
        && own
            .cid
            .and_then(Raw::text)
            .is_some_and(|client| !is_for(claims, &client));
    if is_access_token || sabotaged!("jwt.okta_kind") {
        Ok(())
    } else {
        Err(Fault::new(Step::Type, reason::OKTA_KIND))
    }
}

pub(super) fn is_client(
    own: &ProviderClaims<'_>,
    claims: &Claims<'_>,
    client: Option<&str>,
) -> bool {
    own.uid.is_none() && claims.sub.and_then(Raw::text).as_deref() == client
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Issuer;

    #[test]
    fn a_server_is_named_by_domain_and_id() {
        let problem = |domain: &str, server: &str| {
            let issuer = Issuer::okta(domain, server);
            let name = issuer.names().next().unwrap();
            problem_of(name)
        };
        for (domain, server) in [
            ("acme.okta.com", "default"),
            ("login.acme.example", "aus1f2g3h4J5k6L7m8n9"),
        ] {
            assert_eq!(problem(domain, server), None, "{domain} {server}");
        }
        for (domain, server) in [
            ("", "default"),
            ("acme.okta.com", ""),
            ("acme.okta.com/", "default"),
            ("Acme.okta.com", "default"),
            ("https://acme.okta.com", "default"),
            ("user@acme.okta.com", "default"),
            ("acme.okta.com", "default/"),
            ("acme.okta.com", "default/v1"),
            ("acme.okta.com", "default?x"),
            ("acme.okta.com", "default#x"),
        ] {
            assert!(problem(domain, server).is_some(), "{domain} {server}");
        }
    }
}
