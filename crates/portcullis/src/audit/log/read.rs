//! Files, line by line.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use portcullis_core::Timestamp;

use super::{
    chain::{ChainId, Hash, Link, NOTHING, parse_hex},
    defect::Defect,
    line::{END, HASH, MAX_LINE, SCHEMA},
};

/// A file of a log, by its name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Name {
    pub(super) first: u64,
    pub(super) text: String,
}

impl Name {
    pub(super) fn of(first: u64) -> Self {
        Self {
            first,
            text: format!("audit-{first:020}.jsonl"),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
        let name = Self::of(digits.parse().ok()?);
        (name.text == text).then_some(name)
    }
}

/// The files of a log, oldest first.
pub(super) fn files(folder: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().to_str().and_then(Name::parse));
    }
    names.sort();
    Ok(names)
}

/// Reads a file without ever holding more than one line of it.
pub(super) struct Walk {
    reader: BufReader<File>,
    buffer: Vec<u8>,
    len: u64,
    /// Where the line that comes next begins.
    offset: u64,
}

/// What comes next in a file.
pub(super) enum Step<'a> {
    End,
    /// A line, without its end.
    Line(&'a [u8]),
    /// What was not written to its end: all the rest of the file.
    Torn(u64),
}

impl Walk {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::of(File::open(path)?)
    }

    pub(super) fn of(file: File) -> io::Result<Self> {
        Ok(Self {
            len: file.metadata()?.len(),
            reader: BufReader::new(file),
            buffer: Vec::new(),
            offset: 0,
        })
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn step(&mut self) -> io::Result<Step<'_>> {
        self.buffer.clear();
        let rest = self.len.saturating_sub(self.offset);
        let most = MAX_LINE as u64 + 1;
        (&mut self.reader)
            .take(most)
            .read_until(b'\n', &mut self.buffer)?;
        // A file system that was interrupted can leave zeros where it had given room and had not
        // yet written. No line holds one: control characters are escaped. Anything but zeros
        // behind the first is no accident.
        if let Some(first) = self.buffer.iter().position(|byte| *byte == 0) {
            let next = self.offset + self.buffer.len() as u64;
            let is_end = self.buffer.iter().skip(first).all(|byte| *byte == 0);
            if is_end && self.only_zeros_follow()? {
                return Ok(Step::Torn(rest));
            }
            self.reader.seek(SeekFrom::Start(next))?;
        }
        Ok(match self.buffer.strip_suffix(b"\n") {
            Some(line) => {
                self.offset += line.len() as u64 + 1;
                Step::Line(line)
            }
            None if self.buffer.is_empty() => Step::End,
            // Too long to be one of ours: no line to the chain either.
            None if self.buffer.len() > MAX_LINE => {
                self.offset += self.buffer.len() as u64;
                Step::Line(&self.buffer)
            }
            None => Step::Torn(rest),
        })
    }

    fn only_zeros_follow(&mut self) -> io::Result<bool> {
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(true);
            }
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            let len = bytes.len();
            self.reader.consume(len);
        }
    }
}

/// What every line says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) seq: u64,
    pub(super) kind: &'a str,
    time: Timestamp,
    /// What stands behind the kind.
    rest: &'a str,
    body: &'a str,
    hash: Hash,
}

impl<'a> Seen<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let line = str::from_utf8(line).ok()?;
        let open = line.strip_suffix(END)?;
        let (body, digits) = open.split_at_checked(open.len().checked_sub(64)?)?;
        let body = body.strip_suffix(HASH)?;
        let (seq, rest) = number(body.strip_prefix(r#"{"seq":"#)?)?;
        let rest = rest.strip_prefix(r#","time":"#)?;
        let (time, rest) = rest.split_once(',')?;
        let (kind, rest) = rest.strip_prefix(r#""kind":""#)?.split_once('"')?;
        Some(Self {
            seq,
            kind,
            time: Timestamp::from_unix_millis(time.parse().ok()?),
            rest,
            body,
            hash: parse_hex(digits.as_bytes())?,
        })
    }

    /// The number that stands first behind the kind, by this name.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let rest = self.rest.strip_prefix(",\"")?.strip_prefix(name)?;
        Some(number(rest.strip_prefix("\":")?)?.0)
    }
}

/// A number and what stands behind it.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(end)?;
    // One reading only.
    let is_plain = digits == "0" || !digits.starts_with('0');
    Some((digits.parse().ok().filter(|_| is_plain)?, rest))
}

/// What the first line of a file says.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileHead {
    pub(super) chain: ChainId,
    pub(super) previous: Hash,
    /// Whether the log was started here, and not merely continued.
    pub(super) is_start: bool,
}

impl FileHead {
    fn parse(seen: &Seen<'_>) -> Result<Self, Defect> {
        if seen.kind != "head" {
            return Err(Defect::Headless);
        }
        let rest = seen.rest.strip_prefix(r#","schema":""#);
        let (schema, rest) = rest
            .and_then(|rest| rest.split_once('"'))
            .ok_or(Defect::Headless)?;
        if schema != SCHEMA {
            return Err(Defect::UnknownSchema);
        }
        let read = || {
            let rest = rest.strip_prefix(r#","chain":""#)?;
            let (chain, rest) = rest.split_once('"')?;
            let rest = rest.strip_prefix(r#","previous":""#)?;
            let (previous, rest) = rest.split_once('"')?;
            Some(Self {
                chain: parse_hex(chain.as_bytes())?,
                previous: parse_hex(previous.as_bytes())?,
                is_start: !rest.starts_with(r#","cause":"rotation""#),
            })
        };
        read().ok_or(Defect::Headless)
    }
}

/// Follows a chain from line to line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Follower {
    /// The last line, once there is one.
    pub(super) last: Option<Link>,
    pub(super) chain: ChainId,
    /// What the last line says of its time.
    pub(super) at: Timestamp,
}

impl Follower {
    /// Follows whatever chain the first file is of. A chain that is not there from its beginning,
    /// because its oldest files are kept elsewhere, is taken at the word of its oldest file.
    pub(super) const fn new() -> Self {
        Self {
            last: None,
            chain: [0; 16],
            at: Timestamp::UNIX_EPOCH,
        }
    }

    /// The first line of a file.
    pub(super) fn enter(&mut self, line: &[u8], name: &Name) -> Result<FileHead, Defect> {
        let seen = Seen::parse(line).ok_or(Defect::Malformed)?;
        let head = FileHead::parse(&seen)?;
        if seen.seq != name.first {
            return Err(Defect::Misnamed);
        }
        let Some(last) = self.last else {
            let is_beginning = seen.seq == 1 || head.previous == NOTHING;
            if seen.seq == 1 && head.previous != NOTHING {
                return Err(Defect::NotContinued);
            }
            self.chain = head.chain;
            self.last = Some(Link {
                seq: seen.seq.saturating_sub(1),
                hash: if is_beginning { NOTHING } else { head.previous },
            });
            self.follow(&seen)?;
            return Ok(head);
        };
        self.check_sequence(&seen, last)?;
        if head.chain != self.chain {
            return Err(Defect::OtherChain);
        }
        if head.previous != last.hash && !portcullis_core::sabotaged!("audit_log.hash") {
            return Err(Defect::NotContinued);
        }
        self.follow(&seen)?;
        Ok(head)
    }

    /// Any other line of a file.
    pub(super) fn next<'a>(&mut self, line: &'a [u8]) -> Result<Seen<'a>, Defect> {
        let seen = Seen::parse(line).ok_or(Defect::Malformed)?;
        if seen.kind == "head" {
            return Err(Defect::OtherChain);
        }
        self.follow(&seen)?;
        Ok(seen)
    }

    fn follow(&mut self, seen: &Seen<'_>) -> Result<(), Defect> {
        let last = self.last.unwrap_or(Link::BEFORE_THE_FIRST);
        self.check_sequence(seen, last)?;
        if last.hash_next(seen.body.as_bytes()) != seen.hash
            && !portcullis_core::sabotaged!("audit_log.hash")
        {
            return Err(Defect::Altered);
        }
        self.at = seen.time;
        self.last = Some(Link {
            seq: seen.seq,
            hash: seen.hash,
        });
        Ok(())
    }

    fn check_sequence(&self, seen: &Seen<'_>, last: Link) -> Result<(), Defect> {
        let expected = last.seq.saturating_add(1);
        if seen.seq == expected || portcullis_core::sabotaged!("audit_log.sequence") {
            return Ok(());
        }
        Err(if seen.seq > expected {
            Defect::Missing {
                lines: seen.seq - expected,
            }
        } else {
            Defect::OutOfPlace { expected }
        })
    }
}
