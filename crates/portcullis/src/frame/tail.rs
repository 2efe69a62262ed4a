//! Where in an event, or in a line, a stream of them is.

use http::{HeaderValue, header, response};

use crate::goodbye::{RpcCall, StreamFormat};

/// The types of bodies that something can be said in at the end.
const TYPES: [(&[u8], StreamFormat); 4] = [
    (b"text/event-stream", StreamFormat::Events),
    (b"application/x-ndjson", StreamFormat::JsonLines),
    (b"application/jsonl", StreamFormat::JsonLines),
    (b"application/x-jsonlines", StreamFormat::JsonLines),
];

/// The last bytes of a stream of events or of lines.
#[derive(Debug)]
pub(super) struct Tail {
    format: StreamFormat,
    last: [u8; 3],
    has_begun: bool,
    /// What the handler says that it answers.
    call: Option<Box<RpcCall>>,
}

impl Tail {
    /// The tail of a body that is a stream of events or lines, and can be written to.
    pub(super) fn of(parts: &response::Parts) -> Option<Self> {
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let format = content_type.and_then(format)?;
        let can_be_written_to = !parts.headers.contains_key(header::CONTENT_ENCODING)
            && !parts.headers.contains_key(header::CONTENT_LENGTH);
        can_be_written_to.then(|| Self {
            call: parts.extensions.get::<RpcCall>().cloned().map(Box::new),
            ..Self::new(format)
        })
    }

    /// Whether a body is a stream of events or lines, written to or not.
    pub(super) fn is_stream(parts: &response::Parts) -> bool {
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        content_type.and_then(format).is_some()
            && !parts.headers.contains_key(header::CONTENT_LENGTH)
    }

    fn new(format: StreamFormat) -> Self {
        Self {
            format,
            last: [0; 3],
            has_begun: false,
            call: None,
        }
    }

    pub(super) fn format(&self) -> StreamFormat {
        self.format
    }

    /// The call that the handler says it answers.
    pub(super) fn call(&self) -> Option<&RpcCall> {
        self.call.as_deref()
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.has_begun |= !bytes.is_empty();
        let start = bytes.len().saturating_sub(3);
        for byte in bytes.get(start..).unwrap_or_default() {
            let [_, second, third] = self.last;
            self.last = [second, third, *byte];
        }
    }

    /// Whether the last event or line is complete. An event is when the last line is an empty one;
    /// lines end with CR, LF or both (HTML standard, "parsing an event stream"). Those of JSON end
    /// with LF.
    pub(super) fn is_in_between(&self) -> bool {
        if !self.has_begun || portcullis_core::sabotaged!("goodbye.boundary") {
            return true;
        }
        match self.format {
            StreamFormat::Events => matches!(
                self.last,
                [_, b'\n', b'\n' | b'\r'] | [_, b'\r', b'\r'] | [b'\n' | b'\r', b'\r', b'\n']
            ),
            StreamFormat::JsonLines => matches!(self.last, [_, _, b'\n']),
        }
    }
}

fn format(content_type: &HeaderValue) -> Option<StreamFormat> {
    let essence = content_type.as_bytes().split(|byte| *byte == b';').next()?;
    let essence = essence.trim_ascii();
    let mut types = TYPES.iter();
    let (_, format) = types.find(|(name, _)| essence.eq_ignore_ascii_case(name))?;
    Some(*format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_between(frames: &[&[u8]]) -> bool {
        let mut tail = Tail::new(StreamFormat::Events);
        frames.iter().for_each(|frame| tail.add(frame));
        tail.is_in_between()
    }

    #[test]
    fn knows_where_a_line_ends() {
        for (text, is_between) in [
            ("", true),
            ("{}\n", true),
            ("{}\r\n", true),
            ("{}", false),
            ("\n{", false),
            ("{}\r", false),
        ] {
            let mut tail = Tail::new(StreamFormat::JsonLines);
            text.bytes().for_each(|byte| tail.add(&[byte]));
            assert_eq!(tail.is_in_between(), is_between, "{text:?}");
        }
    }

    #[test]
    fn knows_which_types_it_can_write_to() {
        let tail = |headers: &[(&'static str, &'static str)]| {
            let mut response = http::Response::builder();
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            let (parts, ()) = response.body(()).unwrap().into_parts();
            Tail::of(&parts).map(|tail| tail.format())
        };
        let events = ("content-type", "Text/Event-Stream; charset=utf-8");
        assert_eq!(tail(&[events]), Some(StreamFormat::Events));
        for lines in ["application/x-ndjson", "application/jsonl"] {
            assert_eq!(
                tail(&[("content-type", lines)]),
                Some(StreamFormat::JsonLines)
            );
        }
        assert_eq!(tail(&[events, ("content-encoding", "gzip")]), None);
        assert_eq!(tail(&[events, ("content-length", "9")]), None);
        assert_eq!(tail(&[("content-type", "application/json")]), None);
        assert_eq!(tail(&[]), None);
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
