//! Tokens of custom authorization servers of Okta.

use portcullis::{EvidenceKind, jwt::Issuer};
use portcullis_testing::identity_provider::Token;

use crate::{Provider, RESOURCE};

const NAME: &str = "https://acme.okta.com/oauth2/default";
const CLIENT: &str = "0oa1f2g3h4J5k6L7m8n9";

fn server() -> Provider {
    let issuer = Issuer::okta("acme.okta.com", "default").with_roles_as_scopes("group:");
    Provider::new(NAME, issuer)
}

fn user(server: &Provider) -> Token {
    server
        .idp
        .token("alice@acme.example")
        .without_header("typ")
        .with_audience(RESOURCE)
        .without_claim("client_id")
        .with_claim("auth_time", server.now() - 60)
        .with_claim("cid", CLIENT)
        .with_claim("groups", ["admins", "all staff"])
        .with_claim("scp", ["openid", "notes.read"])
        .with_claim("uid", "00u1f2g3h4J5k6L7m8n9")
        .with_claim("ver", 1)
}

#[test]
fn a_login_is_a_user() {
    let server = server();
    let evidence = server.judge(&user(&server)).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::User);
    assert_eq!(
        (evidence.issuer(), evidence.subject()),
        (NAME, "alice@acme.example")
    );
    assert_eq!(evidence.client(), Some(CLIENT));
    assert_eq!(evidence.scopes().as_str(), "openid notes.read group:admins");
    assert!(evidence.auth_time().is_some() && evidence.token_id().is_some());
    assert_eq!(evidence.session_id(), None);
}

#[test]
fn a_machine_is_a_client() {
    let server = server();
    let machine = user(&server).without_claim("uid").with_claim("sub", CLIENT);
    let kind = |token: &Token| server.judge(token).unwrap().kind();
    assert_eq!(kind(&machine), EvidenceKind::Client);
    assert_eq!(
        kind(&machine.clone().with_claim("uid", "u")),
        EvidenceKind::User
    );
    assert_eq!(
        kind(&machine.with_claim("sub", "another")),
        EvidenceKind::User
    );
}

#[test]
fn what_is_no_access_token_of_it_is_refused() {
    let server = server();
    let good = user(&server);
    for (token, reason) in [
        (good.clone().without_claim("cid"), "jwt_okta_kind"),
        (good.clone().with_claim("cid", RESOURCE), "jwt_okta_kind"),
        (good.clone().with_claim("at_hash", "h"), "jwt_okta_kind"),
        (
            good.clone().with_claim("aud", "api://default"),
            "jwt_audience",
        ),
        (good.clone().with_claim("groups", "admins"), "jwt_roles"),
        (good.clone().with_claim("scp", 7), "jwt_scope"),
    ] {
        assert_eq!(server.judge(&token).err(), Some(reason));
    }
    for typ in ["JWT", "at+jwt"] {
        assert!(server.judge(&good.clone().with_header("typ", typ)).is_ok());
    }
}
