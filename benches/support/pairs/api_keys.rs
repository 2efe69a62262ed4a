//! API keys that are wrong in one way or another.

use std::{iter, sync::Arc};

use http::request::Parts;
use portcullis::{
    Authenticator as _, Check, Clock as _, IntoAuthenticator as _, RequestView, Secret, Site,
    SystemClock, Timestamp, Verdict,
    api_keys::{ApiKeyAuthenticator, ApiKeys, Grant, KeyRing},
};

use super::{Kind, POOL, Pair, pick};
use crate::requests::{bearer, request};

/// Characters of the id, the secret and the checksum.
const LENGTHS: [usize; 3] = [15, 43, 6];

const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A ring, and the keys that it has issued.
pub(super) struct Keys {
    pub(super) ring: KeyRing,
    issued: Vec<Text>,
}

/// A key in its parts. The lead is the prefix and its `_`.
#[derive(Clone)]
struct Text {
    lead: String,
    id: String,
    secret: String,
}

impl Keys {
    pub(super) fn new() -> Self {
        let ring = KeyRing::new("acme", &Secret::new([7; 32]));
        let issue = || {
            let grant = Grant::for_application("reporting");
            let issued = ring.issue(grant, SystemClock::new().now());
            Text::parse(issued.expect("there is randomness").expose())
        };
        let issued = iter::repeat_with(issue).take(POOL).collect();
        Self { ring, issued }
    }

    /// The keys as they were issued. None of them is good any more.
    pub(super) fn revoked(&self) -> Vec<String> {
        for key in &self.issued {
            self.ring.revoke(&key.id).expect("it is there");
        }
        self.issued.iter().map(Text::sealed).collect()
    }
}

impl Text {
    fn parse(text: &str) -> Self {
        let [id, secret, _] = LENGTHS;
        let (lead, rest) = text.split_once('_').expect("a key has a prefix");
        let (id, rest) = rest.split_at(id);
        let secret = rest.get(1..=secret).expect("a key has a secret");
        Self {
            lead: format!("{lead}_"),
            id: id.to_owned(),
            secret: secret.to_owned(),
        }
    }

    fn with_secret(&self, secret: impl Into<Vec<u8>>) -> Self {
        let secret = String::from_utf8(secret.into()).expect("it is base 62");
        Self {
            secret,
            ..self.clone()
        }
    }

    /// The whole text, with the checksum that fits.
    fn sealed(&self) -> String {
        let mut text = format!("{}{}_{}", self.lead, self.id, self.secret);
        let sum = u64::from(crc32fast::hash(text.as_bytes()));
        let [.., digits] = LENGTHS;
        let powers = (0..digits as u32).rev().map(|digit| 62_u64.pow(digit));
        text.extend(powers.map(|power| char::from(*pick(DIGITS, sum / power))));
        text
    }
}

pub(super) fn pairs() -> Vec<Pair> {
    vec![first_or_last(), unknown_or_wrong()]
}

/// Keys that are right but for one character of their secret.
fn first_or_last() -> Pair {
    let Keys { ring, issued } = Keys::new();
    let authenticator = authenticator(&ring);
    let with_slip = move |kind: Kind, n: u64| {
        let key = pick(&issued, n);
        let digit = *pick(DIGITS, n >> 32);
        let mut secret = key.secret.clone().into_bytes();
        if let [first, .., last] = secret.as_mut_slice() {
            let wrong = kind.of([first, last]);
            *wrong = match digit == *wrong {
                true => *pick(DIGITS, (n >> 32) + 1),
                false => digit,
            };
        }
        key.with_secret(secret).sealed()
    };
    for n in 0..POOL as u64 {
        for kind in [Kind::One, Kind::Other] {
            let key = with_slip(kind, n << 32 | n);
            assert_refused(&authenticator, "api_key_secret", &key);
        }
    }
    Pair::new(
        "api_key_first_or_last",
        move |kind, n| parts(&with_slip(kind, n)),
        asking(authenticator),
    )
}

/// Keys whose secret is that of another, of two rings that each know half of their ids.
fn unknown_or_wrong() -> Pair {
    let rings = [Keys::new(), Keys::new()];
    let authenticators = [0, 1].map(|n: u64| authenticator(&pick(&rings, n).ring));
    // Every second key is of the second ring.
    let [ours, theirs] = &rings;
    let both = ours.issued.iter().zip(&theirs.issued);
    let keys: Vec<String> = both
        .flat_map(|(ours, theirs)| {
            let wrong = |key: &Text, other: &Text| key.with_secret(other.secret.clone()).sealed();
            [wrong(ours, theirs), wrong(theirs, ours)]
        })
        .collect();
    for (n, key) in (0..).zip(&keys) {
        assert_refused(pick(&authenticators, n), "api_key_secret", key);
        assert_refused(pick(&authenticators, n + 1), "api_key_unknown", key);
    }
    Pair::new(
        "api_key_unknown_or_wrong",
        move |kind, n| {
            let asked = pick(&authenticators, kind.of([n ^ 1, n])).clone();
            (asked, parts(pick::<String>(&keys, n)))
        },
        |(asked, parts)| {
            let verdict = ask(&asked, &parts);
            (verdict, asked, parts)
        },
    )
}

/// One kind, and the same once more.
pub(super) fn of_one_kind(name: &str) -> Pair {
    let (keys, others) = (Keys::new(), Keys::new());
    let keys_of_others: Vec<String> = others.issued.iter().map(Text::sealed).collect();
    let authenticator = authenticator(&keys.ring);
    for key in &keys_of_others {
        assert_refused(&authenticator, "api_key_unknown", key);
    }
    Pair::new(
        name,
        move |_, n| parts(pick::<String>(&keys_of_others, n)),
        asking(authenticator),
    )
}

fn asking(authenticator: ApiKeyAuthenticator) -> impl FnMut(Parts) -> (Check<Verdict>, Parts) {
    move |parts| (ask(&authenticator, &parts), parts)
}

fn ask(authenticator: &ApiKeyAuthenticator, parts: &Parts) -> Check<Verdict> {
    authenticator.check(&RequestView::new(parts, Timestamp::UNIX_EPOCH))
}

fn authenticator(ring: &KeyRing) -> ApiKeyAuthenticator {
    let site = Site::new(Arc::new(SystemClock::new()));
    let keys = ApiKeys::new(ring.clone());
    keys.into_authenticator(&site).expect("the settings work")
}

/// What is timed is what its name says.
fn assert_refused(authenticator: &ApiKeyAuthenticator, reason: &str, key: &str) {
    let verdict = ask(authenticator, &parts(key));
    assert!(
        matches!(&verdict, Check::Done(Verdict::Reject(no)) if no.reason().as_str() == reason),
        "{verdict:?}, and not {reason}"
    );
}

fn parts(text: &str) -> Parts {
    request(&bearer(text)).into_parts().0
}
