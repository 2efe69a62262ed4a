//! Where in an event a stream of events is.

use http::{HeaderValue, header, response};

/// The last bytes of a stream of events.
#[derive(Debug, Default)]
pub(super) struct Tail {
    last: [u8; 3],
    has_begun: bool,
}

impl Tail {
    /// The tail of a body that is a stream of events, and can be written to.
    pub(super) fn of(parts: &response::Parts) -> Option<Self> {
        let is_event_stream = |value: &HeaderValue| {
            let essence = value.as_bytes().split(|byte| *byte == b';').next();
            essence.is_some_and(|essence| {
                essence
                    .trim_ascii()
                    .eq_ignore_ascii_case(b"text/event-stream")
            })
        };
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let can_be_written_to = content_type.is_some_and(is_event_stream)
            && !parts.headers.contains_key(header::CONTENT_ENCODING)
            && !parts.headers.contains_key(header::CONTENT_LENGTH);
        can_be_written_to.then(Self::default)
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.has_begun |= !bytes.is_empty();
        let start = bytes.len().saturating_sub(3);
        for byte in bytes.get(start..).unwrap_or_default() {
            let [_, second, third] = self.last;
            self.last = [second, third, *byte];
        }
    }

    /// Whether the last line is an empty one, so that the last event is complete. Lines end
    /// with CR, LF or both (HTML standard, "parsing an event stream").
    pub(super) fn is_between_events(&self) -> bool {
        !self.has_begun
            || matches!(
                self.last,
                [_, b'\n', b'\n' | b'\r'] | [_, b'\r', b'\r'] | [b'\n' | b'\r', b'\r', b'\n']
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_between(frames: &[&[u8]]) -> bool {
        let mut tail = Tail::default();
        frames.iter().for_each(|frame| tail.add(frame));
        tail.is_between_events()
    }

    #[test]
    fn knows_where_an_event_ends_however_it_is_cut_up() {
        for text in [
            "data: a\n\n",
            "data: a\r\n\r\n",
            "data: a\r\r",
            "data: a\n\r\n",
            "data: a\r\n\n",
            "data: a\n\r",
            "",
        ] {
            assert!(is_between(&[text.as_bytes()]), "{text:?}");
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert!(is_between(&bytes), "{text:?} by single bytes");
        }
        for text in [
            "data: a",
            "data: a\n",
            "data: a\r\n",
            "data: a\r",
            "data: a\n\nd",
            "\n",
            "\r\n",
        ] {
            assert!(!is_between(&[text.as_bytes()]), "{text:?}");
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert!(!is_between(&bytes), "{text:?} by single bytes");
        }
    }
}
