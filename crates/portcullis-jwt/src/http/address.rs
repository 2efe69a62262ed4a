//! Which places may be asked for keys.
//!
//! The URL of a key set can come from a document that somebody else wrote, and a name can
//! resolve to anything. A server that can be talked into asking `169.254.169.254` hands out
//! the credentials of its machine.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use url::{Host, Url};

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// Addresses of the public Internet.
    Public,
    /// Those, and those of the local network.
    PublicOrLocal,
    /// Those of the local network.
    Local,
}

impl Reach {
    pub(crate) fn permits(self, address: IpAddr) -> bool {
        match self {
            _ if portcullis_core::sabotaged!("http.local_network") => true,
            Self::Public => is_public(address),
            Self::PublicOrLocal => is_public(address) || is_local(address),
            Self::Local => is_local(address),
        }
    }
}

/// A URL as it is shown to the operator: on one line, without the password that somebody may have
/// left in it, and without query and fragment, in which credentials stand as often.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain =
            |url: Url| url.has_host() && url.username().is_empty() && url.password().is_none();
        let (before, shown) = match self.0.rsplit_once('@') {
            Some((_, rest)) if !Url::parse(self.0).is_ok_and(is_plain) => ("[redacted]@", rest),
            _ => ("", self.0),
        };
        let end = shown.find(['?', '#']).unwrap_or(shown.len());
        let (shown, rest) = shown.split_at(end);
        write!(f, "\"{before}{}", shown.escape_debug())?;
        // What it was is told from what was in it.
        match rest.chars().next() {
            Some(mark) => write!(f, "{mark}[redacted]\""),
            None => f.write_str("\""),
        }
    }
}

/// Checks a URL before anybody is asked to retrieve it.
///
/// The scheme is `https`; `http` only where the local network is allowed, and then only to
/// addresses of the local network.
pub(crate) fn check_url(text: &str, allows_local: bool) -> Result<(Url, Reach), &'static str> {
    let url = Url::parse(text).map_err(|_| "is not an absolute URL")?;
    let reach = match (url.scheme(), allows_local) {
        ("https", false) => Reach::Public,
        ("https", true) => Reach::PublicOrLocal,
        ("http", true) => Reach::Local,
        ("http", false) if portcullis_core::sabotaged!("http.local_network") => Reach::Public,
        ("http", false) => return Err("is not an `https` URL"),
        _ => return Err("is neither an `https` nor an `http` URL"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or a password");
    }
    if url.fragment().is_some() {
        return Err("holds a fragment");
    }
    let is_permitted = match url.host() {
        None => return Err("holds no host"),
        Some(Host::Ipv4(address)) => reach.permits(address.into()),
        Some(Host::Ipv6(address)) => reach.permits(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let is_localhost = name == "localhost" || name.ends_with(".localhost");
            !is_localhost || reach.permits(Ipv4Addr::LOCALHOST.into())
        }
    };
    if !is_permitted {
        return Err(match reach {
            Reach::Local => "is an `http` URL with an address outside the local network",
            Reach::Public | Reach::PublicOrLocal => {
                "points into the local network or to a special address"
            }
        });
    }
    Ok((url, reach))
}

/// Loopback and private addresses, never those where a cloud serves its metadata: all that is
/// link-local, and the few that are not.
fn is_local(address: IpAddr) -> bool {
    const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    const GOOGLE: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);
    match unmapped(address) {
        IpAddr::V4(ALIBABA) => false,
        IpAddr::V6(AWS | GOOGLE) => false,
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

fn is_public(address: IpAddr) -> bool {
    match unmapped(address) {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let is_special = a == 0
        || a >= 240
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19));
    !(is_special
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || is_shared(v4))
}

/// Only `2000::/3` is public, without the blocks for documentation and for protocols. NAT64
/// and 6to4 lead to the IPv4 address that they embed.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    match v6.segments() {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(v4_from(high, low))
        }
        [0x2001, b, ..] => b >= 0x0200 && b != 0x0db8,
        [0x3fff, b, ..] => b >= 0x1000,
        [a, ..] => a & 0xe000 == 0x2000,
    }
}

/// An IPv4 address that is written as an IPv6 one is that IPv4 address.
fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// 100.64.0.0/10, shared by customers of a carrier (RFC 6598).
fn is_shared(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    a == 100 && b & 0xc0 == 64
}

fn v4_from(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_public_from_local_from_neither() {
        let cases = [
            ("93.184.215.14", true, false),
            ("2606:4700::1111", true, false),
            ("64:ff9b::5db8:d70e", true, false),
            ("2002:5db8:d70e::1", true, false),
            ("127.0.0.1", false, true),
            ("127.255.1.2", false, true),
            ("10.1.2.3", false, true),
            ("172.16.0.1", false, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("::1", false, true),
            ("fd00::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("fe80::1", false, false),
            ("0.0.0.0", false, false),
            ("::", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("198.18.0.1", false, false),
            ("192.0.0.1", false, false),
            ("203.0.113.1", false, false),
            ("ff02::1", false, false),
            ("2001:db8::1", false, false),
            ("2001::1", false, false),
            ("2002:7f00:1::1", false, false),
            ("64:ff9b::7f00:1", false, false),
            ("64:ff9b:1::7f00:1", false, false),
            ("::127.0.0.1", false, false),
            ("fec0::1", false, false),
            ("100::1", false, false),
        ];
        for (text, public, local) in cases {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(Reach::Public.permits(address), public, "{text}");
            assert_eq!(Reach::Local.permits(address), local, "{text}");
            assert_eq!(
                Reach::PublicOrLocal.permits(address),
                public || local,
                "{text}"
            );
        }
    }

    #[test]
    fn a_secret_in_a_url_is_not_shown() {
        for (url, shown) in [
            ("https://idp.example/keys", "\"https://idp.example/keys\""),
            ("https://idp.example/@me", "\"https://idp.example/@me\""),
            ("https://user@idp.example/", "\"[redacted]@idp.example/\""),
            ("https://u:p@ss@idp.example/", "\"[redacted]@idp.example/\""),
            ("u:p@idp.example", "\"[redacted]@idp.example\""),
            ("https://u:p@idp\n.example", "\"[redacted]@idp\\n.example\""),
            (
                "https://idp.example/?a=b",
                "\"https://idp.example/?[redacted]\"",
            ),
            (
                "https://idp.example/#a?b",
                "\"https://idp.example/#[redacted]\"",
            ),
            (
                "https://idp.example/?a=b@c",
                "\"https://idp.example/?[redacted]\"",
            ),
            (
                "https://u:p?q@idp.example/?a",
                "\"[redacted]@idp.example/?[redacted]\"",
            ),
            ("u:p?q", "\"u:p?[redacted]\""),
        ] {
            assert_eq!(Shown(url).to_string(), shown);
        }
    }

    #[test]
    fn without_leave_only_https_to_the_public() {
        assert!(check_url("https://idp.example/keys", false).is_ok());
        assert!(check_url("https://idp.example:8443/keys?v=1", false).is_ok());
        for url in [
            "http://idp.example/keys",
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://idp.localhost/",
            "https://user@idp.example/",
            "https://user:password@idp.example/",
            "https://idp.example/#fragment",
            "file:///etc/passwd",
            "data:,{}",
            "/keys",
            "idp.example",
            "",
        ] {
            assert!(check_url(url, false).is_err(), "{url}");
        }
    }

    #[test]
    fn with_leave_http_stays_in_the_local_network() {
        for url in [
            "http://127.0.0.1:8080/",
            "http://localhost/",
            "http://[fd00::1]/",
            "http://idp/",
        ] {
            assert!(
                matches!(check_url(url, true), Ok((_, Reach::Local))),
                "{url}"
            );
        }
        assert!(matches!(
            check_url("https://10.0.0.1/", true),
            Ok((_, Reach::PublicOrLocal))
        ));
        for url in [
            "http://93.184.215.14/",
            "http://169.254.169.254/",
            "https://169.254.169.254/",
        ] {
            assert!(check_url(url, true).is_err(), "{url}");
        }
    }
}
