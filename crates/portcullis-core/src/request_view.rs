//! What plug-ins see of a request.

use std::{fmt, net::IpAddr};

use http::{HeaderMap, HeaderValue, Method, Uri, header, request::Parts};

use crate::{PeerCertificate, Timestamp};

/// The head of a request, as plug-ins see it: never the body, and never the extensions, but for
/// the [`PeerCertificate`].
///
/// # Example
///
/// ```
/// use portcullis_core::{RequestView, Timestamp};
///
/// let (parts, ()) = http::Request::builder()
///     .uri("/notes")
///     .header("authorization", "Bearer abc")
///     .body(())?
///     .into_parts();
/// let view = RequestView::new(&parts, Timestamp::UNIX_EPOCH);
/// assert_eq!(view.bearer(), Some("abc"));
/// assert_eq!(view.path(), "/notes");
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct RequestView<'a> {
    parts: &'a Parts,
    // Read once: a token is long, and several ask for it.
    authorization: Result<Option<Authorization<'a>>, MalformedAuthorization>,
    now: Timestamp,
    path: &'a str,
    client_address: Option<IpAddr>,
    is_restricted: bool,
}

impl<'a> RequestView<'a> {
    /// A view of a request that arrived at `now`.
    pub fn new(parts: &'a Parts, now: Timestamp) -> Self {
        Self {
            parts,
            authorization: Authorization::parse(&parts.headers),
            now,
            path: parts.uri.path(),
            client_address: None,
            is_restricted: false,
        }
    }

    /// The path that the client asked for, where a router has stripped a part of it.
    pub fn with_path(mut self, path: &'a str) -> Self {
        self.path = path;
        self
    }

    /// Where the request came from, as far as that is known.
    pub fn with_client_address(mut self, address: Option<IpAddr>) -> Self {
        self.client_address = address;
        self
    }

    /// Asks to accept only what is already known to be good.
    pub fn with_restriction(mut self, is_restricted: bool) -> Self {
        self.is_restricted = is_restricted;
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        &self.parts.method
    }

    /// The URI as the server received it. A router may have stripped a prefix: for the path
    /// use [`path`](Self::path).
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        &self.parts.uri
    }

    /// The path that the client asked for.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The headers. A header may be there more than once, and `HeaderMap::get` shows only the
    /// first: read a credential with [`single_header`](Self::single_header).
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        &self.parts.headers
    }

    /// The value of a header that is there exactly once.
    #[must_use]
    pub fn single_header(&self, name: &header::HeaderName) -> Option<&'a HeaderValue> {
        let mut values = self.parts.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    /// The `Authorization` header, if it is there once and well-formed.
    #[must_use]
    pub fn authorization(&self) -> Option<Authorization<'a>> {
        self.authorization.ok().flatten()
    }

    /// The same, where one that is there twice or malformed is not the same as none.
    ///
    /// # Errors
    ///
    /// See [`Authorization::parse`].
    pub fn try_authorization(&self) -> Result<Option<Authorization<'a>>, MalformedAuthorization> {
        self.authorization
    }

    /// The token of `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(&self) -> Option<&'a str> {
        self.authorization()
            .filter(|authorization| authorization.is_scheme("Bearer"))
            .map(|authorization| authorization.credentials())
    }

    /// The token of `Authorization: Bearer` or `Authorization: DPoP` (RFC 9449 §7.1).
    ///
    /// For authenticators of access tokens, which may be bound to a key. That the sender holds it
    /// is not theirs to check: the layer does, once they have accepted the token, and refuses a
    /// token that is presented under the wrong one of the two.
    #[must_use]
    pub fn access_token(&self) -> Option<&'a str> {
        self.authorization()
            .filter(|authorization| {
                authorization.is_scheme("Bearer") || authorization.is_scheme("DPoP")
            })
            .map(|authorization| authorization.credentials())
    }

    /// Where the request came from, as far as that is known.
    #[must_use]
    pub fn client_address(&self) -> Option<IpAddr> {
        self.client_address
    }

    /// The certificate with which the client proved itself, if it did.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&'a PeerCertificate> {
        self.parts.extensions.get()
    }

    /// When the request arrived: the one reading of the clock that all decisions use.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether the sender has spent its budget of refusals: then only what is already known
    /// to be good may be accepted, and nothing costly be computed.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.is_restricted
    }
}

impl fmt::Debug for RequestView<'_> {
    /// Without headers: they hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestView")
            .field("method", self.method())
            .field("path", &self.path)
            .field("client_address", &self.client_address)
            .finish_non_exhaustive()
    }
}

/// The `Authorization` header: a scheme and its credentials (RFC 9110 §11.4).
///
/// `Debug` shows the scheme only.
#[derive(Clone, Copy)]
pub struct Authorization<'a> {
    scheme: &'a str,
    credentials: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads the header strictly: there at most once, printable ASCII, one scheme, exactly
    /// one space, credentials. Those of `Bearer` and `DPoP` have to be a `b64token` of
    /// RFC 6750 §2.1.
    ///
    /// # Errors
    ///
    /// The header is there more than once, or is not of that form.
    pub fn parse(headers: &'a HeaderMap) -> Result<Option<Self>, MalformedAuthorization> {
        let malformed = MalformedAuthorization(());
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() && !crate::sabotaged!("authorization.single") {
            return Err(malformed);
        }
        let (scheme, credentials) = split_at_space(value.as_bytes()).ok_or(malformed)?;
        let this = Self {
            scheme: text(scheme).ok_or(malformed)?,
            credentials: text(credentials).ok_or(malformed)?,
        };
        let is_well_formed = if this.is_scheme("Bearer") || this.is_scheme("DPoP") {
            is_b64token(credentials)
        } else {
            scheme.iter().all(|byte| is_token_byte(*byte)) && is_graphic(credentials)
        };
        is_well_formed.then_some(Some(this)).ok_or(malformed)
    }

    /// Whether the scheme is `name`, in any case (RFC 9110 §11.1).
    #[must_use]
    pub fn is_scheme(&self, name: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(name)
    }

    /// What follows the scheme.
    #[must_use]
    pub fn credentials(&self) -> &'a str {
        self.credentials
    }
}

impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// An `Authorization` header that is there twice or cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MalformedAuthorization(());

impl fmt::Display for MalformedAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the authorization header is there twice or malformed")
    }
}

impl std::error::Error for MalformedAuthorization {}

/// `tchar` of RFC 9110 §5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// What stands before and after the first space.
fn split_at_space(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let (before, after) = bytes.split_at_checked(space)?;
    Some((before, after.get(1..)?))
}

/// Something, as text.
fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.is_empty() {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// Printable ASCII that neither begins nor ends with a space.
fn is_graphic(bytes: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| byte == Some(&b' ');
    all(bytes, |byte| matches!(byte, b' '..=b'~'))
        && !is_space(bytes.first())
        && !is_space(bytes.last())
}

/// `b64token` of RFC 6750 §2.1.
fn is_b64token(bytes: &[u8]) -> bool {
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = bytes.split_at_checked(bytes.len() - padding);
    body.is_some_and(|(body, _)| {
        !body.is_empty()
            && all(body, |byte| {
                byte.is_ascii_alphanumeric() | matches!(byte, b'-'..=b'/' | b'_' | b'~' | b'+')
            })
    })
}

/// Whether all bytes are of a kind. Looks at every one, whatever the first ones are: without a
/// way out, the compiler takes sixteen at a time, and a token has a thousand.
fn all(bytes: &[u8], is_of_kind: impl Fn(u8) -> bool) -> bool {
    bytes
        .iter()
        .fold(true, |so_far, byte| so_far & is_of_kind(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&[u8]]) -> Result<Option<(String, String)>, MalformedAuthorization> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                header::AUTHORIZATION,
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        Authorization::parse(&headers)
            .map(|found| found.map(|a| (a.scheme.to_owned(), a.credentials.to_owned())))
    }

    #[test]
    fn reads_the_forms_that_are_one_credential() {
        let pair = |a: &str, b: &str| Ok(Some((a.to_owned(), b.to_owned())));
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(
            parse(&[b"Bearer a.b-c_d~e+f/g=="]),
            pair("Bearer", "a.b-c_d~e+f/g==")
        );
        assert_eq!(parse(&[b"bEARER x"]), pair("bEARER", "x"));
        assert_eq!(
            parse(&[b"Digest a=\"b\", c=d"]),
            pair("Digest", "a=\"b\", c=d")
        );
    }

    #[test]
    fn never_guesses_at_any_other_form() {
        let cases: [&[&[u8]]; 16] = [
            &[b"Bearer a", b"Bearer a"],
            &[b"Bearer a", b"Basic b"],
            &[b""],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearer  a"],
            &[b"Bearer\ta"],
            &[b"Bearer a\t"],
            &[b"Bearer a b"],
            &[b"Bearer a, Bearer b"],
            &[b"Bearer a,"],
            &[b"Bearer =a"],
            &[b"Bearer ="],
            &[b"Bearer \xc3\xa4"],
            &[b" a"],
            &[b"Be(arer a"],
        ];
        for case in cases {
            assert_eq!(parse(case), Err(MalformedAuthorization(())), "{case:?}");
        }
    }

    #[test]
    fn debug_shows_no_credentials() {
        let (parts, ()) = http::Request::builder()
            .header("authorization", "Bearer canary")
            .header("x-api-key", "canary")
            .body(())
            .unwrap()
            .into_parts();
        let view = RequestView::new(&parts, Timestamp::UNIX_EPOCH);
        let shown = format!("{view:?} {:?}", view.authorization().unwrap());
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "stands for the listener, which puts it there"
    )]
    fn shows_the_certificate_of_the_connection() {
        let certificate = PeerCertificate::from_digest([7; 32]);
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let view = |parts: &Parts| {
            let view = RequestView::new(parts, Timestamp::UNIX_EPOCH);
            view.peer_certificate().cloned()
        };
        assert_eq!(view(&parts), None);
        parts.extensions.insert(certificate.clone());
        assert_eq!(view(&parts), Some(certificate));
    }
}
