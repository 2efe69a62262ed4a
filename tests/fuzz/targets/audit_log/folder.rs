//! A folder as one text.

use std::{collections::BTreeMap, fs, path::Path};

use super::reader;

/// What an input says.
pub(super) struct Input {
    pub(super) files: Files,
    /// A head that was remembered elsewhere.
    pub(super) head: Option<String>,
    /// Whether all hashes are computed anew.
    pub(super) is_rehashed: bool,
}

/// Files by their names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Files(BTreeMap<String, Vec<u8>>);

impl Input {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut input = Self {
            files: Files::default(),
            head: None,
            is_rehashed: bytes.starts_with(b"@rehash\n"),
        };
        let mut at = None;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match directive(line) {
                Some("head") => {
                    input.head = Some(String::new());
                    at = None;
                }
                Some("rehash") => at = None,
                Some(name) => {
                    input.files.0.insert(name.to_owned(), Vec::new());
                    at = Some(name.to_owned());
                }
                None => match at.as_ref().and_then(|name| input.files.0.get_mut(name)) {
                    Some(file) => file.extend(line),
                    None => {
                        if let Some(head) = &mut input.head {
                            head.push_str(String::from_utf8_lossy(line).trim_end_matches('\n'));
                        }
                    }
                },
            }
        }
        input
    }
}

/// What a line begins, if it is one that begins something.
fn directive(line: &[u8]) -> Option<&str> {
    let name = str::from_utf8(line.strip_prefix(b"@")?.strip_suffix(b"\n")?).ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_file = name
        .strip_suffix(".jsonl")
        .is_some_and(|stem| (1..64).contains(&stem.len()) && stem.bytes().all(is_plain));
    (is_file || matches!(name, "head" | "rehash")).then_some(name)
}

impl Files {
    pub(super) fn read(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
        Self(
            named
                .filter(|(name, _)| name.ends_with(".jsonl"))
                .map(|(name, path)| (name, fs::read(path).unwrap()))
                .collect(),
        )
    }

    pub(super) fn write(&self, folder: &Path) {
        for (name, bytes) in &self.0 {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Vec<u8>> {
        self.0.get(name)
    }

    /// Those that are files of a log by their names, oldest first.
    pub(super) fn logs(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        self.0.iter().filter(|(name, _)| first(name).is_some())
    }

    /// Computes all hashes anew.
    pub(super) fn rehash(&mut self) {
        let mut hash = [0; 32];
        let logs = self.0.iter_mut().filter(|(name, _)| first(name).is_some());
        for (_, bytes) in logs {
            let mut anew = Vec::new();
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                match line.strip_suffix(b"\n") {
                    Some(line) => {
                        anew.extend(reader::rehashed(line, &mut hash));
                        anew.push(b'\n');
                    }
                    None => anew.extend(line),
                }
            }
            *bytes = anew;
        }
    }
}

/// The number in a name: twenty digits, of 64 bits.
pub(super) fn first(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
    let is_plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain)
}
