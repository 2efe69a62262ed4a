//! Auth0. See [`crate::provider::auth0`].

use portcullis_core::sabotaged;
use url::Url;

use super::is_for;
use crate::{
    claims::Claims,
    fault::{Fault, Step},
    header::Kind,
    json::Raw,
    reason,
};

/// Nothing but a host, as a URL writes it.
pub(super) fn problem_of(name: &str) -> Option<&'static str> {
    let is_domain = Url::parse(name).is_ok_and(|url| {
        url.as_str() == name
            && url.path() == "/"
            && url.query().is_none()
            && url.username().is_empty()
            && url.domain().is_some()
    });
    (!is_domain).then_some(
        "is not that of a tenant; give its domain alone, in lower case, such as \
         `acme.eu.auth0.com`",
    )
}

pub(super) fn check_kind(claims: &Claims<'_>, kind: Kind) -> Result<(), Fault> {
    if kind == Kind::AccessToken || sabotaged!("jwt.auth0_kind") {
        return Ok(());
    }
    let is_access_token = !claims.is_of_another_kind
        && claims
            .azp
            .and_then(Raw::text)
            .is_some_and(|client| !is_for(claims, &client));
    if is_access_token {
        Ok(())
    } else {
        Err(Fault::new(Step::Type, reason::AUTH0_KIND))
    }
}

/// The subject of a client on its own behalf. A user's has a `|`, a client id has none.
pub(super) fn is_client(claims: &Claims<'_>, client: Option<&str>) -> bool {
    let subject = claims.sub.and_then(Raw::text);
    subject
        .as_deref()
        .and_then(|subject| subject.strip_suffix("@clients"))
        .is_some_and(|named| Some(named) == client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_named_by_its_domain() {
        let problem = |domain: &str| problem_of(&format!("https://{domain}/"));
        for domain in ["acme.eu.auth0.com", "login.acme.example"] {
            assert_eq!(problem(domain), None, "{domain}");
        }
        for domain in [
            "",
            "https://acme.eu.auth0.com",
            "https://acme.eu.auth0.com/",
            "acme.eu.auth0.com/",
            "Acme.eu.auth0.com",
            "acme.eu.auth0.com:443",
            "acme.eu.auth0.com/x",
            "acme.eu.auth0.com?x",
            "acme.eu.auth0.com#x",
            "user@acme.eu.auth0.com",
            "192.0.2.1",
            "acme eu",
        ] {
            assert!(problem(domain).is_some(), "{domain}");
        }
    }

    #[test]
    fn an_access_token_is_told_from_an_id_token() {
        let judge = |payload: &str| {
            let claims = Claims::parse(payload).unwrap();
            let checked = check_kind(&claims, Kind::Unspecific);
            assert!(check_kind(&claims, Kind::AccessToken).is_ok());
            checked.err().map(|fault| fault.reason)
        };
        for payload in [
            r#"{"aud":"https://api","azp":"c"}"#,
            r#"{"aud":["https://api","https://acme/userinfo"],"azp":"c"}"#,
        ] {
            assert_eq!(judge(payload), None, "{payload}");
        }
        for payload in [
            r#"{"aud":"c"}"#,
            r#"{"aud":"https://api"}"#,
            r#"{"aud":"c","azp":"c"}"#,
            r#"{"aud":["https://api","c"],"azp":"c"}"#,
            r#"{"aud":"https://api","azp":"c","nonce":"n"}"#,
            r#"{"aud":"https://api","azp":7}"#,
        ] {
            assert_eq!(judge(payload), Some(reason::AUTH0_KIND), "{payload}");
        }
    }
}
