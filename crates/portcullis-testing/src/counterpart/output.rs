//! What a program prints.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// How many lines are kept, and how many of them a failure shows.
const KEPT: usize = 1000;
const SHOWN: usize = 40;

/// The last lines that a program printed, to either output.
#[derive(Clone, Debug, Default)]
pub(super) struct Output(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    last: VecDeque<String>,
    ready: Option<String>,
}

impl Output {
    /// Reads until the program closes the pipe, so that it never waits for a reader.
    pub(super) fn read(&self, pipe: impl Read + Send + 'static, ready_start: Option<String>) {
        let this = self.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                this.push(text, ready_start.as_deref());
                line.clear();
            }
        });
    }

    fn push(&self, line: String, ready_start: Option<&str>) {
        let mut lines = self.lines();
        if lines.ready.is_none() && ready_start.is_some_and(|start| line.starts_with(start)) {
            lines.ready = Some(line.clone());
        }
        if lines.last.len() == KEPT {
            lines.last.pop_front();
        }
        lines.last.push_back(line);
    }

    pub(super) fn ready_line(&self) -> Option<String> {
        self.lines().ready.clone()
    }

    pub(super) fn text(&self) -> String {
        let lines = self.lines();
        lines
            .last
            .iter()
            .fold(String::new(), |text, line| text + line + "\n")
    }

    /// The last lines, for the message of a failure.
    pub(super) fn tail(&self) -> String {
        let lines = self.lines();
        if lines.last.is_empty() {
            return "it printed nothing".to_owned();
        }
        let hidden = lines.last.len().saturating_sub(SHOWN);
        let shown = lines.last.iter().skip(hidden);
        shown.fold("the last that it printed:".to_owned(), |text, line| {
            text + "\n  | " + line
        })
    }

    /// Whether it complained that its address is in use.
    pub(super) fn is_port_taken(&self) -> bool {
        let text = self.text().to_ascii_lowercase();
        ["eaddrinuse", "address already in use", "address in use"]
            .iter()
            .any(|sign| text.contains(sign))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
