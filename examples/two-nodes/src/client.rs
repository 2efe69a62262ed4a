//! A client with many streams on few connections: HTTP/2 on loopback.

use std::{net::SocketAddr, time::Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::{Clock as _, SystemClock};
use tokio::net::TcpStream;

use crate::Failure;

/// How many streams one connection carries.
const STREAMS: usize = 100;

pub(crate) struct Client {
    address: SocketAddr,
    key: String,
    connections: Vec<SendRequest<Empty<Bytes>>>,
    opened: usize,
}

/// How a stream ended.
pub(crate) struct End {
    pub(crate) at: Instant,
    /// Whether its last event says that the session is over.
    pub(crate) said_goodbye: bool,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        Self {
            address,
            key: key.to_owned(),
            connections: Vec::new(),
            opened: 0,
        }
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
    ) -> Result<Response<Incoming>, Failure> {
        if self.opened.is_multiple_of(STREAMS) {
            let stream = TcpStream::connect(self.address).await?;
            let io = TokioIo::new(stream);
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            self.connections.push(sender);
        }
        self.opened += 1;
        let connection = self.connections.last_mut().ok_or("has no connection")?;
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {}", self.key))
            .body(Empty::new())?;
        Ok(connection.send_request(request).await?)
    }

    /// A stream, once its first event is there; its task gives how it ended.
    pub(crate) async fn stream(&mut self) -> Result<tokio::task::JoinHandle<End>, Failure> {
        let response = self.send(Method::GET, "/stream").await?;
        if response.status() != 200 {
            return Err(format!("a stream is answered {}", response.status()).into());
        }
        let mut body = response.into_body();
        body.frame().await.ok_or("a stream says nothing")??;
        Ok(tokio::spawn(async move {
            let mut last = Bytes::new();
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(data) = frame.into_data() {
                    last = data;
                }
            }
            End {
                at: SystemClock::new().instant(),
                said_goodbye: last.starts_with(b"event: session-ended"),
            }
        }))
    }
}
