//! Inputs to start from, in files.

use std::{fs, path::PathBuf};

/// An input with the name of its file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Entry {
    /// Whether the target has to take it, as its name says.
    pub(crate) fn is_good(&self) -> bool {
        match self.name.split_once('-') {
            Some(("good", _)) => true,
            Some(("bad", _)) => false,
            _ => panic!("{} begins neither with `good-` nor with `bad-`", self.name),
        }
    }
}

/// The corpus of a target, in the order of the names.
pub(crate) fn read(target: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = fs::read_dir(folder().join(target))
        .expect("the target has a corpus")
        .map(|file| {
            let file = file.unwrap();
            Entry {
                name: file.file_name().into_string().unwrap(),
                bytes: fs::read(file.path()).unwrap(),
            }
        })
        .collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    entries
}

/// The names of all corpora, in order.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|corpus| corpus.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}
