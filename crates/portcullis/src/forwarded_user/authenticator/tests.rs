use std::sync::Arc;

use http::{HeaderName, Request};
use portcullis_core::{
    ConfigError, IntoAuthenticator as _, PeerCertificate, Secret, Site, SystemClock, Timestamp,
};

use super::*;
use crate::forwarded_user::Hop;

const SECRET: &str = "0123456789abcdef";
const PROOF: HeaderName = HeaderName::from_static("x-proxy-secret");
const GROUPS: HeaderName = HeaderName::from_static("x-forwarded-groups");
const ISSUER: &str = "https://sso.example";

fn by_secret() -> ForwardedUser {
    let hop = Hop::shared_secret(PROOF, Secret::from(SECRET));
    ForwardedUser::dangerously_from_headers_of(hop, ISSUER).with_groups_as_scopes(GROUPS, "group:")
}

fn build(settings: ForwardedUser) -> Result<ForwardedUserAuthenticator, Vec<String>> {
    let site = Site::new(Arc::new(SystemClock::new()));
    settings.into_authenticator(&site).map_err(|errors| {
        let settings = errors.iter().map(ConfigError::setting);
        settings.map(str::to_owned).collect()
    })
}

/// The user and the scopes, or the reason why not.
fn judge(
    settings: ForwardedUser,
    certificate: Option<&[u8]>,
    headers: &[(&str, &str)],
) -> Result<String, &'static str> {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(der) = certificate {
        request = request.extension(PeerCertificate::from_der([der]).unwrap());
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let view = RequestView::new(&parts, Timestamp::from_unix_seconds(1_800_000_000));
    match build(settings).unwrap().check(&view) {
        Check::Done(Verdict::Accept(evidence)) => {
            assert_eq!(evidence.issuer(), ISSUER);
            assert_eq!(evidence.kind(), EvidenceKind::User);
            Ok(format!("{}: {}", evidence.subject(), evidence.scopes()))
        }
        Check::Done(Verdict::Absent) => Err("absent"),
        Check::Done(Verdict::NotMine) => Err("not mine"),
        Check::Done(Verdict::Reject(rejection)) => Err(rejection.reason().as_str()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_user_counts_only_on_the_hop_of_the_proxy() {
    let user = ("x-forwarded-user", "alice");
    let proof = ("x-proxy-secret", SECRET);
    let by = |headers: &[(&str, &str)]| judge(by_secret(), None, headers);
    assert_eq!(by(&[user, proof]), Ok("alice: ".to_owned()));
    assert_eq!(by(&[proof]), Err("absent"));
    assert_eq!(by(&[user]), Err("not mine"));
    for wrong in [
        "",
        "0123456789abcdeF",
        "0123456789abcdef0",
        "0123456789abcde",
    ] {
        assert_eq!(by(&[user, ("x-proxy-secret", wrong)]), Err("not mine"));
    }
    assert_eq!(by(&[user, proof, proof]), Err("not mine"));
    assert_eq!(
        by(&[user, ("x-proxy-secret", "another"), proof]),
        Err("not mine")
    );
}

#[test]
fn a_certificate_is_a_proof_too() {
    let thumbprint = |der: &[u8]| {
        PeerCertificate::from_der([der])
            .unwrap()
            .thumbprint()
            .to_owned()
    };
    let settings = || {
        let hop = Hop::certificate(thumbprint(b"old")).add_certificate(thumbprint(b"new"));
        ForwardedUser::dangerously_from_headers_of(hop, ISSUER)
    };
    let user = [("x-forwarded-user", "alice")];
    for good in [b"old".as_slice(), b"new"] {
        assert_eq!(
            judge(settings(), Some(good), &user),
            Ok("alice: ".to_owned())
        );
    }
    assert_eq!(judge(settings(), Some(b"evil"), &user), Err("not mine"));
    assert_eq!(judge(settings(), None, &user), Err("not mine"));
}

#[test]
fn what_is_no_name_is_refused() {
    let proof = ("x-proxy-secret", SECRET);
    let name = |value: &str| judge(by_secret(), None, &[proof, ("x-forwarded-user", value)]);
    for value in ["", "a\u{e4}", &"a".repeat(257)] {
        assert_eq!(name(value), Err("forwarded_user_malformed"), "{value}");
    }
    assert!(name(&"a".repeat(256)).is_ok());
    let twice = [
        proof,
        ("x-forwarded-user", "alice"),
        ("x-forwarded-user", "root"),
    ];
    assert_eq!(
        judge(by_secret(), None, &twice),
        Err("forwarded_user_repeated")
    );
}

#[test]
fn groups_are_scopes_with_a_prefix() {
    let of = |groups: &[&str]| {
        let mut headers = vec![("x-proxy-secret", SECRET), ("x-forwarded-user", "alice")];
        headers.extend(groups.iter().map(|groups| ("x-forwarded-groups", *groups)));
        judge(by_secret(), None, &headers)
    };
    assert_eq!(of(&[]), Ok("alice: ".to_owned()));
    assert_eq!(
        of(&["admins, two words,,staff"]),
        Ok("alice: group:admins group:staff".to_owned())
    );
    assert_eq!(of(&["a", "b"]), Err("forwarded_user_repeated"));
    assert_eq!(of(&["\u{e4}"]), Err("forwarded_user_malformed"));
    let many = (0..513)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(of(&[&many]), Err("forwarded_user_malformed"));
}

#[test]
fn every_header_is_taken_away() {
    let described = build(by_secret()).unwrap().describe();
    for name in ["x-forwarded-user", "x-proxy-secret", "x-forwarded-groups"]
        .iter()
        .chain(&OTHERS)
    {
        let name = HeaderName::from_static(name);
        assert!(described.headers().contains(&name), "{name}");
    }
    assert!(described.declares(ISSUER));
    assert_eq!(described.authorization_servers().count(), 0);
}

#[test]
fn mistakes_are_named() {
    let of = |hop| ForwardedUser::dangerously_from_headers_of(hop, ISSUER);
    for (settings, setting) in [
        (of(Hop::certificate("abc")), "Hop::certificate"),
        (
            of(Hop::shared_secret(PROOF, Secret::from("short"))),
            "Hop::shared_secret",
        ),
        (by_secret().with_user_header(PROOF), "with_user_header"),
        (
            by_secret().with_user_header(http::header::AUTHORIZATION),
            "with_user_header",
        ),
        (
            by_secret().with_groups_as_scopes(GROUPS, ""),
            "with_groups_as_scopes",
        ),
        (
            ForwardedUser::dangerously_from_headers_of(
                Hop::shared_secret(PROOF, Secret::from(SECRET)),
                "",
            ),
            "dangerously_from_headers_of",
        ),
    ] {
        assert_eq!(build(settings).unwrap_err(), [setting]);
    }
}
