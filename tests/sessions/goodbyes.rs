//! What a stream says last, in the words of each protocol.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
    routing::post,
};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    RequestBody, ResponseBody,
    goodbye::{A2a, Goodbye, JsonLines, Mcp, Plain, Reset, RpcCall},
    session::SessionBuilder,
};
use portcullis_tests::{
    patience::settle,
    streams::{TICK, Ticks, streaming},
    wire::{Client, KeptAlive, Server},
};
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::people::World;

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"id":8}}"#;
const LISTEN: &str = r#"{"jsonrpc":"2.0","id":"s-1","method":"subscriptions/listen"}"#;
const LISTENED: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":\"s-1\",\"result\":{\"resultType\":\
                        \"complete\",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":\
                        \"s-1\"}}}\n\n";
const PLAIN: &str = "event: session-ended\ndata:\n\n";

fn errored(id: &str, code: u16, message: &str) -> String {
    format!(
        "data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{code},\"message\":\
         \"{message}\"}}}}\n\n"
    )
}

fn over(id: &str) -> String {
    errored(id, 401, "The session is over")
}

fn world(goodbye: impl Goodbye) -> World {
    World::with(|session: SessionBuilder| session.with_goodbye(goodbye))
}

fn call(body: &str) -> Request<String> {
    Request::post("/mcp")
        .header("host", "agent.example")
        .header("authorization", "Bearer alice.user.0")
        .header("content-type", "application/json; charset=utf-8")
        .body(body.to_owned())
        .unwrap()
}

/// Reads the request's body, and then streams.
async fn open(
    world: &World,
    request: Request<String>,
    content_type: &'static str,
    text: &'static str,
    says: Option<RpcCall>,
) -> ResponseBody<Ticks> {
    let clock = world.clock.clone();
    let handler = tower::service_fn(move |request: Request<RequestBody<String>>| {
        let (clock, says) = (clock.clone(), says.clone());
        async move {
            let mut stream = streaming(&clock, content_type, text);
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut response = stream.call(Request::new(body)).await?;
            if let Some(call) = says {
                call.attach(response.extensions_mut());
            }
            Ok::<_, Infallible>(response)
        }
    });
    let response = world.gate.layer(handler).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// Ends the session, and says what is read then; `error` where the body fails.
async fn end(world: &World, mut body: ResponseBody<Ticks>) -> String {
    let first = body.frame().await.unwrap().unwrap();
    assert!(first.is_data());
    settle().await;
    let ended = world.handle.end_sessions("https://idp.example", "alice");
    assert_eq!(ended.await.unwrap(), 1);
    let mut all = String::new();
    loop {
        match body.frame().await {
            None => return all,
            Some(Ok(frame)) => {
                all.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
            Some(Err(error)) => {
                assert!(error.session_over().is_some());
                assert!(body.frame().await.is_none());
                return all + "error";
            }
        }
    }
}

#[tokio::test]
async fn mcp_hears_the_answer_to_its_request() {
    let events = "text/event-stream";
    let number = RpcCall::new("prompts/get", 3);
    for (body, says, last) in [
        (CALL, None, over("7")),
        (LISTEN, None, LISTENED.to_owned()),
        // The handler knows better.
        (CALL, Some(number), over("3")),
        // Nobody knows.
        ("[]", None, PLAIN.to_owned()),
        (r#"{"jsonrpc":"2.0","method":"a"}"#, None, PLAIN.to_owned()),
    ] {
        let world = world(Mcp);
        let stream = open(&world, call(body), events, TICK, says).await;
        assert_eq!(end(&world, stream).await, last, "{body}");
        let reasons: Vec<_> = world
            .audit
            .take()
            .iter()
            .map(|record| record.reason.as_str())
            .collect();
        assert_eq!(
            reasons,
            ["admitted", "session_opened", "session_revoked", "cut"]
        );
    }
}

#[tokio::test]
async fn a_request_is_looked_at_only_as_far_as_it_may_be() {
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"a","params":"{}"}}"#,
        "x".repeat(16 * 1024)
    );
    let mut as_text = call(CALL);
    as_text
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    let mut packed = call(CALL);
    packed
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    for request in [call(&long), as_text, packed] {
        let world = world(Mcp);
        let stream = open(&world, request, "text/event-stream", TICK, None).await;
        assert_eq!(end(&world, stream).await, PLAIN);
    }
    // Nobody wants to know.
    let world = world(Plain);
    let stream = open(&world, call(CALL), "text/event-stream", TICK, None).await;
    assert_eq!(end(&world, stream).await, PLAIN);
}

#[tokio::test]
async fn each_protocol_in_its_format() {
    fn row(goodbye: impl Goodbye) -> World {
        world(goodbye)
    }
    let line = "{\"event\":\"session-ended\"}\n";
    for (world, events, lines) in [
        (row(Plain), PLAIN, "error"),
        (row(A2a), "", "error"),
        (row(JsonLines), PLAIN, line),
        (row(Reset), "error", "error"),
    ] {
        for (content_type, text, last) in [
            ("text/event-stream", TICK, events),
            ("application/x-ndjson", "{}\n", lines),
            ("application/jsonl", "{}\n", lines),
            ("application/octet-stream", TICK, "error"),
            // In the middle of it.
            ("text/event-stream", "data: {\"half", "error"),
            ("application/x-ndjson", "{\"half", "error"),
        ] {
            let mut request = call(CALL);
            *request.method_mut() = http::Method::GET;
            // One login each.
            let token = format!("Bearer alice.user.{}", world.clock_seconds());
            request
                .headers_mut()
                .insert("authorization", token.parse().unwrap());
            let stream = open(&world, request, content_type, text, None).await;
            assert_eq!(end(&world, stream).await, last, "{content_type}");
            world.advance(1);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_shut_down_says_so() {
    for (goodbye, last) in [
        (CALL, errored("7", 503, "The server is shutting down")),
        (LISTEN, LISTENED.to_owned()),
    ] {
        let world = world(Mcp);
        let mut stream = open(&world, call(goodbye), "text/event-stream", TICK, None).await;
        let _ = stream.frame().await.unwrap().unwrap();
        let shutdown = tokio::spawn(async move {
            let _ = world.handle.shutdown(Duration::ZERO).await;
        });
        let frame = stream.frame().await.unwrap().unwrap();
        assert_eq!(frame.data_ref().unwrap(), &last);
        assert!(stream.frame().await.is_none());
        drop(stream);
        shutdown.await.unwrap();
    }
}

/// The same on axum, with the part of a response that says what it answers.
fn router() -> Router {
    let stream = || {
        let first = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from(TICK))]);
        let rest = futures_util::stream::pending();
        Body::from_stream(futures_util::StreamExt::chain(first, rest))
    };
    let events = [("content-type", "text/event-stream")];
    Router::new()
        .route(
            "/mcp",
            post(async move |_: String| -> Response { (events, stream()).into_response() }),
        )
        .route(
            "/said",
            post(async move |_: String| (RpcCall::new("a", "x"), events, stream())),
        )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    for (goodbye, path, last) in [
        (Arc::new(Mcp) as Arc<dyn Goodbye>, "/mcp", Some(over("7"))),
        (Arc::new(Mcp), "/said", Some(over("\"x\""))),
        (Arc::new(A2a), "/mcp", Some(String::new())),
        (Arc::new(Reset), "/mcp", None),
    ] {
        let world = world(Shared(Arc::clone(&goodbye)));
        let server = Server::axum(world.gate.guard(router())).await.unwrap();
        let request = || {
            let (mut parts, body) = call(CALL).into_parts();
            parts.uri = path.parse().unwrap();
            Request::from_parts(parts, Full::new(Bytes::from(body)).boxed())
        };
        let mut http1 = KeptAlive::connect(server.address()).await.unwrap();
        let mut http2 = Client::http2(server.address()).await.unwrap();
        let responses = [
            http1.open(request()).await.unwrap(),
            http2.open(request()).await.unwrap(),
        ];
        let mut bodies = responses.map(|response| response.into_body());
        for body in &mut bodies {
            assert_eq!(
                body.frame().await.unwrap().unwrap().into_data().unwrap(),
                TICK
            );
        }
        let ended = world.handle.end_sessions("https://idp.example", "alice");
        assert_eq!(ended.await.unwrap(), 1);
        for body in bodies {
            let rest = body.collect().await;
            let rest = rest.map(|rest| String::from_utf8(rest.to_bytes().to_vec()).unwrap());
            assert_eq!(rest.ok(), last, "{path}");
        }
    }
}

/// One goodbye for several worlds.
struct Shared(Arc<dyn Goodbye>);

impl Goodbye for Shared {
    fn say(&self, cut: &portcullis::goodbye::Cut<'_>) -> portcullis::goodbye::LastWords {
        self.0.say(cut)
    }

    fn reads_calls(&self) -> bool {
        self.0.reads_calls()
    }
}
