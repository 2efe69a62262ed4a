//! Callers by the thousand, who would have us remember or write without a bound: X03–X05.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Clock as _, PeerAddress, Stack,
    api_keys::{ApiKeys, Grant, KeyRing},
    audit::log::{AuditLog, Head, Mode, verify},
    binding::{BindingLayer, Reaction},
    perimeter::PerimeterLayer,
    quota::{Quota, QuotaLayer},
    session::MemorySessions,
};
use portcullis_testing::{
    clock::VirtualClock, faulty_store::FaultyStore, http_probe::HandlerProbe,
};
use portcullis_tests::{fixtures::short_sessions, folder::TestFolder, patience::until};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, RESOURCE, Settings, finish},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("X03", sessions).await;
    harness.row("X04", audit).await;
    harness.row("X05", history).await;
}

/// A token of somebody who authenticated now.
fn token(guard: &Guard, name: &str, sid: usize) -> String {
    guard
        .idp
        .token(name)
        .with_audience(RESOURCE)
        .with_claim("auth_time", guard.clock.now().unix_seconds())
        .with_claim("sid", sid.to_string())
        .mint()
}

/// What is kept has a bound for each principal and for all together, and nobody who is in has to
/// go for it.
async fn sessions(harness: &mut Harness) {
    let store = FaultyStore::new(MemorySessions::with_capacity(20));
    let mut settings = Settings::fixed();
    settings.session = Some(short_sessions().with_limit(5).with_store(store.clone()));
    let guard = settings.build();
    let own = token(&guard, "alice", 0);
    harness.control("before", &guard, guard.bearer(&own)).await;
    let mut let_in = 0;
    for sid in 0..50 {
        let status = guard.status_of(&token(&guard, "mallory", sid)).await;
        let_in += usize::from(status == 200);
    }
    harness.judged(
        "fifty sessions of one principal",
        match let_in {
            5 => Ok(()),
            others => Err(format!("{others} are in")),
        },
    );
    for n in 0..100 {
        let _ = guard
            .status_of(&token(&guard, &format!("mallory-{n}"), 0))
            .await;
    }
    harness.judged(
        "a hundred principals",
        match store.get_ref().len() {
            0..=20 => Ok(()),
            kept => Err(format!("{kept} sessions are kept")),
        },
    );
    let _ = guard.audit.take();
    harness
        .control("who was in before", &guard, guard.bearer(&own))
        .await;
}

/// A log whose disk takes its time, for as long as we like.
struct Stalled {
    log: AuditLog,
    clock: VirtualClock,
    folder: TestFolder,
    is_stalled: Arc<AtomicBool>,
    has_stalled: mpsc::Receiver<()>,
    go_on: mpsc::Sender<()>,
}

impl Stalled {
    fn open(mode: Mode, records: usize) -> Result<Self, String> {
        let (folder, clock) = (TestFolder::new(), VirtualClock::new());
        let is_stalled = Arc::new(AtomicBool::new(false));
        let (tell, has_stalled) = mpsc::channel();
        let (go_on, waits) = mpsc::channel::<()>();
        let waits = Mutex::new(waits);
        let heads = {
            let is_stalled = Arc::clone(&is_stalled);
            // Called by the thread that writes, which writes nothing meanwhile.
            move |_: &Head| {
                if is_stalled.swap(false, Ordering::SeqCst) {
                    let _ = tell.send(());
                    let _ = waits.lock().unwrap_or_else(PoisonError::into_inner).recv();
                }
            }
        };
        let log = AuditLog::builder(folder.path())
            .with_clock(clock.clone())
            .with_mode(mode)
            .with_max_queued(records, 1 << 20)
            .with_head_sink(heads)
            .open()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            log,
            clock,
            folder,
            is_stalled,
            has_stalled,
            go_on,
        })
    }

    /// Has the thread that writes stand still.
    async fn stall(&self) {
        self.is_stalled.store(true, Ordering::SeqCst);
        self.clock.advance(Duration::from_secs(61));
        let log = self.log.clone();
        // It waits for what stands still.
        std::thread::spawn(move || drop(log.flush()));
        until("a log that stands still", async || {
            self.has_stalled.try_recv().is_ok()
        })
        .await;
    }

    fn go_on(&self) {
        let _ = self.go_on.send(());
    }
}

/// Requests by the thousand fill no memory while the disk does not keep up. By the setting, their
/// records are lost and counted, or they are refused.
async fn audit(harness: &mut Harness) {
    const QUEUED: usize = 100;
    const FLOOD: usize = 1000;
    for mode in [Mode::BestEffort, Mode::Strict] {
        let stalled = match Stalled::open(mode, QUEUED) {
            Ok(stalled) => stalled,
            Err(problem) => return harness.fail("a log", &problem),
        };
        let keys = KeyRing::new("acme", &portcullis::Secret::new([7; 32]));
        let stack = Stack::builder()
            .with_resource(RESOURCE)
            .with_clock(stalled.clock.clone())
            .with_audit(stalled.log.clone())
            .with_perimeter(PerimeterLayer::builder().without_refusal_budget())
            .add_authenticator(ApiKeys::new(keys.clone()));
        let Ok((gate, _handle)) = stack.build() else {
            return harness.fail("a stack", "cannot be built");
        };
        let Ok(key) = keys.issue(Grant::for_application("flood"), stalled.clock.now()) else {
            return harness.fail("a key", "cannot be cut");
        };
        let probe = HandlerProbe::new();
        let send = || {
            let request = Request::builder()
                .uri("/notes")
                .header("host", "agent.example")
                .header("authorization", format!("Bearer {}", key.expose()));
            let service = gate.layer(probe.clone());
            async move {
                let Ok(response) = service.oneshot(finish(request)).await;
                let status = response.status().as_u16();
                let _ = response.into_body().collect().await;
                status
            }
        };
        let before = send().await;
        stalled.stall().await;
        let mut flood: FuturesUnordered<_> = (0..FLOOD).map(|_| send()).collect();
        let mut answered = Vec::new();
        // Those that wait are asked again and wait on; everybody else has an answer by then.
        while let Some(Some(status)) = futures_util::FutureExt::now_or_never(flood.next()) {
            answered.push(status);
        }
        let (waiting, calls) = (flood.len(), probe.calls());
        stalled.go_on();
        let late: Vec<_> = flood.collect().await;
        let lost = stalled.log.stats().lost;
        let closed = stalled.log.close();
        let report = verify(stalled.folder.path()).run();
        let judged = match (mode, &report, closed) {
            (_, _, Err(error)) => Err(format!("it cannot be closed: {error}")),
            (_, Err(error), _) => Err(format!("it does not verify: {error}")),
            (Mode::BestEffort, Ok(report), Ok(_)) => {
                let all_are_in = answered.len() == FLOOD && answered.iter().all(|one| *one == 200);
                let records = report.records + report.lost;
                match (all_are_in, waiting) {
                    // One of the decision and one of the end, of each.
                    (true, 0)
                        if lost > 0 && report.lost == lost && records == 2 * (FLOOD as u64 + 1) =>
                    {
                        Ok(())
                    }
                    other => Err(format!("{other:?}, lost {lost}, records {records}")),
                }
            }
            (_, Ok(report), Ok(_)) => {
                let refused = answered.iter().filter(|one| **one == 503).count();
                let is_bounded = waiting <= QUEUED && refused + waiting == FLOOD;
                let is_recorded = probe.calls() == waiting + 1 && calls == 1;
                let are_let_in = late.iter().all(|one| *one == 200);
                match (is_bounded, is_recorded, are_let_in, before) {
                    (true, true, true, 200) if report.records > 0 => Ok(()),
                    other => Err(format!("{other:?}: {waiting} wait, {refused} are refused")),
                }
            }
        };
        harness.judged(
            &format!("a thousand requests while the disk stands still: {mode:?}"),
            judged,
        );
    }
}

fn from(request: Request<Full<Bytes>>, address: [u8; 4]) -> Request<Full<Bytes>> {
    let mut request = request;
    PeerAddress::from(IpAddr::from(address)).attach(request.extensions_mut());
    request
}

/// What is remembered of a victim, by which a thief would be noticed, is not pushed out by others:
/// where the session came from, and what of the quota is spent.
async fn history(harness: &mut Harness) {
    const BURST: u32 = 6;
    let mut settings = Settings::fixed();
    let sessions = MemorySessions::with_capacity(30);
    settings.session = Some(short_sessions().with_store(sessions));
    settings.binding = Some(
        BindingLayer::builder()
            .without_user_agent()
            .with_network(Reaction::Ask),
    );
    settings.quota = Some(
        QuotaLayer::builder()
            .with_per_principal(Quota::per_minute(1).with_burst(BURST))
            .with_capacity(20),
    );
    let guard = settings.build();
    let own = token(&guard, "alice", 0);
    let home = || from(guard.bearer(&own), [192, 0, 2, 1]);
    for _ in 0..BURST - 1 {
        harness.control("the victim", &guard, home()).await;
    }
    let mut full = 0;
    for n in 0..500 {
        let stranger = token(&guard, &format!("mallory-{n}"), 0);
        let stranger = from(guard.bearer(&stranger), [198, 51, 100, 7]);
        full += usize::from(guard.send(stranger).await.status() != 200);
    }
    let _ = guard.audit.take();
    harness.judged(
        "five hundred strangers find no more room than there is",
        match full {
            0 => Err("all are in".to_owned()),
            _ => Ok(()),
        },
    );
    let drifted = Expected::insufficient_authentication("max_age=\"0\"", &["drift_network"]);
    let stolen = from(guard.bearer(&own), [203, 0, 113, 9]);
    harness
        .attack_without_good(
            "the victim's token from elsewhere",
            &guard,
            stolen,
            &drifted,
        )
        .await;
    harness.control("the victim", &guard, home()).await;
    let spent = Expected::status(429, &["quota_principal"]);
    harness
        .attack_without_good("one more than the quota", &guard, home(), &spent)
        .await;
}
