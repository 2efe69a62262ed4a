//! For which URL a proof is: the claim `htu` (RFC 9449 §4.2), compared as RFC 3986 §6.2.2 and
//! §6.2.3 say.

use std::borrow::Cow;

use url::Url;

/// The origin under which clients know this server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    scheme: Box<str>,
    host: Box<str>,
    port: Option<u16>,
}

impl Origin {
    /// The origin of a URL: one of `http` or `https`, with a host.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https");
        is_web.then_some(())?;
        Some(Self {
            scheme: url.scheme().into(),
            host: url.host_str()?.into(),
            port: url.port_or_known_default(),
        })
    }

    /// Whether `htu` names this origin and a path, whatever its query and fragment.
    pub(super) fn matches(&self, htu: &str, path: &str) -> bool {
        let is_plain = htu.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if !is_plain {
            return false;
        }
        let Some((scheme, rest)) = htu.split_once("://") else {
            return false;
        };
        let (rest, _) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (authority, named) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        scheme.eq_ignore_ascii_case(&self.scheme)
            && self.is_authority(authority)
            && is_same_path(named, path)
    }

    fn is_authority(&self, authority: &str) -> bool {
        let port_at = match authority.strip_prefix('[') {
            // Behind an address of IPv6 in its brackets.
            Some(_) => authority.find(']').map_or(0, |end| end + 1),
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at(port_at);
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => self.default_port(),
            Some("") => self.default_port(),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => return false,
        };
        host.eq_ignore_ascii_case(&self.host) && port == self.port
    }

    fn default_port(&self) -> Option<u16> {
        match &*self.scheme {
            "https" => Some(443),
            _ => Some(80),
        }
    }
}

fn is_same_path(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (normalised(one), normalised(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// A path in its one form; `None` if it is none.
fn normalised(path: &str) -> Option<String> {
    let unescaped = with_plain_escapes(path)?;
    let mut segments: Vec<&str> = Vec::new();
    let mut rest = unescaped.strip_prefix('/').unwrap_or(&unescaped);
    loop {
        let (segment, next) = match rest.split_once('/') {
            Some((segment, next)) => (segment, Some(next)),
            None => (rest, None),
        };
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            other => {
                segments.push(other);
            }
        }
        match next {
            Some(next) => rest = next,
            None => {
                // `/a/.` is `/a/`, and `/a/b/..` is too (RFC 3986 §5.2.4).
                if matches!(segment, "." | "..") {
                    segments.push("");
                }
                break;
            }
        }
    }
    Some(format!("/{}", segments.join("/")))
}

/// Escapes of what needs none are undone, and the others have capital letters (RFC 3986 §6.2.2).
/// An escape of a slash stays one: it is no slash.
fn with_plain_escapes(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let (digits, tail) = after.split_at_checked(2)?;
        let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16)
            .ok()
            .filter(|_| is_hexadecimal)?;
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => {
                text.push('%');
                text.push_str(&digits.to_ascii_uppercase());
            }
        }
        rest = tail;
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(htu: &str, path: &str) -> bool {
        Origin::parse("https://Agent.example/mcp")
            .unwrap()
            .matches(htu, path)
    }

    #[test]
    fn one_url_in_all_its_forms() {
        for htu in [
            "https://agent.example/notes/~a",
            "HTTPS://AGENT.example/notes/~a",
            "https://agent.example:443/notes/~a",
            "https://agent.example:/notes/~a",
            "https://agent.example/notes/%7ea",
            "https://agent.example/notes/%7Ea",
            "https://agent.example/./notes/x/../~a",
            "https://agent.example/notes/~a?q=1",
            "https://agent.example/notes/~a#f",
            "https://agent.example/%6eotes/~a",
        ] {
            assert!(matches(htu, "/notes/~a"), "{htu}");
            assert!(matches(htu, "/notes/%7ea"), "{htu}");
        }
        assert!(matches("https://agent.example", "/"));
        assert!(matches("https://agent.example/", "/"));
        assert!(matches("https://agent.example?x", "/"));
        assert!(matches("https://agent.example/a%2fb", "/a%2Fb"));
        assert!(matches("https://agent.example/a/b/..", "/a/"));
        assert!(matches("https://agent.example/a/.", "/a/"));
        assert!(matches("https://agent.example/../a", "/a"));
    }

    #[test]
    fn every_other_url_is_another() {
        for htu in [
            "",
            "/notes/~a",
            "agent.example/notes/~a",
            "//agent.example/notes/~a",
            "https:/agent.example/notes/~a",
            "https:///notes/~a",
            "http://agent.example/notes/~a",
            "https://agent.example:8443/notes/~a",
            "https://agent.example:80/notes/~a",
            "https://agent.example:+443/notes/~a",
            "https://agent.example:0x1bb/notes/~a",
            "https://agent.example./notes/~a",
            "https://evil.example/notes/~a",
            "https://agent.example.evil.example/notes/~a",
            "https://agent.example@evil.example/notes/~a",
            "https://user@agent.example/notes/~a",
            "https://agent%2eexample/notes/~a",
            "https://agent.example/notes/~a/",
            "https://agent.example/notes/~A",
            "https://agent.example/notes%2F~a",
            "https://agent.example/notes/~a%",
            "https://agent.example/notes/~a%2",
            "https://agent.example/notes/~a%zz",
            "https://agent.example/notes/%+7ea",
            "https://agent.example//notes/~a",
            " https://agent.example/notes/~a",
            "https://agent.example/notes/ä",
            "https://ägent.example/notes/~a",
        ] {
            assert!(!matches(htu, "/notes/~a"), "{htu}");
        }
    }

    #[test]
    fn addresses_and_ports_count() {
        let origin = Origin::parse("http://[::1]:3000/").unwrap();
        assert!(origin.matches("http://[::1]:3000/a", "/a"));
        for htu in [
            "http://[::1]/a",
            "http://[::2]:3000/a",
            "http://::1:3000/a",
            "http://[::1",
        ] {
            assert!(!origin.matches(htu, "/a"), "{htu}");
        }
        let origin = Origin::parse("http://127.0.0.1:3000").unwrap();
        assert!(origin.matches("http://127.0.0.1:3000/a", "/a"));
        assert!(!origin.matches("http://localhost:3000/a", "/a"));
        for url in [
            "",
            "agent.example",
            "urn:x",
            "ftp://agent.example/",
            "unix:/a",
        ] {
            assert_eq!(Origin::parse(url), None, "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_path_has_one_form(path in "(/|%[0-9a-fA-F]{2}|[a-z.~]){0,12}") {
            if let Some(once) = normalised(&path) {
                proptest::prop_assert_eq!(normalised(&once), Some(once.clone()));
                let htu = format!("https://agent.example{once}");
                proptest::prop_assert!(matches(&htu, &once));
            }
        }

        #[test]
        fn any_text_is_compared(htu in ".{0,40}", path in ".{0,20}") {
            let _ = matches(&htu, &path);
        }
    }
}
