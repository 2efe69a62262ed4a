//! Somebody who can write to the folder of an audit log, and knows its form.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// The lines of a log, by file.
#[derive(Clone, Debug)]
pub struct Forger {
    folder: PathBuf,
    /// The name of each file, and its lines.
    pub files: Vec<(String, Vec<String>)>,
}

#[expect(clippy::expect_used, reason = "a test without its folder has to fail")]
impl Forger {
    /// Reads the log in a folder.
    ///
    /// # Panics
    ///
    /// Something cannot be read.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let entry = entry.expect("the folder can be read");
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".jsonl") {
                let text = fs::read_to_string(entry.path()).expect("a file can be read");
                files.push((name, text.lines().map(str::to_owned).collect()));
            }
        }
        files.sort();
        Self {
            folder: folder.to_owned(),
            files,
        }
    }

    /// All lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &String> {
        self.files.iter().flat_map(|(_, lines)| lines)
    }

    /// The lines of one file.
    ///
    /// # Panics
    ///
    /// There is no such file.
    pub fn file(&mut self, n: usize) -> &mut Vec<String> {
        &mut self.files.get_mut(n).expect("there is such a file").1
    }

    /// Computes every hash anew, as somebody can who leaves the rest as it is.
    pub fn rehash(&mut self) {
        let mut hash = [0_u8; 32];
        for (_, lines) in &mut self.files {
            for line in lines {
                if let Some((head, rest)) = line.split_once("\"previous\":\"") {
                    let rest = rest.get(64..).unwrap_or_default();
                    *line = format!("{head}\"previous\":\"{}{rest}", hex(&hash));
                }
                let body = line.split(",\"hash\":\"").next().unwrap_or_default();
                let mut next = Sha256::new();
                next.update(b"portcullis.audit/1 line\0");
                next.update(hash);
                next.update(body);
                hash = next.finalize().into();
                *line = format!("{body},\"hash\":\"{}\"}}", hex(&hash));
            }
        }
    }

    /// Puts the lines in the place of those that are there.
    ///
    /// # Panics
    ///
    /// Something cannot be written.
    pub fn write(&self) {
        for entry in fs::read_dir(&self.folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                fs::remove_file(path).expect("a file can be removed");
            }
        }
        for (name, lines) in &self.files {
            let text: String = lines
                .iter()
                .flat_map(|line| [line.as_str(), "\n"])
                .collect();
            fs::write(self.folder.join(name), text).expect("a file can be written");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
