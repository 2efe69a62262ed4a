//! Tokens of user pools of Amazon Cognito.

use portcullis::{EvidenceKind, jwt::Issuer};
use portcullis_testing::identity_provider::Token;

use crate::{Provider, RESOURCE};

const POOL: &str = "eu-central-1_a1B2c3D4e";
const NAME: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a1B2c3D4e";
const CLIENT: &str = "1example23456789";
const ALICE: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

fn user(pool: &Provider) -> Token {
    pool.idp
        .token(ALICE)
        .without_header("typ")
        .with_client(CLIENT)
        .with_claim("auth_time", pool.now() - 60)
        .with_claim("cognito:groups", ["admins", "a b"])
        .with_claim("event_id", "64f513be-32db-42b0-b78e-b02127b4f463")
        .with_claim("origin_jti", "b44d9be7-cc81-4f8a-9a4b-6f0a1b1d9f67")
        .with_claim("scope", "openid notes/read")
        .with_claim("token_use", "access")
        .with_claim("username", "alice")
        .with_claim("version", 2)
}

#[test]
fn a_login_is_a_user_of_a_named_client() {
    let pool = Provider::new(NAME, Issuer::cognito(POOL, [CLIENT]));
    let evidence = pool.judge(&user(&pool)).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::User);
    assert_eq!((evidence.issuer(), evidence.subject()), (NAME, ALICE));
    assert_eq!(evidence.client(), Some(CLIENT));
    assert_eq!(evidence.scopes().as_str(), "openid notes/read");
    assert!(evidence.auth_time().is_some() && evidence.token_id().is_some());
    assert_eq!(evidence.session_id(), None);
}

#[test]
fn a_machine_is_a_client() {
    let pool = Provider::new(NAME, Issuer::cognito(POOL, [CLIENT]));
    let machine = user(&pool).with_claim("sub", CLIENT);
    let evidence = pool.judge(&machine).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::Client);
}

#[test]
fn groups_are_scopes_where_that_is_said() {
    let issuer = Issuer::cognito(POOL, [CLIENT]).with_roles_as_scopes("group:");
    let pool = Provider::new(NAME, issuer);
    let token = user(&pool).with_claim("scope", "openid group:root");
    let evidence = pool.judge(&token).unwrap();
    assert_eq!(evidence.scopes().as_str(), "openid group:admins");
}

#[test]
fn what_is_no_access_token_of_it_is_refused() {
    let pool = Provider::new(NAME, Issuer::cognito(POOL, [CLIENT]));
    let good = user(&pool);
    for (token, reason) in [
        (good.clone().with_claim("token_use", "id"), "jwt_token_use"),
        (good.clone().without_claim("token_use"), "jwt_token_use"),
        (good.clone().with_client("another"), "jwt_client"),
        (good.clone().without_claim("client_id"), "jwt_client_id"),
        (good.clone().with_claim("aud", CLIENT), "jwt_audience"),
        (good.clone().with_header("typ", "dpop+jwt"), "jwt_typ"),
        (good.clone().with_header("typ", 7), "jwt_typ"),
    ] {
        assert_eq!(pool.judge(&token).err(), Some(reason));
    }
    for token in [
        good.clone().with_claim("aud", RESOURCE),
        good.with_header("typ", "JWT"),
    ] {
        assert!(pool.judge(&token).is_ok());
    }
}
