//! Headers that hold one certificate, in one encoding or another.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_core::PeerCertificate;

use super::Malformed;

/// The largest certificate, in bytes.
const MAX_DER: usize = 16 * 1024;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// `:base64:`, and nothing else (RFC 9440 §2.2; RFC 9651 §3.3.5). Nothing between the colons, where the
/// client showed no certificate.
pub(super) fn rfc9440(text: &str) -> Result<Option<PeerCertificate>, Malformed> {
    match &*byte_sequence(text)? {
        [] => Ok(None),
        der => certificate(der).map(Some),
    }
}

fn byte_sequence(text: &str) -> Result<Vec<u8>, Malformed> {
    let inner = text
        .strip_prefix(':')
        .and_then(|rest| rest.strip_suffix(':'));
    decode(inner.ok_or(Malformed)?)
}

/// PEM, percent-encoded. Nothing, where the client showed no certificate.
pub(super) fn url_encoded_pem(text: &str) -> Result<Option<PeerCertificate>, Malformed> {
    if text.is_empty() {
        return Ok(None);
    }
    pem(&percent_decoded(text)?).map(Some)
}

/// Base64 of the first certificate up to a comma, percent-encoded or not.
pub(super) fn traefik(text: &str) -> Result<Option<PeerCertificate>, Malformed> {
    if text.is_empty() {
        return Ok(None);
    }
    let decoded = percent_decoded(text)?;
    let own = decoded.split(',').next().unwrap_or_default();
    certificate(&decode(own)?).map(Some)
}

/// Base64 of the DER.
pub(super) fn base64_der(text: &str) -> Result<Option<PeerCertificate>, Malformed> {
    if text.is_empty() {
        return Ok(None);
    }
    certificate(&decode(text)?).map(Some)
}

/// The first certificate of a PEM text, which begins with it.
pub(super) fn pem(text: &str) -> Result<PeerCertificate, Malformed> {
    let rest = text
        .trim_ascii_start()
        .strip_prefix(BEGIN)
        .ok_or(Malformed)?;
    let (body, _) = rest.split_once(END).ok_or(Malformed)?;
    let body: String = body
        .chars()
        .filter(|char| !matches!(char, '\n' | '\r'))
        .collect();
    certificate(&decode(&body)?)
}

fn decode(text: &str) -> Result<Vec<u8>, Malformed> {
    STANDARD.decode(text).map_err(|_| Malformed)
}

/// A certificate is a sequence in DER, whose length fits (X.690 §8.1, §10.1). What is in it is read
/// by whoever wants to know.
fn certificate(der: &[u8]) -> Result<PeerCertificate, Malformed> {
    let is_whole = match der {
        [0x30, 0x82, high, low, rest @ ..] => {
            rest.len() == usize::from(u16::from_be_bytes([*high, *low]))
        }
        [0x30, 0x81, length, rest @ ..] => rest.len() == usize::from(*length),
        _ => false,
    };
    if !is_whole || der.len() > MAX_DER {
        return Err(Malformed);
    }
    PeerCertificate::from_der([der]).ok_or(Malformed)
}

/// What was percent-encoded (RFC 3986 §2.1). A `+` is a `+`: it stands in base64.
pub(super) fn percent_decoded(text: &str) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = match (first, more) {
            (b'%', [high, low, after @ ..]) => {
                bytes.push((digit(*high)? << 4) | digit(*low)?);
                after
            }
            (b'%', _) => return Err(Malformed),
            _ => {
                bytes.push(*first);
                more
            }
        };
    }
    String::from_utf8(bytes).map_err(|_| Malformed)
}

pub(super) fn digit(byte: u8) -> Result<u8, Malformed> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As long as a small certificate, and in nothing else like one.
    fn der() -> Vec<u8> {
        let mut der = vec![0x30, 0x82, 0x01, 0x00];
        der.extend((0..=255).collect::<Vec<u8>>());
        der
    }

    fn thumbprint() -> String {
        let certificate = PeerCertificate::from_der([der()]).unwrap();
        certificate.thumbprint().to_owned()
    }

    fn of(read: Result<Option<PeerCertificate>, Malformed>) -> Option<String> {
        read.unwrap().map(|found| found.thumbprint().to_owned())
    }

    fn pem_text() -> String {
        let text = STANDARD.encode(der());
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
    }

    fn escaped(text: &str) -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    }

    #[test]
    fn each_form_is_read() {
        let base64 = STANDARD.encode(der());
        let expected = Some(thumbprint());
        assert_eq!(of(rfc9440(&format!(":{base64}:"))), expected);
        assert_eq!(of(base64_der(&base64)), expected);
        assert_eq!(of(url_encoded_pem(&escaped(&pem_text()))), expected);
        // A load balancer leaves what base64 is made of as it is.
        let half = pem_text().replace('\n', "%0A").replace(' ', "%20");
        assert_eq!(of(url_encoded_pem(&half)), expected);
        assert_eq!(of(traefik(&base64)), expected);
        assert_eq!(of(traefik(&escaped(&base64))), expected);
        let chain = format!("{base64},{}", STANDARD.encode("an authority"));
        assert_eq!(of(traefik(&chain)), expected);
    }

    #[test]
    fn nothing_is_no_certificate_where_proxies_write_nothing() {
        for read in [
            url_encoded_pem(""),
            traefik(""),
            base64_der(""),
            rfc9440("::"),
        ] {
            assert_eq!(read, Ok(None));
        }
        assert_eq!(rfc9440(""), Err(Malformed));
    }

    #[test]
    fn nothing_is_guessed() {
        let base64 = STANDARD.encode(der());
        for text in [
            base64.clone(),
            format!(":{base64}"),
            format!("{base64}:"),
            format!(":{base64}:;a=1"),
            format!(":{base64}:, :{base64}:"),
            format!(" :{base64}:"),
            format!(": {base64}:"),
            format!(":{}:", base64.trim_end_matches('=')),
            format!(":{}:", STANDARD.encode("no certificate")),
        ] {
            assert_eq!(rfc9440(&text), Err(Malformed), "{text}");
        }
        for text in [
            "%",
            "%4",
            "%4g",
            "%zz",
            "plain",
            "%FF",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(url_encoded_pem(text), Err(Malformed), "{text}");
        }
        let cut = &der()[..200];
        assert_eq!(base64_der(&STANDARD.encode(cut)), Err(Malformed));
        let more = [der(), vec![0]].concat();
        assert_eq!(base64_der(&STANDARD.encode(more)), Err(Malformed));
        let mut large = vec![0x30, 0x82, 0xff, 0xff];
        large.resize(4 + 0xffff, 0);
        assert_eq!(base64_der(&STANDARD.encode(large)), Err(Malformed));
    }

    /// Where the published examples leave it to the reader, it is refused.
    #[test]
    fn byte_sequences_are_read_as_published() {
        let file = include_str!("../../../tests/vectors/byte_sequences.json");
        let examples: serde_json::Value = serde_json::from_str(file).unwrap();
        let examples = examples.as_array().unwrap();
        assert_eq!(examples.len(), 15);
        for example in examples {
            let read = byte_sequence(example["raw"][0].as_str().unwrap());
            let is_refused = ["must_fail", "can_fail"]
                .iter()
                .any(|name| example[name] == true);
            let expected = match example["expected"][0]["value"].as_str() {
                Some(value) if !is_refused => Ok(of_base32(value)),
                _ => Err(Malformed),
            };
            assert_eq!(read, expected, "{}", example["name"]);
        }
    }

    /// RFC 4648 §6.
    fn of_base32(text: &str) -> Vec<u8> {
        let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
        for digit in text.trim_end_matches('=').bytes() {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                _ => digit - b'2' + 26,
            };
            bits = (bits << 5 | u32::from(value)) & 0xfff;
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~]{0,200}") {
            let _ = rfc9440(&text);
            let _ = url_encoded_pem(&text);
            let _ = traefik(&text);
            let _ = base64_der(&text);
        }
    }
}
