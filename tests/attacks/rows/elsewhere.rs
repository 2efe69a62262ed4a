//! Servers that share their stores, and what one of them does not hear of the other: R03, R09.

use std::{sync::Arc, time::Duration};

use portcullis::{
    Clock as _, Secret,
    revocation::{MemoryRevocations, Revocation},
    session::{MemorySessions, SessionLayer},
    signal::MemorySignals,
};
use portcullis_testing::{
    faulty_signals::FaultySignals,
    faulty_store::{FaultyRevocations, FaultyStore},
};
use portcullis_tests::{
    patience::settle,
    streams::{TICK, streaming},
};
use tokio::task::JoinHandle;
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, ISSUER, Settings},
    harness::{Expected, Harness},
};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("R09", two_servers).await;
    harness.row("R03", silence).await;
}

/// Two servers, and the ways between them and their stores.
pub(super) struct Two {
    pub(super) here: Guard,
    pub(super) there: Guard,
    /// As `there` has them.
    sessions: FaultyStore<Arc<MemorySessions>>,
    revocations: FaultyRevocations<Arc<MemoryRevocations>>,
    /// As each of them has it.
    pub(super) signals_here: FaultySignals<MemorySignals>,
    pub(super) signals: FaultySignals<MemorySignals>,
    pub(super) token: String,
}

impl Two {
    fn new(max_unconfirmed: Option<Duration>) -> Self {
        Self::with(|mut settings| {
            if let Some(bound) = max_unconfirmed {
                let session = settings.session.take();
                settings.session = session.map(|session| session.with_max_unconfirmed(bound));
            }
            settings
        })
    }

    pub(super) fn with(change: impl Fn(Settings) -> Settings) -> Self {
        let sessions = Arc::new(MemorySessions::default());
        let revocations = Arc::new(MemoryRevocations::default());
        let bus = MemorySignals::new();
        let server = || {
            let sessions = FaultyStore::new(Arc::clone(&sessions));
            let revocations = FaultyRevocations::new(Arc::clone(&revocations));
            let signals = FaultySignals::new(bus.clone());
            let mut settings = Settings::fixed();
            let session = SessionLayer::builder()
                .with_store(sessions.clone())
                .with_key(Secret::new([7; 16]));
            settings.session = Some(session);
            settings.far_revocations = Some(revocations.clone());
            settings.signals = Some(signals.clone());
            let guard = change(settings).build();
            (guard, sessions, revocations, signals)
        };
        let (here, .., signals_here) = server();
        let (there, sessions, revocations, signals) = server();
        let now = there.clock.now().unix_seconds();
        let token = there
            .token()
            .with_lifetime(Duration::from_secs(7200))
            .with_client("app")
            .with_claim("auth_time", now)
            .with_claim("jti", "1")
            .with_claim("sid", "session")
            .mint();
        Self {
            here,
            there,
            sessions,
            revocations,
            signals_here,
            signals,
            token,
        }
    }

    /// A stream at the other server, which is read.
    async fn stream(&self) -> JoinHandle<()> {
        let layer = streaming(&self.there.clock, "text/event-stream", TICK);
        let service = self.there.gate.layer(layer);
        let Ok(response) = service.oneshot(self.there.bearer(&self.token)).await;
        let reading = tokio::spawn(async {
            use http_body_util::BodyExt as _;
            drop(response.into_body().collect().await);
        });
        settle().await;
        reading
    }

    pub(super) async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.there.clock.advance(SECOND);
            settle().await;
        }
    }

    fn set_failing(&self, is_failing: bool) {
        self.sessions.set_failing(is_failing);
        self.revocations.set_failing(is_failing);
    }

    pub(super) async fn end(&self, harness: &mut Harness, how: &str) {
        let ended = match how {
            "end_sessions" => {
                let ended = self.here.handle.end_sessions(ISSUER, "alice").await;
                ended.map(drop).map_err(|problem| problem.to_string())
            }
            how => {
                let revocation = match how {
                    "token" => Revocation::token(ISSUER, "1"),
                    "client" => Revocation::client(ISSUER, "app"),
                    "session" => Revocation::session(ISSUER, "session"),
                    _ => Revocation::subject(ISSUER, "alice"),
                };
                let revoked = self.here.handle.revoke(revocation).await;
                revoked.map_err(|problem| problem.to_string())
            }
        };
        if let Err(problem) = ended {
            harness.fail(how, &problem);
        }
    }
}

fn over(reading: &JoinHandle<()>) -> Result<(), String> {
    match reading.is_finished() {
        true => Ok(()),
        false => Err("it goes on".to_owned()),
    }
}

fn running(reading: &JoinHandle<()>) -> Result<(), String> {
    match reading.is_finished() {
        true => Err("it is over".to_owned()),
        false => Ok(()),
    }
}

/// What is ended on one server is over on the other, for what comes and for what runs, without time
/// going by; and what was missed is made good when the way between them is whole again.
async fn two_servers(harness: &mut Harness) {
    let over_for_all =
        Expected::invalid_token(&["credential_revoked", "session_revoked", "session_ended"]);
    for how in ["end_sessions", "token", "client", "session", "subject"] {
        let two = Two::new(None);
        let stream = two.stream().await;
        two.end(harness, how).await;
        settle().await;
        harness.judged(&format!("a stream, after {how}"), over(&stream));
        let request = two.there.bearer(&two.token);
        let name = format!("a request, after {how}");
        harness
            .attack(&name, &two.there, request, &over_for_all)
            .await;
        stream.abort();
    }
    for how in ["end_sessions", "token"] {
        let two = Two::new(None);
        let stream = two.stream().await;
        two.pass(2).await;
        two.signals.set_failing(true);
        two.set_failing(true);
        two.end(harness, how).await;
        two.pass(5).await;
        two.signals.set_failing(false);
        two.set_failing(false);
        two.pass(2).await;
        harness.judged(&format!("healed, after {how}"), over(&stream));
        stream.abort();
    }
}

/// Nobody hears anything.
async fn silence(harness: &mut Harness) {
    // Best effort: the store is asked within the stated bound.
    let two = Two::new(None);
    let stream = two.stream().await;
    two.pass(2).await;
    two.signals.set_failing(true);
    two.end(harness, "token").await;
    two.pass(16).await;
    harness.judged("best effort, the store answers", over(&stream));
    stream.abort();
    // Strict: whether the store or the bus speaks, it goes on; if neither does, it is cut.
    let two = Two::new(Some(5 * SECOND));
    let stream = two.stream().await;
    for (store, bus) in [(false, true), (true, false)] {
        two.set_failing(!store);
        two.signals.set_failing(!bus);
        two.pass(12).await;
        harness.judged("strict, one of them speaks", running(&stream));
    }
    two.set_failing(true);
    two.signals.set_failing(true);
    two.pass(7).await;
    harness.judged("strict, nobody speaks", over(&stream));
    stream.abort();
    let status = two.there.status_of(&two.token).await;
    harness.judged(
        "strict, a request",
        match status {
            503 => Ok(()),
            status => Err(format!("answered {status}")),
        },
    );
    let _ = two.there.audit.take();
    two.set_failing(false);
    two.signals.set_failing(false);
    let request = two.there.bearer(&two.token);
    harness
        .control("all is well again", &two.there, request)
        .await;
}
