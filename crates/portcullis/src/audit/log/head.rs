//! The end of a log, to be remembered elsewhere.

use std::{fmt, str::FromStr};

use portcullis_core::Timestamp;

use super::{
    chain::{ChainId, Hash, Link, parse_hex, push_hex},
    line::SCHEMA,
};

/// Where a log ends: what to keep outside of the machine that writes it.
///
/// A hash chain shows every change in the middle of a log. That its end was cut off, or that
/// somebody computed it anew from some line on, shows only to whoever remembers how far it went:
/// give the head to [`Verifier::with_expected_head`](super::Verifier::with_expected_head).
///
/// As text it is one line, which [`FromStr`] reads again. It is no secret, but whoever can change
/// where it is kept can hide what he does: sign it, or keep it where the server cannot write twice.
///
/// ```
/// use portcullis::audit::log::Head;
///
/// let text = "portcullis.audit/1 000102030405060708090a0b0c0d0e0f 42 \
///     2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae 1767225600000";
/// let head: Head = text.parse()?;
/// assert_eq!(head.sequence(), 42);
/// assert_eq!(head.to_string(), text);
/// # Ok::<(), portcullis::audit::log::InvalidHead>(())
/// ```
///
/// Heads are equal if they are of the same line: then all of chain, sequence number, hash and time
/// are, whoever has read them, and they are the same text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    pub(super) chain: ChainId,
    pub(super) link: Link,
    pub(super) at: Timestamp,
}

impl Head {
    /// The sequence number of the last line.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.link.seq
    }

    /// The hash of the last line (SHA-256), which stands for all lines before it.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.link.hash
    }

    /// What the chain is told apart by from others: drawn when it began.
    #[must_use]
    pub const fn chain(&self) -> &[u8; 16] {
        &self.chain
    }

    /// What the last line says of its time, by the log's clock.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Which line it is of, for people.
    pub(super) fn place(&self) -> impl fmt::Display {
        let (sequence, at) = (self.link.seq, self.at);
        fmt::from_fn(move |f| write!(f, "sequence {sequence} of {at}"))
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut chain, mut hash) = (String::new(), String::new());
        push_hex(&mut chain, &self.chain);
        push_hex(&mut hash, &self.link.hash);
        let (seq, millis) = (self.link.seq, self.at.unix_millis());
        write!(f, "{SCHEMA} {chain} {seq} {hash} {millis}")
    }
}

impl FromStr for Head {
    type Err = InvalidHead;

    fn from_str(text: &str) -> Result<Self, InvalidHead> {
        let read = || {
            let mut words = text.split(' ');
            if words.next()? != SCHEMA {
                return None;
            }
            let chain: ChainId = parse_hex(words.next()?.as_bytes())?;
            let seq = words.next()?.parse().ok()?;
            let hash: Hash = parse_hex(words.next()?.as_bytes())?;
            let at = Timestamp::from_unix_millis(words.next()?.parse().ok()?);
            let link = Link { seq, hash };
            words.next().is_none().then_some(Self { chain, link, at })
        };
        // One reading only: `+5` and `05` would be other forms of the same head.
        read()
            .filter(|head| head.to_string() == text)
            .ok_or(InvalidHead(()))
    }
}

/// A text that is no [`Head`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidHead(());

impl fmt::Display for InvalidHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "is no head of a log; one is `{SCHEMA}`, the chain, the sequence number, the hash \
             and the time, with blanks between them"
        )
    }
}

impl std::error::Error for InvalidHead {}

/// Remembers the ends of a log, outside of it. Any function of `&Head` is one.
///
/// It is called when the log is opened, by whoever opens it; and by the log's own thread with every
/// heartbeat, with every new file and when the log is closed. While it runs, nothing is written:
/// hand the head on. It cannot flush or close the log, which waits for it. If it panics, that is
/// logged and [counted](super::LogStats::head_failures), and the log goes on.
///
/// [`HeadFile`](super::HeadFile) is one.
pub trait HeadSink: Send + Sync + 'static {
    /// Takes one head. All that stands before it is durable.
    fn remember(&self, head: &Head);
}

impl<F: Fn(&Head) + Send + Sync + 'static> HeadSink for F {
    fn remember(&self, head: &Head) {
        self(head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_one_form() {
        let text = "portcullis.audit/1 000102030405060708090a0b0c0d0e0f 42 \
             2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae 1767225600000";
        assert_eq!(text.parse::<Head>().unwrap().to_string(), text);
        for (from, to) in [
            (" 42 ", " +42 "),
            (" 42 ", " 042 "),
            (" 1767", " +1767"),
            (" 1767", " 01767"),
            (" 2c26", " 2C26"),
            (" 42 ", "  42 "),
        ] {
            let other = text.replace(from, to);
            assert_eq!(other.parse::<Head>(), Err(InvalidHead(())), "{other}");
        }
    }
}
