//! A client of the agent: plain HTTP on loopback, one connection for each request.

use std::{error::Error, net::SocketAddr};

use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;

type Failure = Box<dyn Error>;

pub(crate) struct Client {
    address: SocketAddr,
    /// What the client says of the device that it runs on.
    pub(crate) device: Option<&'static str>,
}

/// A stream of server-sent events.
pub(crate) struct Events {
    pub(crate) status: u16,
    body: Incoming,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            device: None,
        }
    }

    /// The status of a request.
    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Result<u16, Failure> {
        let response = self.send(Method::GET, path, token, String::new()).await?;
        let status = response.status().as_u16();
        response.into_body().collect().await?;
        Ok(status)
    }

    /// The answer to a message, as it streams.
    pub(crate) async fn chat(&self, token: &str, message: &str) -> Result<Events, Failure> {
        let body = format!(r#"{{"message": "{message}"}}"#);
        let response = self.send(Method::POST, "/chat", Some(token), body).await?;
        Ok(Events {
            status: response.status().as_u16(),
            body: response.into_body(),
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: String,
    ) -> Result<Response<Incoming>, Failure> {
        let stream = tokio::net::TcpStream::connect(self.address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(device) = self.device {
            request = request.header("x-device-id", device);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        Ok(sender.send_request(request).await?)
    }
}

impl Events {
    /// What comes next; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        let Some(frame) = self.body.frame().await else {
            return Ok(None);
        };
        let data = frame?.into_data().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(&data).into_owned()))
    }
}
