//! What was cut off, and how that is kept in mind until a line says so.
//!
//! Cutting off and writing the line are two steps, and a machine can stop between them. To write
//! first would leave a log that does not verify until it is cut; so each cut is noted ahead of it,
//! in the name of an empty file, which is there as a whole or not at all. The note goes when the
//! line is durable. If even that is interrupted, the line is written twice: better than never.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use super::{
    disk::{ours_alone, sync_folder},
    read::Name,
};

/// The end of a file that was no whole line.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Torn {
    pub(super) file: String,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl Torn {
    /// Notes it, durably. It may have been noted by a start that was interrupted.
    pub(super) fn note(&self, folder: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        ours_alone(&mut options);
        match options.open(folder.join(self.name())) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        sync_folder(folder)
    }

    fn name(&self) -> String {
        format!("{}.torn-{}-{}", self.file, self.offset, self.bytes)
    }

    fn parse(name: &str) -> Option<Self> {
        let (file, numbers) = name.split_once(".torn-")?;
        let (offset, bytes) = numbers.split_once('-')?;
        let torn = Self {
            file: Name::parse(file)?.text,
            offset: offset.parse().ok()?,
            bytes: bytes.parse().ok()?,
        };
        (torn.name() == name).then_some(torn)
    }
}

/// What is noted in a folder, oldest files first.
pub(super) fn noted(folder: &Path) -> io::Result<Vec<Torn>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        all.extend(entry?.file_name().to_str().and_then(Torn::parse));
    }
    all.sort_by(|a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
    Ok(all)
}

/// The lines are durable.
pub(super) fn forget(folder: &Path, all: &[Torn]) -> io::Result<()> {
    all.iter()
        .try_for_each(|torn| fs::remove_file(folder.join(torn.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_one_form() {
        let torn = Torn {
            file: Name::of(7).text,
            offset: 4096,
            bytes: 17,
        };
        let name = torn.name();
        assert_eq!(name, "audit-00000000000000000007.jsonl.torn-4096-17");
        assert_eq!(Torn::parse(&name), Some(torn));
        for (from, to) in [
            ("4096", "04096"),
            ("4096", "+4096"),
            ("-17", "-"),
            ("-17", "-17-1"),
            ("audit-0", "../audit-0"),
            ("7.jsonl", "7.json"),
            (".torn-", ".torn"),
        ] {
            assert_eq!(Torn::parse(&name.replace(from, to)), None, "{to}");
        }
    }
}
