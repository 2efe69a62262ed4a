//! What proxies say of their users.

use std::sync::Arc;

use http::{HeaderName, Request};
use portcullis_core::{
    Authenticator as _, Check, ConfigError, Evidence, EvidenceKind, RequestView, Site, Verdict,
};
use portcullis_jwt::{Issuer, JwtAuthenticator, ProxyAssertion};
use serde_json::{Value, json};

use crate::support::{
    ISSUER, NOW,
    clock::ManualClock,
    now,
    signer::{Signer, jwks},
};

const IAP: &str = "x-goog-iap-jwt-assertion";
const CLOUDFLARE: &str = "cf-access-jwt-assertion";
const POMERIUM: &str = "x-pomerium-jwt-assertion";
const OTHER: &str = "x-assertion";
const BACKEND: &str = "/projects/12345/global/backendServices/67890";
const TAG: &str = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";

fn site() -> Site {
    Site::new(Arc::new(ManualClock::new()))
}

fn build(assertion: ProxyAssertion, signer: &Signer) -> JwtAuthenticator {
    let built = assertion.with_static_keys(jwks([signer])).build(&site());
    built.unwrap_or_else(|errors| panic!("{errors}"))
}

/// What is said of a request with these headers.
fn judge(auth: &JwtAuthenticator, headers: &[(&str, &str)]) -> Result<Arc<Evidence>, &'static str> {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    match auth.check(&RequestView::new(&parts, now())) {
        Check::Done(Verdict::Accept(evidence)) => Ok(evidence),
        Check::Done(Verdict::Reject(rejection)) => Err(rejection.reason().as_str()),
        Check::Done(Verdict::NotMine) => Err("not mine"),
        Check::Done(Verdict::Absent) => Err("absent"),
        other => panic!("{other:?}"),
    }
}

fn header(signer: &Signer) -> Value {
    json!({"typ": "JWT", "alg": signer.alg, "kid": signer.kid})
}

fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

fn iap() -> Value {
    json!({
        "iss": "https://cloud.google.com/iap", "aud": BACKEND, "iat": NOW - 10, "exp": NOW + 590,
        "sub": "accounts.google.com:112233445566778899000", "email": "alice@acme.example",
        "hd": "acme.example",
    })
}

fn cloudflare() -> Value {
    json!({
        "iss": "https://acme.cloudflareaccess.com", "aud": [TAG], "iat": NOW - 60, "nbf": NOW - 60,
        "exp": NOW + 3600, "type": "app", "identity_nonce": "6ei69kawdKzMIAPF", "country": "DE",
        "sub": "7335d417-61da-459d-899c-0a01c76a2f94", "email": "alice@acme.example",
    })
}

fn pomerium() -> Value {
    json!({
        "iss": "notes.example", "aud": "notes.example", "iat": NOW, "exp": NOW + 300, "sub": "alice",
        "email": "alice@acme.example", "groups": ["admins", "two words"], "sid": "s1", "jti": "j1",
    })
}

#[test]
fn each_proxy_names_its_user() {
    let signer = Signer::es256("k");
    let sign = |claims: &Value| signer.sign(&header(&signer), claims);
    for (assertion, name, claims, issuer, subject) in [
        (
            ProxyAssertion::google_iap(BACKEND),
            IAP,
            iap(),
            "https://cloud.google.com/iap",
            "accounts.google.com:112233445566778899000",
        ),
        (
            ProxyAssertion::cloudflare_access("acme", TAG),
            CLOUDFLARE,
            cloudflare(),
            "https://acme.cloudflareaccess.com",
            "7335d417-61da-459d-899c-0a01c76a2f94",
        ),
        (
            ProxyAssertion::pomerium("notes.example"),
            POMERIUM,
            pomerium(),
            "notes.example",
            "alice",
        ),
        (
            ProxyAssertion::new(HeaderName::from_static(OTHER), Issuer::new(ISSUER))
                .with_audience("https://notes.example"),
            OTHER,
            json!({"iss": ISSUER, "aud": "https://notes.example", "iat": NOW, "exp": NOW + 60, "sub": "bob"}),
            ISSUER,
            "bob",
        ),
    ] {
        let auth = build(assertion, &signer);
        let evidence = judge(&auth, &[(name, &sign(&claims))]).unwrap();
        assert_eq!((evidence.issuer(), evidence.subject()), (issuer, subject));
        assert_eq!(evidence.kind(), EvidenceKind::User);
        assert_eq!(evidence.client(), None);
        assert!(evidence.scopes().is_empty());
        // It is no credential of a client: not in `Authorization`, and not told of.
        let bearer = format!("Bearer {}", sign(&claims));
        assert_eq!(
            judge(&auth, &[("authorization", &bearer)]).err(),
            Some("absent")
        );
        let described = auth.describe();
        assert_eq!(described.name(), "proxy_assertion");
        assert_eq!(described.scheme(), None);
        assert_eq!(described.authorization_servers().count(), 0);
        assert!(described.declares(issuer));
        assert_eq!(described.headers()[0].as_str(), name);
    }
}

#[test]
fn what_is_not_of_this_proxy_for_this_application_is_refused() {
    let signer = Signer::es256("k");
    let other = Signer::es256("k");
    let of_iap = build(ProxyAssertion::google_iap(BACKEND), &signer);
    let say = |header: &Value, claims: &Value| {
        let text = signer.sign(header, claims);
        judge(&of_iap, &[(IAP, &text)]).map(drop)
    };
    let good = header(&signer);
    assert_eq!(say(&good, &iap()), Ok(()));
    for (claims, reason) in [
        (
            with(iap(), "aud", "/projects/12345/global/backendServices/1"),
            "jwt_audience",
        ),
        (with(iap(), "aud", json!([])), "jwt_audience"),
        (
            with(iap(), "iss", "https://cloud.google.com/iap/"),
            "not mine",
        ),
        (
            with(iap(), "iss", "https://accounts.google.com"),
            "not mine",
        ),
        (with(iap(), "exp", NOW - 30), "jwt_expired"),
        (with(iap(), "iat", NOW + 31), "jwt_issued_in_future"),
        (with(iap(), "sub", ""), "jwt_sub"),
        (with(iap(), "nonce", "n"), "jwt_not_access_token"),
        (with(iap(), "events", json!({})), "jwt_not_access_token"),
    ] {
        assert_eq!(say(&good, &claims), Err(reason), "{claims}");
    }
    for (header, reason) in [
        (with(good.clone(), "typ", "at+jwt"), "jwt_assertion_kind"),
        (with(good.clone(), "typ", "logout+jwt"), "jwt_typ"),
        (with(good.clone(), "alg", "none"), "jwt_alg"),
        (with(good.clone(), "crit", json!(["x"])), "jwt_crit"),
        (with(good.clone(), "kid", "another"), "jwt_kid_unknown"),
    ] {
        assert_eq!(say(&header, &iap()), Err(reason), "{header}");
    }
    let forged = other.sign(&good, &iap());
    assert_eq!(
        judge(&of_iap, &[(IAP, &forged)]).err(),
        Some("jwt_signature")
    );
    let text = signer.sign(&good, &iap());
    assert_eq!(
        judge(&of_iap, &[(IAP, &text), (IAP, &text)]).err(),
        Some("jwt_assertion_twice")
    );
    assert_eq!(judge(&of_iap, &[]).err(), Some("absent"));
    assert_eq!(judge(&of_iap, &[(IAP, "alice")]).err(), Some("not mine"));
    assert_eq!(
        judge(&of_iap, &[("x-goog-authenticated-user-email", "alice")]).err(),
        Some("absent")
    );
}

#[test]
fn a_service_of_cloudflare_is_a_client_and_a_session_is_nobody() {
    let signer = Signer::es256("k");
    let auth = build(ProxyAssertion::cloudflare_access("acme", TAG), &signer);
    let say = |claims: &Value| {
        judge(
            &auth,
            &[(CLOUDFLARE, &signer.sign(&header(&signer), claims))],
        )
    };
    let service = with(
        with(cloudflare(), "sub", ""),
        "common_name",
        "e367826f93b8d71185e03fe518aff3b4.access",
    );
    let evidence = say(&service).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::Client);
    assert_eq!(
        evidence.subject(),
        "e367826f93b8d71185e03fe518aff3b4.access"
    );
    assert_eq!(evidence.client(), Some(evidence.subject()));
    // A user does not become a service by a claim.
    let named = with(
        cloudflare(),
        "common_name",
        "e367826f93b8d71185e03fe518aff3b4.access",
    );
    let evidence = say(&named).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::User);
    assert_eq!(evidence.subject(), "7335d417-61da-459d-899c-0a01c76a2f94");
    let session = with(cloudflare(), "type", "org");
    assert_eq!(say(&session).err(), Some("jwt_assertion_kind"));
    assert_eq!(say(&with(cloudflare(), "sub", "")).err(), Some("jwt_sub"));
}

#[test]
fn groups_are_scopes_where_that_is_said() {
    let signer = Signer::es256("k");
    let text = signer.sign(&header(&signer), &pomerium());
    let plain = build(ProxyAssertion::pomerium("notes.example"), &signer);
    let evidence = judge(&plain, &[(POMERIUM, &text)]).unwrap();
    assert!(evidence.scopes().is_empty());
    let assertion = ProxyAssertion::pomerium("notes.example").with_roles_as_scopes("group:");
    let auth = build(assertion, &signer);
    let evidence = judge(&auth, &[(POMERIUM, &text)]).unwrap();
    assert_eq!(evidence.scopes().as_str(), "group:admins");
    assert_eq!(evidence.session_id(), Some("s1"));
    assert_eq!(evidence.token_id(), Some("j1"));
}

#[test]
fn what_is_unsigned_is_taken_away() {
    let signer = Signer::es256("k");
    for (assertion, name) in [
        (
            ProxyAssertion::google_iap(BACKEND),
            "x-goog-authenticated-user-email",
        ),
        (
            ProxyAssertion::cloudflare_access("acme", TAG),
            "cf-access-authenticated-user-email",
        ),
        (
            ProxyAssertion::pomerium("notes.example"),
            "x-pomerium-claim-email",
        ),
    ] {
        let described = build(assertion, &signer).describe();
        assert!(described.headers().contains(&HeaderName::from_static(name)));
    }
}

#[test]
fn mistakes_are_named() {
    let complaints = |assertion: ProxyAssertion| {
        let errors = assertion.build(&site()).unwrap_err();
        let settings = errors.iter().map(ConfigError::setting);
        settings.map(str::to_owned).collect::<Vec<_>>()
    };
    let other = |issuer| ProxyAssertion::new(HeaderName::from_static(OTHER), issuer);
    for (assertion, setting) in [
        (ProxyAssertion::google_iap(""), "with_audience"),
        (
            ProxyAssertion::cloudflare_access("acme.cloudflareaccess.com", TAG),
            "ProxyAssertion::cloudflare_access",
        ),
        (
            ProxyAssertion::cloudflare_access("acme", ""),
            "with_audience",
        ),
        (
            ProxyAssertion::pomerium("https://notes.example")
                .with_audience("notes.example")
                .with_jwks_url("https://notes.example/keys"),
            "ProxyAssertion::pomerium",
        ),
        (other(Issuer::new(ISSUER)), "with_audience"),
        (
            other(Issuer::keycloak("https://id.example/realms/a")).with_audience("a"),
            "ProxyAssertion::new",
        ),
    ] {
        assert_eq!(complaints(assertion), [setting]);
    }
}
