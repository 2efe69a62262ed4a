//! Records as `tracing` events.

use std::fmt;

use portcullis_core::{AuditSink, Record, RevocationKey, SinkError};

/// The most that is logged of a text that somebody else chose, in characters.
const MAX_TEXT: usize = 256;

/// Writes each record as one `tracing` event at INFO, target `portcullis::decision`.
///
/// What the client or a model chose is escaped and cut to 256 characters. The principal is
/// named by issuer and subject; no credential is there to be written.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingSink;

impl TracingSink {
    /// A sink that writes to the subscriber of the thread that decides.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl AuditSink for TracingSink {
    fn record(&self, record: &Record<'_>) -> Result<(), SinkError> {
        tracing::info!(
            target: "portcullis::decision",
            kind = record.kind.as_str(),
            request_id = %record.request_id,
            at = %record.at,
            outcome = record.outcome.as_str(),
            layer = record.layer,
            reason = record.reason.as_str(),
            status = record.status.map(|status| status.as_u16()),
            session = record.session.map(tracing::field::display),
            authenticator = record.authenticator,
            issuer = record.principal.map(|principal| Escaped(principal.issuer())).map(tracing::field::display),
            subject = record.principal.map(|principal| Escaped(principal.subject())).map(tracing::field::display),
            client = record.principal.and_then(|principal| principal.client()).map(Escaped).map(tracing::field::display),
            client_address = record.client_address.map(tracing::field::display),
            trace_id = record.trace.map(|trace| tracing::field::display(trace.trace_id())),
            parent_id = record.trace.map(|trace| tracing::field::display(trace.parent_id())),
            method = %Escaped(record.method.as_str()),
            path = %Escaped(record.path),
            operation = record.operation.map(Escaped).map(tracing::field::display),
            revoked = record.revoked.map(RevokedKey).map(tracing::field::display),
        );
        Ok(())
    }
}

/// What an operator has ended or revoked: its kind, and the names one after the other.
struct RevokedKey<'a>(&'a RevocationKey);

impl fmt::Display for RevokedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind())?;
        self.0
            .values()
            .try_for_each(|value| write!(f, " {}", Escaped(value)))
    }
}

/// A text that somebody else chose, on one line, bounded, and in quotes where it could be taken
/// for more than one value: a line of text has nothing else to tell values apart by.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let is_quoted = self.0.is_empty() || self.0.chars().take(MAX_TEXT).any(needs_quotes);
        if is_quoted {
            f.write_char('"')?;
        }
        for (n, char) in self.0.chars().enumerate() {
            if n == MAX_TEXT {
                f.write_char('…')?;
                break;
            }
            // Escapes control characters, and those that reorder or hide what stands beside
            // them; text in any script stays readable.
            if char.is_control() || is_deceptive(char) {
                write!(f, "{}", char.escape_unicode())?;
            } else {
                if matches!(char, '"' | '\\') {
                    f.write_char('\\')?;
                }
                f.write_char(char)?;
            }
        }
        if is_quoted {
            f.write_char('"')?;
        }
        Ok(())
    }
}

fn needs_quotes(char: char) -> bool {
    char.is_whitespace() && !char.is_control() || matches!(char, '"' | '\\')
}

/// Line separators, bidirectional controls, and all that Unicode has a reader ignore: among
/// them tags, in which a whole sentence can stand unseen before whoever reads the log next.
pub(super) const fn is_deceptive(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::{Escaped, RevokedKey};

    #[test]
    fn escapes_what_could_forge_a_line() {
        let text = Escaped("a\r\nb\u{1b}[31m\u{202e}c\u{2028}\0ä").to_string();
        assert_eq!(text, r#""a\u{d}\u{a}b\u{1b}[31m\u{202e}c\u{2028}\u{0}ä""#);
    }

    #[test]
    fn is_one_value_whatever_it_says() {
        for (text, written) in [
            ("/notes/7?", "/notes/7?"),
            ("a=b", "a=b"),
            ("", r#""""#),
            (r#"x outcome="admitted""#, r#""x outcome=\"admitted\"""#),
            (r#"x" y="z"#, r#""x\" y=\"z""#),
            (r"x\", r#""x\\""#),
            ("a\u{a0}b", "\"a\u{a0}b\""),
            ("a\u{3000}b=c", "\"a\u{3000}b=c\""),
        ] {
            assert_eq!(Escaped(text).to_string(), written);
        }
    }

    #[test]
    fn escapes_what_nobody_would_see() {
        for hidden in [
            '\u{e0041}',
            '\u{fe0f}',
            '\u{e0101}',
            '\u{206a}',
            '\u{34f}',
            '\u{3164}',
        ] {
            let text = Escaped(&format!("a{hidden}")).to_string();
            assert_eq!(text, format!("a\\u{{{:x}}}", u32::from(hidden)));
        }
    }

    #[test]
    fn names_what_is_over_one_after_the_other() {
        let key = portcullis_core::RevocationKey::Grant("i".into(), "a b".into(), "\n".into());
        assert_eq!(RevokedKey(&key).to_string(), r#"grant i "a b" \u{a}"#);
    }

    #[test]
    fn cuts_what_is_long() {
        let text = Escaped(&"x".repeat(1 << 20)).to_string();
        assert_eq!(text.chars().count(), 257);
    }
}
