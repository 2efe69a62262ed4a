//! A log whose writer takes its turns when a test says so.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::Method;
use portcullis_core::{
    Clock, Outcome, ReasonCode, Record, RequestId, SinkError, Sleep, SystemClock, Timestamp,
};
use tokio::sync::oneshot;

use super::{
    super::{
        builder::AuditLogBuilder, chain::Link, queue::Shared, recover::Origin, writer::Writer,
    },
    disk::FaultyDisk,
};

pub(super) const START: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

/// A record of a request that was let in, by its number.
pub(super) fn record<'a>(n: u128, at: Timestamp) -> Record<'a> {
    Record::new(
        RequestId::from_u128(n),
        at,
        Outcome::Admitted,
        "authn",
        ReasonCode::new("admitted"),
        &Method::GET,
        "/notes",
    )
}

/// A clock that a test moves.
#[derive(Clone, Debug)]
pub(super) struct Hands(Arc<Mutex<(Instant, Timestamp)>>);

impl Hands {
    pub(super) fn new() -> Self {
        let instant = SystemClock::new().instant();
        Self(Arc::new(Mutex::new((instant, START))))
    }

    pub(super) fn advance(&self, by: Duration) {
        let mut hands = self.0.lock().unwrap();
        hands.0 += by;
        hands.1 = hands.1 + by;
    }

    pub(super) fn step_back(&self, by: Duration) {
        let mut hands = self.0.lock().unwrap();
        hands.1 = hands.1 - by;
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().1
    }

    fn instant(&self) -> Instant {
        self.0.lock().unwrap().0
    }

    fn sleep_until(&self, _: Instant) -> Sleep {
        Sleep::new(std::future::pending())
    }
}

/// A log without a thread: a test takes each turn itself.
pub(super) struct Bench {
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer<FaultyDisk>,
    pub(super) disk: FaultyDisk,
    pub(super) clock: Hands,
    pub(super) next: u128,
}

pub(super) fn origin() -> Origin {
    Origin {
        chain: [7; 16],
        link: Link::BEFORE_THE_FIRST,
        at: Timestamp::UNIX_EPOCH,
        torn: Vec::new(),
        broken: None,
    }
}

impl Bench {
    pub(super) fn new(change: impl FnOnce(AuditLogBuilder) -> AuditLogBuilder) -> Self {
        let clock = Hands::new();
        let builder = AuditLogBuilder::new("nowhere".as_ref()).with_clock(clock.clone());
        let (shared, orders) = change(builder).divide(&origin());
        let disk = FaultyDisk::default();
        let writer = Writer::start(Arc::clone(&shared), disk.clone(), orders, &origin()).unwrap();
        Self {
            shared,
            writer,
            disk,
            clock,
            next: 1,
        }
    }

    pub(super) fn record(&mut self, change: impl FnOnce(&mut Record<'_>)) -> bool {
        let mut record = record(self.next, self.clock.now());
        self.next += 1;
        change(&mut record);
        self.shared.take(&record).is_ok()
    }

    /// The lines that name a request, by its number.
    pub(super) fn requests(&self) -> Vec<u128> {
        let lines = self.disk.lines();
        let ids = lines.iter().filter_map(|line| {
            let (_, rest) = line.split_once(r#""http_request":{"uid":""#)?;
            let (id, _) = rest.split_once('"')?;
            u128::from_str_radix(&id.replace('-', ""), 16).ok()
        });
        ids.collect()
    }

    pub(super) fn wait_for_a_record(&mut self) -> oneshot::Receiver<Result<(), SinkError>> {
        let record = record(self.next, self.clock.now());
        self.next += 1;
        self.shared.take_and_tell(&record).unwrap()
    }
}
