//! Keycloak. See [`crate::provider::keycloak`].

use portcullis_core::sabotaged;
use url::Url;

use super::{ProviderClaims, members, texts};
use crate::{
    claims::Claims,
    fault::{Fault, Step},
    header::Kind,
    json::Raw,
    reason,
};

pub(super) fn problem_of(name: &str) -> Option<&'static str> {
    let is_realm = Url::parse(name).is_ok_and(|url| {
        let mut segments = url.path().rsplit('/');
        segments.next().is_some_and(|realm| !realm.is_empty()) && segments.next() == Some("realms")
    });
    (!is_realm).then_some(
        "is not the URL of a realm; write `https://<host>/realms/<realm>`, without a slash at the \
         end",
    )
}

/// `typ` of the claims says what the header does not.
pub(super) fn check_kind(
    own: &ProviderClaims<'_>,
    claims: &Claims<'_>,
    kind: Kind,
) -> Result<(), Fault> {
    let is_access_token = match own.typ {
        None => kind == Kind::AccessToken,
        Some(raw) => match raw.text().as_deref() {
            Some("Bearer") => true,
            Some("DPoP") => claims.cnf.is_some(),
            _ => false,
        },
    };
    if is_access_token || sabotaged!("jwt.keycloak_typ") {
        Ok(())
    } else {
        Err(Fault::new(Step::Type, reason::KEYCLOAK_TYP))
    }
}

/// Keycloak keeps a user for each client, so the subject tells nothing. `client_id` is a note of
/// the client credentials grant; a mapper can write it for users too, but their logins have a
/// session and a time.
pub(super) fn is_client(claims: &Claims<'_>, client: Option<&str>) -> bool {
    let named = claims.client_id.and_then(Raw::text);
    named.is_some()
        && named.as_deref() == client
        && claims.sid.is_none()
        && claims.auth_time.is_none()
}

/// `admin` of the realm, `notes/edit` of the client `notes`. Whatever has a slash is of a
/// client, split at the last one.
pub(super) fn add_roles(
    own: &ProviderClaims<'_>,
    prefix: &str,
    roles: &mut Vec<String>,
) -> Result<(), Fault> {
    let mut lists = Vec::new();
    if let Some(access) = own.realm_access {
        lists.push((String::new(), access));
    }
    if let Some(access) = own.resource_access {
        members(access, |client, access| {
            lists.push((format!("{client}/"), access));
        })?;
    }
    for (client, access) in lists {
        let mut list = None;
        members(access, |name, raw| {
            if name == "roles" {
                list = Some(raw);
            }
        })?;
        for role in list.map(texts).transpose()?.into_iter().flatten() {
            if !role.contains('/') {
                roles.push(format!("{prefix}{client}{role}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use portcullis_core::{ReasonCode, Scopes};

    use super::*;
    use crate::profile::{MAX_ROLES, Profile};

    #[test]
    fn only_the_url_of_a_realm_is_one() {
        for name in [
            "https://id.example/realms/notes",
            "https://id.example/auth/realms/notes",
            "https://id.example:8443/realms/my%20realm",
        ] {
            assert_eq!(problem_of(name), None, "{name}");
        }
        for name in [
            "",
            "notes",
            "https://id.example",
            "https://id.example/realms",
            "https://id.example/realms/",
            "https://id.example/realms/notes/",
            "https://id.example/realms/notes/protocol/openid-connect",
            "https://id.example/realm/notes",
        ] {
            assert!(problem_of(name).is_some(), "{name}");
        }
    }

    fn kind(payload: &str, kind: Kind) -> Result<(), ReasonCode> {
        let claims = Claims::parse(payload).unwrap();
        let own = Profile::Keycloak.read(payload).unwrap();
        check_kind(&own.claims, &claims, kind).map_err(|fault| fault.reason)
    }

    #[test]
    fn the_claim_typ_tells_what_the_header_does_not() {
        let both = [Kind::AccessToken, Kind::Unspecific];
        for payload in [
            r#"{"typ":"Bearer"}"#,
            r#"{"typ":"Bearer","nonce":"n"}"#,
            r#"{"typ":"DPoP","cnf":{"jkt":"t"}}"#,
        ] {
            assert!(
                both.iter().all(|one| kind(payload, *one).is_ok()),
                "{payload}"
            );
        }
        for payload in [
            r#"{"typ":"ID"}"#,
            r#"{"typ":"Refresh"}"#,
            r#"{"typ":"Offline"}"#,
            r#"{"typ":"Logout"}"#,
            r#"{"typ":"bearer"}"#,
            r#"{"typ":"DPoP"}"#,
            r#"{"typ":["Bearer"]}"#,
            r#"{"typ":null}"#,
        ] {
            for one in both {
                assert_eq!(kind(payload, one), Err(reason::KEYCLOAK_TYP), "{payload}");
            }
        }
        assert!(kind("{}", Kind::AccessToken).is_ok());
        assert_eq!(kind("{}", Kind::Unspecific), Err(reason::KEYCLOAK_TYP));
    }

    fn roles(payload: &str, scope: &str) -> Result<String, ReasonCode> {
        let own = Profile::Keycloak.read(payload).unwrap();
        let granted = Scopes::parse(scope).unwrap();
        own.with_roles(Some(granted), "role:")
            .map(|scopes| scopes.as_str().to_owned())
            .map_err(|fault| fault.reason)
    }

    #[test]
    fn roles_are_told_from_scopes_and_from_each_other() {
        let payload = r#"{"realm_access":{"roles":["admin","notes/edit","a b","caf\u00e9"]},
            "resource_access":{"notes":{"roles":["edit","x/y"]},"https://a.example":{"roles":["r"]},
            "account":{"verify_caller":true}}}"#;
        assert_eq!(
            roles(payload, "openid role:admin role:root role: notes").unwrap(),
            "openid notes role:admin role:notes/edit role:https://a.example/r"
        );
        assert_eq!(roles("{}", "openid").unwrap(), "openid");
    }

    #[test]
    fn roles_that_cannot_be_read_are_an_error() {
        for payload in [
            r#"{"realm_access":["admin"]}"#,
            r#"{"realm_access":{"roles":"admin"}}"#,
            r#"{"realm_access":{"roles":["admin",1]}}"#,
            r#"{"realm_access":{"roles":null}}"#,
            r#"{"resource_access":null}"#,
            r#"{"resource_access":{"notes":["edit"]}}"#,
        ] {
            assert_eq!(roles(payload, "a"), Err(reason::ROLES), "{payload}");
        }
        let twice = r#"{"resource_access":{"n":{"roles":["a"]},"n":{"roles":["b"]}}}"#;
        assert_eq!(roles(twice, "a"), Err(reason::DUPLICATE));
        let many = format!(
            r#"{{"realm_access":{{"roles":{:?}}}}}"#,
            vec!["r"; MAX_ROLES + 1]
        );
        assert_eq!(roles(&many, "a"), Err(reason::ROLES));
    }
}
