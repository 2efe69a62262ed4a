//! For whom a request is, and from which page it comes: Host and Origin.

use http::{HeaderMap, HeaderValue, Uri, header, request::Parts};
use url::Url;

/// A host that is ours, and its port if one was named.
#[derive(Clone, Debug, Eq, PartialEq)]
struct AllowedHost {
    host: Box<str>,
    port: Option<u16>,
}

/// The hosts that are ours. Guards against DNS rebinding: a page that has its own name point
/// to our address cannot change the name that its browser sends.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedHosts(Vec<AllowedHost>);

impl AllowedHosts {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `host` or `host:port`. Without a port, no port and the ports 80 and 443 match.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        let problem = |what: &str| Err(format!("`{}` {what}", shown(text)));
        if text.contains('@') {
            // Not shown: behind a user name there may be a password.
            return Err("holds a user name; give the host alone, like `agent.example`".to_owned());
        }
        if text.contains('*') {
            return problem("holds a wildcard; name each host");
        }
        if text.contains('/') {
            return problem("is a url; give the host alone, like `agent.example`");
        }
        let Some((host, port)) = split_port(text) else {
            return problem("is no host; give one like `agent.example` or `127.0.0.1:3000`");
        };
        let is_address = host.starts_with('[');
        // The URL parser knows what a host may be: punycode, IPv4 in its one form, no spaces.
        let canonical = Url::parse(&format!("http://{host}/")).ok();
        match canonical.as_ref().and_then(Url::host_str) {
            Some(same) if same.eq_ignore_ascii_case(host) || is_address => {
                self.0.push(AllowedHost {
                    host: same.into(),
                    port,
                });
                Ok(())
            }
            _ => problem("is no host in its ascii form; give one like `agent.example`"),
        }
    }

    pub(crate) fn add_url(&mut self, url: &Url) {
        if let Some(host) = url.host_str() {
            self.0.push(AllowedHost {
                host: host.into(),
                port: url.port(),
            });
        }
    }

    /// Whether the one host that the request names is ours.
    pub(crate) fn allow(&self, parts: &Parts) -> bool {
        let Some(authority) = the_authority(&parts.uri, &parts.headers) else {
            return false;
        };
        let Some((host, port)) = split_port(authority) else {
            return false;
        };
        portcullis_core::sabotaged!("host.allowed")
            || self.0.iter().any(|allowed| {
                allowed.host.eq_ignore_ascii_case(host)
                    && match allowed.port {
                        Some(wanted) => port == Some(wanted),
                        None => matches!(port, None | Some(80 | 443)),
                    }
            })
    }
}

/// The authority that the request is for: `Host`, or that of the URI (`:authority`, absolute
/// form), or both if they agree. `None` if there is none or more than one.
fn the_authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().map(HeaderValue::to_str).transpose().ok()?;
    if hosts.next().is_some() && !portcullis_core::sabotaged!("host.single") {
        return None;
    }
    let target = uri.authority().map(http::uri::Authority::as_str);
    match (host, target) {
        (Some(host), Some(target)) if host.eq_ignore_ascii_case(target) => Some(host),
        (Some(_), Some(_)) | (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one),
    }
}

/// A host and the port behind it. `None` for user information, an empty host or a bad port.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority.contains(['@', ' ']) {
        return None;
    }
    let (host, rest) = match authority.strip_prefix('[') {
        Some(_) => authority.split_at(authority.find(']')? + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match rest.strip_prefix(':') {
        // `u16::from_str` would take a sign.
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None if rest.is_empty() => None,
        None => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

/// A setting as it is shown in an error: what stands in a query or ahead of an `@` is nobody's to
/// read.
pub(super) fn shown(text: &str) -> String {
    let text = text.rsplit('@').next().unwrap_or_default();
    match text
        .find(['?', '#'])
        .and_then(|end| text.split_at_checked(end))
    {
        Some((plain, _)) => format!("{}…", plain.escape_debug()),
        None => text.escape_debug().to_string(),
    }
}

/// The origins whose pages may call us. A request without `Origin` comes from no page.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedOrigins(Vec<Box<str>>);

impl AllowedOrigins {
    /// Adds `scheme://host[:port]`.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        let problem = |what: &str| Err(format!("`{}` {what}", shown(text)));
        if text.contains('@') {
            // Not shown: behind a user name there may be a password.
            return Err("holds a user name; give scheme, host and port alone".to_owned());
        }
        if text.contains('*') {
            return problem("holds a wildcard; name each origin");
        }
        let Ok(url) = Url::parse(text) else {
            return problem("is no origin; give one like `https://app.example`");
        };
        let origin = url.origin();
        if !origin.is_tuple() || !matches!(url.path(), "/" | "") || url.query().is_some() {
            return problem("is no origin; give scheme, host and port alone");
        }
        self.add_url(&url);
        Ok(())
    }

    pub(crate) fn add_url(&mut self, url: &Url) {
        self.0.push(url.origin().ascii_serialization().into());
    }

    /// Whether the request comes from no page, or from one of these.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return true;
        };
        if portcullis_core::sabotaged!("origin.allowed") {
            return true;
        }
        // Browsers send the one serialisation of an origin; nothing else is compared.
        origins.next().is_none()
            && self
                .0
                .iter()
                .any(|allowed| allowed.as_bytes() == origin.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn hosts(list: &[&str]) -> AllowedHosts {
        let mut hosts = AllowedHosts::default();
        list.iter().for_each(|host| hosts.add(host).unwrap());
        hosts
    }

    fn request(uri: &str, lines: &[&str]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for line in lines {
            request = request.header("host", HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn our_hosts_are_let_in() {
        let allowed = hosts(&["agent.example", "localhost:3000", "[::1]:3000", "127.0.0.1"]);
        for host in [
            "agent.example",
            "AGENT.example",
            "agent.example:443",
            "agent.example:80",
            "localhost:3000",
            "[::1]:3000",
            "127.0.0.1",
        ] {
            assert!(allowed.allow(&request("/", &[host])), "{host}");
        }
        assert!(allowed.allow(&request("https://agent.example/x", &[])));
        assert!(allowed.allow(&request("https://agent.example/x", &["agent.example"])));
    }

    #[test]
    fn every_other_host_is_not() {
        let allowed = hosts(&["agent.example", "localhost:3000", "[::1]:3000"]);
        for lines in [
            &[][..],
            &[""],
            &["evil.example"],
            &["agent.example.evil.com"],
            &["evil-agent.example"],
            &["agent.example."],
            &["agent.example:8080"],
            &["agent.example:"],
            &["agent.example:+80"],
            &["agent.example:443:443"],
            &["localhost"],
            &["localhost:3001"],
            &["localhost:3000.evil.com"],
            &["user@agent.example"],
            &["agent.example@evil.com"],
            &["[::1]"],
            &["[::1]:3000x"],
            &["[::1"],
            &["::1"],
            &["agent.example:99999"],
            &["agent.example "],
            &["agent\u{ff0e}example"],
            &["agent.example", "agent.example"],
            &["agent.example", "evil.example"],
            &["null"],
        ] {
            assert!(!allowed.allow(&request("/", lines)), "{lines:?}");
        }
        assert!(!allowed.allow(&request("https://evil.example/", &["agent.example"])));
        assert!(!allowed.allow(&request("https://agent.example/", &["evil.example"])));
    }

    #[test]
    fn refuses_hosts_that_could_never_match() {
        for host in [
            "",
            "*",
            "*.agent.example",
            "https://agent.example",
            "agent.example/",
            "a b",
            "ä.example",
            "agent.example:x",
            "u@a",
            ":80",
            "[::1",
        ] {
            assert!(AllowedHosts::default().add(host).is_err(), "{host}");
        }
    }

    #[test]
    fn origins_match_exactly() {
        let mut allowed = AllowedOrigins::default();
        allowed.add("https://app.example").unwrap();
        allowed.add("http://localhost:5173/").unwrap();
        allowed.add("https://App2.example:443").unwrap();
        let allow = |lines: &[&str]| {
            let headers: HeaderMap = lines
                .iter()
                .map(|line| (header::ORIGIN, HeaderValue::from_str(line).unwrap()))
                .collect();
            let mut appended = HeaderMap::new();
            for (name, value) in &headers {
                appended.append(name, value.clone());
            }
            for _ in headers.len()..lines.len() {
                appended.append(
                    header::ORIGIN,
                    HeaderValue::from_static("https://app.example"),
                );
            }
            allowed.allow(&appended)
        };
        for line in [
            "https://app.example",
            "http://localhost:5173",
            "https://app2.example",
        ] {
            assert!(allow(&[line]), "{line}");
        }
        assert!(allow(&[]));
        for line in [
            "null",
            "",
            "https://app.example/",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil.com",
            "https://evil.example",
            "http://localhost",
            "http://localhost.evil.com:5173",
            "http://[::1]:5173",
            "app.example",
            "*",
            "https://app.example, https://app.example",
        ] {
            assert!(!allow(&[line]), "{line}");
        }
        assert!(!allow(&["https://app.example", "https://app.example"]));
    }

    #[test]
    fn refuses_origins_that_could_never_match() {
        for origin in [
            "*",
            "null",
            "app.example",
            "https://*.example",
            "https://a/b",
            "data:x",
            "",
        ] {
            assert!(AllowedOrigins::default().add(origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn an_error_shows_neither_password_nor_query() {
        for text in [
            "https://u:canary@app.example",
            "https://app.example/?token=canary",
            "https://app.example/x#canary",
            "app.example?canary",
            "u:canary@*",
        ] {
            let problem = AllowedOrigins::default().add(text).unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
            let problem = AllowedHosts::default().add(text).unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
        assert_eq!(shown("a\nb"), "a\\nb");
        assert_eq!(shown("https://app.example/?x"), "https://app.example/…");
    }
}
