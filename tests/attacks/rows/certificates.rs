//! Certificates of clients, from somebody who is not the proxy, or not the client.

use std::fmt::Write as _;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use portcullis::{
    PeerAddress, PeerCertificate,
    perimeter::{CertificateHeader, PerimeterLayer},
    tls::ClientCertificates,
};

use crate::{
    guard::{Guard, Settings, finish},
    harness::{Expected, Harness},
};

const XFCC: &str = "x-forwarded-client-cert";
const DIGEST: [u8; 32] = [7; 32];
const OTHER: [u8; 32] = [8; 32];
const URI: &str = "spiffe://acme.example/agents/a";
const ROOT: &str = "spiffe://acme.example/agents/root";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:certificate headers", headers).await;
    harness.row("own:client certificates", identities).await;
    harness
        .row("own:certificates beside keys", beside_keys)
        .await;
}

fn element(digest: [u8; 32], uri: &str) -> String {
    let mut hash = String::new();
    for byte in digest {
        // A `String` takes everything.
        let _ = write!(hash, "{byte:02x}");
    }
    format!("By=spiffe://acme.example/gw;Hash={hash};Subject=\"CN=a\\, b\";URI={uri}")
}

fn guard(perimeter: portcullis::perimeter::PerimeterBuilder) -> Guard {
    let mut settings = Settings::fixed();
    settings.perimeter = perimeter.without_refusal_budget();
    settings.client_certificates =
        Some(ClientCertificates::spiffe("acme.example").add_path("/agents/"));
    settings.build()
}

/// A request from an address, on a connection with this certificate, with these header lines.
fn request(
    guard: &Guard,
    address: [u8; 4],
    certificate: Option<[u8; 32]>,
    lines: &[(&str, &str)],
) -> Request<Full<Bytes>> {
    let mut request = guard.request("/notes");
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    let mut request = finish(request);
    PeerAddress::from(std::net::IpAddr::from(address)).attach(request.extensions_mut());
    if let Some(digest) = certificate {
        attach(&mut request, PeerCertificate::from_digest(digest));
    }
    request
}

/// As a listener does for each request of a connection.
#[expect(
    clippy::disallowed_methods,
    reason = "stands for the listener, which puts it there"
)]
fn attach(request: &mut Request<Full<Bytes>>, certificate: PeerCertificate) {
    request.extensions_mut().insert(certificate);
}

const PROXY: [u8; 4] = [10, 0, 0, 1];
const STRANGER: [u8; 4] = [192, 0, 2, 1];

async fn headers(harness: &mut Harness) {
    let xfcc = || PerimeterLayer::builder().with_certificate_header(CertificateHeader::xfcc());
    let by_address = guard(xfcc().add_trusted_proxy("10.0.0.0/8"));
    let real = element(DIGEST, URI);
    let evil = element(OTHER, ROOT);
    let good = request(&by_address, PROXY, None, &[(XFCC, &real)]);
    harness.control("by the proxy", &by_address, good).await;
    let missing = Expected::missing();
    for (name, address, header) in [
        ("by a stranger", STRANGER, XFCC),
        (
            "by a stranger, spelled otherwise",
            STRANGER,
            "x_forwarded_client_cert",
        ),
        (
            "by the proxy, spelled otherwise",
            PROXY,
            "x_forwarded_client_cert",
        ),
        (
            "by the proxy, in a header of others",
            PROXY,
            "x-ssl-client-cert",
        ),
    ] {
        let attack = request(&by_address, address, None, &[(header, &real)]);
        harness.attack(name, &by_address, attack, &missing).await;
    }
    // Whoever shows a certificate of his own is that one.
    let own = request(&by_address, PROXY, Some(OTHER), &[(XFCC, &real)]);
    harness
        .attack(
            "on a connection with a certificate",
            &by_address,
            own,
            &missing,
        )
        .await;
    let malformed = Expected::status(400, &["certificate_header_malformed"]);
    let halves = real.replace("Hash", "Has");
    for (name, lines) in [
        ("twice", vec![(XFCC, &*real), (XFCC, &*evil)]),
        (
            "without a certificate",
            vec![(XFCC, "By=a;URI=spiffe://acme.example/agents/root")],
        ),
        ("garbled", vec![(XFCC, &*halves)]),
        ("with a quote that is open", vec![(XFCC, "By=\"a")]),
    ] {
        let attack = request(&by_address, PROXY, None, &lines);
        harness.attack(name, &by_address, attack, &malformed).await;
    }
    // What a client wrote further to the left, or had signed as a name, is not the proxy's.
    let unlisted = real.replace("/agents/a", "/jobs/a");
    let signed = real.replace("URI=", &format!("URI=urn:x,Hash={};URI=", "0".repeat(64)));
    let empty = real.replace("URI=", "URI=;URI=");
    for (name, value) in [
        ("with another to the left", format!("{evil},{unlisted}")),
        ("with a comma in a name", signed),
        ("with a semicolon in a name", empty),
    ] {
        let attack = request(&by_address, PROXY, None, &[(XFCC, &value)]);
        harness.attack(name, &by_address, attack, &malformed).await;
    }

    // By the certificate of the proxy.
    let own = PeerCertificate::from_digest([9; 32]);
    let pinned = xfcc().add_trusted_proxy("10.0.0.0/8");
    let by_certificate = guard(pinned.add_proxy_certificate(own.thumbprint()));
    let good = request(&by_certificate, STRANGER, Some([9; 32]), &[(XFCC, &real)]);
    harness
        .control("by the proxy's certificate", &by_certificate, good)
        .await;
    for (name, certificate) in [
        ("no certificate", None),
        ("another certificate", Some(OTHER)),
    ] {
        let attack = request(&by_certificate, PROXY, certificate, &[(XFCC, &real)]);
        harness
            .attack(name, &by_certificate, attack, &missing)
            .await;
    }
    // Nor is one that nobody knows, such as the proxy with the certificate that it has renewed: all who
    // come by it would be one.
    for (name, address, lines) in [
        ("a proxy that is not known", PROXY, vec![]),
        ("the same, with its header", STRANGER, vec![(XFCC, &*real)]),
    ] {
        let mut attack = request(&by_certificate, address, None, &lines);
        let gateway = PeerCertificate::from_digest(OTHER).add_uri(ROOT);
        attach(&mut attack, gateway);
        harness
            .attack(name, &by_certificate, attack, &missing)
            .await;
    }
    let mut direct = request(&by_certificate, STRANGER, None, &[]);
    attach(
        &mut direct,
        PeerCertificate::from_digest(OTHER).add_uri(URI),
    );
    harness
        .control("a client of its own", &by_certificate, direct)
        .await;
    // The proxy itself is not the client.
    let alone = request(&by_certificate, STRANGER, Some([9; 32]), &[]);
    harness
        .attack(
            "the proxy without a client",
            &by_certificate,
            alone,
            &missing,
        )
        .await;

    // Nothing of it reaches the handler.
    let lines = [
        (XFCC, &*real),
        ("client-cert", "x"),
        ("x_ssl_client_cert", "x"),
    ];
    let status = by_address
        .send(request(&by_address, PROXY, None, &lines))
        .await
        .status();
    let _ = by_address.audit.take();
    let seen = by_address.probe.take_request().map(|head| {
        lines
            .iter()
            .any(|(name, _)| head.headers.contains_key(*name))
    });
    harness.judged(
        "the headers are removed",
        if status == 200 && seen == Some(false) {
            Ok(())
        } else {
            Err(format!("{status}, seen: {seen:?}"))
        },
    );
}

async fn identities(harness: &mut Harness) {
    let guard = guard(PerimeterLayer::builder());
    let of = |uris: &[&str]| {
        let mut request = request(&guard, STRANGER, None, &[]);
        let certificate = uris
            .iter()
            .fold(PeerCertificate::from_digest(DIGEST), |certificate, uri| {
                certificate.add_uri(*uri)
            });
        attach(&mut request, certificate);
        request
    };
    harness.control("a workload", &guard, of(&[URI])).await;
    let missing = Expected::missing();
    for (name, uris) in [
        ("no name", vec![]),
        (
            "another trust domain",
            vec!["spiffe://evil.example/agents/a"],
        ),
        (
            "a trust domain with another in it",
            vec!["spiffe://acme.example.evil.example/agents/a"],
        ),
    ] {
        harness.attack(name, &guard, of(&uris), &missing).await;
    }
    for (name, uris, codes) in [
        (
            "another path",
            vec!["spiffe://acme.example/jobs/a"],
            &["certificate_not_listed"],
        ),
        (
            "a path beside",
            vec!["spiffe://acme.example/agentsx/a"],
            &["certificate_not_listed"],
        ),
        (
            "a path upwards",
            vec!["spiffe://acme.example/agents/../root"],
            &["certificate_spiffe_id"],
        ),
        (
            "another name beside",
            vec![URI, ROOT],
            &["certificate_names"],
        ),
    ] {
        let expected = Expected::invalid_token(codes);
        harness.attack(name, &guard, of(&uris), &expected).await;
    }
    // Of a certificate that is read: one that is over, and a thumbprint that is revoked.
    let mut expired = request(&guard, STRANGER, None, &[]);
    if let Some(certificate) = PeerCertificate::from_der([EXPIRED]) {
        attach(&mut expired, certificate);
    }
    let over = Expected::invalid_token(&["certificate_expired"]);
    harness
        .attack("a certificate that is over", &guard, expired, &over)
        .await;
    // A request with a token of its own is judged by that.
    let mut beside = of(&[URI]);
    beside
        .headers_mut()
        .insert("authorization", http::HeaderValue::from_static("Bearer x"));
    let unknown = Expected::invalid_token(&["credential_unknown"]);
    harness
        .attack("a bad token beside", &guard, beside, &unknown)
        .await;
}

/// Whoever comes with a credential in a header is not the certificate of the connection instead: users
/// would become their proxy, and a bad key as good as none.
async fn beside_keys(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.key_header = Some("x-api-key");
    settings.client_certificates = Some(ClientCertificates::spiffe("acme.example"));
    let guard = settings.build();
    let request = |key: Option<&str>| {
        let lines: Vec<_> = key.iter().map(|key| ("x-api-key", *key)).collect();
        let mut request = request(&guard, STRANGER, None, &lines);
        attach(
            &mut request,
            PeerCertificate::from_digest(DIGEST).add_uri(URI),
        );
        request
    };
    harness.control("alone", &guard, request(None)).await;
    let status = guard.send(request(Some("garbage"))).await.status().as_u16();
    let _ = guard.audit.take();
    harness.judged(
        "a bad key beside",
        match status {
            401 => Ok(()),
            status => Err(format!("answered {status}")),
        },
    );
    let key = guard.good_key().to_owned();
    harness
        .control("a good key beside", &guard, request(Some(&key)))
        .await;
    let _ = guard.send(request(Some(&key))).await;
    let records = guard.audit.take();
    let is_key = records
        .iter()
        .any(|record| record.authenticator == Some("api_keys"));
    harness.judged(
        "it is the key that counts",
        match is_key {
            true => Ok(()),
            false => Err(format!("{records:?}")),
        },
    );
}

/// Of `spiffe://acme.example/agents/a`, from 2020 to 2021.
const EXPIRED: &[u8] = include_bytes!("certificates/expired.der");
