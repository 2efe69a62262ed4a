//! Finding the key set of an issuer, and where tokens are asked about.

use url::Url;

use crate::json::for_each_member;

/// Where the key set of an issuer is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// The issuer's metadata says it.
    Discovered,
    /// The configuration says it.
    Known(Box<str>),
}

/// The places of an issuer's metadata, in the order in which they are tried.
///
/// OpenID Connect Discovery §4 appends its path to the issuer; RFC 8414 §3.1 puts its own
/// between host and path.
pub(super) fn metadata_urls(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: &str| {
        let mut url = issuer.clone();
        url.set_path(path);
        url
    };
    [
        at(&format!("{path}/.well-known/openid-configuration")),
        at(&format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

/// What is looked for in the metadata of an issuer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sought {
    /// The key set.
    Keys,
    /// Where tokens are asked about (RFC 8414 §2).
    Introspection,
}

impl Sought {
    const fn member(self) -> &'static str {
        match self {
            Self::Keys => "jwks_uri",
            Self::Introspection => "introspection_endpoint",
        }
    }

    const fn absence(self) -> &'static str {
        match self {
            Self::Keys => "the metadata names no `jwks_uri`",
            Self::Introspection => "the metadata names no `introspection_endpoint`",
        }
    }
}

/// The URL of what is sought, from a metadata document that is really this issuer's.
///
/// The `issuer` in it equals the configured one byte for byte (RFC 8414 §3.3): otherwise an
/// issuer could be made to vouch with the keys of another.
pub(super) fn find(document: &str, issuer: &str, sought: Sought) -> Result<Box<str>, &'static str> {
    let (mut named, mut place) = (None, None);
    for_each_member(document, |name, raw| {
        if name == "issuer" {
            named = Some(raw);
        } else if name == sought.member() {
            place = Some(raw);
        }
    })
    .map_err(|_| "the metadata is no JSON object, or one with a member twice")?;
    let named = named
        .and_then(|raw| raw.text())
        .ok_or("the metadata names no `issuer`")?;
    if named != issuer && !portcullis_core::sabotaged!("jwks.issuer_mismatch") {
        return Err("the `issuer` in the metadata is not the configured one, byte for byte");
    }
    let place = place.and_then(|raw| raw.text()).ok_or(sought.absence())?;
    Ok(place.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_both_forms_of_the_metadata_url() {
        let urls = |issuer: &str| metadata_urls(&issuer.parse().unwrap()).map(String::from);
        let root = [
            "https://idp.example/.well-known/openid-configuration",
            "https://idp.example/.well-known/oauth-authorization-server",
        ];
        assert_eq!(urls("https://idp.example"), root);
        assert_eq!(urls("https://idp.example/"), root);
        let tenant = [
            "https://idp.example:8443/t/1/.well-known/openid-configuration",
            "https://idp.example:8443/.well-known/oauth-authorization-server/t/1",
        ];
        assert_eq!(urls("https://idp.example:8443/t/1"), tenant);
        assert_eq!(urls("https://idp.example:8443/t/1/"), tenant);
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte() {
        let issuer = "https://idp.example";
        let document =
            |issuer: &str| format!(r#"{{"issuer":"{issuer}","jwks_uri":"https://idp.example/k"}}"#);
        let found = find(&document(issuer), issuer, Sought::Keys).unwrap();
        assert_eq!(&*found, "https://idp.example/k");
        for other in [
            "https://idp.example/",
            "https://IDP.example",
            "https://idp.example:443",
            "http://idp.example",
            "https://evil.example",
            "",
        ] {
            assert!(
                find(&document(other), issuer, Sought::Keys).is_err(),
                "{other}"
            );
        }
    }

    #[test]
    fn a_document_without_the_two_members_is_none() {
        let issuer = "https://idp.example";
        for document in [
            "",
            "<html>",
            "{}",
            r#"{"issuer":"https://idp.example"}"#,
            r#"{"jwks_uri":"https://idp.example/k"}"#,
            r#"{"issuer":["https://idp.example"],"jwks_uri":"https://idp.example/k"}"#,
            r#"{"issuer":"https://evil.example","issuer":"https://idp.example","jwks_uri":"x"}"#,
        ] {
            assert!(find(document, issuer, Sought::Keys).is_err(), "{document}");
        }
    }

    #[test]
    fn each_member_is_found_by_its_name() {
        let issuer = "https://idp.example";
        let document = r#"{"issuer":"https://idp.example","jwks_uri":"https://idp.example/k",
            "introspection_endpoint":"https://idp.example/i"}"#;
        let found = find(document, issuer, Sought::Introspection).unwrap();
        assert_eq!(&*found, "https://idp.example/i");
        let without = r#"{"issuer":"https://idp.example","jwks_uri":"https://idp.example/k"}"#;
        let problem = find(without, issuer, Sought::Introspection).unwrap_err();
        assert_eq!(problem, "the metadata names no `introspection_endpoint`");
    }
}
