//! Headers as proxies really send them, with what a client had written into them beforehand: a capture
//! of our own, of Envoy, nginx, HAProxy, Caddy and Traefik, all of one client.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    PeerAddress, PeerCertificate,
    perimeter::{CertificateHeader, PerimeterLayer},
};
use portcullis_testing::audit::RecordingAudit;
use tower::{Layer as _, ServiceExt as _, service_fn};

const CAPTURE: &str = include_str!("vectors/forwarded-headers.txt");
/// The digest of the client's certificate, as Envoy wrote it.
const HASH: &str = "600309c31abf81d5cbbb2310f74b1637af94a89b24868c048c3cd7e57b9628d0";

/// The header lines of a proxy in the capture.
fn captured(proxy: &str) -> Vec<(HeaderName, HeaderValue)> {
    let section = CAPTURE
        .split("== ")
        .find(|section| section.lines().next() == Some(proxy));
    let lines = section.unwrap().lines().skip(1);
    lines
        .filter_map(|line| line.split_once(": "))
        // What is no header says how it was captured.
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().unwrap())))
        .collect()
}

/// The status, and the digest of the certificate that a handler sees.
async fn seen(proxy: &str, header: CertificateHeader) -> (u16, String) {
    let layer = PerimeterLayer::builder()
        .with_audit(RecordingAudit::new())
        .dangerously_allow_any_host()
        .add_trusted_proxy("10.0.0.0/8")
        .with_certificate_header(header)
        .build()
        .unwrap();
    let handler = service_fn(
        async |request: Request<portcullis::RequestBody<Full<Bytes>>>| {
            let certificate = request.extensions().get::<PeerCertificate>();
            let thumbprint = certificate.map(|found| found.thumbprint().to_owned());
            let names = [
                "client-cert",
                "x-forwarded-client-cert",
                "x-ssl-client-cert",
            ];
            assert!(
                names
                    .iter()
                    .all(|name| !request.headers().contains_key(*name))
            );
            Ok::<_, Infallible>(Response::new(thumbprint.unwrap_or_default()))
        },
    );
    let mut request = Request::new(Full::default());
    for (name, value) in captured(proxy) {
        request.headers_mut().append(name, value);
    }
    PeerAddress::from(std::net::IpAddr::from([10, 0, 0, 1])).attach(request.extensions_mut());
    let response = layer.layer(handler).oneshot(request).await;
    let response = response.unwrap_or_else(|never| match never {});
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn thumbprint() -> String {
    let digits = HASH.as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16));
    let bytes: Vec<u8> = bytes.map(Result::unwrap).collect();
    let certificate = PeerCertificate::from_digest(bytes.try_into().unwrap());
    certificate.thumbprint().to_owned()
}

#[tokio::test]
async fn each_form_names_the_client_that_connected() {
    let nginx = HeaderName::from_static("x-ssl-client-cert");
    for (proxy, header) in [
        ("envoy", CertificateHeader::xfcc()),
        ("nginx", CertificateHeader::url_encoded_pem(nginx)),
        ("haproxy", CertificateHeader::rfc9440()),
        ("caddy", CertificateHeader::rfc9440()),
        ("traefik", CertificateHeader::traefik()),
    ] {
        assert_eq!(seen(proxy, header).await, (200, thumbprint()), "{proxy}");
    }
}

/// Three of them pass a header on that they do not know, as a client wrote it.
#[tokio::test]
async fn the_form_of_another_proxy_is_what_the_client_wrote() {
    for (proxy, header) in [
        ("envoy", CertificateHeader::rfc9440()),
        ("traefik", CertificateHeader::rfc9440()),
        ("caddy", CertificateHeader::xfcc()),
        ("traefik", CertificateHeader::xfcc()),
    ] {
        // It was no certificate, so nobody comes of it.
        assert_eq!(seen(proxy, header).await.0, 400, "{proxy}");
    }
}
