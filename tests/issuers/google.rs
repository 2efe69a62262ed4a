//! Identity tokens of service accounts of Google.

use portcullis::{EvidenceKind, jwt::Issuer};
use portcullis_testing::identity_provider::Token;

use crate::{Provider, RESOURCE};

const NAME: &str = "https://accounts.google.com";
const ACCOUNT: &str = "112233445566778899000";

fn service(google: &Provider) -> Token {
    google
        .idp
        .token(ACCOUNT)
        .with_header("typ", "JWT")
        .without_claim("client_id")
        .without_claim("jti")
        .with_claim("aud", RESOURCE)
        .with_claim("azp", ACCOUNT)
        .with_claim("email", "reports@acme.iam.gserviceaccount.com")
        .with_claim("email_verified", true)
}

#[test]
fn a_service_account_is_a_client() {
    let google = Provider::new(NAME, Issuer::google([ACCOUNT]));
    let evidence = google.judge(&service(&google)).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::Client);
    assert_eq!((evidence.issuer(), evidence.subject()), (NAME, ACCOUNT));
    assert_eq!(evidence.client(), Some(ACCOUNT));
    assert!(evidence.scopes().is_empty());
}

#[test]
fn accounts_are_named_by_their_id() {
    let google = Provider::new(NAME, Issuer::google([ACCOUNT]));
    assert!(google.judge(&service(&google)).is_ok());
    let other = service(&google)
        .with_claim("sub", "1")
        .with_claim("azp", "1");
    assert_eq!(google.judge(&other).err(), Some("jwt_client"));
}

#[test]
fn the_login_of_a_person_is_not_for_here() {
    let google = Provider::new(NAME, Issuer::google([ACCOUNT]));
    let good = service(&google);
    let app = "1234.apps.googleusercontent.com";
    for (token, reason) in [
        // As the library of a client would let somebody choose the audience.
        (good.clone().with_claim("azp", app), "jwt_google_kind"),
        (good.clone().without_claim("azp"), "jwt_google_kind"),
        (
            good.clone().with_claim("at_hash", "a"),
            "jwt_not_access_token",
        ),
        (
            good.clone().with_claim("nonce", "a"),
            "jwt_not_access_token",
        ),
        (good.clone().with_claim("aud", app), "jwt_audience"),
        (good.clone().without_header("typ"), "jwt_typ"),
    ] {
        assert_eq!(google.judge(&token).err(), Some(reason));
    }
}
