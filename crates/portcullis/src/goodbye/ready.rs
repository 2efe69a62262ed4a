//! Goodbyes that are ready.

use portcullis_core::EndReason;

use super::{Cut, Goodbye, LastWords, StreamFormat};

/// The last event of a stream whose session is over.
const SESSION_ENDED: &[u8] = b"event: session-ended\ndata:\n\n";
/// The last event of a stream of a server that is shut down.
const SHUTTING_DOWN: &[u8] = b"event: shutting-down\ndata:\n\n";
/// The same as JSON lines.
const SESSION_ENDED_LINE: &[u8] = b"{\"event\":\"session-ended\"}\n";
const SHUTTING_DOWN_LINE: &[u8] = b"{\"event\":\"shutting-down\"}\n";

/// The method whose stream ends with a result (MCP 2026-07-28).
const LISTEN: &str = "subscriptions/listen";

/// One event, `session-ended` or `shutting-down`, in streams of events. The default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "it is its own value")]
pub struct Plain;

/// In the words of MCP (2026-07-28): a stream of events ends with the response to the JSON-RPC
/// request that it answers.
///
/// - `subscriptions/listen` ends with its result, `"resultType":"complete"`, and the id of the
///   subscription, which is that of the request: what the server sends when it ends a
///   subscription in order.
/// - Whatever else ends with an error of the request: code 401 where the session is over, 503 where
///   the server is shut down or nobody can say whether the session lives. JSON-RPC keeps -32768 to
///   -32000 for itself, and MCP says nothing of streams whose authorization ends, so these are our
///   own, with the meaning that they have as statuses.
///
/// Where the id is not known it is as [`Plain`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "it is its own value")]
pub struct Mcp;

/// In the words of A2A (1.0), which has none for it: a stream of events just ends. Its client
/// subscribes to the task again, and is answered 401 with a challenge, or 503.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "it is its own value")]
pub struct A2a;

/// One more line in JSON lines: `{"event":"session-ended"}` or `{"event":"shutting-down"}`. In
/// streams of events as [`Plain`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "it is its own value")]
pub struct JsonLines;

/// No words: every body that is ended is broken off, in HTTP/2 by a reset of its stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "it is its own value")]
pub struct Reset;

impl Goodbye for Plain {
    fn say(&self, cut: &Cut<'_>) -> LastWords {
        match (cut.format, cut.session_over()) {
            (StreamFormat::Events, Some(_)) => {
                LastWords::ready(StreamFormat::Events, SESSION_ENDED)
            }
            (StreamFormat::Events, None) => LastWords::ready(StreamFormat::Events, SHUTTING_DOWN),
            (StreamFormat::JsonLines, _) => LastWords::error(),
        }
    }
}

impl Goodbye for Mcp {
    fn say(&self, cut: &Cut<'_>) -> LastWords {
        let Some(call) = cut.call.filter(|_| cut.format == StreamFormat::Events) else {
            return Plain.say(cut);
        };
        let id = call.id();
        let response = if call.method() == LISTEN {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"complete\",\
                 \"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":{id}}}}}}}"
            )
        } else {
            let (code, message) = match cut.session_over() {
                Some(EndReason::Unconfirmed) => (503, "The session cannot be confirmed"),
                Some(_) => (401, "The session is over"),
                None => (503, "The server is shutting down"),
            };
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{code},\
                 \"message\":\"{message}\"}}}}"
            )
        };
        LastWords::event(None, &response)
    }

    fn reads_calls(&self) -> bool {
        true
    }
}

impl Goodbye for A2a {
    fn say(&self, cut: &Cut<'_>) -> LastWords {
        match cut.format {
            StreamFormat::Events => LastWords::end(),
            StreamFormat::JsonLines => LastWords::error(),
        }
    }
}

impl Goodbye for JsonLines {
    fn say(&self, cut: &Cut<'_>) -> LastWords {
        match (cut.format, cut.session_over()) {
            (StreamFormat::JsonLines, Some(_)) => {
                LastWords::ready(StreamFormat::JsonLines, SESSION_ENDED_LINE)
            }
            (StreamFormat::JsonLines, None) => {
                LastWords::ready(StreamFormat::JsonLines, SHUTTING_DOWN_LINE)
            }
            (StreamFormat::Events, _) => Plain.say(cut),
        }
    }
}

impl Goodbye for Reset {
    fn say(&self, _cut: &Cut<'_>) -> LastWords {
        LastWords::error()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        ambient::Ambient,
        exchange::Exchange,
        goodbye::{RpcCall, RpcId, Words},
    };

    fn exchange() -> Exchange {
        let shared = Arc::new(Ambient::default().build().unwrap());
        let (mut parts, ()) = http::Request::new(()).into_parts();
        Exchange::open(&mut parts, &shared)
    }

    fn said(
        goodbye: &dyn Goodbye,
        over: Option<EndReason>,
        format: StreamFormat,
        call: Option<&RpcCall>,
    ) -> String {
        let exchange = exchange();
        let cut = Cut {
            over,
            format,
            exchange: &exchange,
            call,
        };
        match goodbye.say(&cut).in_format(format) {
            Words::End => "end".to_owned(),
            Words::Error => "error".to_owned(),
            Words::Say(_, bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    #[test]
    fn each_says_what_its_table_says() {
        use StreamFormat::{Events, JsonLines as Lines};
        let idle = Some(EndReason::Idle);
        let plain = "event: session-ended\ndata:\n\n";
        let down = "event: shutting-down\ndata:\n\n";
        let line = "{\"event\":\"session-ended\"}\n";
        let down_line = "{\"event\":\"shutting-down\"}\n";
        let table: [(&dyn Goodbye, _, _, _, _); 5] = [
            (&Plain, plain, down, "error", "error"),
            (&Mcp, plain, down, "error", "error"),
            (&A2a, "end", "end", "error", "error"),
            (&JsonLines, plain, down, line, down_line),
            (&Reset, "error", "error", "error", "error"),
        ];
        for (row, (goodbye, over, shutdown, over_line, shutdown_line)) in
            table.into_iter().enumerate()
        {
            for down in [None, Some(EndReason::Shutdown)] {
                assert_eq!(said(goodbye, down, Events, None), shutdown, "{row}");
                assert_eq!(said(goodbye, down, Lines, None), shutdown_line, "{row}");
            }
            assert_eq!(said(goodbye, idle, Events, None), over, "{row}");
            assert_eq!(said(goodbye, idle, Lines, None), over_line, "{row}");
            assert_eq!(goodbye.reads_calls(), row == 1);
        }
    }

    #[test]
    fn mcp_answers_the_request() {
        let listen = RpcCall::new("subscriptions/listen", RpcId::from(1));
        let listens = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\
                       \"_meta\":{\"io.modelcontextprotocol/subscriptionId\":1}}}\n\n";
        let tool = RpcCall::new("tools/call", RpcId::from("a\"b"));
        let error = |code, message| {
            format!(
                "data: {{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"error\":{{\"code\":{code},\
                 \"message\":\"{message}\"}}}}\n\n"
            )
        };
        for (over, expected) in [
            (Some(EndReason::Revoked), error(401, "The session is over")),
            (
                Some(EndReason::Unconfirmed),
                error(503, "The session cannot be confirmed"),
            ),
            (None, error(503, "The server is shutting down")),
        ] {
            let events = StreamFormat::Events;
            assert_eq!(said(&Mcp, over, events, Some(&listen)), listens);
            assert_eq!(said(&Mcp, over, events, Some(&tool)), expected);
            let lines = StreamFormat::JsonLines;
            assert_eq!(said(&Mcp, over, lines, Some(&tool)), "error");
        }
        for (call, over) in [(&listen, None), (&tool, None)] {
            let event = said(&Mcp, over, StreamFormat::Events, Some(call));
            let json = event.strip_prefix("data: ").unwrap().trim_end();
            let json: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(json["jsonrpc"], "2.0");
        }
    }
}
