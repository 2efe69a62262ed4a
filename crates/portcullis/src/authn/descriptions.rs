//! What authenticators declare about themselves, taken together.

use http::HeaderName;
use portcullis_core::{ConfigError, ConfigErrors, Description, ReasonCode};

use super::possession;

pub(super) fn check_descriptions(descriptions: &[Description], errors: &mut ConfigErrors) {
    let mut servers: Vec<(&str, &str)> = Vec::new();
    for description in descriptions {
        let name = description.name();
        if ReasonCode::new(name).as_str() != name {
            errors.push(ConfigError::new(
                "add_authenticator",
                format!(
                    "`{}` is no name for records; use `[a-z0-9_]`",
                    name.escape_debug()
                ),
            ));
        }
        if description.headers().is_empty() && !description.is_certificate() {
            errors.push(ConfigError::new(
                "add_authenticator",
                format!("`{name}` declares no header, so its credential would reach the handler"),
            ));
        }
        for server in description.authorization_servers() {
            let is_plain =
                |byte: u8| (0x21..=0x7e).contains(&byte) && !matches!(byte, b'"' | b'\\');
            if !server.bytes().all(is_plain) {
                errors.push(ConfigError::new(
                    "add_authenticator",
                    format!("`{name}` declares an issuer that is no url"),
                ));
            } else if servers.contains(&(name, server)) {
                // Of two kinds of tokens, an issuer may have both; of one kind, the second would
                // never be asked.
                errors.push(ConfigError::new(
                    "add_authenticator",
                    format!("`{name}` is there twice for the issuer `{server}`; remove one"),
                ));
            } else {
                servers.push((name, server));
            }
        }
    }
}

/// The issuers that are declared, each once.
pub(super) fn authorization_servers(descriptions: &[Description]) -> Vec<&str> {
    let mut servers = Vec::new();
    for server in descriptions
        .iter()
        .flat_map(Description::authorization_servers)
    {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    servers
}

/// The issuers that are declared, to clients or not, and not by this one.
pub(super) fn foreign_issuers(
    descriptions: &[Description],
    description: &Description,
) -> Vec<Box<str>> {
    let mut foreign: Vec<Box<str>> = Vec::new();
    for issuer in descriptions.iter().flat_map(Description::issuers) {
        if !description.declares(issuer) && !foreign.iter().any(|known| **known == *issuer) {
            foreign.push(issuer.into());
        }
    }
    foreign
}

/// The header of each authenticator that is a credential by itself: its first, and those that
/// it adds carry a part of one. `Authorization` is counted apart.
pub(super) fn credential_headers(descriptions: &[Description]) -> Vec<HeaderName> {
    let mut headers: Vec<HeaderName> = Vec::new();
    for name in descriptions.iter().filter_map(|d| d.headers().first()) {
        if *name != http::header::AUTHORIZATION && !headers.contains(name) {
            headers.push(name.clone());
        }
    }
    headers
}

/// Every header that carries a credential, once, and always `Authorization`: whatever a
/// caller put there was meant for the gate.
pub(super) fn consumed(descriptions: &[Description], has_verifier: bool) -> Vec<HeaderName> {
    let mut consumed = vec![http::header::AUTHORIZATION];
    if has_verifier {
        consumed.push(possession::PROOF);
    }
    for name in descriptions.iter().flat_map(Description::headers) {
        if !consumed.contains(name) {
            consumed.push(name.clone());
        }
    }
    consumed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(name: &'static str) -> Description {
        Description::bearer(name).add_authorization_server("https://idp.example")
    }

    #[test]
    fn an_issuer_may_have_two_kinds_of_tokens() {
        let mut errors = ConfigErrors::default();
        let two = [described("jwt"), described("introspection")];
        check_descriptions(&two, &mut errors);
        assert!(errors.is_empty(), "{errors}");
        assert_eq!(authorization_servers(&two), ["https://idp.example"]);
        assert!(foreign_issuers(&two, &two[1]).is_empty());

        // Of whom clients are not told, others speak as little.
        let proxy = Description::bearer("proxy").add_issuer("https://sso.example");
        let all = [described("jwt"), proxy];
        assert_eq!(
            foreign_issuers(&all, &all[0]),
            [Box::<str>::from("https://sso.example")]
        );
        assert_eq!(
            foreign_issuers(&all, &all[1]),
            [Box::<str>::from("https://idp.example")]
        );

        check_descriptions(&[described("jwt"), described("jwt")], &mut errors);
        assert_eq!(
            errors.to_string(),
            "`add_authenticator`: `jwt` is there twice for the issuer `https://idp.example`; \
             remove one"
        );
    }
}
