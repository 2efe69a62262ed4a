//! Another reader of JSON objects, which the one in the product is held against.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

/// The members of an object in their order, also those that come twice.
#[derive(Debug)]
pub(crate) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// The members of one object, if the text is nothing else.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// The same, where there can be only one reading.
    ///
    /// # Panics
    ///
    /// The text is something else, or a name comes twice in it.
    pub(crate) fn read(text: &[u8]) -> Self {
        let members = Self::parse(text).expect("it is one object");
        assert!(members.are_unique(), "two readings of {members:?}");
        members
    }

    /// Whether no name comes twice.
    pub(crate) fn are_unique(&self) -> bool {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1])
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub(crate) fn find(&self, name: &str) -> Option<Value> {
        let (_, raw) = self.0.iter().find(|(known, _)| known == name)?;
        // A number may be more than this reader can hold.
        Some(serde_json::from_str(raw.get()).unwrap_or(Value::Null))
    }

    /// The value, if it is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.find(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value, if it is an object in which no name comes twice.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        let (_, raw) = self.0.iter().find(|(known, _)| known == name)?;
        Self::parse(raw.get().as_bytes()).filter(Self::are_unique)
    }

    /// The names, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The items as they stand there, if the value is an array.
    pub(crate) fn items(&self, name: &str) -> Option<Vec<Box<RawValue>>> {
        let (_, raw) = self.0.iter().find(|(known, _)| known == name)?;
        serde_json::from_str(raw.get()).ok()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
