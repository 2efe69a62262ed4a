//! How long a key set is fresh.

use std::time::Duration;

use http::{HeaderMap, header};

/// Without a word from the issuer.
const DEFAULT: Duration = Duration::from_mins(5);
/// A shorter lifetime would let an issuer's slip turn every request into a retrieval.
pub(super) const SHORTEST: Duration = Duration::from_mins(1);

/// How long a response may be used, from its `Cache-Control` (RFC 9111 §5.2.2), at most
/// `longest`.
pub(super) fn lifetime(headers: &HeaderMap, longest: Duration) -> Duration {
    let mut lifetime = None;
    let values = headers.get_all(header::CACHE_CONTROL);
    let texts = values.iter().filter_map(|value| value.to_str().ok());
    for directive in texts.flat_map(|text| text.split(',')) {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return SHORTEST;
        }
        if name.eq_ignore_ascii_case("max-age") {
            let seconds = argument.trim().trim_matches('"').parse().ok();
            // The shortest of several; one that cannot be read is none.
            lifetime = lifetime.into_iter().chain(seconds).min();
        }
    }
    lifetime
        .map_or(DEFAULT, Duration::from_secs)
        .min(longest)
        .max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clamps_what_the_issuer_says() {
        let day = Duration::from_secs(86_400);
        let cases = [
            ("", 300),
            ("public", 300),
            ("max-age=600", 600),
            ("public, Max-Age=\"600\", must-revalidate", 600),
            ("max-age=0", 60),
            ("max-age=5", 60),
            ("max-age=31536000", 86_400),
            ("max-age=99999999999999999999", 300),
            ("max-age=-1", 300),
            ("max-age=never", 300),
            ("max-age=600, max-age=120", 120),
            ("no-store", 60),
            ("no-cache, max-age=600", 60),
        ];
        for (text, seconds) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, text.parse().unwrap());
            assert_eq!(lifetime(&headers, day).as_secs(), seconds, "{text}");
        }
        assert_eq!(lifetime(&HeaderMap::new(), day), DEFAULT);
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, "max-age=600".parse().unwrap());
        assert_eq!(lifetime(&headers, Duration::from_secs(120)).as_secs(), 120);
    }
}
