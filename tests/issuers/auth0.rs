//! Tokens of tenants of Auth0.

use portcullis::{EvidenceKind, jwt::Issuer};
use portcullis_testing::identity_provider::Token;

use crate::{Provider, RESOURCE};

const NAME: &str = "https://acme.eu.auth0.com/";
const CLIENT: &str = "q4hYkYkZ0mJ2";

fn tenant() -> Provider {
    Provider::new(NAME, Issuer::auth0("acme.eu.auth0.com"))
}

/// In the profile that is the default.
fn user(tenant: &Provider) -> Token {
    tenant
        .idp
        .token("auth0|123456")
        .with_header("typ", "JWT")
        .without_claim("client_id")
        .without_claim("jti")
        .with_claim("aud", [RESOURCE, "https://acme.eu.auth0.com/userinfo"])
        .with_claim("azp", CLIENT)
        .with_claim("scope", "openid profile notes:read")
        .with_claim("permissions", ["notes:read", "notes:write"])
}

#[test]
fn both_profiles_say_the_same() {
    let tenant = tenant();
    let modern = user(&tenant)
        .with_header("typ", "at+jwt")
        .without_claim("azp")
        .with_claim("client_id", CLIENT)
        .with_claim("jti", "73WakrfVbNJBaAmhQtEeDv");
    for (token, id) in [
        (user(&tenant), None),
        (modern, Some("73WakrfVbNJBaAmhQtEeDv")),
    ] {
        let evidence = tenant.judge(&token).unwrap();
        assert_eq!(evidence.kind(), EvidenceKind::User);
        assert_eq!(evidence.issuer(), NAME);
        assert_eq!(evidence.subject(), "auth0|123456");
        assert_eq!(evidence.client(), Some(CLIENT));
        assert_eq!(evidence.scopes().as_str(), "openid profile notes:read");
        assert_eq!(evidence.token_id(), id);
        assert_eq!((evidence.session_id(), evidence.auth_time()), (None, None));
    }
}

#[test]
fn a_machine_is_a_client() {
    let tenant = tenant();
    let machine = |subject: &str| {
        user(&tenant)
            .with_claim("aud", RESOURCE)
            .with_claim("sub", subject)
            .with_claim("gty", "client-credentials")
    };
    let kind = |subject: &str| tenant.judge(&machine(subject)).unwrap().kind();
    assert_eq!(kind("q4hYkYkZ0mJ2@clients"), EvidenceKind::Client);
    for subject in [
        CLIENT,
        "another@clients",
        "@clients",
        "auth0|q4hYkYkZ0mJ2@clients",
        "q4hYkYkZ0mJ2@clients@clients",
    ] {
        assert_eq!(kind(subject), EvidenceKind::User, "{subject}");
    }
}

#[test]
fn permissions_are_scopes_where_that_is_said() {
    let issuer = Issuer::auth0("acme.eu.auth0.com").with_roles_as_scopes("permission:");
    let tenant = Provider::new(NAME, issuer);
    let evidence = tenant.judge(&user(&tenant)).unwrap();
    assert_eq!(
        evidence.scopes().as_str(),
        "openid profile notes:read permission:notes:read permission:notes:write"
    );
}

#[test]
fn what_is_no_access_token_of_it_is_refused() {
    let tenant = tenant();
    let good = user(&tenant);
    for (token, reason) in [
        (good.clone().without_claim("azp"), "jwt_auth0_kind"),
        (good.clone().with_claim("azp", RESOURCE), "jwt_auth0_kind"),
        (good.clone().with_claim("nonce", "n"), "jwt_auth0_kind"),
        (good.clone().with_claim("aud", CLIENT), "jwt_auth0_kind"),
        (good.clone().without_header("typ"), "jwt_typ"),
        (
            good.clone()
                .with_header("typ", "at+jwt")
                .without_claim("azp"),
            "jwt_client_id",
        ),
        (
            good.with_claim("iss", "https://acme.eu.auth0.com"),
            "not mine",
        ),
    ] {
        assert_eq!(tenant.judge(&token).err(), Some(reason));
    }
}
