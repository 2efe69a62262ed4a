//! Identity tokens of OpenBao.

use portcullis::{EvidenceKind, jwt::Issuer};
use portcullis_testing::identity_provider::Token;

use crate::{Provider, RESOURCE};

const NAME: &str = "https://bao.example:8200/v1/identity/oidc";
const ENTITY: &str = "8fa2a4b3-0b21-4f2a-9a0e-1a1f4c3c2b10";

fn workload(bao: &Provider) -> Token {
    bao.idp
        .token(ENTITY)
        .without_header("typ")
        .without_claim("client_id")
        .without_claim("jti")
        .with_claim("aud", RESOURCE)
        .with_claim("namespace", "root")
        .with_claim("scope", "notes.read group:root")
        .with_claim("groups", ["admins"])
}

#[test]
fn an_entity_is_a_client() {
    let bao = Provider::new(NAME, Issuer::openbao(NAME));
    let evidence = bao.judge(&workload(&bao)).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::Client);
    assert_eq!((evidence.issuer(), evidence.subject()), (NAME, ENTITY));
    assert_eq!(evidence.client(), Some(ENTITY));
    assert_eq!(evidence.scopes().as_str(), "notes.read group:root");
    assert_eq!(evidence.token_id(), None);
}

#[test]
fn groups_are_scopes_where_that_is_said() {
    let issuer = Issuer::openbao(NAME).with_roles_as_scopes("group:");
    let bao = Provider::new(NAME, issuer);
    let evidence = bao.judge(&workload(&bao)).unwrap();
    assert_eq!(evidence.scopes().as_str(), "notes.read group:admins");
}

#[test]
fn what_is_no_identity_token_of_it_is_refused() {
    let bao = Provider::new(NAME, Issuer::openbao(NAME));
    let good = workload(&bao);
    for (token, reason) in [
        (good.clone().with_claim("aud", "notes"), "jwt_audience"),
        (
            good.clone().with_claim("nonce", "n"),
            "jwt_not_access_token",
        ),
        (good.clone().without_claim("sub"), "jwt_sub"),
        (good.clone().with_header("typ", "dpop+jwt"), "jwt_typ"),
        (
            good.with_claim("iss", format!("{NAME}/provider/default")),
            "not mine",
        ),
    ] {
        assert_eq!(bao.judge(&token).err(), Some(reason));
    }
}
