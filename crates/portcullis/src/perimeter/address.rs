//! Where a request comes from, when proxies stand in between.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;

/// The most hops that are looked at. A longer chain is not an honest one.
const MAX_HOPS: usize = 32;

/// Which header the trusted proxies write. Only one is read: an attacker would use the other.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
}

/// The proxies whose word counts. None by default: then the peer is the client.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies {
    pub(crate) networks: Vec<IpNet>,
    pub(crate) header: ForwardedHeader,
}

impl TrustedProxies {
    /// The right-most hop that no trusted proxy is.
    ///
    /// Each proxy appends the address that it saw, so reading from the right, every entry is
    /// vouched for by the hop to its right. What lies to the left of the first hop that is not
    /// trusted, or of anything that is no address, is anybody's word.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut known = peer.to_canonical();
        if !self.trusts(known) {
            return known;
        }
        let lines = headers.get_all(self.header_name());
        let mut seen = 0;
        // Several lines are one list (RFC 9110 §5.3).
        for line in lines.iter().rev() {
            // In bytes, each element by itself: what a client wrote further to the left must
            // not make the proxy's own word unreadable.
            let line = line.as_bytes();
            let hops: &mut dyn Iterator<Item = Option<IpAddr>> = match self.header {
                ForwardedHeader::XForwardedFor => {
                    &mut line.rsplit(|byte| *byte == b',').map(parse_bytes)
                }
                ForwardedHeader::Forwarded => &mut forwarded(line),
            };
            for hop in hops {
                // Over all lines: to go on with the next one would be to skip the rest of this.
                if seen == MAX_HOPS {
                    return known;
                }
                seen += 1;
                let Some(address) = hop else { return known };
                known = address.to_canonical();
                if !self.trusts(known) {
                    return known;
                }
            }
        }
        known
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        portcullis_core::sabotaged!("address.trusted_proxy")
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address))
    }

    fn header_name(&self) -> HeaderName {
        match self.header {
            ForwardedHeader::Forwarded => FORWARDED,
            ForwardedHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
        }
    }
}

fn parse_bytes(element: &[u8]) -> Option<IpAddr> {
    parse_node(std::str::from_utf8(element).ok()?)
}

/// An address, with or without a port. Nothing else: no zone, no `unknown`, no pseudonym.
fn parse_node(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches([' ', '\t']);
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return no_zone(text).then(|| address.ip());
    }
    let bracketed = text.strip_prefix('[')?.strip_suffix(']')?;
    bracketed.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

fn no_zone(text: &str) -> bool {
    !text.contains('%')
}

/// The `for` of each element of a `Forwarded` line, from right to left; `None` where there is
/// none or no address.
///
/// Quotes are paired from the right as well: those of the proxy that wrote last belong
/// together, whatever quote a client has left open before.
fn forwarded(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    let mut is_quoted = false;
    line.rsplit(move |byte| {
        is_quoted ^= *byte == b'"';
        *byte == b',' && !is_quoted
    })
    .map(|element| forwarded_for(std::str::from_utf8(element).ok()?))
}

fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in split_unquoted(element, ';')? {
        let (name, value) = pair.split_once('=')?;
        if !name.trim_matches([' ', '\t']).eq_ignore_ascii_case("for") {
            continue;
        }
        if found.is_some() {
            return None;
        }
        let value = value.trim_matches([' ', '\t']);
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            // RFC 7239 §6: a colon or a bracket stands in quotes.
            None if value.contains([':', '[', ']']) => return None,
            None => value,
        };
        // IPv6 stands in brackets here, never bare.
        if value.parse::<Ipv6Addr>().is_ok() {
            return None;
        }
        found = Some(parse_node(value)?);
    }
    found
}

/// Splits where no quotes stand around. `None` if a quote is not closed.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut is_quoted = false;
    let parts = text
        .split(|char: char| {
            is_quoted ^= char == '"';
            char == separator && !is_quoted
        })
        .collect();
    // A backslash could escape a quote; no address needs one.
    (!is_quoted && !text.contains('\\')).then_some(parts)
}

/// What shares a budget: one IPv4 address, or one IPv6 network of 64 bits, which is what a
/// single subscriber is given.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct AddressPrefix(IpAddr);

impl From<IpAddr> for AddressPrefix {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(network.into())
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ForwardedHeader, trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies {
            networks: trusted
                .iter()
                .map(|network| network.parse().unwrap())
                .collect(),
            header,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = http::HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(proxies.header_name(), value);
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        let lines = &["1.2.3.4"];
        assert_eq!(
            client(ForwardedHeader::XForwardedFor, &[], "9.9.9.9", lines),
            "9.9.9.9"
        );
        let trusted = &["10.0.0.0/8"];
        assert_eq!(
            client(ForwardedHeader::XForwardedFor, trusted, "9.9.9.9", lines),
            "9.9.9.9"
        );
    }

    #[test]
    fn the_right_most_hop_that_is_not_trusted() {
        let xff = |lines: &[&str]| {
            client(
                ForwardedHeader::XForwardedFor,
                &["10.0.0.0/8", "fd00::/8"],
                "10.0.0.1",
                lines,
            )
        };
        assert_eq!(xff(&[]), "10.0.0.1");
        assert_eq!(xff(&["1.2.3.4"]), "1.2.3.4");
        // Spoofed by the client, appended by the proxy.
        assert_eq!(xff(&["6.6.6.6, 1.2.3.4"]), "1.2.3.4");
        assert_eq!(xff(&["6.6.6.6,1.2.3.4 , 10.0.0.7"]), "1.2.3.4");
        assert_eq!(xff(&["6.6.6.6", "1.2.3.4"]), "1.2.3.4");
        assert_eq!(xff(&["1.2.3.4:443"]), "1.2.3.4");
        assert_eq!(xff(&["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(xff(&["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(xff(&["2001:db8::1"]), "2001:db8::1");
        assert_eq!(xff(&["::ffff:1.2.3.4"]), "1.2.3.4");
        assert_eq!(xff(&["10.0.0.9, 10.0.0.8"]), "10.0.0.9");
    }

    #[test]
    fn junk_is_never_skipped() {
        for junk in [
            "unknown",
            "_hidden",
            "",
            "1.2.3",
            "1.2.3.4.5",
            "fe80::1%eth0",
            "[fe80::1%1]:80",
            "1.2.3.4:99999",
            "01.2.3.4",
            "localhost",
            "[::1",
            "\"1.2.3.4\"",
        ] {
            let line = format!("6.6.6.6, {junk}");
            let found = client(
                ForwardedHeader::XForwardedFor,
                &["10.0.0.0/8"],
                "10.0.0.1",
                &[&line],
            );
            assert_eq!(found, "10.0.0.1", "{junk}");
        }
    }

    #[test]
    fn junk_to_the_left_hides_nothing() {
        let trusted = &["10.0.0.0/8"];
        for junk in ["\u{e4}", "unknown", ",,,", "\"", "\\"] {
            for line in [
                format!("{junk}, 1.2.3.4"),
                format!("{junk},1.2.3.4, 10.0.0.7"),
            ] {
                let xff = ForwardedHeader::XForwardedFor;
                let found = client(xff, trusted, "10.0.0.1", &[&line]);
                assert_eq!(found, "1.2.3.4", "{line}");
            }
        }
    }

    #[test]
    fn a_mapped_peer_is_the_ipv4_peer() {
        let trusted = &["10.0.0.0/8"];
        let found = client(
            ForwardedHeader::XForwardedFor,
            trusted,
            "::ffff:10.0.0.1",
            &["1.2.3.4"],
        );
        assert_eq!(found, "1.2.3.4");
    }

    #[test]
    fn a_thousand_hops_are_not_walked() {
        let line = vec!["10.0.0.2"; 1000].join(",");
        let found = client(
            ForwardedHeader::XForwardedFor,
            &["10.0.0.0/8"],
            "10.0.0.1",
            &[&line],
        );
        assert_eq!(found, "10.0.0.2");
    }

    #[test]
    fn what_lies_behind_too_many_hops_is_not_found_on_another_line() {
        for (header, left, middle, hop) in [
            (
                ForwardedHeader::XForwardedFor,
                "6.6.6.6",
                "1.2.3.4",
                "10.0.0.2",
            ),
            (
                ForwardedHeader::Forwarded,
                "for=6.6.6.6",
                "for=1.2.3.4",
                "for=10.0.0.2",
            ),
        ] {
            let chain = |hops: usize| format!("{middle}{}", format!(",{hop}").repeat(hops));
            let client = |hops| {
                let lines = [left, &chain(hops)];
                client(header, &["10.0.0.0/8"], "10.0.0.1", &lines)
            };
            assert_eq!(client(MAX_HOPS - 1), "1.2.3.4");
            assert_eq!(client(MAX_HOPS), "10.0.0.2");
        }
        let lines = vec!["10.0.0.2"; MAX_HOPS];
        let lines = [&["1.2.3.4"], &lines[..]].concat();
        let xff = ForwardedHeader::XForwardedFor;
        assert_eq!(client(xff, &["10.0.0.0/8"], "10.0.0.1", &lines), "10.0.0.2");
    }

    #[test]
    fn reads_forwarded_strictly() {
        let forwarded = |lines: &[&str]| {
            client(
                ForwardedHeader::Forwarded,
                &["10.0.0.0/8"],
                "10.0.0.1",
                lines,
            )
        };
        assert_eq!(forwarded(&["for=1.2.3.4"]), "1.2.3.4");
        assert_eq!(
            forwarded(&["For=\"1.2.3.4:47011\";proto=https;by=10.0.0.1"]),
            "1.2.3.4"
        );
        assert_eq!(
            forwarded(&["for=6.6.6.6, for=\"[2001:db8:cafe::17]:4711\""]),
            "2001:db8:cafe::17"
        );
        assert_eq!(forwarded(&["for=1.2.3.4, for=10.0.0.2"]), "1.2.3.4");
        for junk in [
            "for=unknown",
            "for=_gazonk",
            "proto=https",
            "for=1.2.3.4;for=6.6.6.6",
            "for=\"1.2.3.4",
            "for=1.2.3.4:80",
            "for=[::1]",
            "for=\"::1\"",
            "for=\"1.2.3.4\\\"\"",
            "for",
            "",
            "for=6.6.6.6;by=\"a,b\";x",
        ] {
            assert_eq!(
                forwarded(&[&format!("for=6.6.6.6, {junk}")]),
                "10.0.0.1",
                "{junk}"
            );
        }
        // What a client left open or unreadable is its own affair.
        for left in ["for=\"x", "\"", "\\", "for=\u{e4}", "for=6.6.6.6;x=\""] {
            for right in ["for=1.2.3.4", "for=\"1.2.3.4:80\";by=\"a, b\""] {
                let line = format!("{left}, {right}");
                assert_eq!(forwarded(&[&line]), "1.2.3.4", "{line}");
            }
        }
        // A comma in quotes is no border.
        assert_eq!(forwarded(&["for=6.6.6.6;x=\", for=7.7.7.7\""]), "6.6.6.6");
        // The other header is not looked at.
        let headers = HeaderMap::from_iter([(FORWARDED, "for=6.6.6.6".parse().unwrap())]);
        let proxies = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            header: ForwardedHeader::XForwardedFor,
        };
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(proxies.client(peer, &headers), peer);
    }

    #[test]
    fn ipv6_shares_a_budget_by_network() {
        let prefix = |text: &str| AddressPrefix::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(prefix("2001:db8::1"), prefix("2001:db8::ffff:1"));
        assert_ne!(prefix("2001:db8:0:1::1"), prefix("2001:db8:0:2::1"));
        assert_ne!(prefix("1.2.3.4"), prefix("1.2.3.5"));
        assert_eq!(prefix("::ffff:1.2.3.4"), prefix("1.2.3.4"));
    }
}
