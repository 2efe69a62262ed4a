//! Where a request comes from, behind proxies: the first line of the input is the peer, each
//! other line a header.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::LazyLock,
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use portcullis::{Exchange, PeerAddress, perimeter::ForwardedHeader};

use super::perimeter::{Body, Guarded};
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "forwarded",
    check,
    dictionary: &[
        "x-forwarded-for: ",
        "forwarded: ",
        "\nx-forwarded-for: ",
        "\nforwarded: ",
        "for=",
        "For=",
        ";for=",
        ", for=",
        "by=",
        ";proto=https",
        ",",
        ", ",
        ";",
        "\"",
        "\\\"",
        "=",
        "unknown",
        "_hidden",
        "1.2.3.4",
        "6.6.6.6",
        "10.0.0.2",
        "10.0.0.3",
        ", 10.0.0.2",
        ":443",
        "[",
        "]",
        "[2001:db8::1]",
        "\"[2001:db8::1]:80\"",
        "::ffff:10.0.0.1",
        "::ffff:6.6.6.6",
        "fd00::7",
        "%eth0",
        " ",
        "\t",
        "\u{e4}",
        "\u{a0}",
        "0",
        "127.0.0.1",
    ],
    executions: 6_000,
};

/// Whom the proxy nearest to us has seen. It is none of ours.
const CLIENT: &str = "192.0.2.7";

/// A server behind proxies, which write one of the two headers.
struct Server {
    guarded: Guarded,
    header: HeaderName,
    /// How a proxy of ours names [`CLIENT`]: alone, with more, and with a proxy of ours between.
    words: [&'static str; 3],
}

static SERVERS: LazyLock<[Server; 2]> = LazyLock::new(|| {
    [
        Server {
            guarded: guarded(ForwardedHeader::Forwarded),
            header: HeaderName::from_static("forwarded"),
            words: [
                "for=192.0.2.7",
                "for=\"192.0.2.7:4711\";proto=https;by=10.0.0.9",
                "for=192.0.2.7, for=10.0.0.7",
            ],
        },
        Server {
            guarded: guarded(ForwardedHeader::XForwardedFor),
            header: HeaderName::from_static("x-forwarded-for"),
            words: ["192.0.2.7", "192.0.2.7:4711", "192.0.2.7,10.0.0.7"],
        },
    ]
});

fn guarded(header: ForwardedHeader) -> Guarded {
    Guarded::new(
        |builder| {
            builder
                .add_trusted_proxy("10.0.0.0/8")
                .add_trusted_proxy("fd00::/8")
                .with_forwarded_header(header)
                .with_max_headers(20_000, 1 << 20)
        },
        tower::service_fn(async |request: Request<_>| {
            let exchange = Exchange::of(request.extensions()).unwrap();
            let address = exchange.client_address().unwrap();
            Ok::<_, Infallible>(Response::new(address.to_string()))
        }),
    )
}

fn check(input: &[u8]) -> Answer {
    let Some((peer, headers)) = read(input) else {
        return Answer::Refused;
    };
    let mut is_believed = false;
    for server in &*SERVERS {
        let lines: Vec<HeaderValue> = headers.get_all(&server.header).iter().cloned().collect();
        let client = server.client(peer, &headers, &lines);
        if !is_ours(peer) {
            assert_eq!(client, peer, "a stranger was believed");
            continue;
        }
        if client != peer {
            is_believed = true;
            assert!(
                addresses(&lines).contains(&client),
                "{client} stands nowhere"
            );
        }
        if server.header == "x-forwarded-for" {
            let possible = possible(peer, &lines);
            assert!(
                possible.contains(&client),
                "{client} is none of {possible:?}"
            );
        }
        // Whatever stands there, what a proxy of ours writes behind it decides.
        for word in server.words {
            let mut more = lines.clone();
            more.push(word.parse().unwrap());
            assert_eq!(
                server.client(peer, &headers, &more).to_string(),
                CLIENT,
                "{word}"
            );
            let mut longer = lines.clone();
            if let Some(last) = longer.last_mut() {
                let line = [last.as_bytes(), b", ", word.as_bytes()].concat();
                *last = HeaderValue::from_bytes(&line).unwrap();
                assert_eq!(
                    server.client(peer, &headers, &longer).to_string(),
                    CLIENT,
                    "{word}"
                );
            }
        }
    }
    Answer::taken_if(is_believed)
}

impl Server {
    /// Where a request comes from that has these lines of the header.
    fn client(&self, peer: IpAddr, headers: &HeaderMap, lines: &[HeaderValue]) -> IpAddr {
        let mut request = Request::new(Body::new());
        *request.headers_mut() = headers.clone();
        request.headers_mut().remove(&self.header);
        for line in lines {
            request.headers_mut().append(&self.header, line.clone());
        }
        PeerAddress::from(peer).attach(request.extensions_mut());
        let answer = self.guarded.answer(request).expect("it is let in");
        answer.parse().unwrap()
    }
}

/// The peer, and the headers that can be sent.
fn read(input: &[u8]) -> Option<(IpAddr, HeaderMap)> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let peer: IpAddr = str::from_utf8(lines.next()?).ok()?.parse().ok()?;
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        let is_read = SERVERS.iter().any(|server| server.header == name);
        is_read.then_some((name, value))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(header) {
        headers.append(name, value);
    }
    Some((peer.to_canonical(), headers))
}

fn is_ours(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

/// Every address that somebody could read out of the lines.
fn addresses(lines: &[HeaderValue]) -> BTreeSet<IpAddr> {
    let is_of_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let mut found = BTreeSet::new();
    for line in lines {
        for text in line.as_bytes().split(|byte| !is_of_address(byte)) {
            let text = str::from_utf8(text).unwrap();
            let host = text.rsplit_once(':').map(|(host, _)| host);
            for text in [Some(text), host].into_iter().flatten() {
                found.extend(text.parse().map(|address: IpAddr| address.to_canonical()));
            }
        }
    }
    found
}

/// The peer, and from right to left what the hops of ours vouch for, one for another: ending
/// with the first that is none of ours.
fn possible(peer: IpAddr, lines: &[HeaderValue]) -> Vec<IpAddr> {
    let list = lines.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    let mut possible = vec![peer];
    for element in list.join(&b',').rsplit(|byte| *byte == b',') {
        let text = String::from_utf8_lossy(element);
        let text = text.trim_matches([' ', '\t']);
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        let address = match (bare, text.parse::<IpAddr>(), text.parse::<SocketAddr>()) {
            (Some(bare), ..) => bare.parse().ok(),
            (None, Ok(address), _) => Some(address),
            (None, _, Ok(address)) if !text.contains('%') => Some(address.ip()),
            _ => None,
        };
        let Some(address) = address.map(|address| address.to_canonical()) else {
            break;
        };
        possible.push(address);
        if !is_ours(address) {
            break;
        }
    }
    possible
}
