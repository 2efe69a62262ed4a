//! Secrets that were planted, and the search for what became of them.
//!
//! Whoever looks for a secret as it is does not find one that was printed as bytes, sent back in
//! base64 or cut. So each is looked for in every form that something on the way could give it,
//! and any [`FRAGMENT`] bytes of a form in a row count.

use std::{collections::HashMap, fmt};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use sha2::{Digest as _, Sha256};

/// How much of a secret is enough to call it a leak, in bytes of the form that it has.
pub const FRAGMENT: usize = 12;

/// The same where a form takes several characters for each byte of the secret, so that a few bytes
/// could be those of something else.
const LONG_FRAGMENT: usize = 36;

/// What secrets are made of: no vowels, so that none is a word.
const LETTERS: &[u8] = b"bcdfghjkmnpqrstvwxyzBCDFGHJKLMNPQRSTVWXYZ";

/// A form that something can give a secret: its name, and how it is made.
type Form = (&'static str, fn(&[u8]) -> Vec<Vec<u8>>);

/// Every form in which secrets are looked for.
pub const FORMS: [Form; 6] = [
    ("plain", |secret| vec![secret.to_vec()]),
    ("base64", |secret| {
        shifted(secret, |bytes| STANDARD_NO_PAD.encode(bytes))
    }),
    ("base64url", |secret| {
        shifted(secret, |bytes| URL_SAFE_NO_PAD.encode(bytes))
    }),
    ("percent-encoded", |secret| {
        vec![
            each(secret, "%", |byte| format!("{byte:02X}")),
            each(secret, "%", |byte| format!("{byte:02x}")),
        ]
    }),
    ("hexadecimal", |secret| {
        vec![
            each(secret, "", |byte| format!("{byte:02X}")),
            each(secret, "", |byte| format!("{byte:02x}")),
        ]
    }),
    ("a list of bytes", |secret| {
        vec![each(secret, ", ", |byte| byte.to_string())]
    }),
];

/// Secrets, and where each was planted.
#[derive(Debug, Default)]
pub struct Canaries {
    planted: Vec<String>,
    fragments: HashMap<[u8; FRAGMENT], Vec<Fragment>>,
    places: usize,
    searched: Vec<(String, usize)>,
    leaks: Vec<Leak>,
}

/// A part of a secret in one of its forms.
#[derive(Clone, Debug)]
struct Fragment {
    number: usize,
    form: &'static str,
    /// What has to follow, where [`FRAGMENT`] bytes are not enough.
    rest: Box<[u8]>,
}

/// A part of a secret that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leak {
    /// Where the secret was planted.
    pub planted: String,
    /// In which form it was found.
    pub form: &'static str,
    /// Where.
    pub stream: String,
    /// What stands around it.
    pub around: String,
}

impl Canaries {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a secret for a place: letters and digits, so that it can stand anywhere, and the same
    /// in every run.
    pub fn plant(&mut self, place: &str) -> String {
        let seed = Sha256::digest(format!("canary {} {place}", self.planted.len()));
        let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len());
        let letters = seed.iter().filter_map(letter);
        let secret: String = letters.copied().map(char::from).collect();
        self.add(place, &secret);
        secret
    }

    /// One more secret, as somebody else has made it.
    pub fn add(&mut self, place: &str, secret: &str) {
        let number = self.planted.len();
        self.planted.push(place.to_owned());
        self.places += 1;
        for (form, make) in FORMS {
            for text in make(secret.as_bytes()) {
                let len = least(form);
                for window in text.windows(len) {
                    let (start, rest) = window.split_at(FRAGMENT);
                    if let Ok(start) = start.try_into() {
                        let rest = rest.into();
                        let fragment = Fragment { number, form, rest };
                        self.fragments.entry(start).or_default().push(fragment);
                    }
                }
            }
        }
    }

    /// A secret that is known already, in one more place.
    pub fn again(&mut self) {
        self.places += 1;
    }

    /// Looks through something that should hold none of them. Reports each secret once.
    pub fn search(&mut self, stream: &str, bytes: &[u8]) -> usize {
        match self.searched.iter_mut().find(|(name, _)| name == stream) {
            Some((_, searched)) => *searched += bytes.len(),
            None => self.searched.push((stream.to_owned(), bytes.len())),
        }
        let mut seen = vec![false; self.planted.len()];
        let mut found = 0;
        for (at, fragment) in bytes.windows(FRAGMENT).enumerate() {
            let behind = bytes.get(at + FRAGMENT..).unwrap_or_default();
            let mut fragments = self.fragments.get(fragment).into_iter().flatten();
            let fragment = fragments.find(|fragment| behind.starts_with(&fragment.rest));
            let Some(Fragment { number, form, .. }) = fragment else {
                continue;
            };
            let Some(seen) = seen.get_mut(*number).filter(|seen| !**seen) else {
                continue;
            };
            *seen = true;
            found += 1;
            let around = at.saturating_sub(80)..bytes.len().min(at + 80);
            self.leaks.push(Leak {
                planted: self.planted.get(*number).cloned().unwrap_or_default(),
                form,
                stream: stream.to_owned(),
                around: String::from_utf8_lossy(bytes.get(around).unwrap_or_default()).into_owned(),
            });
        }
        found
    }

    /// Everything that was found so far.
    #[must_use]
    pub fn leaks(&self) -> &[Leak] {
        &self.leaks
    }

    /// How many secrets there are.
    #[must_use]
    pub fn planted(&self) -> usize {
        self.planted.len()
    }
}

/// What was done and what came of it, in one line.
impl fmt::Display for Canaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.searched.iter().map(|(_, bytes)| bytes).sum();
        write!(
            f,
            "planted {} canaries in {} places, searched {} KiB of ",
            self.planted.len(),
            self.places,
            all.div_ceil(1024)
        )?;
        for (n, (stream, bytes)) in self.searched.iter().enumerate() {
            let before = if n == 0 { "" } else { ", " };
            write!(f, "{before}{stream} ({} KiB)", bytes.div_ceil(1024))?;
        }
        write!(f, ": {} found", self.leaks.len())
    }
}

fn least(form: &str) -> usize {
    match form {
        "percent-encoded" | "a list of bytes" => LONG_FRAGMENT,
        _ => FRAGMENT,
    }
}

/// In base64 the same bytes look different depending on how many stand before them. What also
/// depends on those, or on what follows, is left out.
fn shifted(secret: &[u8], encode: impl Fn(&[u8]) -> String) -> Vec<Vec<u8>> {
    (0..3)
        .map(|shift| {
            let bytes = [&vec![0; shift], secret].concat();
            let text = encode(&bytes).into_bytes();
            // The characters that hold a bit of the shift; the last one may hold bits of a next.
            let start = (shift * 8).div_ceil(6);
            let end = bytes.len() * 8 / 6;
            text.get(start..end).unwrap_or_default().to_vec()
        })
        .collect()
}

fn each(secret: &[u8], between: &str, show: impl Fn(u8) -> String) -> Vec<u8> {
    secret
        .iter()
        .flat_map(|byte| [between.to_owned(), show(*byte)])
        .collect::<String>()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each form, whole and cut, wherever it stands, is found and named.
    #[test]
    fn a_secret_is_found_in_every_form_and_in_halves() {
        for (form, make) in FORMS {
            let mut canaries = Canaries::new();
            let secret = canaries.plant("a place");
            let noise = "{\"message\": \"nothing to see\"}".repeat(50);
            for text in make(secret.as_bytes()) {
                let half = text.len() / 2;
                for part in [
                    &text[..],
                    &text[..half],
                    &text[half..],
                    &text[half / 2..][..half],
                ] {
                    let stream = [noise.as_bytes(), part, noise.as_bytes()].concat();
                    assert_eq!(canaries.search("a stream", &stream), 1, "{form}");
                    let leak = canaries.leaks().last().unwrap();
                    assert_eq!(leak.planted, "a place");
                    // The two alphabets of base64 differ in two characters of 64.
                    assert!(form.starts_with(leak.form), "{form}");
                }
                assert_eq!(
                    canaries.search("a stream", &text[..FRAGMENT - 1]),
                    0,
                    "{form}"
                );
            }
            assert_eq!(canaries.search("a stream", noise.as_bytes()), 0);
        }
    }

    #[test]
    fn a_secret_is_found_in_what_is_encoded_with_more_around_it() {
        let mut canaries = Canaries::new();
        let secret = canaries.plant("a password");
        for before in ["", "a", "al", "alice:", "alice:x"] {
            let basic = STANDARD_NO_PAD.encode(format!("{before}{secret}@idp"));
            assert_eq!(canaries.search("a header", basic.as_bytes()), 1, "{before}");
        }
    }

    #[test]
    fn what_was_done_is_counted() {
        let mut canaries = Canaries::new();
        let (one, _) = (canaries.plant("one"), canaries.plant("other"));
        canaries.again();
        canaries.search("stdout", &[b' '; 1500]);
        canaries.search("bodies", one.as_bytes());
        assert_eq!(
            canaries.to_string(),
            "planted 2 canaries in 3 places, searched 2 KiB of stdout (2 KiB), bodies (1 KiB): \
             1 found"
        );
    }
}
