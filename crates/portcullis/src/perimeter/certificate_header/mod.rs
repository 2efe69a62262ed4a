//! Certificates of clients that a proxy hands on in a header.

mod encoded;
mod xfcc;

use std::fmt;

use http::{HeaderMap, HeaderName};
use portcullis_core::PeerCertificate;

/// In which header, and in which form, a proxy hands on the certificate of a client.
///
/// The proxy ends the TLS of clients, so it alone knows with which certificate they proved
/// themselves. Whoever else can reach this server could write the header too: it counts only from a
/// [trusted proxy](super::PerimeterBuilder::add_trusted_proxy), and is removed from everything
/// before the handler.
///
/// # What each proxy is to be told
///
/// | proxy | settings | form |
/// |---|---|---|
/// | Envoy, Istio | `forward_client_cert_details: SANITIZE_SET`, `set_current_client_cert_details: {cert: true}` | [`xfcc`](Self::xfcc) |
/// | Caddy | `header_up Client-Cert ":{http.request.tls.client.certificate_der_base64}:"` | [`rfc9440`](Self::rfc9440) |
/// | nginx | `proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;` and `ssl_verify_client on` or `optional` | [`url_encoded_pem`](Self::url_encoded_pem) |
/// | Traefik | `passTLSClientCert: {pem: true}` | [`traefik`](Self::traefik) |
/// | HAProxy | `http-request set-header X-SSL-Client-Cert %[ssl_c_der,base64]` | [`base64_der`](Self::base64_der) |
/// | AWS ALB | mutual TLS in mode `verify`; `X-Amzn-Mtls-Clientcert-Leaf` | [`url_encoded_pem`](Self::url_encoded_pem) |
///
/// Each has to check the certificate against its authorities. With `optional_no_ca` (nginx) or
/// `passthrough` (ALB) it does not, and what it hands on proves nothing.
///
/// # Example
///
/// ```
/// use portcullis::perimeter::{CertificateHeader, PerimeterLayer};
///
/// let perimeter = PerimeterLayer::builder()
///     .add_trusted_proxy("10.0.0.0/8")
///     .with_certificate_header(CertificateHeader::xfcc());
/// ```
///
/// Behind two Envoys, of which the inner one appends, for the client of the outer one:
///
/// ```
/// use portcullis::perimeter::{CertificateHeader, PerimeterLayer};
///
/// let perimeter = PerimeterLayer::builder()
///     .add_trusted_proxy("10.0.0.0/8")
///     .with_certificate_header(CertificateHeader::xfcc().with_hops(2));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct CertificateHeader {
    name: HeaderName,
    form: Form,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// So many elements, of which the first counts.
    Xfcc(usize),
    Rfc9440,
    UrlEncodedPem,
    Traefik,
    Base64Der,
}

/// The value cannot be read. Somebody trusted has written it, so nothing is guessed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate header of the proxy cannot be read")
    }
}

impl CertificateHeader {
    /// `X-Forwarded-Client-Cert` of Envoy, with `Cert`, or at least with `Hash`, which is always there.
    /// Where both are, `Hash` is that of `Cert`, or the header is refused.
    ///
    /// Have it write `Cert`: then all names are read from the certificate itself, and its times are
    /// known. With `Hash` alone, what stands in `URI` is taken as the
    /// [URIs](PeerCertificate::uris) of the certificate; Envoy writes them as they stand in it, commas
    /// and semicolons included, so that an authority that signs any URI lets its holder write the
    /// header.
    ///
    /// There is one element for each proxy that writes it, and neither more nor less: more may be a
    /// client's. So the first proxy has to remove what came (`SANITIZE_SET`).
    pub const fn xfcc() -> Self {
        Self {
            name: HeaderName::from_static("x-forwarded-client-cert"),
            form: Form::Xfcc(1),
        }
    }

    /// `Client-Cert` (RFC 9440 §2): the certificate as a byte sequence of structured fields.
    pub const fn rfc9440() -> Self {
        Self {
            name: HeaderName::from_static("client-cert"),
            form: Form::Rfc9440,
        }
    }

    /// A header of this name, with the certificate as PEM, percent-encoded.
    pub const fn url_encoded_pem(name: HeaderName) -> Self {
        Self {
            name,
            form: Form::UrlEncodedPem,
        }
    }

    /// `X-Forwarded-Tls-Client-Cert` of Traefik: PEM without its first and last line, and where
    /// there are several, the client's own is the first.
    pub const fn traefik() -> Self {
        Self {
            name: HeaderName::from_static("x-forwarded-tls-client-cert"),
            form: Form::Traefik,
        }
    }

    /// A header of this name, with the DER of the certificate as base64.
    pub const fn base64_der(name: HeaderName) -> Self {
        Self {
            name,
            form: Form::Base64Der,
        }
    }

    /// How many trusted proxies have written an element of [`xfcc`](Self::xfcc), each to the right of
    /// those before it: the first is the client's. One by default; nothing for other forms. With
    /// fewer, the client has shown no certificate to the first proxy.
    pub const fn with_hops(mut self, hops: usize) -> Self {
        if let Form::Xfcc(_) = self.form {
            self.form = Form::Xfcc(hops);
        }
        self
    }

    pub(super) const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// What is wrong with the settings.
    pub(super) const fn problem(&self) -> Option<&'static str> {
        match self.form {
            Form::Xfcc(0) => {
                Some("`with_hops` is 0, so that no proxy has written it; give their number")
            }
            _ => None,
        }
    }

    /// The certificate in the header, if the proxy has written one: a client that showed none has
    /// none here.
    pub(super) fn read(&self, headers: &HeaderMap) -> Result<Option<PeerCertificate>, Malformed> {
        let mut values = headers.get_all(&self.name).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() && !portcullis_core::sabotaged!("certificate_header.single") {
            return Err(Malformed);
        }
        let text = value.to_str().map_err(|_| Malformed)?;
        match self.form {
            Form::Xfcc(hops) => xfcc::read(text, hops),
            Form::Rfc9440 => encoded::rfc9440(text),
            Form::UrlEncodedPem => encoded::url_encoded_pem(text),
            Form::Traefik => encoded::traefik(text),
            Form::Base64Der => encoded::base64_der(text),
        }
    }
}
