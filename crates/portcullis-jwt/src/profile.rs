//! What is known of the access tokens of a provider, beyond RFC 9068.

mod auth0;
mod cognito;
mod entra;
mod google;
mod keycloak;
mod okta;
mod openbao;
mod proxy;

use std::borrow::Cow;

use portcullis_core::{EvidenceKind, Scopes, sabotaged};

pub(crate) use self::{entra::EntraVersion, proxy::Proxy};
use crate::{
    claims::{Claims, MAX_AUDIENCES, Terms},
    fault::{Fault, Step},
    header::Kind,
    json::{Malformed, Raw, for_each_member},
    reason,
};

/// The most roles of one list.
const MAX_ROLES: usize = 512;

/// A provider whose tokens are known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Profile {
    Auth0,
    Cognito,
    Entra(EntraVersion),
    Google,
    Keycloak,
    Okta,
    OpenBao,
    /// What a proxy says of who has logged in to it.
    Proxy(Proxy),
}

impl Profile {
    /// The constructor that whoever configures this has written.
    pub(crate) const fn setting(&self) -> &'static str {
        match self {
            Self::Auth0 => "Issuer::auth0",
            Self::Cognito => "Issuer::cognito",
            Self::Entra(EntraVersion::V1) => "Issuer::entra_v1",
            Self::Entra(EntraVersion::V2) => "Issuer::entra",
            Self::Entra(EntraVersion::V2Tenants) => "Issuer::entra_tenants",
            Self::Google => "Issuer::google",
            Self::Keycloak => "Issuer::keycloak",
            Self::Okta => "Issuer::okta",
            Self::OpenBao => "Issuer::openbao",
            Self::Proxy(proxy) => proxy.setting(),
        }
    }

    /// What is wrong with the name of an issuer, and how it has to look.
    pub(crate) fn problem_of(&self, name: &str) -> Option<&'static str> {
        match self {
            Self::Auth0 => auth0::problem_of(name),
            Self::Cognito => cognito::problem_of(name),
            Self::Entra(version) => version.problem_of(name),
            // Its name is not the user's to choose.
            Self::Google => None,
            Self::Keycloak => keycloak::problem_of(name),
            Self::Okta => okta::problem_of(name),
            Self::OpenBao => openbao::problem_of(name),
            Self::Proxy(proxy) => proxy.problem_of(name),
        }
    }

    /// Whether a key is for the tokens of this issuer.
    pub(crate) fn takes_key(&self, key_issuer: Option<&str>, name: &str) -> bool {
        match self {
            Self::Entra(version) => version.takes_key(key_issuer, name),
            _ => true,
        }
    }

    /// Whether its tokens go without `typ` in the header.
    pub(crate) const fn omits_typ(&self) -> bool {
        matches!(
            self,
            Self::Cognito | Self::Okta | Self::OpenBao | Self::Proxy(_)
        )
    }

    /// Whether its tokens go without a client: a user logged in to a proxy, and to no client.
    pub(crate) const fn omits_client(&self) -> bool {
        matches!(self, Self::Proxy(_))
    }

    /// Whether its tokens go without `aud`, so that their client says for whom they are. The
    /// clients are then named by the constructor.
    pub(crate) const fn omits_audience(&self) -> bool {
        matches!(self, Self::Cognito)
    }

    /// The claims that this provider alone has. They are looked for in the payload by
    /// themselves: whoever has no profile pays nothing for them.
    pub(crate) fn read<'a>(&'a self, payload: &'a str) -> Result<Provided<'a>, Fault> {
        let mut claims = ProviderClaims::default();
        for_each_member(payload, |name, raw| {
            let claim = match name {
                "appid" => &mut claims.appid,
                "cid" => &mut claims.cid,
                "common_name" => &mut claims.common_name,
                "cognito:groups" => &mut claims.cognito_groups,
                "groups" => &mut claims.groups,
                "idtyp" => &mut claims.idtyp,
                "oid" => &mut claims.oid,
                "permissions" => &mut claims.permissions,
                "realm_access" => &mut claims.realm_access,
                "resource_access" => &mut claims.resource_access,
                "roles" => &mut claims.roles,
                "tid" => &mut claims.tid,
                "token_use" => &mut claims.token_use,
                "typ" => &mut claims.typ,
                "type" => &mut claims.kind,
                "uid" => &mut claims.uid,
                "uti" => &mut claims.uti,
                "ver" => &mut claims.ver,
                _ => return,
            };
            *claim = Some(raw);
        })
        .map_err(|_| Fault::new(Step::Payload, reason::PAYLOAD))?;
        Ok(Provided {
            profile: self,
            claims,
        })
    }
}

/// Claims that are no claims of RFC 9068, each as it came.
#[derive(Default)]
struct ProviderClaims<'a> {
    appid: Option<Raw<'a>>,
    cid: Option<Raw<'a>>,
    cognito_groups: Option<Raw<'a>>,
    common_name: Option<Raw<'a>>,
    groups: Option<Raw<'a>>,
    idtyp: Option<Raw<'a>>,
    /// `type`.
    kind: Option<Raw<'a>>,
    oid: Option<Raw<'a>>,
    permissions: Option<Raw<'a>>,
    realm_access: Option<Raw<'a>>,
    resource_access: Option<Raw<'a>>,
    roles: Option<Raw<'a>>,
    tid: Option<Raw<'a>>,
    token_use: Option<Raw<'a>>,
    typ: Option<Raw<'a>>,
    uid: Option<Raw<'a>>,
    uti: Option<Raw<'a>>,
    ver: Option<Raw<'a>>,
}

/// What a token of a known provider says.
pub(crate) struct Provided<'a> {
    profile: &'a Profile,
    claims: ProviderClaims<'a>,
}

impl<'a> Provided<'a> {
    /// Whether it is an access token, and not another that the provider signs with its keys.
    pub(crate) fn check_kind(
        &self,
        claims: &Claims<'_>,
        terms: &Terms<'_, '_>,
        kind: Kind,
    ) -> Result<(), Fault> {
        match self.profile {
            Profile::Auth0 => auth0::check_kind(claims, kind),
            Profile::Cognito => cognito::check_kind(&self.claims),
            Profile::Entra(version) => version.check_kind(&self.claims, claims, terms),
            Profile::Google => google::check_kind(claims, kind),
            Profile::Keycloak => keycloak::check_kind(&self.claims, claims, kind),
            Profile::Proxy(proxy) => proxy.check_kind(&self.claims, claims, kind),
            Profile::Okta => okta::check_kind(&self.claims, claims),
            Profile::OpenBao => claims.check_kind(kind),
        }
    }

    /// The client that it was given to.
    pub(crate) fn client(&self, claims: &Claims<'a>) -> Option<Cow<'a, str>> {
        match self.profile {
            Profile::Auth0 => claims.client_id.or(claims.azp),
            Profile::Cognito => claims.client_id,
            Profile::Entra(version) => version.client(&self.claims, claims),
            Profile::Google | Profile::Keycloak => claims.azp,
            Profile::Okta => self.claims.cid,
            Profile::Proxy(proxy) => proxy.client(&self.claims, claims),
            Profile::OpenBao => claims.sub,
        }
        .and_then(Raw::text)
    }

    /// The claims with the scopes: like `scope`, and like `scp`.
    pub(crate) fn scope_claims(&self, claims: &Claims<'a>) -> (Option<Raw<'a>>, Option<Raw<'a>>) {
        match self.profile {
            Profile::Entra(_) | Profile::Okta => (None, claims.scp),
            _ => (claims.scope, None),
        }
    }

    /// The claim that stands in for `jti`.
    pub(crate) fn token_id(&self) -> Option<Raw<'a>> {
        match self.profile {
            Profile::Entra(_) => self.claims.uti,
            _ => None,
        }
    }

    pub(crate) fn omits_client(&self) -> bool {
        self.profile.omits_client()
    }

    /// Whether a proxy says so with each request.
    pub(crate) fn is_of_a_proxy(&self) -> bool {
        matches!(self.profile, Profile::Proxy(_))
    }

    /// The claim that names the subject.
    pub(crate) fn subject(&self, claims: &Claims<'a>) -> Option<Raw<'a>> {
        match self.profile {
            Profile::Proxy(proxy) => proxy.subject(&self.claims, claims),
            _ => claims.sub,
        }
    }

    /// Whether it stands for that client or for a user.
    pub(crate) fn evidence_kind(&self, claims: &Claims<'_>, client: Option<&str>) -> EvidenceKind {
        let is_client = match self.profile {
            Profile::Auth0 => auth0::is_client(claims, client),
            Profile::Cognito => claims.sub.and_then(Raw::text).as_deref() == client,
            Profile::Entra(_) => entra::is_client(&self.claims, claims),
            Profile::Keycloak => keycloak::is_client(claims, client),
            Profile::Okta => okta::is_client(&self.claims, claims, client),
            Profile::Google | Profile::OpenBao => true,
            Profile::Proxy(proxy) => proxy.is_client(&self.claims, claims),
        };
        match is_client {
            true => EvidenceKind::Client,
            false => EvidenceKind::User,
        }
    }

    /// The scopes, and the roles with a prefix. No scope passes for a role: those that begin
    /// like one are left out.
    pub(crate) fn with_roles(
        &self,
        granted: Option<Scopes>,
        prefix: &str,
    ) -> Result<Scopes, Fault> {
        let granted = granted.unwrap_or_default();
        let mut roles = Vec::new();
        match self.profile {
            Profile::Auth0 => add_list(self.claims.permissions, prefix, &mut roles)?,
            Profile::Cognito => add_list(self.claims.cognito_groups, prefix, &mut roles)?,
            Profile::Entra(_) => add_list(self.claims.roles, prefix, &mut roles)?,
            Profile::Keycloak => keycloak::add_roles(&self.claims, prefix, &mut roles)?,
            Profile::Google => {}
            Profile::Okta | Profile::OpenBao | Profile::Proxy(_) => {
                add_list(self.claims.groups, prefix, &mut roles)?;
            }
        }
        // What is no scope token (a blank in it, a letter that is not ASCII) can be required by
        // nobody.
        roles.retain(|role| Scopes::collect([&**role]).is_ok());
        let granted = granted
            .iter()
            .filter(|scope| !scope.starts_with(prefix) || sabotaged!("jwt.role_prefix"));
        Scopes::collect(granted.chain(roles.iter().map(|role| &**role)))
            .map_err(|_| Fault::new(Step::Claims, reason::ROLES))
    }
}

/// Whether the client is in `aud`, as in an ID token.
fn is_for(claims: &Claims<'_>, client: &str) -> bool {
    claims.aud.is_some_and(|aud| match aud.text() {
        Some(text) => text == client,
        None => aud
            .texts(MAX_AUDIENCES)
            .is_some_and(|texts| texts.iter().any(|text| text == client)),
    })
}

/// Each entry of a list that is a claim of its own.
fn add_list(list: Option<Raw<'_>>, prefix: &str, roles: &mut Vec<String>) -> Result<(), Fault> {
    for role in list.map(texts).transpose()?.into_iter().flatten() {
        roles.push(format!("{prefix}{role}"));
    }
    Ok(())
}

/// The texts of a list of roles.
fn texts(list: Raw<'_>) -> Result<Vec<Cow<'_, str>>, Fault> {
    list.texts(MAX_ROLES)
        .ok_or(Fault::new(Step::Claims, reason::ROLES))
}

/// The members of an object of roles.
fn members<'a>(object: Raw<'a>, each: impl FnMut(&str, Raw<'a>)) -> Result<(), Fault> {
    for_each_member(object.as_str(), each).map_err(|problem| {
        let reason = match problem {
            Malformed::Duplicate => reason::DUPLICATE,
            Malformed::Syntax | Malformed::TooManyMembers => reason::ROLES,
        };
        Fault::new(Step::Claims, reason)
    })
}
