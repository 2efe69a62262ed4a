//! The built-in client.

use std::{fmt, sync::OnceLock, time::Duration};

use http::{HeaderName, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{HttpClient, HttpError, HttpRequest, Reach};

/// How long a connection is kept: less than most servers keep theirs.
const IDLE: Duration = Duration::from_secs(30);

/// Talks by reqwest and rustls, and trusts the authorities of the operating system.
///
/// A client is made when it is first needed, one for each [`Reach`], so that no connection of
/// one is ever used for another.
#[derive(Default)]
pub(crate) struct ReqwestClient {
    /// How many connections are kept for later: none where requests are minutes apart.
    idle: usize,
    public: OnceLock<Result<reqwest::Client, HttpError>>,
    public_or_local: OnceLock<Result<reqwest::Client, HttpError>>,
    local: OnceLock<Result<reqwest::Client, HttpError>>,
}

impl ReqwestClient {
    /// Keeps connections, for whoever asks often.
    pub(crate) fn pooled() -> Self {
        Self {
            idle: 8,
            ..Self::default()
        }
    }

    fn for_reach(&self, reach: Reach) -> Result<&reqwest::Client, HttpError> {
        let cell = match reach {
            Reach::Public => &self.public,
            Reach::PublicOrLocal => &self.public_or_local,
            Reach::Local => &self.local,
        };
        cell.get_or_init(|| build(reach, self.idle).map_err(|error| describe(&error)))
            .as_ref()
            .map_err(Clone::clone)
    }
}

impl HttpClient for ReqwestClient {
    async fn send(&self, request: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
        let client = self.for_reach(request.reach())?;
        let mut sent = client
            .request(request.method().clone(), request.url())
            .headers(request.headers().clone());
        if !request.body().is_empty() {
            sent = sent.body(request.body().to_vec());
        }
        let mut response = sent.send().await.map_err(|error| describe(&error))?;
        let mut answer = http::Response::new(Vec::new());
        *answer.status_mut() = response.status();
        for name in [header::CACHE_CONTROL, header::CONTENT_TYPE] {
            copy_header(&name, &response, &mut answer);
        }
        if response.status() != http::StatusCode::OK {
            return Ok(answer);
        }
        let max = request.max_bytes();
        let is_too_long =
            |length: u64| length > max as u64 && !portcullis_core::sabotaged!("jwks.size");
        let too_long = || HttpError::new(format!("the body is longer than {max} bytes"));
        if response.content_length().is_some_and(is_too_long) {
            return Err(too_long());
        }
        // Counted while it comes: the declared length may be missing, or a lie.
        while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
            let body = answer.body_mut();
            if is_too_long(body.len() as u64 + chunk.len() as u64) {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient").finish_non_exhaustive()
    }
}

fn build(reach: Reach, idle: usize) -> reqwest::Result<reqwest::Client> {
    let redirects = if portcullis_core::sabotaged!("jwks.redirect") {
        reqwest::redirect::Policy::default()
    } else {
        reqwest::redirect::Policy::none()
    };
    // What another crate of the application may have switched on in reqwest stays off.
    reqwest::Client::builder()
        .user_agent(concat!("portcullis-jwt/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .tls_backend_rustls()
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(IDLE)
        .dns_resolver(Guarded(reach))
        .build()
}

/// Resolves names, and hides the addresses that may not be connected to.
struct Guarded(Reach);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut permitted = found
                .filter(|address| reach.permits(address.ip()))
                .peekable();
            if permitted.peek().is_none() {
                let problem = match reach {
                    Reach::Public => {
                        "the name resolves to no public address; see `dangerously_allow_local_network`"
                    }
                    Reach::PublicOrLocal | Reach::Local => {
                        "the name resolves to no permitted address"
                    }
                };
                return Err(problem.into());
            }
            let permitted: Addrs = Box::new(permitted.collect::<Vec<_>>().into_iter());
            Ok(permitted)
        })
    }
}

fn copy_header(name: &HeaderName, from: &reqwest::Response, to: &mut http::Response<Vec<u8>>) {
    if let Some(value) = from.headers().get(name) {
        to.headers_mut().insert(name.clone(), value.clone());
    }
}

/// The whole chain of causes, without the URL: the caller names it.
fn describe(error: &reqwest::Error) -> HttpError {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        cause = error.source();
        let part = match error.downcast_ref::<reqwest::Error>() {
            Some(error) if error.is_timeout() => "timed out".to_owned(),
            Some(error) if error.is_builder() => "the client cannot be built".to_owned(),
            Some(error) if error.is_body() || error.is_decode() => "the body broke off".to_owned(),
            Some(_) => "the request failed".to_owned(),
            None => error.to_string(),
        };
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
    }
    HttpError::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_resolves_into_the_local_network_is_refused() {
        // `localhost` as a name that a stranger controls: what counts is where it leads.
        let resolve = |reach| Guarded(reach).resolve("localhost".parse().unwrap());
        assert!(resolve(Reach::Public).await.is_err());
        for reach in [Reach::Local, Reach::PublicOrLocal] {
            let mut found = resolve(reach).await.unwrap();
            assert!(found.all(|address| address.ip().is_loopback()));
        }
    }

    #[tokio::test]
    async fn no_connection_is_made_to_where_a_name_may_not_lead() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Whoever does connect is sent away, so that the test fails rather than hangs.
        let accepted = tokio::spawn(async move { drop(listener.accept().await) });
        let client = ReqwestClient::default();
        let url = format!("https://localhost:{port}/keys");
        let request = HttpRequest::get(&url, 1024, Reach::Public);
        let error = client.send(&request).await.unwrap_err().to_string();
        assert!(error.contains("resolves to no public address"), "{error}");
        assert!(!error.contains("localhost"), "{error}");
        assert!(!accepted.is_finished());
    }
}
