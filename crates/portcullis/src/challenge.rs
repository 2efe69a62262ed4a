//! The challenges: every `WWW-Authenticate` line that the gate sends is rendered here.
//!
//! Those of `authn` are the same for everybody, and are rendered once, when the layer is built.
//! Those that name a requirement are rendered when one is not met, by the layer that knows the
//! requirement, for the schemes and the place that `authn` knows.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use portcullis_core::{ConfigError, Description, ProofDescription, Scopes};

/// The fixed text beside `invalid_token`, whatever the reason was.
const INVALID_TOKEN: &str = "The access token is not valid";

/// The fixed text beside `invalid_token` where the token is good but for this.
const UNCONSTRAINED: &str = "The request requires a sender-constrained access token";

/// The fixed text beside `insufficient_scope`.
const INSUFFICIENT_SCOPE: &str = "The request requires more scopes than the access token has";

/// The scheme of credentials that come with a proof of possession.
const DPOP: &str = "DPoP";

/// One parameter of a challenge.
type Parameter<'a> = (&'static str, &'a str);

/// The lines for each answer. One line per scheme: clients misread the joined form.
#[derive(Clone, Debug)]
pub(crate) struct Challenges {
    /// 401 without credentials: no `error` (RFC 6750 §3.1).
    pub(crate) missing: Arc<[HeaderValue]>,
    /// 400.
    pub(crate) invalid_request: Arc<[HeaderValue]>,
    /// 401 with a bad credential.
    pub(crate) invalid_token: Arc<[HeaderValue]>,
    /// The same of one that was presented under the scheme `DPoP`.
    invalid_bound_token: Arc<[HeaderValue]>,
    /// 401 with a bad proof (RFC 9449 §7.1).
    pub(crate) invalid_proof: Arc<[HeaderValue]>,
    /// 401 with a proof that lacks a nonce (RFC 9449 §9).
    pub(crate) use_nonce: Arc<[HeaderValue]>,
    schemes: Box<[&'static str]>,
    /// The algorithms of proofs.
    algorithms: Option<Box<str>>,
    /// Where an authorization server can be found, the metadata leads there; a realm is for
    /// callers who have to know where their credential came from.
    place: (&'static str, Box<str>),
    realm: Box<str>,
}

/// What a user has to show when authenticating again (RFC 9470 §3), and which scopes the new
/// token needs besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) acr_values: &'a str,
    pub(crate) max_age: Option<Duration>,
    pub(crate) scopes: &'a Scopes,
}

/// What the challenges are made from.
pub(crate) struct Source<'a> {
    pub(crate) descriptions: &'a [Description],
    /// Where credentials may be bound to a key.
    pub(crate) proof: Option<&'a ProofDescription>,
    /// The URL of the resource metadata, where there is one (RFC 9728 §5.1).
    pub(crate) metadata_url: Option<&'a str>,
    /// What a client is told to ask for.
    pub(crate) scopes: &'a Scopes,
    pub(crate) realm: &'a str,
}

impl Challenges {
    pub(crate) fn render(source: &Source<'_>) -> Result<Self, ConfigError> {
        let mut schemes: Vec<&'static str> = Vec::new();
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
        let algorithms = source.proof.map(ProofDescription::algorithms);
        if algorithms.is_some() && !schemes.iter().any(|scheme| is_dpop(scheme)) {
            schemes.push(DPOP);
        }
        let place = match source.metadata_url {
            Some(url) => ("resource_metadata", url),
            None => ("realm", source.realm),
        };
        let render = |scheme: &str, before: &[Parameter<'_>], after: &[Parameter<'_>]| {
            let algorithms = algorithms.filter(|_| is_dpop(scheme));
            let algorithms = algorithms.map(|names| ("algs", names));
            let before: Vec<_> = before.iter().copied().chain(algorithms).collect();
            match is_of_oauth(scheme) {
                true => line(scheme, &placed(place, &before, after)),
                false => line(scheme, &[("realm", source.realm)]),
            }
        };
        let missing_line = |scheme: &str| match source.metadata_url {
            // One scheme says which scopes to ask for.
            Some(_) if !source.scopes.is_empty() && !is_dpop(scheme) => {
                render(scheme, &[], &[("scope", source.scopes.as_str())])
            }
            _ => render(scheme, &[], &[]),
        };
        // What is wrong stands in the line of the scheme that was used.
        let lines = |is_wrong: &dyn Fn(&str) -> bool, error: &[Parameter<'_>]| {
            schemes
                .iter()
                .map(|scheme| match is_wrong(scheme) {
                    true => render(scheme, error, &[]),
                    false => missing_line(scheme),
                })
                .collect::<Result<Arc<[_]>, _>>()
        };
        let of_proofs = |error: &'static str| {
            let schemes = schemes.iter().filter(|scheme| is_dpop(scheme));
            schemes
                .map(|scheme| render(scheme, &[("error", error)], &[]))
                .collect::<Result<Arc<[_]>, _>>()
        };
        let invalid_token = [
            ("error", "invalid_token"),
            ("error_description", INVALID_TOKEN),
        ];
        let invalid_request = schemes
            .iter()
            .map(|scheme| match is_of_oauth(scheme) {
                true => line(scheme, &[("error", "invalid_request")]),
                false => line(scheme, &[("realm", source.realm)]),
            })
            .collect::<Result<Arc<[_]>, _>>()?;
        let use_nonce = match algorithms {
            Some(_) => [line(DPOP, &[("error", "use_dpop_nonce")])?].into(),
            None => Arc::default(),
        };
        // Without proofs there is no line for them, and those that there are take the blame.
        let is_bound = |scheme: &str| is_dpop(scheme) || algorithms.is_none();
        Ok(Self {
            missing: schemes
                .iter()
                .map(|scheme| missing_line(scheme))
                .collect::<Result<_, _>>()?,
            invalid_request,
            invalid_token: lines(&|scheme| !is_dpop(scheme), &invalid_token)?,
            invalid_bound_token: lines(&is_bound, &invalid_token)?,
            invalid_proof: of_proofs("invalid_dpop_proof")?,
            use_nonce,
            algorithms: algorithms.map(Box::from),
            schemes: schemes.clone().into(),
            place: (place.0, place.1.into()),
            realm: source.realm.into(),
        })
    }

    /// 401 with a bad credential, that was presented under the scheme `DPoP` or another.
    pub(crate) fn invalid_token(&self, is_bound: bool) -> &Arc<[HeaderValue]> {
        match is_bound {
            true => &self.invalid_bound_token,
            false => &self.invalid_token,
        }
    }

    /// 403: too little was granted (RFC 6750 §3.1). Every scope that is needed is named, those
    /// too that were granted: one challenge says all (MCP).
    pub(crate) fn insufficient_scope(&self, scopes: &Scopes) -> Arc<[HeaderValue]> {
        self.late(
            &[("error", "insufficient_scope"), ("scope", scopes.as_str())],
            &[("error_description", INSUFFICIENT_SCOPE)],
        )
    }

    /// 401: the credential is bound to no key, and has to be.
    pub(crate) fn unconstrained(&self) -> Arc<[HeaderValue]> {
        self.late(
            &[
                ("error", "invalid_token"),
                ("error_description", UNCONSTRAINED),
            ],
            &[],
        )
    }

    /// 401: the user authenticated too weakly, or too long ago (RFC 9470 §3).
    pub(crate) fn insufficient_user_authentication(
        &self,
        wanted: &Wanted<'_>,
    ) -> Arc<[HeaderValue]> {
        let max_age = wanted.max_age.map(|age| age.as_secs().to_string());
        let mut parameters = vec![("error", "insufficient_user_authentication")];
        if !wanted.acr_values.is_empty() {
            parameters.push(("acr_values", wanted.acr_values));
        }
        if let Some(seconds) = &max_age {
            parameters.push(("max_age", seconds));
        }
        if !wanted.scopes.is_empty() {
            parameters.push(("scope", wanted.scopes.as_str()));
        }
        self.late(&parameters, &[])
    }

    /// The lines of a challenge that is rendered when it is sent. What they are made of was
    /// held against [`can_be_quoted`] when it was configured, so none is left out.
    fn late(&self, before: &[Parameter<'_>], after: &[Parameter<'_>]) -> Arc<[HeaderValue]> {
        let place = (self.place.0, &*self.place.1);
        self.schemes
            .iter()
            .filter_map(|scheme| {
                let algorithms = self.algorithms.as_deref().filter(|_| is_dpop(scheme));
                let algorithms = algorithms.map(|names| ("algs", names));
                let before: Vec<_> = before.iter().copied().chain(algorithms).collect();
                match is_of_oauth(scheme) {
                    true => line(scheme, &placed(place, &before, after)).ok(),
                    false => line(scheme, &[("realm", &self.realm)]).ok(),
                }
            })
            .collect()
    }
}

/// The parameters with the place among them: the metadata behind what is wrong, a realm ahead
/// of everything.
fn placed<'a>(
    place: Parameter<'a>,
    before: &[Parameter<'a>],
    after: &[Parameter<'a>],
) -> Vec<Parameter<'a>> {
    match place.0 {
        "realm" => [&[place], before, after].concat(),
        _ => [before, &[place], after].concat(),
    }
}

/// Whether a text can stand in a challenge: neither a quote nor a backslash is in it, so that
/// nothing needs escaping, and no client has to know how to undo it.
pub(crate) fn can_be_quoted(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Whether credentials of a scheme come with a proof of possession.
fn is_dpop(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case(DPOP)
}

/// Whether the parameters of RFC 6750 belong to a scheme. (`ApiKey` is ours, and takes them.)
fn is_of_oauth(scheme: &str) -> bool {
    ["Bearer", "DPoP", "ApiKey"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
}

/// One line: a scheme and its parameters, each a quoted string.
fn line(scheme: &str, parameters: &[Parameter<'_>]) -> Result<HeaderValue, ConfigError> {
    let mut text = scheme.to_owned();
    for (n, (name, value)) in parameters.iter().enumerate() {
        if !can_be_quoted(value) {
            let setting = match *name {
                "algs" => "with_proof_of_possession",
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

    fn challenges(
        descriptions: &[Description],
        metadata_url: Option<&str>,
        scopes: &str,
    ) -> Challenges {
        let scopes = Scopes::parse(scopes).unwrap();
        let source = Source {
            descriptions,
            proof: None,
            metadata_url,
            scopes: &scopes,
            realm: "agent",
        };
        Challenges::render(&source).unwrap()
    }

    fn text(lines: &[HeaderValue]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| line.to_str().unwrap()).collect();
        lines.join("\n")
    }

    fn render(
        descriptions: &[Description],
        metadata_url: Option<&str>,
        scopes: &str,
    ) -> [String; 3] {
        let challenges = challenges(descriptions, metadata_url, scopes);
        [
            challenges.missing,
            challenges.invalid_request,
            challenges.invalid_token,
        ]
        .map(|lines| text(&lines))
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
    fn with_proofs_of_possession() {
        let url = "https://a.example/m";
        let scopes = Scopes::parse("files:read").unwrap();
        let proof = ProofDescription::dpop("ES256 EdDSA");
        let source = Source {
            descriptions: &[Description::bearer("jwt")],
            proof: Some(&proof),
            metadata_url: Some(url),
            scopes: &scopes,
            realm: "agent",
        };
        let challenges = Challenges::render(&source).unwrap();
        let bearer = "Bearer resource_metadata=\"https://a.example/m\", scope=\"files:read\"";
        let dpop = "DPoP algs=\"ES256 EdDSA\", resource_metadata=\"https://a.example/m\"";
        let invalid = "error=\"invalid_token\", \
                       error_description=\"The access token is not valid\", ";
        let place = "resource_metadata=\"https://a.example/m\"";
        assert_eq!(text(&challenges.missing), format!("{bearer}\n{dpop}"));
        // The blame is with the scheme that was used.
        assert_eq!(
            text(challenges.invalid_token(false)),
            format!("Bearer {invalid}{place}\n{dpop}"),
        );
        assert_eq!(
            text(challenges.invalid_token(true)),
            format!("{bearer}\nDPoP {invalid}algs=\"ES256 EdDSA\", {place}"),
        );
        assert_eq!(
            text(&challenges.invalid_proof),
            format!("DPoP error=\"invalid_dpop_proof\", algs=\"ES256 EdDSA\", {place}"),
        );
        assert_eq!(text(&challenges.use_nonce), "DPoP error=\"use_dpop_nonce\"");
        let late = text(&challenges.insufficient_scope(&scopes));
        let (bearer, dpop) = late.split_once('\n').unwrap();
        assert!(bearer.starts_with("Bearer error=\"insufficient_scope\", scope=\"files:read\", "));
        assert!(dpop.starts_with(
            "DPoP error=\"insufficient_scope\", scope=\"files:read\", algs=\"ES256 EdDSA\", "
        ));
    }

    #[test]
    fn without_proofs_a_bound_token_is_a_bad_token() {
        let challenges = challenges(&[Description::bearer("jwt")], None, "");
        assert_eq!(
            challenges.invalid_token(true),
            challenges.invalid_token(false)
        );
        assert!(challenges.invalid_proof.is_empty() && challenges.use_nonce.is_empty());
    }

    #[test]
    fn algorithms_that_cannot_be_quoted_are_named() {
        let proof = ProofDescription::dpop("ES256\", evil=\"");
        let source = Source {
            descriptions: &[Description::bearer("jwt")],
            proof: Some(&proof),
            metadata_url: None,
            scopes: &Scopes::default(),
            realm: "agent",
        };
        let error = Challenges::render(&source).unwrap_err();
        assert_eq!(error.setting(), "with_proof_of_possession");
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
    fn what_a_requirement_lacks() {
        let url = "https://a.example/.well-known/oauth-protected-resource";
        let challenges = challenges(&[Description::bearer("jwt")], Some(url), "");
        let (none, both) = (Scopes::default(), Scopes::parse("a b").unwrap());
        assert_eq!(
            text(&challenges.insufficient_scope(&both)),
            format!(
                "Bearer error=\"insufficient_scope\", scope=\"a b\", \
                 resource_metadata=\"{url}\", error_description=\"The request requires more \
                 scopes than the access token has\""
            ),
        );
        for (acr_values, max_age, scopes, parameters) in [
            ("phr", None, &none, "acr_values=\"phr\", "),
            ("", Some(300), &none, "max_age=\"300\", "),
            (
                "phr phrh",
                Some(0),
                &none,
                "acr_values=\"phr phrh\", max_age=\"0\", ",
            ),
            ("phr", None, &both, "acr_values=\"phr\", scope=\"a b\", "),
            ("", None, &none, ""),
        ] {
            let wanted = Wanted {
                acr_values,
                max_age: max_age.map(Duration::from_secs),
                scopes,
            };
            assert_eq!(
                text(&challenges.insufficient_user_authentication(&wanted)),
                format!(
                    "Bearer error=\"insufficient_user_authentication\", \
                     {parameters}resource_metadata=\"{url}\""
                ),
            );
        }
    }

    #[test]
    fn what_a_requirement_lacks_without_an_authorization_server() {
        let challenges = challenges(&[Description::bearer("api_key")], None, "");
        let scopes = Scopes::parse("a").unwrap();
        let line = text(&challenges.insufficient_scope(&scopes));
        let start = "Bearer realm=\"agent\", error=\"insufficient_scope\", scope=\"a\", ";
        assert!(line.starts_with(start), "{line}");
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
        let challenges = challenges(&both, Some("https://a.example/m"), "files:read");
        let late = challenges.insufficient_scope(&Scopes::default());
        for (lines, first) in [
            (&challenges.missing, "Bearer resource_metadata="),
            (&challenges.invalid_request, "Bearer error="),
            (&challenges.invalid_token, "Bearer error="),
            (&late, "Bearer error="),
        ] {
            let lines = text(lines);
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
