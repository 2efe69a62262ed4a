//! When a program can be used.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Duration,
};

use http::Uri;

use super::output::Output;

/// The sign that a program is ready.
#[derive(Clone, Debug)]
pub(super) enum Readiness {
    Line(String),
    Port,
    Socket(String),
    Url(String),
}

impl Readiness {
    pub(super) fn line_start(&self) -> Option<String> {
        match self {
            Self::Line(start) => Some(start.clone()),
            _ => None,
        }
    }

    /// Looks once. `fill` replaces the placeholders.
    pub(super) fn is_reached(
        &self,
        port: u16,
        output: &Output,
        fill: impl Fn(&str) -> String,
    ) -> bool {
        match self {
            Self::Line(_) => output.ready_line().is_some(),
            Self::Port => TcpStream::connect(("127.0.0.1", port)).is_ok(),
            Self::Socket(path) => UnixStream::connect(fill(path)).is_ok(),
            Self::Url(url) => answers(&fill(url)).unwrap_or(false),
        }
    }
}

/// Whether a GET is answered with 2xx. One small request of its own: no client is needed.
fn answers(url: &str) -> std::io::Result<bool> {
    let uri: Uri = url.parse().map_err(std::io::Error::other)?;
    let (Some(authority), Some(path)) = (uri.authority(), uri.path_and_query()) else {
        return Ok(false);
    };
    let mut stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80)))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n"
    )?;
    // "HTTP/1.1 2"
    let mut start = [0; 10];
    stream.read_exact(&mut start)?;
    Ok(start.starts_with(b"HTTP/1.") && start.ends_with(b" 2"))
}
