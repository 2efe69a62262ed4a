//! A gate that is started anew with the same file.

use std::{path::Path, time::Duration};

use portcullis::{
    Authenticator, Check, Description, Evidence, EvidenceKind, Gate, GateHandle, RequestView,
    Secret, Stack, Timestamp, Verdict, revocation::Revocation, session::SessionLayer,
};
use portcullis_store_redb::Redb;
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{fixtures::RESOURCE, folder::TestFolder};
use tower::{Layer as _, ServiceExt as _};

use crate::world::{SECOND, START, place};

const ISSUER: &str = "https://idp.example";

/// Believes everybody: `name.seconds`, who authenticated so long after the start.
struct People;

impl Authenticator for People {
    fn describe(&self) -> Description {
        Description::bearer("people").add_authorization_server(ISSUER)
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some((name, seconds)) = request.bearer().and_then(|token| token.split_once('.')) else {
            return Check::Done(Verdict::Absent);
        };
        let at: Timestamp = START + Duration::from_secs(seconds.parse().unwrap());
        let evidence = Evidence::new(EvidenceKind::User, ISSUER, name)
            .with_auth_time(at)
            .with_issued_at(at);
        Check::Done(Verdict::accept(evidence))
    }
}

/// One life of the server.
struct Life {
    gate: Gate,
    handle: GateHandle,
}

impl Life {
    fn new(path: &Path, clock: &VirtualClock) -> Self {
        let redb = Redb::open(path).unwrap();
        let session = SessionLayer::builder()
            .with_key(Secret::new([7; 16]))
            .with_store(redb.sessions());
        let (gate, handle) = Stack::builder()
            .with_clock(clock.clone())
            .with_audit(RecordingAudit::new())
            .with_resource(RESOURCE)
            .with_session(session)
            .with_revocations(redb.revocations())
            .with_revocation_key(Secret::new([8; 16]))
            .add_authenticator(People)
            .build()
            .unwrap();
        Self { gate, handle }
    }

    /// Ends it in good order, and with it what it has opened.
    async fn end(self) {
        let Self { gate, handle } = self;
        let shutdown = handle.shutdown(SECOND).await;
        assert_eq!((shutdown.ended, shutdown.left), (0, 0));
        drop((gate, handle));
    }

    async fn ask(&self, token: &str) -> u16 {
        let request = http::Request::builder()
            .uri("/notes")
            .header("host", "agent.example")
            .header("authorization", format!("Bearer {token}"))
            .body(String::new())
            .unwrap();
        let handler = tower::service_fn(async |_| {
            Ok::<_, std::convert::Infallible>(http::Response::new("done".to_owned()))
        });
        let response = self.gate.layer(handler).oneshot(request).await.unwrap();
        response.status().as_u16()
    }
}

#[tokio::test]
async fn what_was_ended_is_over_after_a_restart_and_what_was_not_goes_on() {
    let folder = TestFolder::new();
    let path = place(&folder);
    let clock = VirtualClock::new();
    let life = Life::new(&path, &clock);
    for token in ["alice.0", "bob.0", "carol.0"] {
        assert_eq!(life.ask(token).await, 200, "{token}");
    }
    let ended = life.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), 1);
    let revoked = life.handle.revoke(Revocation::subject(ISSUER, "carol"));
    revoked.await.unwrap();
    assert_eq!(life.ask("alice.0").await, 401);
    assert_eq!(life.ask("carol.0").await, 401);
    life.end().await;
    for n in 1..3 {
        let life = Life::new(&path, &clock);
        assert_eq!(life.ask("alice.0").await, 401, "life {n}");
        assert_eq!(life.ask("carol.0").await, 401, "life {n}");
        assert_eq!(life.ask("bob.0").await, 200, "life {n}");
        assert_eq!(life.ask("bob.0").await, 200, "life {n}");
        life.end().await;
    }
    let life = Life::new(&path, &clock);
    assert_eq!(life.ask("alice.1").await, 200, "authenticated again");
}
