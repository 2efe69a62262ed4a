//! Tokens of tenants of Microsoft Entra ID.

use portcullis::{Authenticator as _, EvidenceKind, jwt::Issuer};
use portcullis_testing::identity_provider::Token;

use crate::{Provider, RESOURCE};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const CLIENT: &str = "75dbe77f-10a3-4e59-85fd-8c127544f17c";
const SUBJECT: &str = "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ";
const OBJECT: &str = "690222be-ff1a-4d56-abd1-7e4f7d38e474";

fn v2() -> Provider {
    let name = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    Provider::new(&name, Issuer::entra(TENANT))
}

/// Without what only tokens of RFC 9068 have.
fn bare(tenant: &Provider) -> Token {
    tenant
        .idp
        .token(SUBJECT)
        .with_header("typ", "JWT")
        .with_audience(RESOURCE)
        .without_claim("client_id")
        .without_claim("jti")
        .with_claim("nbf", tenant.now())
        .with_claim("aio", "AXQAi/8IAAAA")
        .with_claim("oid", OBJECT)
        .with_claim("rh", "I")
        .with_claim("tid", TENANT)
        .with_claim("uti", "fqiBqXLPj0eQa82S-IYFAA")
}

/// A user's token of version 2.
fn user(tenant: &Provider) -> Token {
    bare(tenant)
        .with_claim("azp", CLIENT)
        .with_claim("azpacr", "0")
        .with_claim("name", "Alice")
        .with_claim("preferred_username", "alice@contoso.example")
        .with_claim("scp", "notes.read notes.write")
        .with_claim("ver", "2.0")
}

/// An application's token of version 2.
fn application(tenant: &Provider) -> Token {
    user(tenant)
        .without_claim("scp")
        .without_claim("name")
        .without_claim("preferred_username")
        .with_claim("sub", OBJECT)
        .with_claim("azpacr", "1")
        .with_claim("roles", ["Notes.Read.All"])
}

#[test]
fn a_user_has_scopes_and_a_token_id() {
    let tenant = v2();
    let evidence = tenant.judge(&user(&tenant)).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::User);
    assert_eq!(evidence.issuer(), tenant.idp.issuer());
    assert_eq!(evidence.subject(), SUBJECT);
    assert_eq!(evidence.client(), Some(CLIENT));
    assert_eq!(evidence.scopes().as_str(), "notes.read notes.write");
    assert_eq!(evidence.token_id(), Some("fqiBqXLPj0eQa82S-IYFAA"));
    assert_eq!((evidence.session_id(), evidence.auth_time()), (None, None));
    let optional = user(&tenant)
        .with_claim("sid", "001f1a24")
        .with_claim("auth_time", tenant.now() - 60);
    let evidence = tenant.judge(&optional).unwrap();
    assert_eq!(evidence.session_id(), Some("001f1a24"));
    assert!(evidence.auth_time().is_some());
    // Only `scp` grants anything: `scope` is no claim of Entra ID.
    let mapped = application(&tenant).with_claim("scope", "notes.write");
    assert!(tenant.judge(&mapped).unwrap().scopes().is_empty());
}

#[test]
fn an_application_is_a_client() {
    let tenant = v2();
    let kind = |token: Token| tenant.judge(&token).unwrap().kind();
    let application = application(&tenant);
    for token in [
        application.clone(),
        application.clone().with_claim("idtyp", "app"),
        application
            .clone()
            .with_claim("idtyp", "app")
            .without_claim("oid"),
    ] {
        assert_eq!(kind(token), EvidenceKind::Client);
    }
    for token in [
        application.clone().with_claim("idtyp", "user"),
        application.clone().with_claim("idtyp", ["app"]),
        application.clone().with_claim("scp", "notes.read"),
        application.clone().without_claim("oid"),
        application.with_claim("sub", SUBJECT),
        user(&tenant).with_claim("roles", ["Notes.Admin"]),
    ] {
        assert_eq!(kind(token), EvidenceKind::User);
    }
}

#[test]
fn roles_are_scopes_where_that_is_said() {
    let name = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let tenant = Provider::new(&name, Issuer::entra(TENANT).with_roles_as_scopes("role:"));
    let evidence = tenant.judge(&application(&tenant)).unwrap();
    assert_eq!(evidence.scopes().as_str(), "role:Notes.Read.All");
    let admin = user(&tenant)
        .with_claim("scp", "notes.read role:Notes.Root")
        .with_claim("roles", ["Notes.Admin"]);
    let evidence = tenant.judge(&admin).unwrap();
    assert_eq!(evidence.scopes().as_str(), "notes.read role:Notes.Admin");
}

#[test]
fn each_of_several_tenants_is_an_issuer_of_its_own() {
    let other = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let name = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let tenants = Provider::with_keys(
        &name(TENANT),
        Issuer::entra_tenants([TENANT, other]),
        |mut keys| {
            for key in keys["keys"].as_array_mut().unwrap() {
                key["issuer"] = name("{tenantid}").into();
            }
            keys
        },
    );
    for tenant in [TENANT, other] {
        let token = user(&tenants)
            .with_claim("iss", name(tenant))
            .with_claim("tid", tenant);
        let evidence = tenants.judge(&token).unwrap();
        assert_eq!(evidence.issuer(), name(tenant));
        assert_eq!(evidence.subject(), SUBJECT);
    }
    // A tenant that is told to clients is one that is taken.
    let described = tenants.authenticator.describe();
    let servers: Vec<_> = described.authorization_servers().collect();
    assert_eq!(servers, [name(TENANT), name(other)]);
}

#[test]
fn version_1_has_other_names() {
    let name = format!("https://sts.windows.net/{TENANT}/");
    let tenant = Provider::new(&name, Issuer::entra_v1(TENANT));
    let token = bare(&tenant)
        .with_claim("acr", "1")
        .with_claim("amr", ["pwd", "mfa"])
        .with_claim("appid", CLIENT)
        .with_claim("appidacr", "0")
        .with_claim("scp", "user_impersonation")
        .with_claim("unique_name", "alice@contoso.example")
        .with_claim("ver", "1.0");
    let evidence = tenant.judge(&token).unwrap();
    assert_eq!(evidence.issuer(), name);
    assert_eq!(evidence.client(), Some(CLIENT));
    assert_eq!(evidence.scopes().as_str(), "user_impersonation");
    assert_eq!(evidence.acr(), Some("1"));
    assert_eq!(evidence.amr().collect::<Vec<_>>(), ["pwd", "mfa"]);
    for (token, reason) in [
        (token.clone().without_claim("appid"), "jwt_entra_kind"),
        (token.clone().with_claim("ver", "2.0"), "jwt_entra_kind"),
        (
            token.with_claim(
                "iss",
                format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
            ),
            "not mine",
        ),
    ] {
        assert_eq!(tenant.judge(&token).err(), Some(reason));
    }
}

#[test]
fn what_is_no_access_token_of_it_is_refused() {
    let tenant = v2();
    let (user, application) = (user(&tenant), application(&tenant));
    for (token, reason) in [
        (user.clone().without_claim("azp"), "jwt_entra_kind"),
        (user.clone().with_claim("azp", 7), "jwt_client_id"),
        (user.clone().with_claim("nonce", "n"), "jwt_entra_kind"),
        (user.clone().without_claim("ver"), "jwt_entra_kind"),
        (user.clone().without_claim("tid"), "jwt_entra_tenant"),
        (application.without_claim("roles"), "jwt_entra_permission"),
        (user.clone().with_claim("scp", 7), "jwt_scope"),
        (user.with_claim("uti", 7), "jwt_claim"),
    ] {
        assert_eq!(tenant.judge(&token).err(), Some(reason));
    }
}
