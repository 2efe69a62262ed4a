//! Sessions of MCP up to 2025-11-25, behind a server that takes whoever names one.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use portcullis::RequestBody;
use portcullis::session::MemorySessions;
use portcullis_testing::faulty_store::FaultyStore;
use portcullis_tests::wire::{Client, Server, http1};
use tower::{Layer as _, ServiceExt as _};

use crate::people::{World, request};

/// What the server knows of its sessions: the last event of each.
#[derive(Clone, Default)]
struct LegacyServer(Arc<Mutex<HashMap<String, usize>>>);

impl LegacyServer {
    /// As SDKs do it: `POST` without an id begins a session, `GET` resumes its stream after
    /// `Last-Event-ID`, `DELETE` ends it; an unknown id is 404, none is 400.
    fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<String> {
        let mut sessions = self.0.lock().unwrap();
        let ids: Vec<_> = headers.get_all("mcp-session-id").iter().collect();
        let id = match ids.as_slice() {
            [] if *method == Method::POST => {
                let id = format!("00000000-{}", sessions.len());
                sessions.insert(id.clone(), 0);
                let response = Response::builder().header("mcp-session-id", id);
                return response.body("begun".to_owned()).unwrap();
            }
            [id] => id.to_str().unwrap(),
            _ => return status(400),
        };
        let Some(events) = sessions.get_mut(id) else {
            return status(404);
        };
        match *method {
            Method::DELETE => {
                sessions.remove(id);
                status(204)
            }
            Method::GET => {
                let last = headers.get("last-event-id").map(|id| id.to_str().unwrap());
                Response::new(format!("{id} since {}", last.unwrap_or("the start")))
            }
            _ => {
                *events += 1;
                // Some say it again.
                let response = Response::builder().header("mcp-session-id", id);
                response.body(format!("{id} {events}")).unwrap()
            }
        }
    }
}

fn status(status: u16) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

struct Answer {
    status: u16,
    id: Option<String>,
    body: String,
}

async fn ask(world: &World, server: &LegacyServer, request: Request<String>) -> Answer {
    let server = server.clone();
    let handler = tower::service_fn(move |request: Request<RequestBody<String>>| {
        let answer = server.answer(request.method(), request.headers());
        async { Ok::<_, Infallible>(answer) }
    });
    let response = world.gate.layer(handler).oneshot(request).await.unwrap();
    let id = response.headers().get("mcp-session-id");
    Answer {
        status: response.status().as_u16(),
        id: id.map(|id| id.to_str().unwrap().to_owned()),
        body: {
            let body = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        },
    }
}

fn with_id(method: Method, token: &str, id: Option<&str>) -> Request<String> {
    let mut request = request(token);
    *request.method_mut() = method;
    if let Some(id) = id {
        let id = HeaderValue::from_str(id).unwrap();
        request.headers_mut().insert("mcp-session-id", id);
    }
    request
}

fn post(token: &str, id: Option<&str>) -> Request<String> {
    with_id(Method::POST, token, id)
}

async fn begin(world: &World, server: &LegacyServer, token: &str) -> String {
    let begun = ask(world, server, post(token, None)).await;
    assert_eq!(begun.status, 200);
    begun.id.unwrap()
}

fn worlds() -> [World; 2] {
    [
        World::with(|session| session.with_mcp_sessions()),
        World::with(|session| {
            let store = FaultyStore::new(MemorySessions::default());
            session.with_mcp_sessions().with_store(store)
        }),
    ]
}

#[tokio::test]
async fn an_id_leads_back_to_the_servers_own() {
    for world in worlds() {
        let server = LegacyServer::default();
        let id = begin(&world, &server, "alice.user.0").await;
        assert!(id.starts_with("00000000-0.") && id.len() == 11 + 22, "{id}");
        let answer = ask(&world, &server, post("alice.user.0", Some(&id))).await;
        assert_eq!((answer.status, &*answer.body), (200, "00000000-0 1"));
        assert_eq!(answer.id.as_ref(), Some(&id), "said again, it is the same");
        // A refreshed token is the same caller.
        let mut resumes = with_id(Method::GET, "alice.user.0.500", Some(&id));
        resumes
            .headers_mut()
            .insert("last-event-id", HeaderValue::from_static("7"));
        let answer = ask(&world, &server, resumes).await;
        assert_eq!((answer.status, &*answer.body), (200, "00000000-0 since 7"));
        let answer = ask(
            &world,
            &server,
            with_id(Method::DELETE, "alice.user.0", Some(&id)),
        )
        .await;
        assert_eq!(answer.status, 204);
        // By now the server does not know it: its own answer.
        let answer = ask(&world, &server, post("alice.user.0", Some(&id))).await;
        assert_eq!((answer.status, &*answer.body), (404, ""));
    }
}

#[tokio::test]
async fn what_was_given_to_somebody_else_or_to_nobody_is_unknown() {
    for world in worlds() {
        let server = LegacyServer::default();
        let id = begin(&world, &server, "alice.user.0").await;
        let tag = id.rsplit_once('.').unwrap().1;
        let mut bodies = Vec::new();
        for (token, id) in [
            ("bob.user.0", id.as_str()),
            ("alice.user.0.-.another-session", &id),
            ("alice.client.0", &id),
            ("alice.user.0", "00000000-0"),
            ("alice.user.0", "made-up"),
            ("alice.user.0", &format!("00000000-1.{tag}")),
            ("alice.user.0", &format!("{id}x")),
            ("alice.user.0", ""),
        ] {
            for method in [Method::POST, Method::GET, Method::DELETE] {
                let _ = world.audit.take();
                let mut request = with_id(method, token, Some(id));
                request
                    .headers_mut()
                    .insert("last-event-id", HeaderValue::from_static("0"));
                let answer = ask(&world, &server, request).await;
                assert_eq!(answer.status, 404, "{token} {id}");
                let records = world.audit.records();
                assert_eq!(records.len(), 1);
                let record = records.first().unwrap();
                assert!(record.session.is_some() && record.principal.is_some());
                // What tells them apart is the id of the request.
                let request_id = record.request_id.to_string();
                bodies.push(answer.body.replace(&request_id, ""));
                world.assert_refused("mcp_session_unknown", 404);
            }
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "one answer for all");
        assert!(!bodies.concat().contains("mcp"));
        let answer = ask(&world, &server, post("alice.user.0", Some(&id))).await;
        assert_eq!(answer.body, "00000000-0 1", "nobody got through");
    }
}

#[tokio::test]
async fn two_ids_are_none() {
    let world = World::with(|session| session.with_mcp_sessions());
    let server = LegacyServer::default();
    let id = begin(&world, &server, "alice.user.0").await;
    let mut twice = post("alice.user.0", Some(&id));
    twice
        .headers_mut()
        .append("mcp-session-id", id.parse().unwrap());
    assert_eq!(ask(&world, &server, twice).await.status, 404);
}

#[tokio::test]
async fn it_ends_with_the_session_that_it_was_given_out_in() {
    for world in worlds() {
        let server = LegacyServer::default();
        let id = begin(&world, &server, "alice.user.0").await;
        let ended = world
            .handle
            .end_sessions("https://idp.example", "alice")
            .await;
        assert_eq!(ended.unwrap(), 1);
        assert_eq!(
            ask(&world, &server, post("alice.user.0", Some(&id)))
                .await
                .status,
            401
        );
        // A login later it is unknown, and the client begins anew.
        assert_eq!(
            ask(&world, &server, post("alice.user.1", Some(&id)))
                .await
                .status,
            404
        );
        let again = begin(&world, &server, "alice.user.1").await;
        assert_ne!(again, id);
        assert_eq!(
            ask(&world, &server, post("alice.user.1", Some(&again)))
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn who_has_no_session_is_given_no_id() {
    let world = World::with(|session| session.with_mcp_sessions());
    let server = LegacyServer::default();
    let anonymous = |id: Option<&str>| {
        let mut request = post("alice.user.0", id);
        request.headers_mut().remove("authorization");
        *request.uri_mut() = "/public".parse().unwrap();
        request
    };
    let answer = ask(&world, &server, anonymous(None)).await;
    assert_eq!((answer.status, answer.id), (200, None));
    let answer = ask(&world, &server, anonymous(Some("00000000-0"))).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_server_that_gives_out_what_cannot_be_bound_is_told_so() {
    let world = World::with(|session| session.with_mcp_sessions());
    let handler = tower::service_fn(async |_: Request<RequestBody<String>>| {
        let response = Response::builder().header("mcp-session-id", "a b");
        Ok::<_, Infallible>(response.body(String::new()).unwrap())
    });
    let response = world
        .gate
        .layer(handler)
        .oneshot(request("alice.user.0"))
        .await
        .unwrap();
    assert_eq!(response.status(), 500);
    assert!(!response.headers().contains_key("mcp-session-id"));
}

#[tokio::test]
async fn nothing_happens_where_nobody_asked_for_it() {
    let world = World::new();
    let server = LegacyServer::default();
    let id = begin(&world, &server, "alice.user.0").await;
    assert_eq!(id, "00000000-0");
    assert_eq!(
        ask(&world, &server, post("bob.user.0", Some(&id)))
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    let world = World::with(|session| session.with_mcp_sessions());
    let server = LegacyServer::default();
    let router = axum::Router::new().fallback({
        async move |request: Request<axum::body::Body>| {
            server.answer(request.method(), request.headers())
        }
    });
    let http = Server::axum(world.gate.guard(router)).await.unwrap();
    let wire = |request: Request<String>| request.map(|body| Full::new(Bytes::from(body)).boxed());
    let mut client = Client::http2(http.address()).await.unwrap();
    let begun = http1(http.address(), wire(post("alice.user.0", None)))
        .await
        .unwrap();
    let id = begun.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let answer = client
        .send(wire(post("alice.user.0", Some(&id))))
        .await
        .unwrap();
    assert_eq!(answer.body(), "00000000-0 1");
    let answer = client
        .send(wire(post("bob.user.0", Some(&id))))
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
    let answer = http1(http.address(), wire(post("alice.user.0", Some(&id))))
        .await
        .unwrap();
    assert_eq!(answer.body(), "00000000-0 2");
}
