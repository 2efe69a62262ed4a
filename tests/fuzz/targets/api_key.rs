//! The text of an API key: what is read as one, what is accepted, and what is said about it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Request};
use portcullis::{
    Authenticator as _, Check, IntoAuthenticator as _, RequestView, Secret, Site, SystemClock,
    Timestamp, Verdict,
    api_keys::{ApiKeyAuthenticator, ApiKeys, Grant, KeyHash, KeyRing, StoredKey, is_well_formed},
};
use portcullis_tests::api_key::sealed;

use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "api_key",
    check,
    dictionary: &[
        "acme_",
        "acme",
        "acmelive_",
        "_",
        "__",
        "000000000000000",
        "000000000000000_",
        "0LWWfN",
        "0",
        "z",
        "Z",
        "-",
        " ",
        "\n",
        "\u{0}",
        "\u{e4}",
        "Bearer ",
        KEY,
    ],
    executions: 40_000,
};

/// The one key that is good.
const KEY: &str = "acme_000000000000000_00000000000000000000000000000000000000000000LWWfN";
const HASH: &str = "6a13ca589f73a6fd24dde02144a57fcf7b96369043972c4d29ff98d2580760dd";

fn ring() -> KeyRing {
    let hash = KeyHash::from_hex(HASH).expect("it is a hash");
    let key = StoredKey::new("000000000000000", hash, Grant::for_user("alice"));
    KeyRing::new("acme", &Secret::new([7; 32])).add_keys([key])
}

fn check(input: &[u8]) -> Answer {
    thread_local! {
        static JUDGE: (KeyRing, ApiKeyAuthenticator) = {
            let ring = ring();
            let keys = ApiKeys::new(ring.clone()).with_header(HeaderName::from_static("x-api-key"));
            let site = Site::new(Arc::new(SystemClock::new()));
            (ring, keys.into_authenticator(&site).expect("the settings are good"))
        };
    }
    JUDGE.with(|(ring, guard)| check_with(input, ring, guard))
}

fn check_with(input: &[u8], ring: &KeyRing, guard: &ApiKeyAuthenticator) -> Answer {
    let verdict = verdict(input, guard);
    let text = str::from_utf8(input).ok();
    let is_formed = text.is_some_and(is_formed);
    assert_eq!(text.is_some_and(is_well_formed), is_formed);
    if let Some(verdict) = &verdict {
        let is_ours = input.starts_with(b"acme_");
        let reason = match verdict {
            Verdict::Accept(_) => {
                assert_eq!(input, KEY.as_bytes(), "another key is accepted");
                None
            }
            Verdict::NotMine => {
                assert!(!is_ours);
                None
            }
            Verdict::Reject(rejection) => {
                assert!(is_ours && input != KEY.as_bytes());
                let reason = rejection.reason();
                assert_eq!(reason.as_str() == "api_key_malformed", !is_formed);
                Some(reason)
            }
            other => panic!("{other:?}"),
        };
        if let Some(text) = text {
            let explained = ring.explain(text, Timestamp::UNIX_EPOCH);
            assert_eq!(explained.reason(), reason);
            assert_eq!(
                explained.is_accepted(),
                matches!(verdict, Verdict::Accept(_))
            );
            assert!(explained.to_string().is_ascii());
        }
    }
    // With a checksum that fits, the rest of the form decides.
    if let Some(text) = text {
        let sealed = sealed(text);
        assert_eq!(is_well_formed(&sealed), is_body(text), "{sealed:?}");
    }
    Answer::taken_if(is_formed)
}

/// What is said of the text in a header of its own, if a header can hold it.
fn verdict(input: &[u8], guard: &ApiKeyAuthenticator) -> Option<Verdict> {
    let (mut parts, ()) = Request::new(()).into_parts();
    let value = HeaderValue::from_bytes(input).ok()?;
    parts.headers.insert("x-api-key", value);
    match guard.check(&RequestView::new(&parts, Timestamp::UNIX_EPOCH)) {
        Check::Done(verdict) => Some(verdict),
        Check::NeedsIo => panic!("a ring needs no I/O"),
    }
}

/// The form, as it is documented and read in another way.
fn is_formed(text: &str) -> bool {
    text.len()
        .checked_sub(6)
        .and_then(|end| text.get(..end))
        .is_some_and(|body| is_body(body) && sealed(body) == text)
}

fn is_body(text: &str) -> bool {
    let parts: Vec<&str> = text.split('_').collect();
    let [prefix, id, secret] = parts.as_slice() else {
        return false;
    };
    let are_digits = |part: &str| part.chars().all(|char| char.is_ascii_alphanumeric());
    let is_lower = |char: char| char.is_ascii_lowercase();
    (2..=16).contains(&prefix.len())
        && prefix.starts_with(is_lower)
        && prefix
            .chars()
            .all(|char| is_lower(char) || char.is_ascii_digit())
        && (id.len(), secret.len()) == (15, 43)
        && are_digits(id)
        && are_digits(secret)
}
