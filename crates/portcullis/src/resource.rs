//! Who we are: the resource identifier, and the metadata that follows from it.

mod details;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header::ALLOW, request::Parts};
use portcullis_core::{ConfigError, ProofDescription, Scopes};
use url::{Host, Url};

pub use self::details::ResourceDetails;
use crate::{
    exchange::{Exchange, Slot},
    frame::{Decision, Step},
    reason,
    refusal::Refusal,
};

/// Between the host and the path of a resource stands this (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// A resource identifier (RFC 9728 §1.2): the URL of the agent, kept byte for byte as it was
/// configured. It is the audience of tokens, and clients compare it byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    identifier: Arc<str>,
    url: Url,
}

impl Resource {
    pub(crate) fn parse(identifier: &str) -> Result<Self, ConfigError> {
        let error = |problem: &str| Err(ConfigError::new("with_resource", problem));
        let Ok(url) = Url::parse(identifier) else {
            return error("is no absolute url; give the public one, like `https://agent.example/`");
        };
        let is_plain = |byte: u8| (0x21..=0x7e).contains(&byte) && !matches!(byte, b'"' | b'\\');
        if !identifier.bytes().all(is_plain) {
            return error("holds a byte that has to be percent-encoded in a url");
        }
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return error("has no host; give the public url of the agent"),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            _ => return error("is not https; only a loopback address may be plain http"),
        }
        if url.fragment().is_some() {
            return error("has a fragment, which clients refuse; remove it");
        }
        if url.query().is_some() {
            return error("has a query; give the url without it");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return error("holds credentials; remove them");
        }
        Ok(Self {
            identifier: identifier.into(),
            url,
        })
    }

    pub(crate) fn identifier(&self) -> &Arc<str> {
        &self.identifier
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The path of the metadata: the resource's own path stands behind the well-known part.
    fn metadata_path(&self) -> String {
        match self.url.path() {
            "/" => WELL_KNOWN.to_owned(),
            path => format!("{WELL_KNOWN}{path}"),
        }
    }

    fn metadata_url(&self) -> String {
        format!(
            "{}{}",
            self.url.origin().ascii_serialization(),
            self.metadata_path()
        )
    }
}

/// The resource metadata (RFC 9728): one constant document, at two paths.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    url: Box<str>,
    path: Box<str>,
    document: Bytes,
}

/// What the metadata says beside who we are: what authenticators and settings really are.
pub(crate) struct Published<'a> {
    pub(crate) authorization_servers: &'a [&'a str],
    pub(crate) scopes: &'a Scopes,
    pub(crate) proof: Option<&'a ProofDescription>,
    /// Whether every credential has to be bound to a key.
    pub(crate) requires_proof: bool,
    pub(crate) details: &'a ResourceDetails,
}

impl Metadata {
    /// The metadata of a resource, if there is an authorization server to point to.
    pub(crate) fn new(resource: &Resource, published: &Published<'_>) -> Option<Self> {
        let (authorization_servers, scopes) = (published.authorization_servers, published.scopes);
        if authorization_servers.is_empty() {
            return None;
        }
        // Every text in here has been held against a set of bytes that JSON does not escape.
        let list = |items: &mut dyn Iterator<Item = &str>| {
            items
                .map(|item| format!("\"{item}\""))
                .collect::<Vec<_>>()
                .join(",")
        };
        let servers = list(&mut authorization_servers.iter().copied());
        let scopes = match scopes.is_empty() {
            true => String::new(),
            false => format!(",\"scopes_supported\":[{}]", list(&mut scopes.iter())),
        };
        let proof = match published.proof {
            None => String::new(),
            Some(proof) => format!(
                ",\"dpop_signing_alg_values_supported\":[{}],\
                 \"dpop_bound_access_tokens_required\":{}",
                list(&mut proof.algorithms().split(' ')),
                published.requires_proof,
            ),
        };
        let document = format!(
            "{{\"resource\":\"{}\",\"authorization_servers\":[{servers}],\
             \"bearer_methods_supported\":[\"header\"]{scopes}{proof}{}}}",
            resource.identifier,
            published.details.members(),
        );
        Some(Self {
            url: resource.metadata_url().into(),
            path: resource.metadata_path().into(),
            document: document.into(),
        })
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The answer to a request for the metadata; `None` if it asks for something else.
    pub(crate) fn answer(&self, method: &Method, path: &str) -> Option<Refusal> {
        if path != &*self.path && path != WELL_KNOWN {
            return None;
        }
        let answer = |status| Refusal::answer("metadata", status, reason::RESOURCE_METADATA);
        Some(match *method {
            Method::GET | Method::HEAD => {
                answer(StatusCode::OK).with_document("application/json", self.document.clone())
            }
            // A plain GET needs no preflight; answering one with the same permission as the
            // document itself gives nothing away.
            Method::OPTIONS => {
                answer(StatusCode::NO_CONTENT).with_document("text/plain", Bytes::new())
            }
            _ => answer(StatusCode::METHOD_NOT_ALLOWED)
                .with_header(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS")),
        })
    }
}

/// The step that answers for metadata which the gate happens to see.
pub(crate) struct AnswerMetadata(pub(crate) Metadata);

impl Step for AnswerMetadata {
    fn slot(&self) -> Option<Slot> {
        None
    }

    fn decide(&self, parts: &mut Parts, exchange: &Exchange) -> Decision {
        match self.0.answer(&parts.method, exchange.path()) {
            Some(answer) => Decision::Refuse(answer),
            None => Decision::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_stands_between_host_and_path() {
        for (resource, url) in [
            (
                "https://a.example",
                "https://a.example/.well-known/oauth-protected-resource",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/oauth-protected-resource",
            ),
            (
                "https://a.example:8443/public/mcp",
                "https://a.example:8443/.well-known/oauth-protected-resource/public/mcp",
            ),
            (
                "http://127.0.0.1:3000/",
                "http://127.0.0.1:3000/.well-known/oauth-protected-resource",
            ),
        ] {
            assert_eq!(Resource::parse(resource).unwrap().metadata_url(), url);
        }
    }

    #[test]
    fn the_identifier_stays_as_it_was_written() {
        let resource = Resource::parse("HTTPS://A.example/Mcp").unwrap();
        assert_eq!(&**resource.identifier(), "HTTPS://A.example/Mcp");
        assert!(resource.metadata_url().starts_with("https://a.example/"));
    }

    #[test]
    fn refuses_what_no_client_would_accept() {
        for resource in [
            "",
            "agent",
            "/agent",
            "http://agent.example/",
            "ftp://a.example/",
            "https://a/#f",
            "https://a/?q",
            "https://u:p@a/",
            "https://a/\"",
            "https://a/ b",
            "urn:x",
            "https://ä/",
        ] {
            let error = Resource::parse(resource).unwrap_err();
            assert_eq!(error.setting(), "with_resource", "{resource}");
        }
    }

    #[test]
    fn the_document_is_json_with_the_resource_byte_for_byte() {
        let resource = Resource::parse("https://A.example/mcp").unwrap();
        let scopes = Scopes::parse("notes.read").unwrap();
        let details = ResourceDetails::new().with_name("Notes");
        let published = |authorization_servers| Published {
            authorization_servers,
            scopes: &scopes,
            proof: None,
            requires_proof: false,
            details: &details,
        };
        let metadata = Metadata::new(&resource, &published(&["https://idp.example"])).unwrap();
        assert_eq!(
            metadata.document,
            "{\"resource\":\"https://A.example/mcp\",\
             \"authorization_servers\":[\"https://idp.example\"],\
             \"bearer_methods_supported\":[\"header\"],\"scopes_supported\":[\"notes.read\"],\
             \"resource_name\":\"Notes\"}",
        );
        assert!(metadata.answer(&Method::GET, WELL_KNOWN).is_some());
        assert!(
            metadata
                .answer(&Method::GET, &format!("{WELL_KNOWN}/mcp"))
                .is_some()
        );
        assert!(
            metadata
                .answer(&Method::GET, &format!("{WELL_KNOWN}/other"))
                .is_none()
        );
        assert!(Metadata::new(&resource, &published(&[])).is_none());
        let dpop = ProofDescription::dpop("ES256 EdDSA");
        for requires_proof in [false, true] {
            let published = Published {
                proof: Some(&dpop),
                requires_proof,
                ..published(&["https://idp.example"])
            };
            let metadata = Metadata::new(&resource, &published).unwrap();
            let document = String::from_utf8(metadata.document.to_vec()).unwrap();
            let expected = format!(
                ",\"dpop_signing_alg_values_supported\":[\"ES256\",\"EdDSA\"],\
                 \"dpop_bound_access_tokens_required\":{requires_proof},\
                 \"resource_name\":\"Notes\"}}"
            );
            assert!(document.ends_with(&expected), "{document}");
        }
    }
}
