//! Microsoft Entra ID. See [`crate::provider::entra`].

use portcullis_core::sabotaged;

use super::{ProviderClaims, texts};
use crate::{
    claims::{Claims, Terms},
    fault::{Fault, Step},
    json::Raw,
    reason,
};

/// The version of the tokens, which the registration of this server chooses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EntraVersion {
    V1,
    V2,
    /// Version 2, of several tenants that share a key set.
    V2Tenants,
}

impl EntraVersion {
    /// The name of a tenant as an issuer.
    pub(crate) fn issuer(self, tenant: &str) -> Box<str> {
        let (start, end) = self.around_tenant();
        format!("{start}{tenant}{end}").into()
    }

    /// The tenant in the name of an issuer.
    fn tenant_of(self, issuer: &str) -> Option<&str> {
        let (start, end) = self.around_tenant();
        issuer.strip_prefix(start)?.strip_suffix(end)
    }

    const fn around_tenant(self) -> (&'static str, &'static str) {
        match self {
            Self::V1 => ("https://sts.windows.net/", "/"),
            Self::V2 | Self::V2Tenants => ("https://login.microsoftonline.com/", "/v2.0"),
        }
    }

    const fn number(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 | Self::V2Tenants => "2.0",
        }
    }

    /// A key says whose tokens it signs: one tenant's, or with the placeholder any tenant's. The
    /// keys of personal accounts, which anybody can have, stand among those of all tenants.
    pub(super) fn takes_key(self, key_issuer: Option<&str>, name: &str) -> bool {
        match (self, key_issuer) {
            (Self::V1, _) | (Self::V2, None) => true,
            (Self::V2Tenants, None) => false,
            (Self::V2 | Self::V2Tenants, Some(issuer)) => {
                issuer == name || *issuer == *self.issuer("{tenantid}")
            }
        }
    }

    /// Names of a tenant and words for many (`common`, `organizations`) are no ids: no token
    /// has them in its `iss`.
    pub(super) fn problem_of(self, issuer: &str) -> Option<&'static str> {
        (!self.tenant_of(issuer).is_some_and(is_tenant_id)).then_some(
            "is not that of a tenant; give the tenant id as the portal shows it, a GUID in lower \
             case",
        )
    }

    pub(super) fn check_kind(
        self,
        own: &ProviderClaims<'_>,
        claims: &Claims<'_>,
        terms: &Terms<'_, '_>,
    ) -> Result<(), Fault> {
        let fault = |reason| Err(Fault::new(Step::Type, reason));
        let ver = own.ver.and_then(Raw::text);
        let is_access_token = ver.as_deref() == Some(self.number())
            && self.client(own, claims).is_some()
            && !claims.is_of_another_kind;
        if !is_access_token && !sabotaged!("jwt.entra_kind") {
            return fault(reason::ENTRA_KIND);
        }
        let tenant = own.tid.and_then(Raw::text);
        let is_of_tenant = tenant.is_some() && tenant.as_deref() == self.tenant_of(terms.issuer);
        if !is_of_tenant && !sabotaged!("jwt.entra_tenant") {
            return fault(reason::ENTRA_TENANT);
        }
        let has_permission = claims.scp.is_some()
            || terms.clients.is_some()
            || own
                .roles
                .is_some_and(|roles| texts(roles).is_ok_and(|roles| !roles.is_empty()));
        if !has_permission && !sabotaged!("jwt.entra_permission") {
            return fault(reason::ENTRA_PERMISSION);
        }
        Ok(())
    }

    pub(super) const fn client<'a>(
        self,
        own: &ProviderClaims<'a>,
        claims: &Claims<'a>,
    ) -> Option<Raw<'a>> {
        match self {
            Self::V1 => own.appid,
            Self::V2 | Self::V2Tenants => claims.azp,
        }
    }
}

/// `idtyp` says it, where it was asked for. Without it: users alone have scopes, and a
/// principal of an application is one for everybody, whereas a user is another for each.
pub(super) fn is_client(own: &ProviderClaims<'_>, claims: &Claims<'_>) -> bool {
    match own.idtyp {
        Some(kind) => kind.text().as_deref() == Some("app"),
        None => {
            let object = own.oid.and_then(Raw::text);
            claims.scp.is_none() && object.is_some() && object == claims.sub.and_then(Raw::text)
        }
    }
}

/// A GUID as it stands in `iss` and `tid`.
fn is_tenant_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use portcullis_core::ReasonCode;

    use super::*;
    use crate::profile::Profile;

    const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

    #[test]
    fn a_tenant_is_named_by_its_id() {
        for version in [EntraVersion::V1, EntraVersion::V2] {
            let problem = |tenant: &str| version.problem_of(&version.issuer(tenant));
            assert_eq!(problem(TENANT), None);
            for tenant in [
                "",
                "common",
                "organizations",
                "consumers",
                "contoso.onmicrosoft.com",
                "{tenantid}",
                "8EAEF023-2B34-4DA1-9BAA-8BC8C9D6A490",
                "8eaef023-2b34-4da1-9baa-8bc8c9d6a490/",
                "8eaef0232b344da19baa8bc8c9d6a490",
                "8eaef023-2b34-4da1-9baa-8bc8c9d6a49",
                "8eaef023-2b34-4da1-9baa-8bc8c9d6a49g",
            ] {
                assert!(problem(tenant).is_some(), "{tenant}");
            }
        }
    }

    #[test]
    fn a_key_signs_for_whom_it_says() {
        let name = EntraVersion::V2.issuer(TENANT);
        let personal = EntraVersion::V2.issuer("9188040d-6c67-4c5b-b112-36a304b66dad");
        let any = "https://login.microsoftonline.com/{tenantid}/v2.0";
        for (version, key, expected) in [
            (EntraVersion::V1, Some("anything"), true),
            (EntraVersion::V2, None, true),
            (EntraVersion::V2, Some(any), true),
            (EntraVersion::V2, Some(&*name), true),
            (EntraVersion::V2, Some(&*personal), false),
            (EntraVersion::V2Tenants, None, false),
            (EntraVersion::V2Tenants, Some(any), true),
            (EntraVersion::V2Tenants, Some(&*name), true),
            (EntraVersion::V2Tenants, Some(&*personal), false),
            (EntraVersion::V2Tenants, Some(""), false),
        ] {
            assert_eq!(
                version.takes_key(key, &name),
                expected,
                "{version:?} {key:?}"
            );
        }
    }

    fn judge(
        version: EntraVersion,
        payload: &str,
        clients: Option<&[Box<str>]>,
    ) -> Option<ReasonCode> {
        let claims = Claims::parse(payload).unwrap();
        let profile = Profile::Entra(version);
        let own = profile.read(payload).unwrap();
        let terms = Terms {
            issuer: &version.issuer(TENANT),
            clients,
            provided: None,
            role_prefix: None,
        };
        let checked = version.check_kind(&own.claims, &claims, &terms);
        checked.err().map(|fault| fault.reason)
    }

    #[test]
    fn an_access_token_is_told_from_an_id_token_a_guest_and_a_passer_by() {
        let v2 = |members: &str| {
            let payload = format!(r#"{{"ver":"2.0","tid":"{TENANT}",{members}}}"#);
            judge(EntraVersion::V2, &payload, None)
        };
        assert_eq!(v2(r#""azp":"c","scp":"a""#), None);
        assert_eq!(v2(r#""azp":"c","roles":["a"]"#), None);
        for members in [
            r#""scp":"a""#,
            r#""roles":["a"]"#,
            r#""appid":"c","scp":"a""#,
            r#""azp":"c","scp":"a","nonce":"n""#,
            r#""azp":"c","scp":"a","at_hash":"h""#,
        ] {
            assert_eq!(v2(members), Some(reason::ENTRA_KIND), "{members}");
        }
        for members in [
            r#""azp":"c""#,
            r#""azp":"c","roles":[]"#,
            r#""azp":"c","roles":"a""#,
        ] {
            assert_eq!(v2(members), Some(reason::ENTRA_PERMISSION), "{members}");
        }
        let bare = format!(r#"{{"ver":"2.0","tid":"{TENANT}","azp":"c"}}"#);
        let named = judge(EntraVersion::V2, &bare, Some(&["c".into()]));
        assert_eq!(named, None);
        let v1 = format!(r#"{{"ver":"1.0","tid":"{TENANT}","appid":"c","scp":"a"}}"#);
        assert_eq!(judge(EntraVersion::V1, &v1, None), None);
        assert_eq!(judge(EntraVersion::V2, &v1, None), Some(reason::ENTRA_KIND));
        let azp = v1.replace("appid", "azp");
        assert_eq!(
            judge(EntraVersion::V1, &azp, None),
            Some(reason::ENTRA_KIND)
        );
        for tid in [
            "null",
            "\"\"",
            "\"8eaef023-2b34-4da1-9baa-8bc8c9d6a491\"",
            "7",
        ] {
            let other = format!(r#"{{"ver":"2.0","tid":{tid},"azp":"c","scp":"a"}}"#);
            assert_eq!(
                judge(EntraVersion::V2, &other, None),
                Some(reason::ENTRA_TENANT),
                "{tid}"
            );
        }
    }
}
