//! Connections that go on in another protocol, and end with their session.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, routing::get};
use http::{Request, Response, StatusCode};
use portcullis::{
    Exchange, Gate, GateHandle, Session, Stack,
    perimeter::PerimeterLayer,
    session::{EndReason, SessionBuilder},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    fixtures::{RESOURCE, short_sessions},
    patience::eventually,
    wire::Server,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};
use tower::{Layer as _, ServiceExt as _};

use crate::people::{People, request_for};

struct World {
    clock: VirtualClock,
    audit: RecordingAudit,
    gate: Gate,
    handle: GateHandle,
}

fn world(settings: impl FnOnce(SessionBuilder) -> SessionBuilder) -> World {
    let (clock, audit) = (VirtualClock::new(), RecordingAudit::new());
    let (gate, handle) = Stack::builder()
        .with_clock(clock.clone())
        .with_audit(audit.clone())
        .with_resource(RESOURCE)
        .add_anonymous_route("/public")
        .with_session(settings(short_sessions()))
        .with_perimeter(
            PerimeterLayer::builder()
                .add_upgrade_route("/live")
                .add_upgrade_route("/public"),
        )
        .add_authenticator(People)
        .build()
        .unwrap();
    World {
        clock,
        audit,
        gate,
        handle,
    }
}

fn switching() -> Response<Body> {
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "echo")
        .body(Body::empty())
        .unwrap()
}

/// Echoes until the session is over; then says why, and closes.
fn router(ends: mpsc::UnboundedSender<EndReason>) -> Router {
    let live = async move |session: Session, mut request: Request<Body>| {
        if !request.headers().contains_key("upgrade") {
            return Response::new(Body::from("no upgrade"));
        }
        let upgrade = hyper::upgrade::on(&mut request);
        let mut ended = session.ended();
        let ends = ends.clone();
        tokio::spawn(async move {
            let Ok(connection) = upgrade.await else {
                return;
            };
            let mut connection = hyper_util::rt::TokioIo::new(connection);
            let mut bytes = [0; 64];
            loop {
                tokio::select! {
                    biased;
                    reason = &mut ended => {
                        let _ = ends.send(reason);
                        return;
                    }
                    read = connection.read(&mut bytes) => match read {
                        Ok(length) if length > 0 => {
                            let said = bytes.get(..length).unwrap();
                            if connection.write_all(said).await.is_err() {
                                return;
                            }
                        }
                        _ => return,
                    },
                }
            }
        });
        switching()
    };
    Router::new().route("/live", get(live))
}

fn head(path: &str, token: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: agent.example\r\nconnection: upgrade\r\nupgrade: echo\r\n\
         authorization: Bearer {token}\r\n\r\n"
    )
}

/// Connects, and gives the status and the connection behind the head.
async fn connect(server: &Server, token: &str) -> (String, TcpStream) {
    let mut client = TcpStream::connect(server.address()).await.unwrap();
    client
        .write_all(head("/live", token).as_bytes())
        .await
        .unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(client.read_u8().await.unwrap());
    }
    let read = String::from_utf8(read).unwrap();
    (read.get(9..12).unwrap().to_owned(), client)
}

async fn echo(client: &mut TcpStream, text: &str) -> Option<String> {
    client.write_all(text.as_bytes()).await.ok()?;
    let mut bytes = vec![0; text.len()];
    client.read_exact(&mut bytes).await.ok()?;
    String::from_utf8(bytes).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_its_session_and_with_its_credential() {
    let (ends, mut ended) = mpsc::unbounded_channel();
    let world = world(|session| session);
    let server = Server::axum(world.gate.guard(router(ends))).await.unwrap();
    for (token, expected) in [
        ("alice.user.0", EndReason::Revoked),
        ("bob.user.0.30", EndReason::CredentialExpired),
        ("carol.user.0", EndReason::Shutdown),
    ] {
        let (status, mut client) = connect(&server, token).await;
        assert_eq!(status, "101");
        assert_eq!(echo(&mut client, "hello").await.unwrap(), "hello");
        match expected {
            EndReason::Revoked => {
                let ended = world.handle.end_sessions("https://idp.example", "alice");
                assert_eq!(ended.await.unwrap(), 1);
            }
            EndReason::CredentialExpired => world.clock.advance(Duration::from_secs(31)),
            _ => {
                let _ = world.handle.shutdown(Duration::ZERO).await;
            }
        }
        assert_eq!(ended.recv().await, Some(expected));
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "it is closed");
    }
    let records = world.audit.take();
    let ended = |code: &str| {
        let mut records = records.iter();
        records.any(|record| record.reason.as_str() == code)
    };
    assert!(ended("session_revoked") && ended("session_credential_expired"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_one_of_the_streams_of_its_principal() {
    let (ends, _ended) = mpsc::unbounded_channel();
    let world = world(|session| session.with_max_streams(1));
    let server = Server::axum(world.gate.guard(router(ends))).await.unwrap();
    let (status, mut client) = connect(&server, "alice.user.0").await;
    assert_eq!(status, "101");
    assert_eq!(echo(&mut client, "hello").await.unwrap(), "hello");
    let (status, _) = connect(&server, "alice.user.0").await;
    assert_eq!(status, "429");
    let refused = |code: &str| {
        let records = world.audit.records();
        records
            .iter()
            .filter(|record| record.reason.as_str() == code)
            .count()
    };
    assert_eq!(refused("session_streams"), 1);
    let (status, _) = connect(&server, "bob.user.0").await;
    assert_eq!(status, "101");
    drop(client);
    let mut again = String::new();
    for _ in 0..1000 {
        again = connect(&server, "alice.user.0").await.0;
        if again == "101" {
            break;
        }
    }
    assert_eq!(again, "101");
    eventually("their ends", || refused("completed") >= 2).await;
}

fn asks_to_upgrade(path: &str) -> Request<String> {
    let mut request = request_for(path, "alice.user.0");
    request
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    request
        .headers_mut()
        .insert("upgrade", "echo".parse().unwrap());
    request
}

#[tokio::test]
async fn a_handler_that_does_not_watch_does_not_upgrade() {
    let world = world(|session| session);
    for (path, is_anonymous, watches, status) in [
        ("/live", false, true, 101),
        ("/live", false, false, 500),
        ("/notes", false, true, 500),
        ("/public", true, true, 500),
    ] {
        let handler = tower::service_fn(move |request: Request<_>| {
            let exchange = Exchange::of(request.extensions()).unwrap();
            if let Some(session) = exchange.session().filter(|_| watches) {
                drop(session.ended());
            }
            async { Ok::<_, Infallible>(switching()) }
        });
        let mut request = asks_to_upgrade(path);
        if is_anonymous {
            request.headers_mut().remove("authorization");
        }
        let response = world.gate.layer(handler).oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_handler_may_ask_more_than_once_and_is_one_connection() {
    let world = world(|session| session.with_max_streams(1));
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let ask = async || {
        let kept = std::sync::Arc::clone(&kept);
        let handler = tower::service_fn(move |request: Request<_>| {
            let exchange = Exchange::of(request.extensions()).unwrap();
            let session = exchange.session().unwrap();
            kept.lock()
                .unwrap()
                .extend([session.ended(), session.ended()]);
            async { Ok::<_, Infallible>(switching()) }
        });
        let service = world.gate.layer(handler);
        let response = service.oneshot(asks_to_upgrade("/live")).await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(ask().await, 101);
    assert_eq!(ask().await, 429);
    kept.lock().unwrap().clear();
    assert_eq!(ask().await, 101);
}

#[tokio::test]
async fn only_what_may_upgrade_comes_with_the_header() {
    let world = world(|session| session);
    let mut posted = asks_to_upgrade("/live");
    *posted.method_mut() = http::Method::POST;
    let mut http2 = asks_to_upgrade("/live");
    *http2.version_mut() = http::Version::HTTP_2;
    for (request, comes_with_it) in [
        (asks_to_upgrade("/live"), true),
        (asks_to_upgrade("/live/"), false),
        (asks_to_upgrade("/notes"), false),
        (posted, false),
        (http2, false),
    ] {
        let handler = tower::service_fn(async |request: Request<_>| {
            let has_it = request.headers().contains_key("upgrade");
            let mut response = Response::new(String::new());
            if has_it {
                *response.status_mut() = StatusCode::ACCEPTED;
            }
            Ok::<_, Infallible>(response)
        });
        let response = world.gate.layer(handler).oneshot(request).await.unwrap();
        assert_eq!(response.status() == StatusCode::ACCEPTED, comes_with_it);
    }
}

#[test]
fn what_cannot_work_is_said() {
    for (route, session) in [("live", true), ("/live/*", true), ("/live", false)] {
        let mut stack = Stack::builder()
            .with_resource(RESOURCE)
            .with_perimeter(PerimeterLayer::builder().add_upgrade_route(route))
            .add_authenticator(People);
        if session {
            stack = stack.with_session(short_sessions());
        }
        let said = stack.build().unwrap_err().to_string();
        assert!(said.contains("add_upgrade_route"), "{said}");
    }
}
