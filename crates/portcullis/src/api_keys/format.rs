//! The text of a key: how it is cut, and how it is read.

use std::io;

use portcullis_core::{ReasonCode, Rejection, Secret, Verdict, entropy};

pub(super) const MALFORMED: ReasonCode = ReasonCode::new("api_key_malformed");

/// Characters of a key's public id: 88 bits.
pub(super) const ID: usize = 15;
/// Characters of the secret: 256 bits.
const SECRET: usize = 43;
/// Characters of the checksum: 32 bits.
const CHECKSUM: usize = 6;

/// The public id of a key, in the only form that one can have.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct KeyId([u8; ID]);

impl KeyId {
    /// An id that nobody has yet.
    pub(super) fn random() -> io::Result<Self> {
        let mut bits: [u8; 11] = entropy::bytes()?;
        Ok(Self(base62(&mut bits)))
    }

    /// Reads an id that stands alone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let id: [u8; ID] = text.as_bytes().try_into().ok()?;
        id.iter().all(u8::is_ascii_alphanumeric).then_some(Self(id))
    }

    pub(super) fn as_str(&self) -> &str {
        // Every constructor checks for base62, so the default is never taken.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The form that all keys of a ring have: `<prefix>_<id>_<secret><checksum>`.
#[derive(Clone, Debug)]
pub(super) struct Format {
    /// The prefix and the `_` after it.
    lead: Box<str>,
}

impl Format {
    /// The form with this prefix, or how to mend the prefix.
    pub(super) fn new(prefix: &str) -> Result<Self, &'static str> {
        let is_tail = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        match prefix.as_bytes() {
            [first, tail @ ..]
                if first.is_ascii_lowercase()
                    && (1..=15).contains(&tail.len())
                    && tail.iter().copied().all(is_tail) =>
            {
                Ok(Self {
                    lead: format!("{prefix}_").into(),
                })
            }
            _ => Err(
                "the prefix is not 2 to 16 lower-case letters and digits, a letter first; \
                 name the service and the environment, such as `acmelive`",
            ),
        }
    }

    /// Stands where the prefix is wrong. Nothing may be issued or judged with it.
    pub(super) fn missing() -> Self {
        Self { lead: "_".into() }
    }

    /// The prefix without the `_` after it.
    pub(super) fn prefix(&self) -> &str {
        self.lead.trim_end_matches('_')
    }

    /// A fresh key with this id.
    pub(super) fn cut(&self, id: KeyId) -> io::Result<Secret> {
        let mut bits: [u8; 32] = entropy::bytes()?;
        Ok(self.assemble(id, base62(&mut bits)))
    }

    fn assemble(&self, id: KeyId, secret: [u8; SECRET]) -> Secret {
        // Exactly as long as needed: growing would leave a copy of the secret behind.
        let mut text = Vec::with_capacity(self.lead.len() + ID + 1 + SECRET + CHECKSUM);
        text.extend_from_slice(self.lead.as_bytes());
        text.extend_from_slice(&id.0);
        text.push(b'_');
        text.extend_from_slice(&secret);
        let sum = checksum(&text);
        text.extend_from_slice(&sum);
        Secret::new(text)
    }

    /// Reads the id of a text that may be a key. Whether it is one remains to be seen.
    ///
    /// Its time is bounded by the length of a key, however long the text is.
    pub(super) fn parse(&self, text: &[u8]) -> Result<KeyId, ParseError> {
        let rest = text
            .strip_prefix(self.lead.as_bytes())
            .ok_or(ParseError::Foreign)?;
        parse_rest(text, rest).map_err(ParseError::Malformed)
    }
}

/// Whether a text has the form of a key, with whatever prefix, and a checksum that fits: what a
/// scanner for leaked secrets can confirm offline. It proves nothing else: whoever can make up a
/// key can make up its checksum.
///
/// Texts that match [`PATTERN`] are worth asking about.
///
/// # Example
///
/// ```
/// use portcullis::api_keys::is_well_formed;
///
/// let leaked = "acme_000000000000000_00000000000000000000000000000000000000000000LWWfN";
/// assert!(is_well_formed(leaked));
/// assert!(!is_well_formed(&leaked.replace("acme", "acne")));
/// ```
#[must_use]
pub fn is_well_formed(text: &str) -> bool {
    let Some((prefix, rest)) = text.split_once('_') else {
        return false;
    };
    Format::new(prefix).is_ok() && parse_rest(text.as_bytes(), rest.as_bytes()).is_ok()
}

/// A regular expression that finds keys of any prefix in other text, for scanners: in the syntax
/// that PCRE, RE2 and the crate `regex` share. Put your own prefix in the place of
/// `[a-z][a-z0-9]{1,15}`, and confirm what is found by [`is_well_formed`].
pub const PATTERN: &str = r"\b[a-z][a-z0-9]{1,15}_[0-9A-Za-z]{15}_[0-9A-Za-z]{49}\b";

/// `rest` is the part of `text` after the prefix and its `_`.
fn parse_rest(text: &[u8], rest: &[u8]) -> Result<KeyId, Slip> {
    let (id, rest) = rest.split_first_chunk::<ID>().ok_or(Slip::Length)?;
    if rest.len() != 1 + SECRET + CHECKSUM {
        return Err(Slip::Length);
    }
    let [b'_', rest @ ..] = rest else {
        return Err(Slip::Characters);
    };
    if !are_alphanumeric(id) || !are_alphanumeric(rest) {
        return Err(Slip::Characters);
    }
    let (body, sum) = text.split_last_chunk::<CHECKSUM>().ok_or(Slip::Length)?;
    // Not in constant time: the checksum follows from what the sender already has.
    if *sum != checksum(body) {
        return Err(Slip::Checksum);
    }
    Ok(KeyId(*id))
}

/// Whether all of them are, without a branch for each: the processor would learn those, and read
/// what resembles a text that was read lately in less time than others.
fn are_alphanumeric(text: &[u8]) -> bool {
    let are_all = |are_all, byte: &u8| are_all & byte.is_ascii_alphanumeric();
    text.iter().fold(true, are_all)
}

/// Why a text is not a key of this form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ParseError {
    /// It begins otherwise, so it is a credential of another kind.
    Foreign,
    /// It begins like a key but is none: cut off, mistyped or made up.
    Malformed(Slip),
}

/// Where a text that begins like a key is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Slip {
    Length,
    Characters,
    Checksum,
}

impl From<ParseError> for Verdict {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Foreign => Self::NotMine,
            ParseError::Malformed(_) => Self::Reject(Rejection::invalid_token(MALFORMED)),
        }
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    base62(&mut crc32fast::hash(body).to_be_bytes())
}

/// The big-endian number in base 62, with leading zeros. `N` digits have to hold it.
///
/// The number is divided in place and is zero afterwards.
fn base62<const N: usize>(number: &mut [u8]) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in number.iter_mut() {
            let dividend = remainder << 8 | u16::from(*byte);
            // At most (61 << 8 | 255) / 62 = 255.
            *byte = (dividend / 62) as u8;
            remainder = dividend % 62;
        }
        let value = remainder as u8;
        // Neither a branch nor a table, for the same reason as in `are_alphanumeric`: between
        // `9` and `A` stand seven characters, and between `Z` and `a` six.
        *digit = b'0' + value + 7 * u8::from(value > 9) + 6 * u8::from(value > 35);
    }
    digits
}

/// Any text with a checksum that fits: a key that is wrong in another way only.
#[cfg(test)]
pub(super) fn sealed(body: &str) -> String {
    let sum = checksum(body.as_bytes());
    format!("{body}{}", str::from_utf8(&sum).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> Format {
        Format::new("acme").unwrap()
    }

    fn text(secret: &Secret) -> String {
        String::from_utf8(secret.expose().to_vec()).unwrap()
    }

    #[test]
    fn base62_counts_in_digits_then_upper_then_lower_case() {
        for (number, digits) in [
            (0_u32, *b"000000"),
            (9, *b"000009"),
            (10, *b"00000A"),
            (35, *b"00000Z"),
            (36, *b"00000a"),
            (61, *b"00000z"),
            (62, *b"000010"),
            (u32::MAX, *b"4gfFC3"),
        ] {
            assert_eq!(base62(&mut number.to_be_bytes()), digits, "{number}");
        }
    }

    #[test]
    fn the_digits_hold_the_largest_id_and_secret() {
        // What remains of the number after the last division is what was lost.
        let mut id = [0xff; 11];
        let _: [u8; ID] = base62(&mut id);
        assert_eq!(id, [0; 11]);
        let mut secret = [0xff; 32];
        let _: [u8; SECRET] = base62(&mut secret);
        assert_eq!(secret, [0; 32]);
    }

    #[test]
    fn the_vector_in_the_documentation_is_a_key() {
        // The check value of CRC-32/ISO-HDLC: it is the one that zlib and GitHub use.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        let vector = "acme_000000000000000_00000000000000000000000000000000000000000000LWWfN";
        let key = acme().assemble(KeyId([b'0'; ID]), [b'0'; SECRET]);
        assert_eq!(text(&key), vector);
        assert!(include_str!("mod.rs").contains(vector));
        assert!(acme().parse(vector.as_bytes()).is_ok());
        assert!(is_well_formed(vector));
        assert!(include_str!("mod.rs").contains(PATTERN));
    }

    #[test]
    fn says_where_a_text_slips() {
        let id = "0123456789ABCde";
        let body = format!("acme_{id}_{}", "x".repeat(SECRET));
        let good = sealed(&body);
        for (text, slip) in [
            ("acme_".to_owned(), Slip::Length),
            (format!("{good}0"), Slip::Length),
            (body.clone(), Slip::Length),
            (
                good.replace(&format!("{id}_"), &format!("{id}-")),
                Slip::Characters,
            ),
            (sealed(&body.replace("xxx", "x-x")), Slip::Characters),
            (good.replacen('x', "y", 1), Slip::Checksum),
            (format!("{body}000000"), Slip::Checksum),
        ] {
            let read = acme().parse(text.as_bytes()).map(|_| ());
            assert_eq!(read, Err(ParseError::Malformed(slip)), "{text}");
        }
    }

    #[test]
    fn a_scanner_finds_keys_of_any_prefix() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for prefix in ["ab", "a1", "acmelive", "abcdefghijklmno9"] {
            let id = KeyId::random().unwrap();
            let key = text(&Format::new(prefix).unwrap().cut(id).unwrap());
            assert!(is_well_formed(&key), "{key}");
            let around = format!("export KEY=\"{key}\"; # {key}x");
            let found: Vec<_> = pattern.find_iter(&around).map(|m| m.as_str()).collect();
            assert_eq!(found, [&*key]);
        }
        for text in ["", "_", "acme", "Acme_x", "\u{e4}cme_0", "acme__", "a_b_c"] {
            assert!(!is_well_formed(text), "{text:?}");
        }
    }

    #[test]
    fn reads_what_it_cuts() {
        for prefix in ["ab", "a1", "abcdefghijklmno9"] {
            let format = Format::new(prefix).unwrap();
            assert_eq!(format.prefix(), prefix);
            let id = KeyId::random().unwrap();
            let key = text(&format.cut(id).unwrap());
            assert!(format.parse(key.as_bytes()) == Ok(id), "{key}");
        }
    }

    #[test]
    fn keys_and_ids_differ() {
        let id = KeyId::random().unwrap();
        assert_ne!(id.as_str(), KeyId::random().unwrap().as_str());
        let format = acme();
        assert_ne!(
            text(&format.cut(id).unwrap()),
            text(&format.cut(id).unwrap())
        );
    }

    #[test]
    fn a_prefix_is_short_lower_case_and_without_underscore() {
        for prefix in [
            "",
            "a",
            "1a",
            "_a",
            "a_",
            "ac_me",
            "Acme",
            "acmE",
            "ac-me",
            "ac me",
            "ac\u{e4}",
            "abcdefghijklmnop0",
        ] {
            assert!(Format::new(prefix).is_err(), "{prefix:?}");
        }
    }

    #[test]
    fn another_beginning_is_another_kind() {
        for text in [
            "",
            "a",
            "acme",
            "ACME_000000000000000_x",
            "acm_000000000000000_x",
            "acmelive_000000000000000_x",
            " acme_",
            "eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
            "\u{e4}cme_",
        ] {
            let read = acme().parse(text.as_bytes()).map(|_| ());
            assert_eq!(read, Err(ParseError::Foreign), "{text:?}");
        }
    }

    #[test]
    fn a_key_with_any_slip_is_malformed() {
        let id = "0123456789ABCde";
        let secret = "x".repeat(SECRET);
        let good = sealed(&format!("acme_{id}_{secret}"));
        assert!(acme().parse(good.as_bytes()).is_ok());

        let mut cases = vec![
            "acme_".to_owned(),
            "acme__".to_owned(),
            format!("acme_{id}"),
            format!("acme_{id}_"),
            good[..good.len() - 1].to_owned(),
            format!("{good}0"),
            format!("{good}="),
            format!("{good} "),
            format!("{good}_{good}"),
            good.to_uppercase().replacen("ACME", "acme", 1),
            // The checksum fits, and something else does not.
            sealed(&format!("acme_{id}{secret}_")),
            sealed(&format!("acme_{id}-{secret}")),
            sealed(&format!("acme_{}_{secret}", &id[1..])),
            sealed(&format!("acme_{id}0_{secret}")),
            sealed(&format!("acme_{id}_{}", &secret[1..])),
            sealed(&format!("acme_{id}_{secret}0")),
            sealed(&format!("acme_{}-_{secret}", &id[1..])),
            sealed(&format!("acme_{id}_{}-", &secret[1..])),
            sealed(&format!("acme_{id}_{}\0", &secret[1..])),
            sealed(&format!("acme_{id}_{}\u{e4}", &secret[2..])),
            sealed(&format!("acmelive_{id}_{secret}")).replacen("live", "", 1),
            format!("acme_{}", "0".repeat(1 << 20)),
        ];
        // One wrong character anywhere after the prefix.
        for at in "acme_".len()..good.len() {
            let mut slip = good.clone().into_bytes();
            slip[at] = if slip[at] == b'7' { b'8' } else { b'7' };
            cases.push(String::from_utf8(slip).unwrap());
        }
        for case in cases {
            let read = acme().parse(case.as_bytes()).map(|_| ());
            let shown: String = case.chars().take(80).collect();
            assert!(matches!(read, Err(ParseError::Malformed(_))), "{shown:?}");
            assert!(!is_well_formed(&case), "{shown:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_only_malformed() {
        let mut bytes = b"acme_".to_vec();
        bytes.extend([0xff; ID + 1 + SECRET + CHECKSUM]);
        let read = acme().parse(&bytes);
        assert!(matches!(read, Err(ParseError::Malformed(_))));
    }
}
