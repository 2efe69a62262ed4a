//! The whole, over real HTTP: an agent streams its answer, and asks for something in the
//! middle of it.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::sse::{Event, Sse},
    routing::post,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use portcullis::{
    Exchange, Permit,
    jwt::{Issuer, Jwt},
    stack::Stack,
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::{
    audit::RecordingAudit,
    clock::VirtualClock,
    identity_provider::{IdentityProvider, SigningAlgorithm, Token},
};
use portcullis_tests::{fixtures::RESOURCE, wire::Server};
use serde_json::Value;
use tokio::{net::TcpStream, sync::Notify};

const ISSUER: &str = "https://idp.example";
const METADATA: &str = "https://agent.example/.well-known/oauth-protected-resource";

struct Transfer {
    to: String,
    cents: u64,
}

fn transfer(permit: Permit<Transfer>) -> String {
    let Transfer { to, cents } = permit.spend();
    format!("sent {cents} to {to}")
}

/// Says a word, waits until the test lets it go on, and then wants to pay.
async fn chat(
    State(go_on): State<Arc<Notify>>,
    exchange: Exchange,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let thinking = stream::iter([Event::default().event("token").data("thinking")]);
    let paying = stream::once(async move {
        go_on.notified().await;
        let wanted = Transfer {
            to: "bob".to_owned(),
            cents: 500,
        };
        match exchange.authorize("payments.transfer", wanted).await {
            Ok(permit) => vec![Event::default().event("paid").data(transfer(permit))],
            Err(denial) => vec![
                Event::default().event("denial").data(denial.for_client()),
                Event::default().event("token").data(denial.for_model()),
            ],
        }
    });
    let end = stream::iter([Event::default().event("done").data("")]);
    let events = thinking.chain(paying.flat_map(stream::iter)).chain(end);
    Sse::new(events.map(Ok))
}

/// An agent that is served, an identity provider that it believes, and their clock.
struct Agent {
    server: Server,
    idp: IdentityProvider,
    clock: VirtualClock,
    audit: RecordingAudit,
    go_on: Arc<Notify>,
}

impl Agent {
    async fn serve() -> Self {
        let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
        let idp = IdentityProvider::new()
            .with_algorithms([SigningAlgorithm::EdDsa])
            .with_clock(clock.clone())
            .with_issuer(ISSUER);
        let issuer = Issuer::new(ISSUER).with_static_keys(idp.jwks().to_string());
        let requirement = Requirement::new()
            .with_scopes("payments.write")
            .add_acr("phr")
            .with_max_age(Duration::from_secs(300));
        let (gate, _handle) = Stack::builder()
            .with_audit(audit.clone())
            .with_clock(clock.clone())
            .with_resource(RESOURCE)
            .add_authenticator(Jwt::new(issuer))
            .with_step_up(StepUpLayer::builder().require("payments.transfer", requirement))
            .build()
            .unwrap();
        let go_on = Arc::new(Notify::new());
        let router = Router::new()
            .route("/chat", post(chat))
            .with_state(Arc::clone(&go_on));
        Self {
            server: Server::axum(gate.guard(router)).await.unwrap(),
            idp,
            clock,
            audit,
            go_on,
        }
    }

    fn token(&self) -> Token {
        self.idp
            .token("alice")
            .with_audience(RESOURCE)
            .with_scope("chat")
    }

    /// One that was authenticated at this moment, as strongly as can be.
    fn strong_token(&self) -> Token {
        use portcullis::Clock as _;
        self.token()
            .with_scope("chat payments.write")
            .with_claim("acr", "phr")
            .with_claim("auth_time", self.clock.now().unix_seconds())
    }

    /// Opens a stream, and reads its first event.
    async fn open(&self, token: &Token) -> Events {
        let mut events = Events::open(self.server.address(), &token.mint()).await;
        let first = events.next().await.unwrap();
        assert_eq!(first, ("token".to_owned(), "thinking".to_owned()));
        events
    }

    /// Lets the agent go on, and reads the rest of the stream.
    async fn rest(&self, mut events: Events) -> Vec<(String, String)> {
        self.go_on.notify_one();
        let mut rest = Vec::new();
        while let Some(event) = events.next().await {
            rest.push(event);
        }
        assert_eq!(rest.pop(), Some(("done".to_owned(), String::new())));
        rest
    }
}

/// A stream of server-sent events, read as it comes.
struct Events {
    body: Incoming,
    text: String,
    connection: tokio::task::JoinHandle<()>,
}

impl Events {
    async fn open(address: SocketAddr, token: &str) -> Self {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut client, connection) = http1::handshake(stream).await.unwrap();
        let connection = tokio::spawn(async { drop(connection.await) });
        let request = Request::builder()
            .method("POST")
            .uri("/chat")
            .header("host", "agent.example")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::<Bytes>::default())
            .unwrap();
        let response = client.send_request(request).await.unwrap();
        // Whatever comes of the call, the stream has begun with this.
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            text: String::new(),
            connection,
        }
    }

    /// The next event and its data.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.split_once(':'));
                    let mut of_name = lines.filter(|(field, _)| *field == name);
                    of_name
                        .next()
                        .map_or("", |(_, value)| value.trim())
                        .to_owned()
                };
                let event = (field("event"), field("data"));
                self.text = rest.to_owned();
                return Some(event);
            }
            let frame = self.body.frame().await?.unwrap();
            let data = frame.into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

#[tokio::test]
async fn a_refusal_reaches_the_client_with_its_challenge_and_a_better_token_passes() {
    let agent = Agent::serve().await;
    // The client has what the stream needs, and not what the call needs.
    let events = agent.open(&agent.token()).await;
    let rest = agent.rest(events).await;
    let [(denial, told), (token, model)] = rest.as_slice() else {
        unreachable!("two events, not {rest:?}");
    };
    assert_eq!((&**denial, &**token), ("denial", "token"));
    let told: Value = serde_json::from_str(told).unwrap();
    assert_eq!(told["status"], 401);
    let challenge = format!(
        "Bearer error=\"insufficient_user_authentication\", acr_values=\"phr\", max_age=\"300\", \
         scope=\"payments.write\", resource_metadata=\"{METADATA}\""
    );
    assert_eq!(told["www_authenticate"], serde_json::json!([challenge]));
    assert!(model.contains("has to authenticate again"), "{model}");
    let refused = agent
        .audit
        .assert_call_refused("payments.transfer", "acr_insufficient");
    let decision = agent.audit.assert_admitted("alice");
    assert_eq!(refused.request_id, decision.request_id);
    assert_eq!(
        told["instance"],
        format!("urn:uuid:{}", decision.request_id)
    );
    let _ = agent.audit.take();

    // It has followed one half of the challenge.
    let half = agent.strong_token().with_scope("chat");
    let events = agent.open(&half).await;
    let rest = agent.rest(events).await;
    let told: Value = serde_json::from_str(&rest.first().unwrap().1).unwrap();
    assert_eq!(told["status"], 403);
    let line = told["www_authenticate"][0].as_str().unwrap();
    assert!(line.contains("error=\"insufficient_scope\", scope=\"payments.write\""));
    let _ = agent.audit.take();

    // And now the whole.
    let events = agent.open(&agent.strong_token()).await;
    let rest = agent.rest(events).await;
    assert_eq!(rest, [("paid".to_owned(), "sent 500 to bob".to_owned())]);
    agent.audit.assert_call_permitted("payments.transfer");
}

/// The stream was opened in time. The call comes too late.
#[tokio::test]
async fn what_was_enough_at_the_start_is_not_for_ever() {
    let agent = Agent::serve().await;
    let token = agent.strong_token().with_lifetime(Duration::from_secs(600));
    let events = agent.open(&token).await;
    agent.clock.advance(Duration::from_secs(301));
    let rest = agent.rest(events).await;
    assert_eq!(rest.first().unwrap().0, "denial");
    agent
        .audit
        .assert_call_refused("payments.transfer", "auth_too_old");

    let _ = agent.audit.take();
    let token = agent.strong_token().with_lifetime(Duration::from_secs(60));
    let events = agent.open(&token).await;
    agent.clock.advance(Duration::from_secs(120));
    let rest = agent.rest(events).await;
    let told: Value = serde_json::from_str(&rest.first().unwrap().1).unwrap();
    let line = told["www_authenticate"][0].as_str().unwrap();
    assert!(line.contains("error=\"invalid_token\""), "{line}");
    agent
        .audit
        .assert_call_refused("payments.transfer", "credential_expired");
}
