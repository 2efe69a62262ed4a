//! How documents of an issuer are retrieved.

mod address;
#[cfg(feature = "reqwest")]
mod reqwest_client;

use std::{fmt, future::Future, pin::Pin};

pub(crate) use self::address::{Reach, Shown, check_url};
#[cfg(feature = "reqwest")]
pub(crate) use self::reqwest_client::ReqwestClient;

/// Retrieves the documents of issuers: discovery documents and key sets.
///
/// With the feature `reqwest`, one is built in. Another is needed to go through a proxy, or
/// to trust an authority of your own; it also makes tests that need no network.
///
/// # What an implementation owes
///
/// - It follows no redirect. A response with any status is a response.
/// - It reads at most [`GetRequest::max_bytes`] of a body, counted after decompression, and
///   answers an error when there is more.
/// - Unless [`GetRequest::allows_local_network`], it connects to no address of the local
///   network, *after* name resolution: a name that a stranger controls may point anywhere.
///   For a URL with a literal address, the caller has looked already.
/// - It sends no credentials and keeps no cookies.
///
/// Deadlines are not its business: the caller drops the future when the time is over.
///
/// # Example
///
/// ```
/// use portcullis_jwt::{GetRequest, HttpClient, HttpError};
///
/// /// Knows one document by heart.
/// struct Canned;
///
/// impl HttpClient for Canned {
///     async fn get(&self, request: &GetRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
///         if request.url() != "https://idp.example/keys" {
///             return Err(HttpError::new("no such host"));
///         }
///         Ok(http::Response::new(br#"{"keys":[]}"#.to_vec()))
///     }
/// }
/// ```
pub trait HttpClient: Send + Sync + 'static {
    /// Sends a `GET` request and reads the response.
    ///
    /// Only the status, the header `Cache-Control` and the body are used. The body matters
    /// only where the status is 200.
    ///
    /// # Errors
    ///
    /// Says why there is no response.
    fn get(
        &self,
        request: &GetRequest,
    ) -> impl Future<Output = Result<http::Response<Vec<u8>>, HttpError>> + Send;
}

/// What an [`HttpClient`] is to retrieve, and within which limits.
///
/// `Debug` shows the URL without its query.
#[derive(Clone)]
pub struct GetRequest {
    url: Box<str>,
    max_bytes: usize,
    reach: Reach,
}

impl GetRequest {
    pub(crate) fn new(url: &str, max_bytes: usize, reach: Reach) -> Self {
        Self {
            url: url.into(),
            max_bytes,
            reach,
        }
    }

    /// Where to. The scheme is `https`; or `http`, where the local network is allowed.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The most bytes that the body may have.
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

impl fmt::Debug for GetRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetRequest")
            .field("url", &format_args!("{}", Shown(&self.url)))
            .field("max_bytes", &self.max_bytes)
            .field("reach", &self.reach)
            .finish()
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
    fn get<'a>(
        &'a self,
        request: &'a GetRequest,
    ) -> BoxFuture<'a, Result<http::Response<Vec<u8>>, HttpError>>;
}

impl<C: HttpClient> DynHttpClient for C {
    fn get<'a>(
        &'a self,
        request: &'a GetRequest,
    ) -> BoxFuture<'a, Result<http::Response<Vec<u8>>, HttpError>> {
        Box::pin(HttpClient::get(self, request))
    }
}
