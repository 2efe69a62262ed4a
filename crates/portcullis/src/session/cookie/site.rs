//! Where a browser says that a request comes from.

use http::{HeaderMap, HeaderName, Method, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request comes from, by what browsers say of it and scripts cannot: `Sec-Fetch-Site`
/// (Fetch Metadata §2.3) and `Origin` (Fetch §3.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Site {
    /// From a page of this server, or from its user by way of the browser itself.
    Own,
    /// From somewhere else, or from nowhere that could be told.
    Other,
    /// Nobody says so: no browser of today.
    Unsaid,
}

impl Site {
    /// Where a request comes from, for a server with this origin.
    pub(crate) fn of(headers: &HeaderMap, own: &str) -> Self {
        let site = single(headers, &SEC_FETCH_SITE);
        let origin = single(headers, &header::ORIGIN);
        match (site, origin) {
            (Ok(None), Ok(None)) => Self::Unsaid,
            (Ok(site), Ok(origin))
                if site.is_none_or(|site| matches!(site, b"same-origin" | b"none"))
                    && origin.is_none_or(|origin| origin == own.as_bytes()) =>
            {
                Self::Own
            }
            _ => Self::Other,
        }
    }

    /// Whether a method changes nothing (RFC 9110 §9.2.1), so that it matters little who has a
    /// browser send it: he does not see the answer.
    pub(crate) fn is_safe(method: &Method) -> bool {
        matches!(
            *method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
        )
    }
}

/// The value of a header that is there once at most.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|value| value.as_bytes())),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn whoever_does_not_say_that_it_is_our_own_page_is_another() {
        let site = |site: &[&str], origin: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in site {
                headers.append(SEC_FETCH_SITE, HeaderValue::from_str(value).unwrap());
            }
            for value in origin {
                headers.append(header::ORIGIN, HeaderValue::from_str(value).unwrap());
            }
            Site::of(&headers, "https://agent.example")
        };
        let own = "https://agent.example";
        assert_eq!(site(&[], &[]), Site::Unsaid);
        for said in ["same-origin", "none"] {
            assert_eq!(site(&[said], &[]), Site::Own);
            assert_eq!(site(&[said], &[own]), Site::Own);
            assert_eq!(site(&[said], &["https://evil.example"]), Site::Other);
            assert_eq!(site(&[said], &["null"]), Site::Other);
        }
        assert_eq!(site(&[], &[own]), Site::Own);
        for origin in [
            "null",
            "",
            "https://agent.example.evil.example",
            "https://agent.example:8443",
            "http://agent.example",
            "https://Agent.example",
        ] {
            assert_eq!(site(&[], &[origin]), Site::Other, "{origin}");
        }
        for said in ["cross-site", "same-site", "Same-Origin", "", "same-origin "] {
            assert_eq!(site(&[said], &[]), Site::Other, "{said}");
            assert_eq!(site(&[said], &[own]), Site::Other, "{said}");
        }
        assert_eq!(site(&["same-origin", "same-origin"], &[own]), Site::Other);
        assert_eq!(site(&[], &[own, own]), Site::Other);
    }

    #[test]
    fn what_may_change_something_is_not_safe() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            assert!(Site::is_safe(&method));
        }
        for method in [
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::from_bytes(b"QUERY").unwrap(),
            Method::from_bytes(b"get").unwrap(),
        ] {
            assert!(!Site::is_safe(&method));
        }
    }
}
