//! The keys of one issuer.

use std::{fmt, sync::Arc};

use super::{Key, jwk};
use crate::{
    Algorithm,
    algorithm::Allowed,
    json::{Malformed, for_each_member},
};

/// The most keys that a set may have.
const MAX_KEYS: usize = 100;

/// The keys of one issuer that can check a token.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Arc<Key>>);

impl KeySet {
    /// Reads a JSON Web Key set (RFC 7517 §5). A key that cannot be used is left out with a
    /// warning; a set without any that can is none.
    ///
    /// Keys that `previous` holds already stay the same key, with the same serial.
    pub(crate) fn parse(
        json: &str,
        allowed: Allowed,
        issuer: &str,
        previous: Option<&Self>,
    ) -> Result<Self, UnusableSet> {
        let mut keys = None;
        for_each_member(json, |name, raw| {
            if name == "keys" {
                keys = Some(raw);
            }
        })
        .map_err(|problem| match problem {
            Malformed::Duplicate => UnusableSet::Duplicate,
            Malformed::Syntax | Malformed::TooManyMembers => UnusableSet::Syntax,
        })?;
        let keys = keys
            .and_then(|raw| raw.items(MAX_KEYS))
            .ok_or(UnusableSet::Syntax)?;
        let mut problems = Vec::new();
        let mut usable = Vec::with_capacity(keys.len());
        for (position, raw) in keys.iter().enumerate() {
            match jwk::parse(*raw, allowed) {
                Ok(key) => usable.push(key),
                Err(problem) => {
                    tracing::warn!(%issuer, position, problem, "a key of the issuer is not used");
                    problems.push(problem);
                }
            }
        }
        let keys = without_doubles(usable, issuer, &mut problems)
            .into_iter()
            .map(|key| {
                previous
                    .and_then(|set| set.0.iter().find(|known| known.is_same_as(&key)))
                    .map_or_else(|| Arc::new(key), Arc::clone)
            })
            .collect::<Vec<_>>();
        if keys.is_empty() {
            return Err(UnusableSet::NoUsableKey(problems));
        }
        Ok(Self(keys))
    }

    /// Chooses the one key for a token.
    pub(crate) fn choose(&self, id: Option<&str>, algorithm: Algorithm) -> Choice<'_> {
        let is_for = |key: &Key| {
            key.algorithm == algorithm
                || portcullis_core::sabotaged!("jwt.key_alg")
                    && key.algorithm.family() == algorithm.family()
        };
        let Some(id) = id else {
            let mut candidates = self.0.iter().filter(|key| is_for(key));
            return match (candidates.next(), candidates.next()) {
                (None, _) => Choice::Unknown,
                (Some(key), None) => Choice::Key(key),
                (Some(key), Some(_)) if portcullis_core::sabotaged!("jwt.kid") => Choice::Key(key),
                (Some(_), Some(_)) => Choice::Ambiguous,
            };
        };
        match self.0.iter().find(|key| key.id.as_deref() == Some(id)) {
            Some(key) if is_for(key) => Choice::Key(key),
            Some(_) => Choice::OtherAlgorithm,
            None if portcullis_core::sabotaged!("jwt.kid") => self.choose(None, algorithm),
            None => Choice::Unknown,
        }
    }

    /// Whether the key is still in the set.
    pub(crate) fn contains(&self, serial: u64) -> bool {
        self.0.iter().any(|key| key.serial == serial)
    }

    /// The key ids and algorithms, for explanations.
    pub(crate) fn names(&self) -> impl Iterator<Item = (Option<&str>, Algorithm)> {
        self.0.iter().map(|key| (key.id.as_deref(), key.algorithm))
    }
}

/// Which key a token is to be checked with.
#[derive(Debug)]
pub(crate) enum Choice<'a> {
    Key(&'a Arc<Key>),
    /// The set does not hold it; a newer one may.
    Unknown,
    /// There is a key of that id, for another algorithm.
    OtherAlgorithm,
    /// There is no key id, and more than one key would do.
    Ambiguous,
}

/// A text that is no key set, or one without a usable key.
#[derive(Debug)]
pub(crate) enum UnusableSet {
    Syntax,
    Duplicate,
    NoUsableKey(Vec<&'static str>),
}

impl fmt::Display for UnusableSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => write!(
                f,
                "is not a JSON object with an array `keys` of at most {MAX_KEYS} keys"
            ),
            Self::Duplicate => f.write_str("has a member twice"),
            Self::NoUsableKey(problems) if problems.is_empty() => f.write_str("has no keys"),
            Self::NoUsableKey(problems) => {
                f.write_str("has no usable key")?;
                for problem in problems.iter().take(8) {
                    write!(f, "; one: {problem}")?;
                }
                Ok(())
            }
        }
    }
}

/// Leaves out keys that share a key id: which of them is meant cannot be known.
fn without_doubles(keys: Vec<Key>, issuer: &str, problems: &mut Vec<&'static str>) -> Vec<Key> {
    let is_double = keys
        .iter()
        .map(|key| {
            let same = |other: &&Key| other.id == key.id;
            key.id.is_some() && keys.iter().filter(same).count() > 1
        })
        .collect::<Vec<_>>();
    keys.into_iter()
        .zip(is_double)
        .filter_map(|(key, is_double)| {
            if is_double && !portcullis_core::sabotaged!("jwk.duplicate_kid") {
                let problem = "its `kid` comes twice in the set";
                tracing::warn!(%issuer, kid = ?key.id, problem, "a key of the issuer is not used");
                problems.push(problem);
                return None;
            }
            Some(key)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [&str; 3] = [
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
        "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU",
    ];

    fn okp(kid: Option<&str>, x: &str) -> String {
        let kid = kid.map_or_else(String::new, |kid| format!(r#""kid":"{kid}","#));
        format!(r#"{{{kid}"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)
    }

    fn set(keys: &[String]) -> Result<KeySet, UnusableSet> {
        let json = format!(r#"{{"keys":[{}],"other":1}}"#, keys.join(","));
        KeySet::parse(&json, Allowed::ALL, "https://idp.example", None)
    }

    #[test]
    fn a_bad_key_does_not_spoil_the_others() {
        let keys = [
            "7".to_owned(),
            "{}".to_owned(),
            r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
            okp(Some("good"), X[0]),
        ];
        let set = set(&keys).unwrap();
        assert_eq!(
            set.names().collect::<Vec<_>>(),
            [(Some("good"), Algorithm::EdDsa)]
        );
    }

    #[test]
    fn both_of_two_keys_with_one_id_are_left_out() {
        let keys = [
            okp(Some("a"), X[0]),
            okp(Some("a"), X[1]),
            okp(Some("b"), X[2]),
        ];
        let chosen = set(&keys).unwrap();
        assert!(matches!(
            chosen.choose(Some("a"), Algorithm::EdDsa),
            Choice::Unknown
        ));
        assert!(matches!(
            chosen.choose(Some("b"), Algorithm::EdDsa),
            Choice::Key(_)
        ));
        assert!(matches!(set(&keys[..2]), Err(UnusableSet::NoUsableKey(_))));
    }

    #[test]
    fn chooses_by_id_and_algorithm_or_the_only_one() {
        let one = set(&[okp(Some("a"), X[0])]).unwrap();
        assert!(matches!(
            one.choose(Some("a"), Algorithm::EdDsa),
            Choice::Key(_)
        ));
        assert!(matches!(
            one.choose(Some("a"), Algorithm::Es256),
            Choice::OtherAlgorithm
        ));
        assert!(matches!(
            one.choose(Some("b"), Algorithm::EdDsa),
            Choice::Unknown
        ));
        assert!(matches!(one.choose(None, Algorithm::EdDsa), Choice::Key(_)));
        assert!(matches!(
            one.choose(None, Algorithm::Es256),
            Choice::Unknown
        ));
        let two = set(&[okp(Some("a"), X[0]), okp(None, X[1])]).unwrap();
        assert!(matches!(
            two.choose(None, Algorithm::EdDsa),
            Choice::Ambiguous
        ));
    }

    #[test]
    fn a_key_that_is_published_again_stays_the_same_key() {
        let parse = |keys: &[String], previous: Option<&KeySet>| {
            let json = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
            KeySet::parse(&json, Allowed::ALL, "https://idp.example", previous).unwrap()
        };
        let first = parse(&[okp(Some("a"), X[0])], None);
        let second = parse(&[okp(Some("b"), X[1]), okp(Some("a"), X[0])], Some(&first));
        assert!(second.contains(first.0[0].serial));
        let replaced = parse(&[okp(Some("a"), X[2])], Some(&first));
        assert!(!replaced.contains(first.0[0].serial));
    }

    #[test]
    fn bounds_and_forms() {
        let many = |count: usize| {
            let keys: Vec<_> = (0..count)
                .map(|n| okp(Some(&n.to_string()), X[0]))
                .collect();
            set(&keys)
        };
        assert!(many(100).is_ok());
        assert!(matches!(many(101), Err(UnusableSet::Syntax)));
        for json in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            let parsed = KeySet::parse(json, Allowed::ALL, "i", None);
            assert!(matches!(parsed, Err(UnusableSet::Syntax)), "{json}");
        }
        let parsed = KeySet::parse(r#"{"keys":[]}"#, Allowed::ALL, "i", None);
        assert_eq!(parsed.unwrap_err().to_string(), "has no keys");
        let parsed = KeySet::parse(r#"{"keys":[],"keys":[]}"#, Allowed::ALL, "i", None);
        assert!(matches!(parsed, Err(UnusableSet::Duplicate)));
    }
}
