//! Two servers that share their stores, and keep what those say.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::time::Duration;

use portcullis::{
    revocation::{Revocation, RevocationStore},
    session::SessionStore,
    signal::SignalBus,
};
use portcullis_testing::{clock::VirtualClock, far_store::FarStore, faulty_signals::FaultySignals};

use crate::{node::Node, patience::until};

const ISSUER: &str = "https://idp.example";
const SECOND: Duration = Duration::from_secs(1);

struct Keeping<S, R, B> {
    node: Node,
    sessions: FarStore<S>,
    revocations: FarStore<R>,
    signals: FaultySignals<B>,
}

impl<S: SessionStore, R: RevocationStore, B: SignalBus> Keeping<S, R, B> {
    fn new(clock: &VirtualClock, (sessions, revocations, signals): (S, R, B)) -> Self {
        // They take their time by themselves, and are counted here.
        let sessions = FarStore::new(sessions, clock.clone(), Duration::ZERO);
        let revocations = FarStore::new(revocations, clock.clone(), Duration::ZERO);
        let signals = FaultySignals::new(signals);
        let node = Node::keeping(
            clock.clone(),
            sessions.clone(),
            revocations.clone(),
            signals.clone(),
            1000,
        );
        Self {
            node,
            sessions,
            revocations,
            signals,
        }
    }

    /// The status, and how many questions were asked.
    async fn ask(&self, token: &str) -> (u16, u64) {
        let asked = || self.sessions.asked() + self.revocations.asked();
        let before = asked();
        let status = self.node.ask(token).await;
        (status, asked() - before)
    }

    /// Has somebody known, so that nobody is asked.
    async fn know(&self, token: &str) {
        until("an answer without a question", async || {
            self.ask(token).await == (200, 0)
        })
        .await;
    }
}

/// What holds of two servers that keep answers, over real stores and a real bus. `cut` cuts the
/// connections of the bus.
///
/// # Panics
///
/// It does not hold.
pub async fn prove<S: SessionStore, R: RevocationStore, B: SignalBus>(
    clock: &VirtualClock,
    servers: [(S, R, B); 2],
    cut: impl AsyncFn(),
) {
    let [one, other] = servers.map(|server| Keeping::new(clock, server));
    for token in ["alice.app.0", "bob.web.0"] {
        for keeping in [&one, &other] {
            keeping.know(token).await;
        }
    }
    assert_eq!(one.signals.published() + other.signals.published(), 0);

    // The bus tells it, without time going by.
    let ended = one.node.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(one.node.ask("alice.app.0").await, 401);
    let is_out = async || other.node.ask("alice.app.0").await == 401;
    until("the end of alice", is_out).await;
    // Whoever authenticates again is in at once.
    clock.advance(SECOND);
    for keeping in [&other, &one] {
        assert_eq!(keeping.node.ask("alice.app.1").await, 200);
        keeping.know("alice.app.1").await;
    }

    // The connection is lost, and with it what is told meanwhile.
    cut().await;
    let token = Revocation::subject(ISSUER, "alice");
    one.node.handle.revoke(token).await.unwrap();
    assert_eq!(one.node.ask("alice.app.1").await, 401);
    clock.advance(SECOND);
    let is_out = async || {
        other.node.ask("bob.web.0").await;
        other.node.ask("alice.app.1").await == 401
    };
    until("what was missed", is_out).await;

    // Nobody hears anything.
    for keeping in [&other, &one] {
        keeping.know("bob.web.0").await;
    }
    other.signals.set_failing(true);
    let client = Revocation::client(ISSUER, "web");
    one.node.handle.revoke(client).await.unwrap();
    clock.advance(2 * SECOND);
    assert_eq!(other.node.ask("bob.web.0").await, 401, "within the bound");
    other.signals.set_failing(false);
    assert_eq!(other.node.ask("bob.web.0").await, 401);
    assert_eq!(other.node.ask("carol.app.3").await, 200);
    clock.advance(SECOND);
    other.know("carol.app.3").await;
}
