//! Who a certificate is.

use std::{sync::Arc, time::Duration};

use http::Request;
use portcullis_core::{
    Authenticator as _, Check, ConfigError, EvidenceKind, IntoAuthenticator as _, PeerCertificate,
    RequestView, Site, SystemClock, Timestamp, Verdict,
};
use portcullis_tls::ClientCertificates;

use crate::authority::{Authority, Wanted};

const ID: &str = "spiffe://acme.example/agents/a";
/// In 2026.
const NOW: Timestamp = Timestamp::from_unix_seconds(1_780_000_000);

fn judge_at(
    settings: ClientCertificates,
    certificate: Option<PeerCertificate>,
    headers: &[(&str, &str)],
    now: Timestamp,
) -> Result<(String, String), &'static str> {
    let site = Site::new(Arc::new(SystemClock::new()));
    let authenticator = settings.into_authenticator(&site).unwrap();
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(certificate) = certificate {
        request = request.extension(certificate);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let view = RequestView::new(&parts, now);
    // The second time it is known.
    let mut said = Vec::new();
    for _ in 0..2 {
        said.push(match authenticator.check(&view) {
            Check::Done(Verdict::Accept(evidence)) => {
                assert_eq!(evidence.kind(), EvidenceKind::Standing);
                assert_eq!(evidence.client(), Some(evidence.subject()));
                let confirmation = evidence.confirmation().unwrap();
                let thumbprint = view.peer_certificate().unwrap().thumbprint();
                assert_eq!(confirmation.certificate_thumbprint(), Some(thumbprint));
                // What is signed, so that its holder cannot change it.
                let is_read = view.peer_certificate().unwrap().chain().len() > 0;
                assert_eq!(evidence.token_id() != Some(thumbprint), is_read);
                Ok((evidence.issuer().to_owned(), evidence.subject().to_owned()))
            }
            Check::Done(Verdict::Absent) => Err("absent"),
            Check::Done(Verdict::Reject(rejection)) => Err(rejection.reason().as_str()),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(said[0], said[1]);
    said.remove(0)
}

fn certificate(wanted: &Wanted) -> PeerCertificate {
    let pair = Authority::new("acme").sign(wanted);
    PeerCertificate::from_der([pair.der]).unwrap()
}

fn judge(settings: ClientCertificates, wanted: &Wanted) -> Result<(String, String), &'static str> {
    judge_at(settings, Some(certificate(wanted)), &[], NOW)
}

fn svid() -> Wanted {
    Wanted {
        uris: vec![ID],
        ..Wanted::default()
    }
}

#[test]
fn a_workload_is_its_spiffe_id() {
    let ours = ("spiffe://acme.example".to_owned(), ID.to_owned());
    assert_eq!(
        judge(ClientCertificates::spiffe("acme.example"), &svid()),
        Ok(ours.clone())
    );
    let listed = ClientCertificates::spiffe("acme.example").add_path("/agents/");
    assert_eq!(judge(listed, &svid()), Ok(ours));
    let elsewhere = ClientCertificates::spiffe("acme.example").add_path("/jobs/");
    assert_eq!(judge(elsewhere, &svid()), Err("certificate_not_listed"));
    assert_eq!(
        judge(ClientCertificates::spiffe("other.example"), &svid()),
        Err("absent")
    );
    let two = Wanted {
        uris: vec![ID, "spiffe://acme.example/agents/b"],
        ..Wanted::default()
    };
    let ours = || ClientCertificates::spiffe("acme.example");
    assert_eq!(judge(ours(), &two), Err("certificate_names"));
    let odd = Wanted {
        uris: vec!["spiffe://acme.example/agents/../root"],
        ..Wanted::default()
    };
    assert_eq!(judge(ours(), &odd), Err("certificate_spiffe_id"));
    assert_eq!(judge(ours(), &Wanted::default()), Err("absent"));
}

#[test]
fn other_names_are_those_that_are_listed() {
    let wanted = Wanted {
        dns: vec!["a.acme.example", "b.acme.example"],
        common_names: vec!["agent a"],
        ..Wanted::default()
    };
    let dns = || ClientCertificates::dns("https://ca.acme.example");
    let named = |name: &str| Ok(("https://ca.acme.example".to_owned(), name.to_owned()));
    assert_eq!(
        judge(dns().add_name("a.acme.example"), &wanted),
        named("a.acme.example")
    );
    assert_eq!(
        judge(dns().add_name("acme.example"), &wanted),
        Err("absent")
    );
    let both = dns().add_name("a.acme.example").add_name("b.acme.example");
    assert_eq!(judge(both, &wanted), Err("certificate_names"));

    let by_name = || ClientCertificates::common_name("https://ca.acme.example");
    assert_eq!(
        judge(by_name().add_name("agent a"), &wanted),
        named("agent a")
    );
    assert_eq!(judge(by_name().add_name("agent"), &wanted), Err("absent"));

    let known = certificate(&wanted);
    let listed = ClientCertificates::thumbprints("https://ca.acme.example")
        .add_certificate(known.thumbprint(), "reports");
    assert_eq!(
        judge_at(listed.clone(), Some(known), &[], NOW),
        named("reports")
    );
    assert_eq!(judge(listed, &wanted), Err("absent"));
}

#[test]
fn a_certificate_has_its_time_also_where_a_header_brought_it() {
    let wanted = Wanted {
        from: Some(2027),
        until: Some(2028),
        ..svid()
    };
    let certificate = certificate(&wanted);
    let at = |seconds: i64| {
        let settings = ClientCertificates::spiffe("acme.example");
        let now = Timestamp::from_unix_seconds(seconds);
        judge_at(settings, Some(certificate.clone()), &[], now).map(drop)
    };
    // The first of January of 2027, and of 2028.
    assert_eq!(at(1_798_761_599), Err("certificate_not_yet_valid"));
    assert_eq!(at(1_798_761_600), Ok(()));
    assert_eq!(at(1_830_297_600), Ok(()));
    assert_eq!(at(1_830_297_601), Err("certificate_expired"));
}

#[test]
fn a_digest_is_somebody_where_its_uri_stands_beside() {
    let digest = PeerCertificate::from_digest([7; 32]);
    let settings = || ClientCertificates::spiffe("acme.example");
    let named = digest.clone().add_uri(ID);
    assert!(judge_at(settings(), Some(named), &[], NOW).is_ok());
    assert_eq!(
        judge_at(settings(), Some(digest.clone()), &[], NOW),
        Err("absent")
    );
    let dns = ClientCertificates::dns("https://ca.acme.example").add_name("a");
    assert_eq!(
        judge_at(dns, Some(digest), &[], NOW),
        Err("certificate_names")
    );
    // Beside a certificate, what is said of it does not count.
    let other = certificate(&Wanted::default()).add_uri(ID);
    assert_eq!(judge_at(settings(), Some(other), &[], NOW), Err("absent"));
}

#[test]
fn without_a_certificate_there_is_nobody() {
    let settings = ClientCertificates::spiffe("acme.example");
    assert_eq!(judge_at(settings, None, &[], NOW), Err("absent"));
}

/// What a proxy says of a certificate is not what stands in it: its times, most of all.
#[test]
fn what_was_said_of_a_certificate_is_not_kept_for_it() {
    let site = Site::new(Arc::new(SystemClock::new()));
    let settings = ClientCertificates::spiffe("acme.example");
    let authenticator = settings.into_authenticator(&site).unwrap();
    let whole = certificate(&svid());
    let digest = PeerCertificate::from_digest(digest(&whole));
    let said = digest.add_uri("spiffe://acme.example/agents/root");
    assert_eq!(said.thumbprint(), whole.thumbprint());
    let subject = |certificate: &PeerCertificate, at| {
        let explained = authenticator.explain(certificate, at);
        explained.unwrap().map(|subject| subject.into_string())
    };
    let late = NOW + Duration::from_secs(1_000_000 * 86_400);
    assert_eq!(
        subject(&said, NOW),
        Ok("spiffe://acme.example/agents/root".to_owned())
    );
    assert_eq!(subject(&whole, NOW), Ok(ID.to_owned()));
    assert_eq!(
        subject(&whole, late).unwrap_err().as_str(),
        "certificate_expired"
    );
}

fn digest(certificate: &PeerCertificate) -> [u8; 32] {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let bytes = URL_SAFE_NO_PAD.decode(certificate.thumbprint()).unwrap();
    bytes.try_into().unwrap()
}

#[test]
fn what_is_no_certificate_is_refused() {
    let settings = ClientCertificates::spiffe("acme.example");
    let rubbish = PeerCertificate::from_der(["rubbish"]);
    assert_eq!(
        judge_at(settings, rubbish, &[], NOW),
        Err("certificate_malformed")
    );
}

#[test]
fn an_explanation_says_who_or_why_not() {
    let site = Site::new(Arc::new(SystemClock::new()));
    let settings = ClientCertificates::spiffe("acme.example").add_path("/jobs/");
    let authenticator = settings.into_authenticator(&site).unwrap();
    let explain = |uri| {
        let wanted = Wanted {
            uris: vec![uri],
            ..Wanted::default()
        };
        let said = authenticator.explain(&certificate(&wanted), NOW)?;
        Some(said.map_err(|reason| reason.as_str()))
    };
    let job = "spiffe://acme.example/jobs/a";
    assert_eq!(explain(job), Some(Ok(job.into())));
    assert_eq!(explain(ID), Some(Err("certificate_not_listed")));
    assert_eq!(explain("spiffe://other.example/a"), None);
}

#[test]
fn mistakes_are_named() {
    let site = Site::new(Arc::new(SystemClock::new()));
    let thumbprint = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
    for (settings, setting) in [
        (
            ClientCertificates::spiffe("spiffe://acme.example"),
            "ClientCertificates::spiffe",
        ),
        (ClientCertificates::spiffe(""), "ClientCertificates::spiffe"),
        (
            ClientCertificates::spiffe("a").add_path("agents"),
            "add_path",
        ),
        (
            ClientCertificates::spiffe("a").add_path("/a//b"),
            "add_path",
        ),
        (ClientCertificates::spiffe("a").add_name("b"), "add_name"),
        (ClientCertificates::dns("a"), "add_name"),
        (
            ClientCertificates::dns("a").add_name("b").add_path("/"),
            "add_path",
        ),
        (
            ClientCertificates::dns("").add_name("b"),
            "ClientCertificates",
        ),
        (
            ClientCertificates::common_name("a").add_name(""),
            "add_name",
        ),
        (ClientCertificates::thumbprints("a"), "add_certificate"),
        (
            ClientCertificates::thumbprints("a").add_certificate("b", "c"),
            "add_certificate",
        ),
        (
            ClientCertificates::thumbprints("a").add_certificate(thumbprint, ""),
            "add_certificate",
        ),
    ] {
        let errors = settings.into_authenticator(&site).unwrap_err();
        let found: Vec<_> = errors.iter().map(ConfigError::setting).collect();
        assert_eq!(found, [setting]);
    }
}
