//! The header in which a proxy hands on the certificate of a client, in each form: the input is its
//! value. Whatever a client wrote to the left of what the proxy appends has it refused.

use std::{convert::Infallible, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Request, Response};
use portcullis::{PeerAddress, PeerCertificate, perimeter::CertificateHeader};

use super::perimeter::{Body, Guarded};
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "certificate_header",
    check,
    dictionary: &[
        "By=spiffe://acme.example/gw",
        "Hash=",
        "hash=",
        "Cert=\"",
        "Chain=\"",
        "Subject=\"CN=a\\, b\"",
        "URI=spiffe://acme.example/agents/a",
        "DNS=a.local",
        "5665d8739a13a6fffcb113fcf6e77037b9a00bf3133436eec91c9e0a3e24f539",
        ",",
        ";",
        "=",
        "\"",
        "\\",
        "\\\"",
        " ",
        ":",
        ":MIIB",
        "%2B",
        "%0A",
        "%",
        "-----BEGIN%20CERTIFICATE-----%0A",
        "%0A-----END%20CERTIFICATE-----%0A",
        "-----BEGIN CERTIFICATE-----",
        "MIIBADAA",
        "AAAA",
        "====",
        "+/",
        "-_",
    ],
    executions: 20_000,
};

const XFCC: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// What the proxy appends.
const APPENDED: &str = "By=spiffe://acme.example/gw;\
    Hash=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;\
    URI=spiffe://acme.example/agents/real";

struct Form {
    guarded: Guarded,
    header: HeaderName,
}

static FORMS: LazyLock<[Form; 5]> = LazyLock::new(|| {
    let pem = HeaderName::from_static("x-ssl-client-cert");
    let der = HeaderName::from_static("x-ssl-client-der");
    [
        form(XFCC, CertificateHeader::xfcc()),
        form(
            HeaderName::from_static("client-cert"),
            CertificateHeader::rfc9440(),
        ),
        form(pem.clone(), CertificateHeader::url_encoded_pem(pem)),
        form(
            HeaderName::from_static("x-forwarded-tls-client-cert"),
            CertificateHeader::traefik(),
        ),
        form(der.clone(), CertificateHeader::base64_der(der)),
    ]
});

fn form(name: HeaderName, header: CertificateHeader) -> Form {
    let guarded = Guarded::new(
        |builder| {
            builder
                .add_trusted_proxy("10.0.0.0/8")
                .with_certificate_header(header)
                .with_max_headers(100, 1 << 20)
        },
        tower::service_fn(async |request: Request<_>| {
            let found = request.extensions().get::<PeerCertificate>();
            let text = found.map_or_else(String::new, |certificate| {
                let uris: Vec<_> = certificate.uris().collect();
                let der = certificate.chain().next().unwrap_or_default();
                format!(
                    "{} {} {}",
                    certificate.thumbprint(),
                    STANDARD.encode(der),
                    uris.join(" ")
                )
            });
            Ok::<_, Infallible>(Response::new(text))
        }),
    );
    Form {
        guarded,
        header: name,
    }
}

impl Form {
    /// What is known of the certificate, if the value is taken at all.
    fn answer(&self, value: &[u8], address: [u8; 4]) -> Option<String> {
        let mut request = Request::new(Body::new());
        let value = HeaderValue::from_bytes(value).ok()?;
        request.headers_mut().insert(self.header.clone(), value);
        let address = std::net::IpAddr::from(address);
        PeerAddress::from(address).attach(request.extensions_mut());
        self.guarded.answer(request)
    }
}

fn check(input: &[u8]) -> Answer {
    if HeaderValue::from_bytes(input).is_err() {
        return Answer::Refused;
    }
    let mut is_taken = false;
    for form in &*FORMS {
        // From somebody else it is nothing, and no reason to refuse.
        let said = form.answer(input, [192, 0, 2, 1]);
        assert_eq!(said.as_deref(), Some(""), "a stranger was believed");
        let Some(said) = form.answer(input, [10, 0, 0, 1]) else {
            continue;
        };
        is_taken |= !said.is_empty();
        if form.header == "client-cert" && !said.is_empty() {
            let der = said.split(' ').nth(1).expect("a certificate");
            // There is one way to write it.
            assert_eq!(format!(":{der}:").as_bytes(), input);
        }
    }
    check_appended(input);
    Answer::taken_if(is_taken)
}

/// What a proxy has appended to is not what it has written alone, whatever came.
fn check_appended(input: &[u8]) {
    let xfcc = FORMS.first().expect("a form");
    let real = xfcc.answer(APPENDED.as_bytes(), [10, 0, 0, 1]);
    assert!(real.is_some());
    for between in [",", ", "] {
        let value = [input, between.as_bytes(), APPENDED.as_bytes()].concat();
        let said = xfcc.answer(&value, [10, 0, 0, 1]);
        assert_eq!(said, None, "an element of somebody else was looked over");
    }
}
