//! `X-Forwarded-Client-Cert` of Envoy.
//!
//! Elements are separated by commas, pairs in them by semicolons; a value in quotes may hold both,
//! and quotes behind a backslash.

use std::{iter::Peekable, str::Chars};

use portcullis_core::PeerCertificate;

use super::{
    Malformed,
    encoded::{digit, pem, percent_decoded},
};

/// The most elements and the most pairs of one that are looked at.
const MAX: usize = 64;

/// What counts of an element.
#[derive(Default)]
struct Element {
    hash: Option<[u8; 32]>,
    certificate: Option<PeerCertificate>,
    uris: Vec<String>,
}

/// The certificate of the client, where so many proxies have written an element each. No value, no
/// certificate.
pub(super) fn read(text: &str, hops: usize) -> Result<Option<PeerCertificate>, Malformed> {
    if text.is_empty() {
        return Ok(None);
    }
    let elements = elements(text)?;
    if elements.len() < hops {
        return Ok(None);
    }
    if elements.len() > hops && !portcullis_core::sabotaged!("certificate_header.elements") {
        return Err(Malformed);
    }
    let pairs = elements.first().ok_or(Malformed)?;
    let mut element = Element::default();
    for (name, value) in pairs {
        element.take(name, value)?;
    }
    element.certificate().map(Some)
}

impl Element {
    fn take(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        // Names are case-insensitive in Envoy.
        if name.eq_ignore_ascii_case("hash") {
            let hash = self.hash.replace(hash(value)?);
            return hash.is_none().then_some(()).ok_or(Malformed);
        }
        if name.eq_ignore_ascii_case("cert") {
            let certificate = self.certificate.replace(pem(&percent_decoded(value)?)?);
            return certificate.is_none().then_some(()).ok_or(Malformed);
        }
        if name.eq_ignore_ascii_case("uri") {
            self.uris.push(value.to_owned());
        }
        // `By`, `Chain`, `Subject` and `DNS` name nobody here: `Subject` can be read in two ways.
        Ok(())
    }

    fn certificate(self) -> Result<PeerCertificate, Malformed> {
        let certificate = match (self.certificate, self.hash) {
            (Some(certificate), None) => certificate,
            (None, Some(hash)) => PeerCertificate::from_digest(hash),
            // Two that do not agree are of two clients.
            (Some(certificate), Some(hash)) => {
                let other = PeerCertificate::from_digest(hash);
                if certificate.thumbprint() != other.thumbprint() {
                    return Err(Malformed);
                }
                certificate
            }
            (None, None) => return Err(Malformed),
        };
        // Empty, where there is none. Beside another, it is what the holder has made of it.
        let uris = match self.uris.as_slice() {
            [only] if only.is_empty() => Vec::new(),
            uris if uris.iter().any(String::is_empty) => return Err(Malformed),
            _ => self.uris,
        };
        let uris = uris.into_iter();
        Ok(uris.fold(certificate, PeerCertificate::add_uri))
    }
}

/// 64 hexadecimal digits.
fn hash(text: &str) -> Result<[u8; 32], Malformed> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return Err(Malformed);
    }
    let mut hash = [0; 32];
    for (place, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        let [high, low] = pair else {
            return Err(Malformed);
        };
        *place = (digit(*high)? << 4) | digit(*low)?;
    }
    Ok(hash)
}

type Pairs = Vec<(String, String)>;

/// All elements, each with its pairs.
fn elements(text: &str) -> Result<Vec<Pairs>, Malformed> {
    let mut chars = text.chars().peekable();
    let mut elements = Vec::new();
    loop {
        elements.push(pairs(&mut chars)?);
        if elements.len() > MAX {
            return Err(Malformed);
        }
        match chars.next() {
            None => return Ok(elements),
            Some(',') => blanks(&mut chars),
            Some(_) => return Err(Malformed),
        }
    }
}

/// The pairs of one element, up to a comma.
fn pairs(chars: &mut Peekable<Chars<'_>>) -> Result<Pairs, Malformed> {
    let mut pairs = Vec::new();
    loop {
        let mut name = String::new();
        while let Some(char) = chars.next_if(char::is_ascii_alphanumeric) {
            name.push(char);
        }
        if name.is_empty() || chars.next() != Some('=') {
            return Err(Malformed);
        }
        pairs.push((name, value(chars)?));
        if pairs.len() > MAX {
            return Err(Malformed);
        }
        blanks(chars);
        if chars.next_if_eq(&';').is_none() {
            return Ok(pairs);
        }
        blanks(chars);
    }
}

fn blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if_eq(&' ').is_some() {}
}

/// A value, in quotes or not.
fn value(chars: &mut Peekable<Chars<'_>>) -> Result<String, Malformed> {
    let mut value = String::new();
    if chars.next_if_eq(&'"').is_none() {
        while let Some(char) = chars.next_if(|char| !matches!(char, ',' | ';' | '"' | '\\')) {
            value.push(char);
        }
        return Ok(value.trim_ascii_end().to_owned());
    }
    loop {
        match chars.next().ok_or(Malformed)? {
            '"' => return Ok(value),
            '\\' => value.push(chars.next().ok_or(Malformed)?),
            char => value.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "5665d8739a13a6fffcb113fcf6e77037b9a00bf3133436eec91c9e0a3e24f539";
    const OTHER: &str = "0000d8739a13a6fffcb113fcf6e77037b9a00bf3133436eec91c9e0a3e24f539";

    fn found(text: &str, hops: usize) -> Result<(String, Vec<String>), Malformed> {
        let certificate = read(text, hops)?.unwrap();
        let uris = certificate.uris().map(str::to_owned).collect();
        Ok((certificate.thumbprint().to_owned(), uris))
    }

    fn thumbprint(hash: &str) -> String {
        let certificate = PeerCertificate::from_digest(super::hash(hash).unwrap());
        certificate.thumbprint().to_owned()
    }

    #[test]
    fn an_element_is_read_as_envoy_writes_it() {
        // The subject holds what separates elements and pairs.
        let text = format!(
            "By=spiffe://td.example/gw;Hash={HASH};Subject=\"CN=agent\\;\\\"a\\\",O=Acme\\, Inc\";\
             URI=spiffe://td.example/agent/a;DNS=agent-a.local;DNS=a.local"
        );
        let uris = vec!["spiffe://td.example/agent/a".to_owned()];
        assert_eq!(found(&text, 1), Ok((thumbprint(HASH), uris)));
        assert_eq!(
            found(&format!("hash={HASH}"), 1),
            Ok((thumbprint(HASH), vec![]))
        );
        let spaced = format!("By=a; Hash={HASH} ; URI=b");
        assert_eq!(
            found(&spaced, 1),
            Ok((thumbprint(HASH), vec!["b".to_owned()]))
        );
    }

    #[test]
    fn there_is_one_element_for_each_proxy() {
        let client = format!("By=spiffe://td.example/edge;Hash={HASH};URI=spiffe://td.example/a");
        let edge = format!("By=spiffe://td.example/gw;Hash={OTHER};URI=spiffe://td.example/edge");
        for text in [format!("{client},{edge}"), format!("{client}, {edge}")] {
            let uris = vec!["spiffe://td.example/a".to_owned()];
            assert_eq!(found(&text, 2), Ok((thumbprint(HASH), uris)));
            // One of them may be the client's work, whichever.
            assert_eq!(found(&text, 1), Err(Malformed));
            // The client has shown none to the first of three.
            assert_eq!(read(&text, 3), Ok(None));
        }
        // A quote that a client leaves open swallows nothing: then nothing is read at all.
        let open = format!("By=\"evil,{client}");
        assert_eq!(found(&open, 1), Err(Malformed));
    }

    /// Envoy writes names as they stand in the certificate, with whatever its holder had signed.
    #[test]
    fn a_name_with_a_separator_in_it_is_nobody() {
        for uri in [
            format!("urn:x,Hash={OTHER};URI=spiffe://td.example/root"),
            ";URI=spiffe://td.example/root".to_owned(),
        ] {
            let text = format!("By=spiffe://td.example/gw;Hash={HASH};URI={uri}");
            assert_eq!(found(&text, 1), Err(Malformed), "{uri}");
        }
        // None at all is none.
        let none = format!("Hash={HASH};URI=");
        assert_eq!(found(&none, 1), Ok((thumbprint(HASH), vec![])));
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            ",",
            ";",
            "Hash",
            "Hash=",
            "=a",
            &format!("Hash={HASH};"),
            &format!("Hash={HASH},"),
            &format!(",Hash={HASH}"),
            &format!("Hash={HASH};Hash={HASH}"),
            &format!("Hash={}", &HASH[1..]),
            &format!("Hash={HASH}0"),
            &format!("Hash={}g", &HASH[1..]),
            "By=a;URI=spiffe://td.example/a",
            &format!("Hash={HASH};Cert=\"x\""),
            &format!("Hash={HASH}\\"),
            &format!("Hash=\"{HASH}"),
            &format!("Hash=\"{HASH}\"x"),
            &"a=b,".repeat(100),
            &"a=b;".repeat(100),
        ] {
            assert_eq!(read(text, 1), Err(Malformed), "{text}");
        }
        assert_eq!(read("", 1), Ok(None));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~]{0,300}", hops in 1_usize..4) {
            let _ = read(&text, hops);
        }

        /// Whatever a client writes to the left, it is not taken for the proxy's.
        #[test]
        fn what_stands_to_the_left_is_refused(
            left in "([A-Za-z]{1,5}=(\"[a-z,;]{0,9}\"|[a-z]{0,9});){0,3}[A-Za-z]{1,5}=[a-z]{0,9}"
        ) {
            let text = format!("{left},Hash={HASH}");
            prop_assert_eq!(found(&text, 1), Err(Malformed));
        }
    }
}
