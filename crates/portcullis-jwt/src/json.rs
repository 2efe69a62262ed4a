//! JSON objects, read strictly: every member once, values as raw text.
//!
//! Two readers of one token must not see two tokens. So a member name that comes twice is an
//! error, also one that nobody here knows, and also one that is spelled with escapes: names
//! are compared after `"s\u0075b"` has become `sub`.

use std::{borrow::Cow, fmt};

use portcullis_core::Timestamp;
use serde::de::{self, DeserializeSeed, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The most members that an object may have. Comparing each name with all before it stays
/// cheap, whatever a stranger sends.
const MAX_MEMBERS: usize = 128;

/// Why an object could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Malformed {
    /// Not one JSON object.
    Syntax,
    /// A member name comes twice.
    Duplicate,
    /// More than [`MAX_MEMBERS`].
    TooManyMembers,
}

/// Hands out the members of the object `json` one by one.
pub(crate) fn for_each_member<'a>(
    json: &'a str,
    each: impl FnMut(&str, Raw<'a>),
) -> Result<(), Malformed> {
    let mut problem = Malformed::Syntax;
    let mut reader = serde_json::Deserializer::from_str(json);
    let members = Members {
        each,
        problem: &mut problem,
    };
    let outcome = (&mut reader)
        .deserialize_map(members)
        .and_then(|()| reader.end());
    outcome.map_err(|_| problem)
}

/// The raw text of a value that is known to be well-formed JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    #[cfg(test)]
    pub(crate) fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str::<&RawValue>(json)
            .ok()
            .map(|raw| Self(raw.get()))
    }

    pub(crate) const fn as_str(self) -> &'a str {
        self.0
    }

    /// The value, if it is a string.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// The value, if it is a number that can be a point in time (`NumericDate` of RFC 7519
    /// §2): finite and not negative. Times beyond the range of [`Timestamp`] saturate.
    pub(crate) fn time(self) -> Option<Timestamp> {
        if !self.0.as_bytes().first()?.is_ascii_digit() {
            return None;
        }
        if let Ok(seconds) = self.0.parse() {
            return Some(Timestamp::from_unix_seconds(seconds));
        }
        let seconds: f64 = self.0.parse().ok()?;
        // A cast from a float saturates.
        seconds
            .is_finite()
            .then(|| Timestamp::from_unix_millis((seconds * 1000.0) as i64))
    }

    /// The items, if it is an array of at most `limit`.
    pub(crate) fn items(self, limit: usize) -> Option<Vec<Self>> {
        if !self.0.starts_with('[') {
            return None;
        }
        let mut reader = serde_json::Deserializer::from_str(self.0);
        reader.deserialize_seq(Items { limit }).ok()
    }

    /// The items, if it is an array of at most `limit` strings.
    pub(crate) fn texts(self, limit: usize) -> Option<Vec<Cow<'a, str>>> {
        self.items(limit)?.into_iter().map(Raw::text).collect()
    }
}

struct Members<'p, F> {
    each: F,
    problem: &'p mut Malformed,
}

impl<'de, F: FnMut(&str, Raw<'de>)> Visitor<'de> for Members<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Seen::new();
        while let Some(name) = map.next_key_seed(Name)? {
            if let Err(problem) = seen.add(&name) {
                *self.problem = problem;
                return Err(de::Error::custom("members"));
            }
            let value: &'de RawValue = map.next_value()?;
            (self.each)(&name, Raw(value.get()));
        }
        Ok(())
    }
}

/// The names that came before, as 64-bit hashes on the stack.
///
/// Two names of one hash count as the same. Whoever searches for such a pair gets his own
/// token refused; in an honest one it does not happen.
struct Seen {
    hashes: [u64; MAX_MEMBERS],
    len: usize,
}

impl Seen {
    const fn new() -> Self {
        Self {
            hashes: [0; MAX_MEMBERS],
            len: 0,
        }
    }

    fn add(&mut self, name: &str) -> Result<(), Malformed> {
        // FNV-1a.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let (before, rest) = self.hashes.split_at_mut(self.len);
        if before.contains(&hash) && !portcullis_core::sabotaged!("jwt.duplicates") {
            return Err(Malformed::Duplicate);
        }
        let free = rest.first_mut().ok_or(Malformed::TooManyMembers)?;
        *free = hash;
        self.len += 1;
        Ok(())
    }
}

/// A member name without its escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

struct Items {
    limit: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<Raw<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<&'de RawValue>()? {
            if items.len() == self.limit {
                return Err(de::Error::custom("too many items"));
            }
            items.push(Raw(item.get()));
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<(String, String)>, Malformed> {
        let mut members = Vec::new();
        for_each_member(json, |name, raw| {
            members.push((name.to_owned(), raw.as_str().to_owned()));
        })?;
        Ok(members)
    }

    #[test]
    fn hands_out_names_without_escapes_and_values_as_they_are() {
        let members = read(r#" { "s\u0075b" : "a\nb" , "n": 1e400, "o":{"x":[1, 2]} } "#).unwrap();
        let expected = [
            ("sub", r#""a\nb""#),
            ("n", "1e400"),
            ("o", r#"{"x":[1, 2]}"#),
        ];
        assert_eq!(
            members,
            expected.map(|(name, raw)| (name.to_owned(), raw.to_owned()))
        );
    }

    #[test]
    fn refuses_a_name_that_comes_twice_however_it_is_spelled() {
        for json in [
            r#"{"sub":"a","sub":"a"}"#,
            r#"{"sub":"a","s\u0075b":"b"}"#,
            r#"{"unknown":1,"x":2,"unknown":3}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(read(json), Err(Malformed::Duplicate), "{json}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for json in [
            "",
            "null",
            "[]",
            "\"a\"",
            "1",
            "{",
            "{}{}",
            "{} x",
            "{\"a\":}",
            "{'a':1}",
            "{\"a\":1,}",
            "{\"a\":NaN}",
            "{\"a\":01}",
            "\u{feff}{}",
            "{\"a\":\"\n\"}",
            "{\"\\ud800\":1}",
        ] {
            assert_eq!(read(json), Err(Malformed::Syntax), "{json:?}");
        }
    }

    #[test]
    fn bounds_the_number_of_members_and_survives_depth() {
        let object = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"m{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(read(&object(MAX_MEMBERS)).unwrap().len(), MAX_MEMBERS);
        assert_eq!(
            read(&object(MAX_MEMBERS + 1)),
            Err(Malformed::TooManyMembers)
        );
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).is_ok());
    }

    #[test]
    fn a_value_is_only_what_it_is() {
        let raw = |json: &'static str| Raw::parse(json).unwrap();
        assert_eq!(raw("\"a\"").text().as_deref(), Some("a"));
        assert_eq!(raw(r#""\u0061\"""#).text().as_deref(), Some("a\""));
        assert_eq!(raw(r#""\ud800""#).text(), None);
        for json in ["1", "null", "true", "[\"a\"]", "{\"a\":\"b\"}"] {
            assert_eq!(raw(json).text(), None, "{json}");
        }
        assert_eq!(raw("[\"a\",\"b\"]").texts(2).unwrap(), ["a", "b"]);
        assert_eq!(raw("[\"a\",\"b\"]").texts(1), None);
        assert_eq!(raw("[\"a\",1]").texts(2), None);
        assert_eq!(raw("\"a\"").texts(2), None);
    }

    #[test]
    fn a_time_is_a_finite_number_that_is_not_negative() {
        let time = |json: &'static str| Raw::parse(json).unwrap().time();
        let seconds = Timestamp::from_unix_seconds;
        assert_eq!(time("0"), Some(seconds(0)));
        assert_eq!(time("1700000000"), Some(seconds(1_700_000_000)));
        assert_eq!(time("1.7e9"), Some(seconds(1_700_000_000)));
        assert_eq!(time("1.5"), Some(Timestamp::from_unix_millis(1500)));
        assert_eq!(
            time("9007199254740993"),
            Some(seconds(9_007_199_254_740_993))
        );
        assert_eq!(time("9223372036854775808"), Some(Timestamp::MAX));
        assert_eq!(time("1e300"), Some(Timestamp::MAX));
        for json in [
            "1e400",
            "-1",
            "-0",
            "null",
            "true",
            "\"1\"",
            "\"never\"",
            "[1]",
            "{}",
        ] {
            assert_eq!(time(json), None, "{json}");
        }
    }
}
