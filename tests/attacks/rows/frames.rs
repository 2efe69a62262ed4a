//! Frames of HTTP/2 that no client library would send, over TCP: H04.

use std::{net::SocketAddr, time::Duration};

use portcullis_testing::http_probe::HandlerProbe;
use portcullis_tests::wire::Server;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower::Layer as _;

use crate::{guard::Guard, harness::Harness};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// RFC 9113 §6.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How many frames a flood has, if it is not cut short.
const FLOOD: u32 = 100_000;

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("H04", attacks).await;
}

async fn attacks(harness: &mut Harness) {
    let guard = Guard::fixed();
    let key = guard.good_key().to_owned();
    let probe = HandlerProbe::new();
    let Ok(server) = Server::hyper(guard.gate.layer(probe.clone())).await else {
        return;
    };
    let address = server.address();
    let good = Head::new(&key);
    control(harness, "a good request in frames", address, &probe, &good).await;
    for (name, head) in [
        (
            "an authority and another host",
            good.clone().field("host", "evil.example"),
        ),
        (
            "another authority and our host",
            good.clone()
                .replace(":authority", "evil.example")
                .field("host", "agent.example"),
        ),
        (
            "two hosts",
            good.clone()
                .without(":authority")
                .field("host", "agent.example")
                .field("host", "evil.example"),
        ),
        (
            "neither authority nor host",
            good.clone().without(":authority"),
        ),
        (
            "an authority with a user",
            good.clone()
                .replace(":authority", "agent.example@evil.example"),
        ),
        ("two paths", good.clone().pseudo(":path", "/other")),
        ("no path", good.clone().without(":path")),
        (
            "a path without a slash",
            good.clone().replace(":path", "notes"),
        ),
        (
            "a pseudo-header that nobody knows",
            good.clone().pseudo(":identity", "root"),
        ),
        (
            "a pseudo-header behind a field",
            good.clone().field(":authority", "agent.example"),
        ),
        ("connection", good.clone().field("connection", "close")),
        ("keep-alive", good.clone().field("keep-alive", "timeout=5")),
        (
            "proxy-connection",
            good.clone().field("proxy-connection", "close"),
        ),
        (
            "transfer-encoding",
            good.clone().field("transfer-encoding", "chunked"),
        ),
        ("upgrade", good.clone().field("upgrade", "websocket")),
        ("te", good.clone().field("te", "gzip")),
        ("a name in capitals", good.clone().field("X-Loud", "a")),
        ("a name with a blank", good.clone().field("x loud", "a")),
        (
            "a line break in a value",
            good.clone().field("x-lines", "a\r\nx-user: root"),
        ),
        ("a NUL in a value", good.clone().field("x-nul", "a\0b")),
        (
            "two authorizations",
            good.clone().field("authorization", "Bearer x"),
        ),
        ("connect", good.clone().replace(":method", "CONNECT")),
    ] {
        let before = probe.calls();
        let answer = send(address, head.frame(END_STREAM | END_HEADERS), false).await;
        harness.judged(
            name,
            match probe.calls() == before && answer.is_refused() {
                true => Ok(()),
                false => Err(format!("{answer:?}")),
            },
        );
    }
    for (name, bytes) in floods(&good) {
        let before = probe.calls();
        let answer = send(address, bytes, true).await;
        harness.judged(
            name,
            match probe.calls() == before && answer.is_cut {
                true => Ok(()),
                false => Err(format!("{} calls, {answer:?}", probe.calls() - before)),
            },
        );
    }
    control(
        harness,
        "a good request in frames afterwards",
        address,
        &probe,
        &good,
    )
    .await;
}

async fn control(
    harness: &mut Harness,
    name: &str,
    address: SocketAddr,
    probe: &HandlerProbe,
    good: &Head,
) {
    let before = probe.calls();
    let answer = send(address, good.frame(END_STREAM | END_HEADERS), false).await;
    harness.judged(
        name,
        match probe.calls() == before + 1 && answer.is_good() {
            true => Ok(()),
            false => Err(format!("{answer:?}")),
        },
    );
}

/// What never ends. The server has to end the connection.
fn floods(good: &Head) -> Vec<(&'static str, Vec<u8>)> {
    let mut field = Vec::new();
    literal("x-more", &"a".repeat(100), &mut field);
    let mut continuations = good.frame(END_STREAM);
    continuations.extend(frame(CONTINUATION, 0, 1, &field).repeat(FLOOD as usize));
    // Each stream is opened and reset at once (CVE-2023-44487).
    let bad = Head::new("nobody-knows-this");
    let resets = (0..FLOOD).flat_map(|n| {
        let stream = 2 * n + 1;
        let mut bytes = frame(HEADERS, END_STREAM | END_HEADERS, stream, &bad.block());
        bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        bytes
    });
    vec![
        ("continuations without end", continuations),
        ("streams that are reset at once", resets.collect()),
    ]
}

/// The fields of a request, the pseudo-headers first.
#[derive(Clone)]
struct Head(Vec<(&'static str, String)>);

impl Head {
    fn new(key: &str) -> Self {
        Self(vec![
            (":method", "GET".to_owned()),
            (":scheme", "http".to_owned()),
            (":authority", "agent.example".to_owned()),
            (":path", "/notes".to_owned()),
            ("authorization", format!("Bearer {key}")),
        ])
    }

    fn field(mut self, name: &'static str, value: &str) -> Self {
        self.0.push((name, value.to_owned()));
        self
    }

    fn pseudo(mut self, name: &'static str, value: &str) -> Self {
        self.0.insert(0, (name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self
    }

    fn replace(self, name: &'static str, value: &str) -> Self {
        self.without(name).pseudo(name, value)
    }

    fn block(&self) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in &self.0 {
            literal(name, value, &mut block);
        }
        block
    }

    fn frame(&self, flags: u8) -> Vec<u8> {
        frame(HEADERS, flags, 1, &self.block())
    }
}

/// A literal field without indexing, its name and value as they are (RFC 7541 §6.2.2).
fn literal(name: &str, value: &str, block: &mut Vec<u8>) {
    block.push(0);
    for text in [name, value] {
        // A length of 127 or more goes on in a second byte (RFC 7541 §5.1).
        match u8::try_from(text.len()) {
            Ok(length @ ..127) => block.push(length),
            Ok(length) if length - 127 < 128 => block.extend([127, length - 127]),
            _ => unreachable!("no text of an attack is that long"),
        }
        block.extend(text.as_bytes());
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// What a server said on one connection.
#[derive(Debug, Default)]
struct Answer {
    /// The frames that matter: of which kind, and the first byte behind the head.
    frames: Vec<(u8, Option<u8>)>,
    /// Whether it ended the connection by itself.
    is_cut: bool,
}

impl Answer {
    /// `:status 200` is the eighth entry of the static table (RFC 7541 appendix A).
    fn is_good(&self) -> bool {
        self.frames.contains(&(HEADERS, Some(0x88)))
    }

    fn is_refused(&self) -> bool {
        !self.is_good() && (self.is_cut || !self.frames.is_empty())
    }
}

/// Sends bytes and reads until the server ends the connection, or there is an answer and it is
/// no flood.
#[expect(
    clippy::disallowed_methods,
    reason = "bounds a silent server, in real time"
)]
async fn send(address: SocketAddr, bytes: Vec<u8>, is_flood: bool) -> Answer {
    let Ok(stream) = TcpStream::connect(address).await else {
        return Answer::default();
    };
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        let start = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        let written =
            writer.write_all(&start).await.is_ok() && writer.write_all(&bytes).await.is_ok();
        // Open until the server has answered: that is what is asked.
        (writer, written)
    });
    let mut answer = Answer::default();
    let mut received = Vec::new();
    let reading = async {
        while !answer.is_cut && (is_flood || answer.frames.is_empty()) {
            let read = reader.read_buf(&mut received).await;
            answer.is_cut = !matches!(read, Ok(1..));
            answer.frames = frames(&received);
            answer.is_cut |= answer.frames.iter().any(|(kind, _)| *kind == GOAWAY);
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(20), reading).await;
    writing.abort();
    answer
}

/// The frames in a stream of bytes that answer something: responses, resets, farewells.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Option<u8>)> {
    let mut found = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if matches!(*kind, HEADERS | RST_STREAM | GOAWAY) {
            found.push((*kind, payload.first().copied()));
        }
        bytes = rest;
    }
    found
}
