//! How issuers are talked to.

mod address;
#[cfg(feature = "reqwest")]
mod reqwest_client;

use std::{fmt, future::Future, pin::Pin};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use portcullis_core::Secret;

pub(crate) use self::address::{Reach, Shown, check_url};
#[cfg(feature = "reqwest")]
pub(crate) use self::reqwest_client::ReqwestClient;

/// Talks to issuers: retrieves discovery documents and key sets, and asks about tokens.
///
/// With the feature `reqwest`, one is built in. Another is needed to go through a proxy, to trust
/// an authority of your own, or to show a certificate; it also makes tests that need no network.
///
/// # What an implementation owes
///
/// - It sends the method, the headers and the body that are asked for, and adds no credentials.
/// - It follows no redirect. A response with any status is a response.
/// - It reads at most [`HttpRequest::max_bytes`] of a body, counted after decompression, and
///   answers an error when there is more.
/// - Unless [`HttpRequest::allows_local_network`], it connects to no address of the local
///   network, *after* name resolution: a name that a stranger controls may point anywhere.
///   For a URL with a literal address, the caller has looked already.
/// - It keeps no cookies, and writes neither headers nor bodies into logs or errors: there are
///   tokens in them.
///
/// Deadlines are not its business: the caller drops the future when the time is over.
///
/// # Example
///
/// ```
/// use portcullis_jwt::{HttpClient, HttpError, HttpRequest};
///
/// /// Knows one document by heart.
/// struct Canned;
///
/// impl HttpClient for Canned {
///     async fn send(&self, request: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
///         if request.url() != "https://idp.example/keys" {
///             return Err(HttpError::new("no such host"));
///         }
///         Ok(http::Response::new(br#"{"keys":[]}"#.to_vec()))
///     }
/// }
/// ```
pub trait HttpClient: Send + Sync + 'static {
    /// Sends a request and reads the response.
    ///
    /// Only the status, the headers `Cache-Control` and `Content-Type` and the body are used. The
    /// body matters only where the status is 200.
    ///
    /// # Errors
    ///
    /// Says why there is no response.
    fn send(
        &self,
        request: &HttpRequest,
    ) -> impl Future<Output = Result<http::Response<Vec<u8>>, HttpError>> + Send;
}

/// What an [`HttpClient`] is to send, and within which limits.
///
/// `Debug` shows neither headers nor body, and the URL without its query.
#[derive(Clone)]
pub struct HttpRequest {
    method: Method,
    url: Box<str>,
    headers: HeaderMap,
    body: Secret,
    max_bytes: usize,
    reach: Reach,
}

impl HttpRequest {
    /// A `GET` of a JSON document.
    pub(crate) fn get(url: &str, max_bytes: usize, reach: Reach) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method: Method::GET,
            url: url.into(),
            headers,
            body: Secret::new([]),
            max_bytes,
            reach,
        }
    }

    /// A `POST` of a form.
    pub(crate) fn post(url: &str, form: String, max_bytes: usize, reach: Reach) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        Self {
            method: Method::POST,
            url: url.into(),
            headers,
            body: Secret::from(form),
            max_bytes,
            reach,
        }
    }

    /// A `POST` of a JSON text.
    pub(crate) fn post_json(url: &str, json: String, max_bytes: usize, reach: Reach) -> Self {
        let this = Self::post(url, json, max_bytes, reach);
        this.with_header(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )
        .with_header(header::ACCEPT, HeaderValue::from_static("application/json"))
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// `GET` or `POST`.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Where to. The scheme is `https`; or `http`, where the local network is allowed.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers to send, besides those of the connection.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body to send; empty for `GET`.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.expose()
    }

    /// The most bytes that the body of the response may have.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Whether addresses of the local network may be connected to.
    #[must_use]
    pub fn allows_local_network(&self) -> bool {
        self.reach != Reach::Public
    }

    /// Which addresses may be connected to.
    #[cfg(feature = "reqwest")]
    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &format_args!("{}", Shown(&self.url)))
            .field("max_bytes", &self.max_bytes)
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

/// Why there is no response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpError(Box<str>);

impl HttpError {
    /// What went wrong: lower case, without secrets.
    #[must_use]
    pub fn new(problem: impl Into<Box<str>>) -> Self {
        Self(problem.into())
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HttpError {}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`HttpClient`] behind `dyn`.
pub(crate) trait DynHttpClient: Send + Sync + 'static {
    fn send<'a>(
        &'a self,
        request: &'a HttpRequest,
    ) -> BoxFuture<'a, Result<http::Response<Vec<u8>>, HttpError>>;
}

impl<C: HttpClient> DynHttpClient for C {
    fn send<'a>(
        &'a self,
        request: &'a HttpRequest,
    ) -> BoxFuture<'a, Result<http::Response<Vec<u8>>, HttpError>> {
        Box::pin(HttpClient::send(self, request))
    }
}
