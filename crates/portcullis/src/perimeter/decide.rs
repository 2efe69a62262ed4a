//! What a request may look like: the decision itself.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, Method, StatusCode, Version, header, request::Parts, response};
use portcullis_core::{PeerCertificate, ReasonCode};

use super::{
    address::{AddressPrefix, TrustedProxies},
    authority::{AllowedHosts, AllowedOrigins},
    budget::RefusalBudget,
    certificate_header::CertificateHeader,
    identity_headers::IdentityHeaders,
};
use crate::{
    exchange::{Arrival, Exchange, Slot},
    frame::{Decision, Step},
    path,
    peer::{self, PeerAddress},
    reason,
    refusal::Refusal,
    route,
    session::Session,
};

const LAYER: &str = Slot::Perimeter.name();

/// The longest method that is taken, in bytes. The longest that is registered has 17.
const MAX_METHOD: usize = 32;

/// The step of the `perimeter` layer.
pub(crate) struct Inspect {
    pub(super) proxies: TrustedProxies,
    /// `None` where every host is allowed.
    pub(super) hosts: Option<AllowedHosts>,
    pub(super) origins: AllowedOrigins,
    pub(super) identity_headers: IdentityHeaders,
    /// `None` where no proxy hands on certificates.
    pub(super) certificates: Option<ForwardedCertificates>,
    pub(super) limits: Limits,
    pub(super) budget: Option<Arc<RefusalBudget>>,
    /// The routes whose handlers may go on in another protocol.
    pub(super) upgrades: Vec<Box<str>>,
    /// Whether it has been said that the server names no peers.
    pub(super) has_warned: AtomicBool,
    /// The same of a proxy whose certificate is not known.
    pub(super) has_warned_of_proxy: AtomicBool,
}

/// Who hands on the certificates of clients, and how.
#[derive(Debug)]
pub(super) struct ForwardedCertificates {
    pub(super) header: CertificateHeader,
    /// The thumbprints of the proxies' own certificates. None where their addresses are enough.
    pub(super) proxies: Box<[Box<str>]>,
}

/// How much a request may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) body: u64,
    pub(super) uri: usize,
    pub(super) headers: usize,
    pub(super) header_bytes: usize,
}

/// Whose budget a refusal of this request charges.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<RefusalBudget>,
    prefix: AddressPrefix,
}

impl Charge {
    pub(crate) fn returns_in(&self) -> Option<Duration> {
        self.budget.returns_in(self.prefix)
    }

    pub(crate) fn spend(&self) {
        self.budget.spend(self.prefix);
    }
}

impl Step for Inspect {
    fn slot(&self) -> Option<Slot> {
        Some(Slot::Perimeter)
    }

    fn decide(&self, parts: &mut Parts, exchange: &Exchange) -> Decision {
        let client_address = self.client_address(parts);
        let charge = self.charge(client_address);
        let is_restricted = charge
            .as_ref()
            .is_some_and(|charge| charge.returns_in().is_some());
        exchange.set_arrival(Arrival {
            client_address,
            body_limit: Some(self.limits.body),
            charge,
            is_restricted,
        });
        let inspected = self
            .inspect(parts, exchange)
            .and_then(|()| self.take_certificate(parts));
        if let Err((status, code)) = inspected {
            let refusal = Refusal::new(LAYER, status, code);
            return Decision::Refuse(match exchange.budget_returns_in() {
                Some(delay) => {
                    Refusal::new(LAYER, StatusCode::TOO_MANY_REQUESTS, reason::BUDGET_SPENT)
                        .with_retry_after(delay)
                }
                None => refusal,
            });
        }
        self.identity_headers.strip(&mut parts.headers);
        if self.may_upgrade(parts, exchange) {
            exchange.set_upgrade();
        } else {
            // Without the header no handler takes the request for one.
            parts.headers.remove(header::UPGRADE);
        }
        Decision::Pass
    }

    fn respond(&self, parts: &mut response::Parts, exchange: &Exchange) -> Option<Refusal> {
        if parts.status != StatusCode::SWITCHING_PROTOCOLS
            || portcullis_core::sabotaged!("perimeter.upgrade")
        {
            return None;
        }
        let is_watched = exchange.session().is_some_and(Session::is_watched);
        let (problem, code) = match exchange.is_upgrade() {
            false => (
                "upgrades are off behind the perimeter; name the route (`add_upgrade_route`)",
                reason::UPGRADE_REFUSED,
            ),
            true if is_watched || portcullis_core::sabotaged!("perimeter.upgrade_watched") => {
                return None;
            }
            true => (
                "nothing ends the connection with its session; ask for `Session::ended` before \
                 that, and close the connection when it completes",
                reason::UPGRADE_UNWATCHED,
            ),
        };
        tracing::error!(
            target: "portcullis",
            request_id = %exchange.id(),
            "a handler answered 101, but {problem}",
        );
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Some(Refusal::new(LAYER, status, code))
    }
}

impl Inspect {
    /// Whether the handler of a request may go on in another protocol.
    fn may_upgrade(&self, parts: &Parts, exchange: &Exchange) -> bool {
        !self.upgrades.is_empty()
            && parts.method == Method::GET
            && parts.version == Version::HTTP_11
            && parts.headers.contains_key(header::UPGRADE)
            && route::of(parts, exchange.path())
                .is_ok_and(|route| self.upgrades.iter().any(|known| **known == *route))
    }

    /// Whether a header never comes further in.
    pub(crate) fn removes(&self, name: &HeaderName) -> bool {
        self.identity_headers.names(name)
    }

    /// Cheap checks first, and what names the request before what it carries.
    fn inspect(&self, parts: &Parts, exchange: &Exchange) -> Result<(), (StatusCode, ReasonCode)> {
        if parts.method == Method::CONNECT {
            return Err((StatusCode::BAD_REQUEST, reason::CONNECT_REFUSED));
        }
        if parts.method.as_str().len() > MAX_METHOD
            && !portcullis_core::sabotaged!("perimeter.method")
        {
            return Err((StatusCode::BAD_REQUEST, reason::METHOD_TOO_LONG));
        }
        let uri = &parts.uri;
        let uri_len = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
        if uri_len > self.limits.uri && !portcullis_core::sabotaged!("perimeter.uri") {
            return Err((StatusCode::URI_TOO_LONG, reason::URI_TOO_LONG));
        }
        if !self.limits.allow(&parts.headers) && !portcullis_core::sabotaged!("perimeter.headers") {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err((status, reason::HEADERS_TOO_LARGE));
        }
        if self.hosts.as_ref().is_some_and(|hosts| !hosts.allow(parts)) {
            return Err((StatusCode::FORBIDDEN, reason::HOST_NOT_ALLOWED));
        }
        if !self.origins.allow(&parts.headers) {
            return Err((StatusCode::FORBIDDEN, reason::ORIGIN_NOT_ALLOWED));
        }
        // `OPTIONS *` asks about the server, and has no path.
        let is_asterisk = parts.method == Method::OPTIONS && exchange.path() == "*";
        if !is_asterisk && let Err(ambiguity) = path::is_normal(exchange.path()) {
            tracing::debug!(target: "portcullis", request_id = %exchange.id(), "the path {ambiguity}");
            return Err((StatusCode::BAD_REQUEST, reason::PATH_AMBIGUOUS));
        }
        match content_length(&parts.headers) {
            Err(()) => Err((StatusCode::BAD_REQUEST, reason::CONTENT_LENGTH_MALFORMED)),
            Ok(Some(length))
                if length > self.limits.body && !portcullis_core::sabotaged!("perimeter.body") =>
            {
                Err((StatusCode::PAYLOAD_TOO_LARGE, reason::BODY_TOO_LARGE))
            }
            Ok(_) => Ok(()),
        }
    }

    /// Puts the certificate of the client where it would be if this server had ended its TLS.
    fn take_certificate(&self, parts: &mut Parts) -> Result<(), (StatusCode, ReasonCode)> {
        let Some(certificates) = &self.certificates else {
            return Ok(());
        };
        let is_of_proxy = match certificates.sender(parts, &self.proxies) {
            Sender::Proxy => true,
            Sender::Client => return Ok(()),
            // Whose header it is, and whose certificate, is not known: so it is nobody's.
            Sender::Unknown => false,
        };
        if !is_of_proxy && !portcullis_core::sabotaged!("certificate_header.unknown_proxy") {
            if !self.has_warned_of_proxy.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    target: "portcullis",
                    "somebody who may be a proxy shows a certificate that is none of \
                     `add_proxy_certificate`, so its requests come without one; name the new one \
                     if the proxy's was renewed",
                );
            }
            peer::set_certificate(&mut parts.extensions, None);
            return Ok(());
        }
        let found = certificates.header.read(&parts.headers);
        let found = found.map_err(|_| {
            (
                StatusCode::BAD_REQUEST,
                reason::CERTIFICATE_HEADER_MALFORMED,
            )
        })?;
        // That of the connection, if there is one, is the proxy's, and not the client's.
        peer::set_certificate(&mut parts.extensions, found);
        Ok(())
    }

    fn client_address(&self, parts: &Parts) -> Option<IpAddr> {
        match PeerAddress::of(&parts.extensions) {
            Some(peer) => Some(self.proxies.client(peer.ip()?, &parts.headers)),
            None => {
                if !self.has_warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        target: "portcullis",
                        "the server does not say where requests come from, so all senders share \
                         one budget; serve `gate.guard(router)` with `axum::serve`, or attach a \
                         `PeerAddress`",
                    );
                }
                None
            }
        }
    }

    /// Senders without an address share one budget.
    fn charge(&self, client_address: Option<IpAddr>) -> Option<Charge> {
        let budget = Arc::clone(self.budget.as_ref()?);
        let address = client_address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        Some(Charge {
            budget,
            prefix: address.into(),
        })
    }
}

/// Who is at the other end of a connection.
enum Sender {
    /// A client, whose certificate is that of the connection, and whose header is not read.
    Client,
    /// A proxy, whose header counts.
    Proxy,
    /// Perhaps a proxy, whose certificate is not known: as if it were the client, all who come by it
    /// would be one.
    Unknown,
}

impl ForwardedCertificates {
    fn sender(&self, parts: &Parts, trusted: &TrustedProxies) -> Sender {
        let own = parts.extensions.get::<PeerCertificate>();
        if portcullis_core::sabotaged!("certificate_header.hop") {
            return Sender::Proxy;
        }
        let has_trusted_address = || {
            let address = PeerAddress::of(&parts.extensions).and_then(PeerAddress::ip);
            address.is_some_and(|address| trusted.trusts(address.to_canonical()))
        };
        let is_listed = |own: &PeerCertificate| {
            let mut proxies = self.proxies.iter();
            proxies.any(|proxy| **proxy == *own.thumbprint())
        };
        let brings_header = parts.headers.contains_key(self.header.name());
        match own {
            Some(own) if is_listed(own) => Sender::Proxy,
            Some(_) if brings_header || has_trusted_address() => Sender::Unknown,
            Some(_) => Sender::Client,
            None if self.proxies.is_empty() && has_trusted_address() => Sender::Proxy,
            None => Sender::Client,
        }
    }
}

impl Limits {
    fn allow(&self, headers: &HeaderMap) -> bool {
        headers.len() <= self.headers
            && headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len())
                .sum::<usize>()
                <= self.header_bytes
    }
}

/// The length that a request claims for its body.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() || !value.as_bytes().iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    value
        .to_str()
        .ok()
        .and_then(|digits| digits.parse().ok())
        .map(Some)
        .ok_or(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_length_is_one_number() {
        let length = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::CONTENT_LENGTH, HeaderValue::from_static(line));
            }
            content_length(&headers)
        };
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&["0"]), Ok(Some(0)));
        assert_eq!(length(&["4", "4"]), Err(()));
        for bad in [
            "",
            "+4",
            "-1",
            "4, 4",
            "0x4",
            " 4",
            "99999999999999999999999",
        ] {
            assert_eq!(length(&[bad]), Err(()), "{bad}");
        }
    }
}
