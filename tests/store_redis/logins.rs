//! A gate on two servers that share one Redis.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use portcullis::{
    Authenticator, BoxError, Check, Description, Evidence, EvidenceKind, Gate, GateHandle,
    RequestBody, RequestView, ResponseBody, Secret, Stack, Timestamp, Verdict,
    session::SessionLayer,
};
use portcullis_store_redis::Redis;
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::fixtures::RESOURCE;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::server::Server;

/// Believes everybody: `name.client.seconds`, who authenticated so long after the start.
struct People;

impl Authenticator for People {
    fn describe(&self) -> Description {
        Description::bearer("people").add_authorization_server("https://idp.example")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some(token) = request.bearer() else {
            return Check::Done(Verdict::Absent);
        };
        let parts: Vec<_> = token.split('.').collect();
        let [name, client, seconds] = parts.as_slice() else {
            return Check::Done(Verdict::NotMine);
        };
        let at: Timestamp = VirtualClock::START + Duration::from_secs(seconds.parse().unwrap());
        let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", *name)
            .with_client(*client)
            .with_auth_time(at)
            .with_issued_at(at);
        Check::Done(Verdict::accept(evidence))
    }
}

/// One of the servers.
pub(crate) struct Node {
    gate: Gate,
    audit: RecordingAudit,
    pub(crate) handle: GateHandle,
}

impl Node {
    pub(crate) fn new(server: &Server, redis: &Redis) -> Self {
        let audit = RecordingAudit::new();
        let session = SessionLayer::builder()
            .with_limit(3)
            .with_key(Secret::new([7; 16]))
            .with_store(redis.sessions());
        let (gate, handle) = Stack::builder()
            .with_clock(server.clone())
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            .with_session(session)
            .with_revocations(redis.revocations())
            .with_revocation_key(Secret::new([8; 16]))
            .with_signals(redis.signals())
            .add_authenticator(People)
            .build()
            .unwrap();
        Self {
            gate,
            audit,
            handle,
        }
    }

    /// The reason of the last record.
    pub(crate) fn reason(&self) -> String {
        let last = self.audit.take().pop().unwrap();
        last.reason.as_str().to_owned()
    }

    pub(crate) async fn ask(&self, token: &str) -> u16 {
        let handler = tower::service_fn(async |_| {
            Ok::<_, Infallible>(http::Response::new("done".to_owned()))
        });
        self.answer(token, handler).await.status().as_u16()
    }

    pub(crate) async fn answer<S, B>(
        &self,
        token: &str,
        handler: S,
    ) -> http::Response<ResponseBody<B>>
    where
        S: Service<
                http::Request<RequestBody<String>>,
                Response = http::Response<B>,
                Error = Infallible,
            > + Clone,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let request = http::Request::builder()
            .uri("/notes")
            .header("host", "agent.example")
            .header("authorization", format!("Bearer {token}"))
            .body(String::new())
            .unwrap();
        self.gate.layer(handler).oneshot(request).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_logins_at_once_at_two_servers_no_more_than_the_limit_get_in() {
    let server = Server::start().await;
    let (one, other) = (server.client().await, server.client().await);
    let nodes = [one, other].map(|redis| Arc::new(Node::new(&server, &redis)));
    let logins = (0..100).map(|n| {
        let node = Arc::clone(&nodes[n % 2]);
        tokio::spawn(async move { node.ask(&format!("alice.client-{n}.0")).await })
    });
    let statuses: Vec<u16> = join_all(logins)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    assert_eq!(count(200), 3, "{statuses:?}");
    // One who was always too slow was not let in either.
    assert_eq!(count(429) + count(503), 97, "{statuses:?}");
    assert_eq!(
        nodes[0].ask("bob.client-0.0").await,
        200,
        "another principal"
    );
}

#[tokio::test]
async fn what_one_server_ends_is_over_at_the_other() {
    let server = Server::start().await;
    let (one, other) = (server.client().await, server.client().await);
    let [one, other] = [one, other].map(|redis| Node::new(&server, &redis));
    assert_eq!(one.ask("alice.app.0").await, 200);
    assert_eq!(other.ask("alice.app.0").await, 200);
    let ended = one
        .handle
        .end_sessions("https://idp.example", "alice")
        .await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(other.ask("alice.app.0").await, 401);
    assert_eq!(one.ask("alice.app.0").await, 401);
    assert_eq!(other.ask("alice.app.1").await, 200, "authenticated again");
}
