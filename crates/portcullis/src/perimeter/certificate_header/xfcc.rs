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

/// The certificate in the element that is so far from the right. No value, no certificate.
pub(super) fn read(text: &str, hops: usize) -> Result<Option<PeerCertificate>, Malformed> {
    if text.is_empty() {
        return Ok(None);
    }
    let elements = elements(text)?;
    let position = elements.len().checked_sub(hops).ok_or(Malformed)?;
    let position = if portcullis_core::sabotaged!("certificate_header.right_most") {
        0
    } else {
        position
    };
    let pairs = elements.get(position).ok_or(Malformed)?;
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
        if name.eq_ignore_ascii_case("uri") && !value.is_empty() {
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
        let uris = self.uris.into_iter();
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
    fn the_element_counts_that_a_trusted_proxy_has_appended() {
        let evil = format!("By=spiffe://evil;Hash={OTHER};URI=spiffe://td.example/admin");
        let real = format!("By=spiffe://td.example/gw;Hash={HASH};URI=spiffe://td.example/a");
        for text in [format!("{evil},{real}"), format!("{evil}, {real}")] {
            let uris = vec!["spiffe://td.example/a".to_owned()];
            assert_eq!(found(&text, 1), Ok((thumbprint(HASH), uris)));
            assert_eq!(found(&text, 2).unwrap().0, thumbprint(OTHER));
            assert_eq!(found(&text, 3), Err(Malformed));
        }
        // A quote that a client leaves open swallows nothing: then nothing is read at all.
        let open = format!("By=\"evil,{real}");
        assert_eq!(found(&open, 1), Err(Malformed));
        let closed = format!("By=\"x,Hash={OTHER}\",{real}");
        assert_eq!(found(&closed, 1).unwrap().0, thumbprint(HASH));
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

        /// Whatever a client writes to the left changes nothing, as long as it can be read.
        #[test]
        fn what_stands_to_the_left_does_not_count(
            left in "([A-Za-z]{1,5}=(\"[a-z,;]{0,9}\"|[a-z]{0,9});){0,3}[A-Za-z]{1,5}=[a-z]{0,9}"
        ) {
            let text = format!("{left},Hash={HASH}");
            prop_assert_eq!(found(&text, 1).unwrap().0, thumbprint(HASH));
        }
    }
}
