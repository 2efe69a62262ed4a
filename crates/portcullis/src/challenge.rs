//! The challenges: every `WWW-Authenticate` line that the gate sends is rendered here, once,
//! when the layer is built.

use std::sync::Arc;

use http::HeaderValue;
use portcullis_core::{ConfigError, Description, Scopes};

/// The fixed text beside `invalid_token`, whatever the reason was.
const INVALID_TOKEN: &str = "The access token is not valid";

/// The lines for each answer. One line per scheme: clients misread the joined form.
#[derive(Clone, Debug)]
pub(crate) struct Challenges {
    /// 401 without credentials: no `error` (RFC 6750 §3.1).
    pub(crate) missing: Arc<[HeaderValue]>,
    /// 400.
    pub(crate) invalid_request: Arc<[HeaderValue]>,
    /// 401 with a bad credential.
    pub(crate) invalid_token: Arc<[HeaderValue]>,
}

/// What the challenges are made from.
pub(crate) struct Source<'a> {
    pub(crate) descriptions: &'a [Description],
    /// The URL of the resource metadata, where there is one (RFC 9728 §5.1).
    pub(crate) metadata_url: Option<&'a str>,
    /// What a client is told to ask for.
    pub(crate) scopes: &'a Scopes,
    pub(crate) realm: &'a str,
}

impl Challenges {
    pub(crate) fn render(source: &Source<'_>) -> Result<Self, ConfigError> {
        let mut schemes: Vec<&str> = Vec::new();
        for scheme in source.descriptions.iter().filter_map(Description::scheme) {
            if !schemes
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme))
            {
                schemes.push(scheme);
            }
        }
        if schemes.is_empty() {
            // RFC 9110 §15.5.2 wants a challenge on every 401. No registered scheme stands
            // for a key in a header of its own.
            schemes.push("ApiKey");
        }
        // Where an authorization server can be found, the metadata leads there; a realm is
        // for callers who have to know where their credential came from.
        let place = match source.metadata_url {
            Some(url) => ("resource_metadata", url),
            None => ("realm", source.realm),
        };
        let realm = [("realm", source.realm)];
        let lines = |parameters: &[(&str, &str)]| {
            schemes
                .iter()
                .map(|scheme| match is_of_oauth(scheme) {
                    true => line(scheme, parameters),
                    false => line(scheme, &realm),
                })
                .collect::<Result<Arc<[_]>, _>>()
        };
        let mut missing = vec![place];
        if source.metadata_url.is_some() && !source.scopes.is_empty() {
            missing.push(("scope", source.scopes.as_str()));
        }
        let error = [
            ("error", "invalid_token"),
            ("error_description", INVALID_TOKEN),
        ];
        let [code, description] = error;
        let invalid_token = match source.metadata_url {
            Some(_) => [code, description, place],
            None => [place, code, description],
        };
        Ok(Self {
            missing: lines(&missing)?,
            invalid_request: lines(&[("error", "invalid_request")])?,
            invalid_token: lines(&invalid_token)?,
        })
    }
}

/// Whether the parameters of RFC 6750 belong to a scheme. (`ApiKey` is ours, and takes them.)
fn is_of_oauth(scheme: &str) -> bool {
    ["Bearer", "DPoP", "ApiKey"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
}

/// One line: a scheme and its parameters, each a quoted string.
fn line(scheme: &str, parameters: &[(&str, &str)]) -> Result<HeaderValue, ConfigError> {
    let mut text = scheme.to_owned();
    for (n, (name, value)) in parameters.iter().enumerate() {
        // Neither a quote nor a backslash: nothing then needs escaping, and no client has to
        // know how to undo it.
        if !value
            .bytes()
            .all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        {
            let setting = match *name {
                "realm" => "with_realm",
                _ => "with_resource",
            };
            return Err(ConfigError::new(
                setting,
                "cannot stand in a challenge; use printable ascii without quotes and backslashes",
            ));
        }
        text.push_str(if n == 0 { " " } else { ", " });
        text.push_str(name);
        text.push_str("=\"");
        text.push_str(value);
        text.push('"');
    }
    HeaderValue::try_from(text)
        .map_err(|_| ConfigError::new("add_authenticator", "declares a scheme that is no token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(
        descriptions: &[Description],
        metadata_url: Option<&str>,
        scopes: &str,
    ) -> [String; 3] {
        let scopes = Scopes::parse(scopes).unwrap();
        let source = Source {
            descriptions,
            metadata_url,
            scopes: &scopes,
            realm: "agent",
        };
        let challenges = Challenges::render(&source).unwrap();
        [
            challenges.missing,
            challenges.invalid_request,
            challenges.invalid_token,
        ]
        .map(|lines| {
            lines
                .iter()
                .map(|line| line.to_str().unwrap())
                .collect::<Vec<_>>()
                .join("\n")
        })
    }

    #[test]
    fn with_an_authorization_server() {
        let url = "https://a.example/.well-known/oauth-protected-resource";
        assert_eq!(
            render(&[Description::bearer("jwt")], Some(url), "files:read"),
            [
                format!("Bearer resource_metadata=\"{url}\", scope=\"files:read\""),
                "Bearer error=\"invalid_request\"".into(),
                format!(
                    "Bearer error=\"invalid_token\", \
                     error_description=\"The access token is not valid\", \
                     resource_metadata=\"{url}\""
                ),
            ],
        );
    }

    #[test]
    fn with_api_keys_only() {
        let [missing, _, invalid_token] = render(&[Description::bearer("api_key")], None, "");
        assert_eq!(missing, "Bearer realm=\"agent\"");
        assert_eq!(
            invalid_token,
            "Bearer realm=\"agent\", error=\"invalid_token\", \
             error_description=\"The access token is not valid\"",
        );
    }

    #[test]
    fn two_of_one_scheme_are_one_line() {
        let both = [Description::bearer("a"), Description::bearer("b")];
        assert_eq!(render(&both, None, "")[0], "Bearer realm=\"agent\"");
        let key = [Description::header(
            "key",
            http::HeaderName::from_static("x-api-key"),
        )];
        assert_eq!(render(&key, None, "")[0], "ApiKey realm=\"agent\"");
    }

    #[test]
    fn another_scheme_has_a_realm_and_no_word_of_tokens() {
        let both = [
            Description::bearer("jwt"),
            Description::authorization("basic", "Basic"),
        ];
        let [missing, invalid_request, invalid_token] =
            render(&both, Some("https://a.example/m"), "files:read");
        for (lines, first) in [
            (missing, "Bearer resource_metadata="),
            (invalid_request, "Bearer error="),
            (invalid_token, "Bearer error="),
        ] {
            let (bearer, basic) = lines.split_once('\n').unwrap();
            assert!(bearer.starts_with(first), "{bearer}");
            assert_eq!(basic, "Basic realm=\"agent\"");
        }
    }

    #[test]
    fn nothing_breaks_out_of_the_quotes() {
        for value in ["a\"b", "a\\b", "a\r\nSet-Cookie: x", "ä"] {
            assert!(line("Bearer", &[("realm", value)]).is_err(), "{value:?}");
        }
    }
}
