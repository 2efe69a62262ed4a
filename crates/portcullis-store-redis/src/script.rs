//! Scripts: what the server does at once, or not at all.

use redis::Cmd;

/// A script by its text, which every question begins with the marker of its bucket.
pub(crate) struct Script {
    text: &'static str,
    digest: Box<str>,
}

/// A script from its parts, in one text.
macro_rules! script {
    ($($part:literal),+) => {
        $crate::script::Script::new(
            concat!(include_str!("lua/marker.lua") $(, "\n", include_str!(concat!("lua/", $part, ".lua")))+),
        )
    };
}
pub(crate) use script;

impl Script {
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            text,
            digest: redis::Script::new(text).get_hash().into(),
        }
    }

    /// Asks for it by its digest, which the server knows once it has run it.
    pub(crate) fn by_digest(&self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Cmd {
        command("EVALSHA", &self.digest, keys, args)
    }

    /// Asks for it by its text, and makes it known by that. One way instead of the two that
    /// `SCRIPT LOAD` takes.
    pub(crate) fn by_text(&self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Cmd {
        command("EVAL", self.text, keys, args)
    }
}

fn command(name: &str, script: &str, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len());
    for part in keys.iter().chain(args) {
        command.arg(part.as_slice());
    }
    command
}
