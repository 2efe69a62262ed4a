//! Certificates of clients from where they are shown to a handler: over a listener of ours, and over
//! proxies that know nothing of us.
#![expect(
    clippy::unwrap_used,
    reason = "a proxy that answers something else fails the test"
)]

#[path = "../../crates/portcullis-tls/tests/behaviour/authority.rs"]
mod authority;
mod bound;
mod captured;
mod listener;
mod proxies;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{Router, routing::get};
use portcullis::{Principal, tls::ClientCertificates};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsConnector;

use authority::{Authority, Pair, Wanted};

const ID: &str = "spiffe://acme.example/agents/a";

/// The agents of one trust domain.
fn agents() -> ClientCertificates {
    ClientCertificates::spiffe("acme.example").add_path("/agents/")
}

fn pair(authority: &Authority, uri: &'static str, serial: u64) -> Pair {
    authority.sign(&Wanted {
        uris: vec![uri],
        serial,
        ..Wanted::default()
    })
}

fn router() -> Router {
    Router::new().route(
        "/whoami",
        get(async |principal: Principal| principal.subject().to_owned()),
    )
}

/// The status and the body of an answer over TLS.
async fn ask(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    headers: &[(&str, &str)],
) -> io::Result<(u16, String)> {
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::clone(config));
    let name = "localhost".try_into().unwrap();
    exchange(connector.connect(name, stream).await?, headers).await
}

/// The same without TLS, from another address of this machine.
async fn ask_plainly(
    address: SocketAddr,
    from: Ipv4Addr,
    headers: &[(&str, &str)],
) -> io::Result<(u16, String)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    exchange(socket.connect(address).await?, headers).await
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    headers: &[(&str, &str)],
) -> io::Result<(u16, String)> {
    let mut request =
        "GET /whoami HTTP/1.1\r\nHost: agent.example\r\nConnection: close\r\n".to_owned();
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream
        .write_all(format!("{request}\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}
