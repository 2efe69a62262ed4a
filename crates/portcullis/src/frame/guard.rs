//! What ends a response that streams.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, header, response};
use portcullis_core::EndReason;

use crate::{exchange::Exchange, session::Running};

/// The last event of a stream that was ended.
const GOODBYE: &[u8] = b"event: session-ended\ndata:\n\n";

/// Looks after one response body: ends it when its request is over.
pub(super) struct Guard {
    /// Made when the body turns out to take a while.
    running: Option<Running>,
    /// Where in an event the stream is, if it is one of events that can be written to.
    events: Option<Tail>,
}

/// How a body ends that was ended.
pub(super) enum Ending {
    /// With a last event.
    Goodbye(Bytes),
    /// With an error: otherwise the client would take what it has for the whole.
    Error,
}

impl Guard {
    pub(super) fn new(running: Option<Running>, parts: &response::Parts) -> Self {
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
        Self {
            running,
            events: can_be_written_to.then(Tail::default),
        }
    }

    /// Why the request is over, once it is.
    pub(super) fn over(&self) -> Option<EndReason> {
        self.running.as_ref()?.over()
    }

    /// The same, where the body has nothing to give: then the task is woken for it.
    pub(super) fn poll_over(&mut self, exchange: &Exchange, cx: &Context<'_>) -> Poll<EndReason> {
        self.start(exchange);
        match &self.running {
            Some(running) => running.poll_over(cx),
            None => Poll::Pending,
        }
    }

    /// Notes that the body goes on after these bytes.
    pub(super) fn go_on(&mut self, exchange: &Exchange, bytes: Option<&Bytes>) {
        if let (Some(tail), Some(bytes)) = (&mut self.events, bytes) {
            tail.add(bytes);
        }
        self.start(exchange);
    }

    fn start(&mut self, exchange: &Exchange) {
        if self.running.is_none() {
            let session = exchange.session();
            self.running = session.map(|session| session.start_running(exchange));
        }
    }

    /// How the body ends now. In the middle of an event there is no goodbye: what is there of
    /// the event would be taken for the whole of it.
    pub(super) fn ending(&self) -> Ending {
        match &self.events {
            Some(tail) if tail.is_between_events() => Ending::Goodbye(Bytes::from_static(GOODBYE)),
            _ => Ending::Error,
        }
    }
}

/// The last bytes of a stream of events.
#[derive(Debug, Default)]
struct Tail {
    last: [u8; 3],
    has_begun: bool,
}

impl Tail {
    fn add(&mut self, bytes: &[u8]) {
        self.has_begun |= !bytes.is_empty();
        let start = bytes.len().saturating_sub(3);
        for byte in bytes.get(start..).unwrap_or_default() {
            let [_, second, third] = self.last;
            self.last = [second, third, *byte];
        }
    }

    /// Whether the last line is an empty one, so that the last event is complete. Lines end
    /// with CR, LF or both (HTML standard, "parsing an event stream").
    fn is_between_events(&self) -> bool {
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
