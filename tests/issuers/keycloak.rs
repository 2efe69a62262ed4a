//! Tokens of a realm of Keycloak.

use portcullis::{EvidenceKind, jwt::Issuer};
use portcullis_testing::identity_provider::Token;
use serde_json::json;

use crate::{Provider, RESOURCE};

const REALM: &str = "https://id.example/realms/notes";
const ALICE: &str = "36fa0f91-f94d-4a0c-afed-6b7d952e47da";

/// As the code flow gives it.
fn access_token(realm: &Provider) -> Token {
    realm
        .idp
        .token(ALICE)
        .with_header("typ", "JWT")
        .without_claim("client_id")
        .with_claim("auth_time", realm.now() - 60)
        .with_claim("aud", [RESOURCE, "account"])
        .with_claim("typ", "Bearer")
        .with_claim("azp", "notes-app")
        .with_claim("sid", "2a88c258-f73a-4103-b862-e1fbd8f4e04e")
        .with_claim("acr", "1")
        .with_claim("allowed-origins", ["https://app.example"])
        .with_claim(
            "realm_access",
            json!({"roles": ["offline_access", "admin"]}),
        )
        .with_claim("resource_access", json!({"notes": {"roles": ["edit"]}}))
        .with_claim("scope", "openid email profile")
        .with_claim("email_verified", true)
        .with_claim("preferred_username", "alice")
}

/// As the client credentials grant gives it.
fn service_account(realm: &Provider) -> Token {
    access_token(realm)
        .without_claim("sid")
        .without_claim("auth_time")
        .with_claim("azp", "reporting")
        .with_claim("client_id", "reporting")
        .with_claim("clientHost", "192.0.2.1")
        .with_claim("clientAddress", "192.0.2.1")
        .with_claim("preferred_username", "service-account-reporting")
}

#[test]
fn a_login_is_a_user_with_a_session() {
    let realm = Provider::new(REALM, Issuer::keycloak(REALM));
    let evidence = realm.judge(&access_token(&realm)).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::User);
    assert_eq!((evidence.issuer(), evidence.subject()), (REALM, ALICE));
    assert_eq!(evidence.client(), Some("notes-app"));
    assert_eq!(
        evidence.session_id(),
        Some("2a88c258-f73a-4103-b862-e1fbd8f4e04e")
    );
    assert_eq!(evidence.acr(), Some("1"));
    assert!(evidence.auth_time().is_some());
    // No role without being asked for.
    assert_eq!(evidence.scopes().as_str(), "openid email profile");
}

#[test]
fn a_service_account_is_a_client_and_nothing_else_is() {
    let realm = Provider::new(REALM, Issuer::keycloak(REALM));
    let kind = |token: Token| realm.judge(&token).unwrap().kind();
    let machine = service_account(&realm);
    let evidence = realm.judge(&machine).unwrap();
    assert_eq!(evidence.client(), Some("reporting"));
    assert_eq!(kind(machine.clone()), EvidenceKind::Client);
    for token in [
        machine.clone().without_claim("client_id"),
        machine.clone().with_claim("client_id", "another"),
        machine.clone().with_claim("client_id", ["reporting"]),
        // A mapper may write the client into the tokens of users.
        machine.clone().with_claim("sid", "2a88c258"),
        machine.with_claim("auth_time", 1),
        access_token(&realm).with_claim("client_id", "notes-app"),
    ] {
        assert_eq!(kind(token), EvidenceKind::User);
    }
}

#[test]
fn roles_are_scopes_where_that_is_said() {
    let issuer = Issuer::keycloak(REALM).with_roles_as_scopes("role:");
    let realm = Provider::new(REALM, issuer);
    let token = access_token(&realm).with_claim("scope", "openid role:root");
    let evidence = realm.judge(&token).unwrap();
    assert_eq!(
        evidence.scopes().as_str(),
        "openid role:offline_access role:admin role:notes/edit"
    );
    let bare = token
        .without_claim("realm_access")
        .without_claim("resource_access")
        .without_claim("scope");
    assert!(realm.judge(&bare).unwrap().scopes().is_empty());
}

#[test]
fn what_is_no_access_token_of_it_is_refused() {
    let realm = Provider::new(REALM, Issuer::keycloak(REALM));
    let good = access_token(&realm);
    for (token, reason) in [
        (good.clone().with_claim("typ", "ID"), "jwt_keycloak_typ"),
        (good.clone().without_claim("typ"), "jwt_keycloak_typ"),
        (good.clone().with_header("typ", "logout+jwt"), "jwt_typ"),
        (good.clone().without_header("typ"), "jwt_typ"),
        (good.clone().without_claim("azp"), "jwt_client_id"),
        (good.clone().without_claim("sub"), "jwt_sub"),
        (good.clone().without_claim("aud"), "jwt_audience"),
        (
            good.with_claim("iss", "https://id.example/realms/other"),
            "not mine",
        ),
    ] {
        assert_eq!(realm.judge(&token).err(), Some(reason));
    }
    for token in [
        access_token(&realm).with_claim("nonce", "n"),
        access_token(&realm).with_header("typ", "at+jwt"),
        access_token(&realm)
            .with_header("typ", "at+jwt")
            .without_claim("typ"),
    ] {
        assert!(realm.judge(&token).is_ok());
    }
}
