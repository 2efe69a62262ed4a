//! Asking the issuer.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use portcullis_core::{ReasonCode, sabotaged};
use tokio::sync::{OnceCell, Semaphore};
use url::form_urlencoded::Serializer;

use super::credentials::Prepared;
use crate::{
    http::{HttpError, HttpRequest, Shown, check_url},
    key_source::{Retrieval, Sought},
    reason,
};

/// The most bytes that an answer may have.
const MAX_BYTES: usize = 64 * 1024;
const JSON: &str = "application/json";
const SIGNED: &str = "application/token-introspection+jwt";

/// Where tokens are asked about, and as whom.
pub(super) struct Endpoint {
    /// The URL from the configuration, or what the metadata of the issuer says.
    pub(super) url: OnceCell<Box<str>>,
    /// Finds the URL, and knows the network.
    pub(super) discovery: Retrieval,
    pub(super) credentials: Prepared,
    pub(super) is_signed: bool,
    pub(super) timeout: Duration,
    pub(super) turns: Semaphore,
}

impl Endpoint {
    /// Finds the endpoint, if it is not known yet.
    pub(super) async fn find(&self) -> Result<&str, Problem> {
        let url = self.url.get_or_try_init(async || {
            let found = self.discovery.discover(Sought::Introspection).await;
            found.map_err(|problem| Problem::Discovery(problem.to_string().into()))
        });
        url.await.map(|url| &**url)
    }

    /// What the issuer writes about a token: a JSON object, or a JWT where that is asked for.
    pub(super) async fn ask(&self, token: &str) -> Result<String, Problem> {
        // Closed never, and late at worst: the deadline is around this.
        let _turn = self.turns.acquire().await;
        let url = self.find().await?;
        let request = self.request(url, token)?;
        let response = self.discovery.client.send(&request).await;
        let response = response.map_err(|error| Problem::Http(url.into(), error))?;
        match response.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(Problem::Refused(url.into(), status));
            }
            status => return Err(Problem::Status(url.into(), status)),
        }
        let accept = self.accept();
        let is_of_type = is_of_type(response.headers(), accept);
        if !is_of_type && !sabotaged!("introspection.unsigned") {
            return Err(Problem::Type(url.into(), accept));
        }
        let body = response.into_body();
        if body.len() > MAX_BYTES {
            return Err(Problem::Place(url.into(), "answers with more than 64 KiB"));
        }
        String::from_utf8(body)
            .map_err(|_| Problem::Place(url.into(), "answers with something else than UTF-8"))
    }

    /// The question, with what proves who asks.
    fn request(&self, url: &str, token: &str) -> Result<HttpRequest, Problem> {
        let (_, reach) = check_url(url, self.discovery.allows_local)
            .map_err(|problem| Problem::Place(url.into(), problem))?;
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token)
            .append_pair("token_type_hint", "access_token");
        let authorization = self.credentials.prove(&mut form);
        let authorization = authorization.map_err(Problem::Credentials)?;
        let mut request = HttpRequest::post(url, form.finish(), MAX_BYTES, reach)
            .with_header(header::ACCEPT, HeaderValue::from_static(self.accept()));
        if let Some(value) = authorization {
            request = request.with_header(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    fn accept(&self) -> &'static str {
        if self.is_signed { SIGNED } else { JSON }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("client", &self.credentials.id)
            .field("is_signed", &self.is_signed)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Whether the body is said to be of this media type, whatever its parameters are.
fn is_of_type(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let named = text.split(';').next().unwrap_or_default().trim();
    named.eq_ignore_ascii_case(expected)
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Problem {
    Credentials(&'static str),
    Discovery(Box<str>),
    Http(Box<str>, HttpError),
    Place(Box<str>, &'static str),
    Refused(Box<str>, StatusCode),
    Status(Box<str>, StatusCode),
    Type(Box<str>, &'static str),
}

impl Problem {
    pub(super) fn reason(&self) -> ReasonCode {
        match self {
            Self::Refused(..) => reason::INTROSPECTION_CREDENTIALS,
            Self::Type(..) | Self::Place(..) => reason::INTROSPECTION_ANSWER,
            _ => reason::INTROSPECTION_UNAVAILABLE,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(problem) => f.write_str(problem),
            Self::Discovery(problem) => f.write_str(problem),
            Self::Http(url, error) => write!(f, "{} cannot be asked: {error}", Shown(url)),
            Self::Place(url, problem) => write!(f, "{} {problem}", Shown(url)),
            Self::Refused(url, status) => write!(
                f,
                "{} refuses the credentials of this server: status {}",
                Shown(url),
                status.as_u16()
            ),
            Self::Status(url, status) => {
                write!(f, "{} answers with status {}", Shown(url), status.as_u16())?;
                if status.is_redirection() {
                    f.write_str("; redirects are not followed")?;
                }
                Ok(())
            }
            Self::Type(url, expected) => {
                write!(
                    f,
                    "{} answers with something else than {expected}",
                    Shown(url)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_media_type_do_not_matter() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON ; charset=utf-8", true),
            ("application/json-seq", false),
            ("text/html", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(is_of_type(&headers, JSON), expected, "{value}");
        }
        assert!(!is_of_type(&HeaderMap::new(), JSON));
    }
}
