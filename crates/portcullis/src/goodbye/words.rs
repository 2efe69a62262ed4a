//! What is said last, in the format of the stream.

use bytes::Bytes;

use super::StreamFormat;

/// What a stream that is ended says last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastWords(Words);

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Words {
    /// Nothing is said, and the body is complete.
    End,
    /// The body fails.
    Error,
    /// These bytes are the last.
    Say(StreamFormat, Bytes),
}

impl LastWords {
    /// Nothing: the body ends as if it were complete. For protocols whose clients look whether they
    /// have seen what they wait for.
    #[must_use]
    pub const fn end() -> Self {
        Self(Words::End)
    }

    /// An error: the body is broken off.
    #[must_use]
    pub const fn error() -> Self {
        Self(Words::Error)
    }

    /// One event of server-sent events, with its type if it has one. It is one event whatever
    /// stands in it: each line of the data is one of the event's, and line breaks in the type are
    /// left out.
    #[must_use]
    pub fn event(name: Option<&str>, data: &str) -> Self {
        let mut text = String::with_capacity(data.len() + 32);
        if let Some(name) = name {
            text.push_str("event: ");
            text.extend(
                name.chars()
                    .filter(|char| !matches!(char, '\r' | '\n' | '\0')),
            );
            text.push('\n');
        }
        let data = data.replace("\r\n", "\n");
        for line in data.split(['\r', '\n']) {
            text.push_str("data:");
            if !line.is_empty() {
                text.push(' ');
                text.push_str(line);
            }
            text.push('\n');
        }
        text.push('\n');
        Self(Words::Say(StreamFormat::Events, text.into()))
    }

    /// One line of JSON lines. Line breaks are blanks, which mean the same in JSON.
    #[must_use]
    pub fn line(json: &str) -> Self {
        let mut text = json.replace(['\r', '\n'], " ");
        text.push('\n');
        Self(Words::Say(StreamFormat::JsonLines, text.into()))
    }

    /// The same of bytes that are one already.
    pub(super) const fn ready(format: StreamFormat, bytes: &'static [u8]) -> Self {
        Self(Words::Say(format, Bytes::from_static(bytes)))
    }

    /// What is done in a stream of this format.
    pub(crate) fn in_format(self, format: StreamFormat) -> Words {
        match self.0 {
            Words::Say(other, _) if other != format => Words::Error,
            words => words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: LastWords, format: StreamFormat) -> String {
        match words.in_format(format) {
            Words::Say(_, bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_is_one_event_whatever_stands_in_it() {
        for (name, data, event) in [
            (None, "", "data:\n\n"),
            (None, "{}", "data: {}\n\n"),
            (
                Some("a"),
                "b\nc\r\nd\re",
                "event: a\ndata: b\ndata: c\ndata: d\ndata: e\n\n",
            ),
            (
                Some("a\n\ndata: b\r\0"),
                "\n\n",
                "event: adata: b\ndata:\ndata:\ndata:\n\n",
            ),
        ] {
            let words = LastWords::event(name, data);
            assert_eq!(bytes(words, StreamFormat::Events), event);
        }
    }

    #[test]
    fn a_line_is_one_line() {
        let words = LastWords::line("{\n\"a\":\r1}");
        assert_eq!(bytes(words, StreamFormat::JsonLines), "{ \"a\": 1}\n");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let event = LastWords::event(None, "");
        assert_eq!(event.in_format(StreamFormat::JsonLines), Words::Error);
        let line = LastWords::line("{}");
        assert_eq!(line.in_format(StreamFormat::Events), Words::Error);
        assert_eq!(LastWords::end().in_format(StreamFormat::Events), Words::End);
        assert_eq!(
            LastWords::error().in_format(StreamFormat::Events),
            Words::Error
        );
    }
}
