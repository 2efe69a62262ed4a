//! A case and its marks.

/// One program, and the errors that it must have.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) marks: Vec<Mark>,
}

/// One expected error.
pub(crate) struct Mark {
    /// Counted from one.
    pub(crate) line: usize,
    pub(crate) code: String,
    pub(crate) message: String,
}

const MARK: &str = "//~ ";

impl Case {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let marks = text
            .lines()
            .enumerate()
            .filter_map(|(index, line)| {
                let (_, mark) = line.split_once(MARK)?;
                let (code, message) = mark.split_once(' ').unwrap_or((mark, ""));
                Some(Mark {
                    line: index + 1,
                    code: code.to_owned(),
                    message: message.to_owned(),
                })
            })
            .collect();
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            marks,
        }
    }

    /// The program with nothing in it that is expected to be refused.
    pub(crate) fn without_marked_lines(&self) -> String {
        let kept = self.text.lines().filter(|line| !line.contains(MARK));
        kept.map(|line| format!("{line}\n")).collect()
    }
}
