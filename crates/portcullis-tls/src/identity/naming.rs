//! Which name of a certificate counts, and who may call: decisions on plain text.

use std::collections::HashMap;

use portcullis_core::{ReasonCode, sabotaged};

use crate::{certificate::Names, reason};

/// The longest SPIFFE ID (SPIFFE-ID §2.3).
const MAX_ID: usize = 2048;

/// Which name counts.
#[derive(Clone, Debug)]
pub(super) enum Naming {
    /// The one URI, which is a SPIFFE ID of this trust domain.
    Spiffe {
        domain: Box<str>,
        /// Whole paths, and such as end with a slash. None where every path may call.
        paths: Vec<Box<str>>,
    },
    /// One of the DNS names.
    Dns(Vec<Box<str>>),
    /// The one common name of the subject.
    CommonName(Vec<Box<str>>),
    /// The thumbprint of the certificate, and who that is.
    Thumbprint(HashMap<Box<str>, Box<str>>),
}

/// Who it is, if it is one of ours.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found<'a> {
    /// The subject.
    Named(&'a str),
    /// It is nobody of whom this authenticator knows.
    Stranger,
}

impl Naming {
    /// The subject of a certificate.
    pub(super) fn name<'a>(
        &'a self,
        thumbprint: &str,
        uris: &'a [Box<str>],
        names: Option<&'a Names>,
    ) -> Result<Found<'a>, ReasonCode> {
        match self {
            Self::Spiffe { domain, paths } => spiffe(domain, paths, uris),
            Self::Dns(listed) => {
                let names = names.ok_or(reason::NAMES)?;
                one_of(listed, &names.dns)
            }
            Self::CommonName(listed) => {
                let names = names.ok_or(reason::NAMES)?;
                if names.common_names.len() > 1 && !sabotaged!("client_certificate.one_name") {
                    return Err(reason::NAMES);
                }
                one_of(listed, &names.common_names)
            }
            Self::Thumbprint(known) => Ok(known
                .get(thumbprint)
                .map_or(Found::Stranger, |name| Found::Named(name))),
        }
    }
}

/// The one name of a certificate that is listed. A certificate with two of them is two callers.
fn one_of<'a>(listed: &[Box<str>], names: &'a [Box<str>]) -> Result<Found<'a>, ReasonCode> {
    // The case of a DNS name does not matter to anybody; here it has to be as it was listed.
    let mut found = names.iter().filter(|name| listed.contains(name));
    match (found.next(), found.next()) {
        (None, _) => Ok(Found::Stranger),
        (Some(name), None) => Ok(Found::Named(name)),
        (Some(_), Some(_)) => Err(reason::NAMES),
    }
}

fn spiffe<'a>(
    own: &str,
    paths: &[Box<str>],
    uris: &'a [Box<str>],
) -> Result<Found<'a>, ReasonCode> {
    let Some(id) = uris.iter().find(|uri| uri.starts_with("spiffe://")) else {
        return Ok(Found::Stranger);
    };
    // One that has more URIs is no SVID (X509-SVID §2).
    if uris.len() != 1 && !sabotaged!("client_certificate.one_name") {
        return Err(reason::NAMES);
    }
    let (domain, path) = spiffe_id(id).ok_or(reason::SPIFFE_ID)?;
    if domain != own && !sabotaged!("client_certificate.domain") {
        return Ok(Found::Stranger);
    }
    let is_listed = |listed: &str| match listed.ends_with('/') {
        // Below it, and not beside it.
        true => path.len() > listed.len() && path.starts_with(listed),
        false => listed == path,
    };
    if !paths.is_empty()
        && !paths.iter().any(|listed| is_listed(listed))
        && !sabotaged!("client_certificate.listed")
    {
        return Err(reason::NOT_LISTED);
    }
    Ok(Found::Named(id))
}

/// The trust domain and the path of a SPIFFE ID (SPIFFE-ID §2).
pub(super) fn spiffe_id(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("spiffe://")?;
    let at = rest.find('/')?;
    let (domain, path) = rest.split_at(at);
    let is_whole = text.len() <= MAX_ID && is_trust_domain(domain) && is_path(path);
    is_whole.then_some((domain, path))
}

pub(super) fn is_trust_domain(text: &str) -> bool {
    let is_part = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(is_part)
}

/// Whether a text is a path of segments, each of which is something.
pub(super) fn is_path(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    text.strip_prefix('/').is_some_and(|rest| {
        rest.split('/')
            .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "spiffe://acme.example/agents/a";

    fn own(texts: &[&str]) -> Vec<Box<str>> {
        texts.iter().map(|text| Box::from(*text)).collect()
    }

    fn judge(paths: &[&str], uris: &[&str]) -> Result<Option<String>, ReasonCode> {
        let naming = Naming::Spiffe {
            domain: "acme.example".into(),
            paths: own(paths),
        };
        let uris = own(uris);
        naming.name("", &uris, None).map(|found| match found {
            Found::Named(name) => Some(name.to_owned()),
            Found::Stranger => None,
        })
    }

    #[test]
    fn a_workload_of_a_trust_domain_is_named_by_its_id() {
        assert_eq!(judge(&[], &[ID]), Ok(Some(ID.to_owned())));
        assert_eq!(judge(&["/agents/"], &[ID]), Ok(Some(ID.to_owned())));
        assert_eq!(judge(&["/agents/a"], &[ID]), Ok(Some(ID.to_owned())));
        for paths in [
            &["/agents/b"][..],
            &["/agents"],
            &["/agents/a/"],
            &["/agent/"],
        ] {
            assert_eq!(judge(paths, &[ID]), Err(reason::NOT_LISTED), "{paths:?}");
        }
        let beside = "spiffe://acme.example/agentsx/a";
        assert_eq!(judge(&["/agents/"], &[beside]), Err(reason::NOT_LISTED));
    }

    #[test]
    fn whoever_is_of_another_domain_is_a_stranger() {
        for uris in [
            &[][..],
            &["https://acme.example/agents/a"],
            &["spiffe://evil.example/agents/a"],
            &["spiffe://sub.acme.example/agents/a"],
            &["spiffe://acme.example.evil.example/agents/a"],
        ] {
            assert_eq!(judge(&[], uris), Ok(None), "{uris:?}");
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in [
            "spiffe://acme.example",
            "spiffe://acme.example/",
            "spiffe://acme.example/agents/",
            "spiffe://acme.example//a",
            "spiffe://acme.example/./a",
            "spiffe://acme.example/../a",
            "spiffe://acme.example/a%2fb",
            "spiffe://acme.example/a?b",
            "spiffe://acme.example/a#b",
            "spiffe://acme.example:8443/a",
            "spiffe://u@acme.example/a",
            "spiffe://ACME.example/a",
            "spiffe:///a",
            &format!("spiffe://acme.example/{}", "a".repeat(2048)),
        ] {
            assert_eq!(judge(&[], &[id]), Err(reason::SPIFFE_ID), "{id}");
        }
        assert_eq!(judge(&[], &[ID, ID]), Err(reason::NAMES));
        let two = [ID, "https://acme.example/"];
        assert_eq!(judge(&[], &two), Err(reason::NAMES));
    }

    #[test]
    fn a_certificate_with_two_listed_names_is_two_callers() {
        let listed = own(&["a.example", "b.example"]);
        let names = |dns: &[&str]| own(dns);
        let one = names(&["x.example", "a.example"]);
        assert_eq!(one_of(&listed, &one), Ok(Found::Named("a.example")));
        let two = names(&["a.example", "b.example"]);
        assert_eq!(one_of(&listed, &two), Err(reason::NAMES));
        for none in [names(&[]), names(&["*.example"]), names(&["A.example"])] {
            assert_eq!(one_of(&listed, &none), Ok(Found::Stranger));
        }
    }
}
