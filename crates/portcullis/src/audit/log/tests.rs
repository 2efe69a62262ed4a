//! The writer, on a disk that fails when it is told to.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::IpAddr,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use http::Method;
use portcullis_core::{
    Actor, Clock, Evidence, EvidenceKind, Outcome, ReasonCode, Record, RequestId, Sleep, Timestamp,
};
use proptest::prelude::*;

use super::{
    builder::{AuditLogBuilder, Mode},
    chain::Link,
    disk::Disk,
    entry::Batch,
    line::{Lines, MAX_LINE},
    queue::Shared,
    read::Seen,
    recover::{Origin, Torn},
    writer::Writer,
};

const START: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

/// A clock that a test moves.
#[derive(Clone, Debug)]
struct Hands(Arc<Mutex<(Instant, Timestamp)>>);

impl Hands {
    fn new() -> Self {
        let instant = portcullis_core::SystemClock::new().instant();
        Self(Arc::new(Mutex::new((instant, START))))
    }

    fn advance(&self, by: Duration) {
        let mut hands = self.0.lock().unwrap();
        hands.0 += by;
        hands.1 = hands.1 + by;
    }

    fn step_back(&self, by: Duration) {
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

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Create,
    /// Nothing is written.
    Full,
    /// Half is written, and then nothing more.
    HalfThenFull,
    /// Half is written; what is missing may be written next.
    Short,
    Sync,
    SyncNames,
    Truncate,
}

#[derive(Debug, Default)]
struct Platter {
    files: BTreeMap<String, Vec<u8>>,
    current: String,
    faults: VecDeque<Fault>,
    is_half_written: bool,
    syncs: u32,
    /// Says that a sync has begun, and holds it until the other end is told to go on.
    hold: Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>,
}

#[derive(Clone, Debug, Default)]
struct FaultyDisk(Arc<Mutex<Platter>>);

impl FaultyDisk {
    fn plan(&self, faults: &[Fault]) {
        self.0.lock().unwrap().faults = faults.iter().copied().collect();
    }

    fn is_played(&self) -> bool {
        self.0.lock().unwrap().faults.is_empty()
    }

    fn syncs(&self) -> u32 {
        self.0.lock().unwrap().syncs
    }

    fn files(&self) -> Vec<String> {
        let platter = self.0.lock().unwrap();
        let texts = platter.files.values();
        texts
            .map(|bytes| String::from_utf8(bytes.clone()).unwrap())
            .collect()
    }

    /// All lines; they have to be one chain.
    fn lines(&self) -> Vec<String> {
        let text = self.files().concat();
        assert!(text.is_empty() || text.ends_with('\n'));
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut link = Link::BEFORE_THE_FIRST;
        for line in &lines {
            link = follow(link, line);
        }
        lines
    }

    fn kinds(&self) -> Vec<String> {
        let lines = self.lines();
        let kind = |line: &String| Seen::parse(line.as_bytes()).unwrap().kind.to_owned();
        lines.iter().map(kind).collect()
    }
}

fn follow(link: Link, line: &str) -> Link {
    let seen = Seen::parse(line.as_bytes()).unwrap();
    assert_eq!(seen.seq, link.seq + 1, "{line}");
    let (body, hash) = line.rsplit_once(",\"hash\":\"").unwrap();
    let expected = link.hash_next(body.as_bytes());
    let mut digits = String::new();
    super::chain::push_hex(&mut digits, &expected);
    assert_eq!(hash.trim_end_matches("\"}"), digits, "{line}");
    Link {
        seq: seen.seq,
        hash: expected,
    }
}

impl Platter {
    fn fails(&mut self, fault: Fault) -> bool {
        let is_due = self.faults.front() == Some(&fault);
        if is_due {
            self.faults.pop_front();
        }
        is_due
    }

    fn file(&mut self) -> &mut Vec<u8> {
        self.files.entry(self.current.clone()).or_default()
    }
}

fn no_space() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn defective() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Disk for FaultyDisk {
    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        if platter.fails(Fault::Create) {
            return Err(no_space());
        }
        platter.current = name.to_owned();
        platter.file().clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut platter = self.0.lock().unwrap();
        if platter.fails(Fault::Full) || std::mem::take(&mut platter.is_half_written) {
            return Err(no_space());
        }
        platter.is_half_written = platter.fails(Fault::HalfThenFull);
        let n = if platter.is_half_written || platter.fails(Fault::Short) {
            bytes.len().div_ceil(2)
        } else {
            bytes.len()
        };
        platter.file().extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn sync(&mut self) -> io::Result<()> {
        let hold = self.0.lock().unwrap().hold.take();
        if let Some((begun, go_on)) = hold {
            begun.send(()).unwrap();
            go_on.recv().unwrap();
        }
        let mut platter = self.0.lock().unwrap();
        platter.syncs += 1;
        if platter.fails(Fault::Sync) {
            return Err(defective());
        }
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        if self.0.lock().unwrap().fails(Fault::SyncNames) {
            return Err(defective());
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        if platter.fails(Fault::Truncate) {
            return Err(defective());
        }
        let len = usize::try_from(len).unwrap();
        assert!(len <= platter.file().len(), "a file is never made longer");
        platter.file().truncate(len);
        Ok(())
    }
}

/// A log without a thread: a test takes each turn itself.
struct Bench {
    shared: Arc<Shared>,
    writer: Writer<FaultyDisk>,
    disk: FaultyDisk,
    clock: Hands,
    next: u128,
}

fn origin() -> Origin {
    Origin {
        chain: [7; 16],
        link: Link::BEFORE_THE_FIRST,
        torn: None,
        broken: None,
    }
}

impl Bench {
    fn new(change: impl FnOnce(AuditLogBuilder) -> AuditLogBuilder) -> Self {
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

    fn record(&mut self, change: impl FnOnce(&mut Record<'_>)) -> bool {
        let mut record = Record::new(
            RequestId::from_u128(self.next),
            self.clock.now(),
            Outcome::Admitted,
            "authn",
            ReasonCode::new("admitted"),
            &Method::GET,
            "/notes",
        );
        self.next += 1;
        change(&mut record);
        self.shared.take(&record).is_ok()
    }

    /// The lines that name a request, by its number.
    fn requests(&self) -> Vec<u128> {
        let lines = self.disk.lines();
        let ids = lines.iter().filter_map(|line| {
            let (_, rest) = line.split_once(r#""http_request":{"uid":""#)?;
            let (id, _) = rest.split_once('"')?;
            u128::from_str_radix(&id.replace('-', ""), 16).ok()
        });
        ids.collect()
    }

    fn wait_for_a_record(
        &mut self,
    ) -> tokio::sync::oneshot::Receiver<Result<(), portcullis_core::SinkError>> {
        let record = Record::new(
            RequestId::from_u128(self.next),
            self.clock.now(),
            Outcome::Admitted,
            "authn",
            ReasonCode::new("admitted"),
            &Method::GET,
            "/notes",
        );
        self.next += 1;
        self.shared.take_and_tell(&record).unwrap()
    }
}

#[test]
fn one_sync_makes_all_durable_that_waits() {
    let mut bench = Bench::new(|builder| builder.with_mode(Mode::Strict));
    let before = bench.disk.syncs();
    let mut told: Vec<_> = (0..100).map(|_| bench.wait_for_a_record()).collect();
    assert!(told[0].try_recv().is_err());
    bench.writer.turn();
    assert_eq!(bench.disk.syncs() - before, 1);
    for told in &mut told {
        assert!(matches!(told.try_recv(), Ok(Ok(()))));
    }
    assert_eq!(bench.requests().len(), 100);
}

#[test]
fn what_the_disk_does_not_take_is_held_and_written_later() {
    for faults in [
        &[Fault::Full][..],
        &[Fault::HalfThenFull],
        &[Fault::Sync],
        &[Fault::HalfThenFull, Fault::Truncate, Fault::Truncate],
        &[Fault::Sync, Fault::Truncate],
        &[Fault::Sync, Fault::Full, Fault::HalfThenFull],
    ] {
        let mut bench = Bench::new(|builder| builder);
        bench.record(|_| {});
        bench.writer.turn();
        bench.disk.plan(faults);
        bench.record(|_| {});
        while !bench.disk.is_played() {
            bench.record(|_| {});
            bench.writer.turn();
            assert!(bench.shared.is_failing(), "{faults:?}");
            bench.clock.advance(Duration::from_secs(1));
        }
        bench.record(|_| {});
        bench.writer.turn();
        assert!(!bench.shared.is_failing(), "{faults:?}");
        let expected: Vec<u128> = (1..bench.next).collect();
        assert_eq!(bench.requests(), expected, "{faults:?}");
        assert!(!bench.disk.kinds().contains(&"gap".to_owned()));
    }
}

#[test]
fn a_short_write_is_no_failure() {
    let mut bench = Bench::new(|builder| builder);
    bench.disk.plan(&[Fault::Short, Fault::Short, Fault::Short]);
    bench.record(|_| {});
    bench.writer.turn();
    assert!(bench.disk.is_played());
    assert!(!bench.shared.is_failing());
    assert_eq!(bench.requests(), [1]);
}

#[test]
fn a_disk_that_failed_is_left_alone_for_a_moment() {
    let mut bench = Bench::new(|builder| builder);
    bench.disk.plan(&[Fault::Full]);
    bench.record(|_| {});
    bench.writer.turn();
    let syncs = bench.disk.syncs();
    bench.clock.advance(Duration::from_millis(999));
    bench.record(|_| {});
    // The turn comes because time is up by another clock.
    bench.shared.close();
    assert!(bench.writer.turn());
    assert_eq!(bench.disk.syncs(), syncs + 1, "closing tries all the same");
    assert_eq!(bench.disk.kinds().last().unwrap(), "close");
}

#[test]
fn who_waits_is_told_and_what_does_not_happen_has_no_record() {
    let mut bench = Bench::new(|builder| builder.with_mode(Mode::Strict));
    for fault in [Fault::Full, Fault::HalfThenFull, Fault::Sync] {
        bench.disk.plan(&[fault]);
        let mut told = bench.wait_for_a_record();
        assert!(bench.record(|record| record.reason = ReasonCode::new("kept")));
        bench.writer.turn();
        assert!(matches!(told.try_recv(), Ok(Err(_))), "{fault:?}");
        // As long as it fails, nobody waits for it.
        let refused = Record::new(
            RequestId::from_u128(999),
            START,
            Outcome::Admitted,
            "authn",
            ReasonCode::new("admitted"),
            &Method::GET,
            "/",
        );
        assert!(bench.shared.take_and_tell(&refused).is_err());
        bench.clock.advance(Duration::from_secs(1));
        bench.writer.turn();
        let mut told = bench.wait_for_a_record();
        bench.writer.turn();
        assert!(matches!(told.try_recv(), Ok(Ok(()))), "{fault:?}");
    }
    assert_eq!(bench.requests(), [2, 3, 5, 6, 8, 9]);
}

#[test]
fn a_slow_disk_holds_up_who_waits_and_nobody_else() {
    let mut bench = Bench::new(|builder| builder.with_mode(Mode::Strict));
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    bench.disk.0.lock().unwrap().hold = Some((begun, may_go_on));
    let mut first = bench.wait_for_a_record();
    std::thread::scope(|scope| {
        let writer = &mut bench.writer;
        let turn = scope.spawn(move || writer.turn());
        has_begun.recv().unwrap();
        let late = Record::new(
            RequestId::from_u128(2),
            START,
            Outcome::Admitted,
            "authn",
            ReasonCode::new("admitted"),
            &Method::GET,
            "/",
        );
        bench.shared.take(&late).unwrap();
        let mut second = bench.shared.take_and_tell(&late).unwrap();
        assert!(first.try_recv().is_err());
        go_on.send(()).unwrap();
        assert!(!turn.join().unwrap());
        assert!(matches!(first.try_recv(), Ok(Ok(()))));
        assert!(
            second.try_recv().is_err(),
            "it came after the sync had begun"
        );
    });
    bench.writer.turn();
    assert_eq!(bench.requests(), [1, 2, 2]);
}

#[test]
fn records_that_find_no_room_leave_a_gap_that_says_how_many() {
    let mut bench = Bench::new(|builder| builder.with_max_queued(16, 1 << 20));
    let taken = (0..20).filter(|_| bench.record(|_| {})).count();
    assert_eq!(taken, 16);
    bench.writer.turn();
    assert!(bench.record(|_| {}));
    bench.writer.turn();
    let lines = bench.disk.lines();
    let gap = lines.iter().find(|line| line.contains("\"gap\"")).unwrap();
    assert!(
        gap.contains(r#""kind":"gap","lost":4,"cause":"queue_full""#),
        "{gap}"
    );
    assert_eq!(bench.requests().len(), 17);
    assert_eq!(
        bench
            .disk
            .kinds()
            .iter()
            .filter(|kind| *kind == "gap")
            .count(),
        1
    );

    // Bytes are a bound as well, and what the disk does not take counts.
    let mut bench = Bench::new(|builder| builder.with_max_queued(1 << 20, 1 << 16));
    bench.disk.plan(&[Fault::Full]);
    let path = "/".repeat(1000);
    let mut lost = 0;
    for n in 0..100 {
        if n == 10 {
            bench.writer.turn();
        }
        let mut record = Record::new(
            RequestId::from_u128(n),
            START,
            Outcome::Admitted,
            "authn",
            ReasonCode::new("admitted"),
            &Method::GET,
            "/",
        );
        record.path = &path;
        lost += u64::from(bench.shared.take(&record).is_err());
    }
    assert!((40..70).contains(&lost), "{lost}");
    bench.clock.advance(Duration::from_secs(1));
    bench.writer.turn();
    let text = bench.disk.files().concat();
    assert!(text.contains(&format!(r#""lost":{lost},"cause":"disk""#)));
    assert_eq!(bench.requests().len() as u64, 100 - lost);
}

#[test]
fn where_nothing_more_is_let_in_there_is_still_room_to_say_so() {
    let mut bench =
        Bench::new(|builder| builder.with_mode(Mode::Strict).with_max_queued(16, 1 << 20));
    let held: Vec<_> = (0..12).map(|_| bench.wait_for_a_record()).collect();
    let record = Record::new(
        RequestId::from_u128(999),
        START,
        Outcome::Admitted,
        "authn",
        ReasonCode::new("admitted"),
        &Method::GET,
        "/",
    );
    assert!(bench.shared.take_and_tell(&record).is_err());
    for _ in 0..4 {
        assert!(bench.record(|_| {}));
    }
    bench.writer.turn();
    drop(held);
    assert_eq!(bench.requests().len(), 16);
    assert_eq!(
        bench
            .disk
            .kinds()
            .iter()
            .filter(|kind| *kind == "gap")
            .count(),
        0
    );
}

#[test]
fn a_file_that_is_full_or_old_is_followed_by_another_and_the_chain_runs_on() {
    let mut bench = Bench::new(|builder| {
        builder
            .with_max_file_size(64 << 10)
            .with_max_file_age(Duration::from_secs(3600))
    });
    for _ in 0..400 {
        bench.record(|_| {});
        bench.writer.turn();
    }
    let files = bench.disk.files();
    assert!(files.len() > 2, "{}", files.len());
    assert!(files.iter().all(|file| file.len() < 65 << 10));
    bench.clock.advance(Duration::from_secs(3600));
    bench.record(|_| {});
    bench.writer.turn();
    assert_eq!(bench.disk.files().len(), files.len() + 1);
    assert_eq!(bench.requests().len(), 401);
    let heads = bench.disk.files();
    assert!(heads.iter().all(|file| {
        let (first, _) = file.split_once('\n').unwrap();
        first.contains(r#""kind":"head","schema":"portcullis.audit/1","chain":"0707"#)
    }));
}

#[test]
fn a_file_that_cannot_be_begun_is_begun_again() {
    for faults in [
        &[Fault::Create][..],
        &[Fault::Full],
        &[Fault::HalfThenFull],
        &[Fault::Sync],
        &[Fault::SyncNames],
        &[Fault::HalfThenFull, Fault::Create, Fault::SyncNames],
    ] {
        let mut bench = Bench::new(|builder| builder.with_max_file_age(Duration::from_secs(60)));
        bench.record(|_| {});
        bench.writer.turn();
        bench.clock.advance(Duration::from_secs(60));
        bench.disk.plan(faults);
        while !bench.disk.is_played() {
            bench.record(|_| {});
            bench.writer.turn();
            bench.clock.advance(Duration::from_secs(1));
        }
        bench.record(|_| {});
        bench.writer.turn();
        assert_eq!(bench.disk.files().len(), 2, "{faults:?}");
        let expected: Vec<u128> = (1..bench.next).collect();
        assert_eq!(bench.requests(), expected, "{faults:?}");
    }
}

#[test]
fn a_clock_that_steps_back_changes_no_order() {
    let mut bench = Bench::new(|builder| builder);
    for _ in 0..3 {
        bench.record(|_| {});
        bench.clock.step_back(Duration::from_secs(3600));
        bench.writer.turn();
    }
    // Checks that sequence and chain run on.
    let lines = bench.disk.lines();
    let time = |line: &String| line.split_once("\"time\":").unwrap().1[..13].to_owned();
    assert!(time(&lines[1]) > time(&lines[3]));
    assert_eq!(bench.requests(), [1, 2, 3]);
}

#[test]
fn a_heart_beats_and_is_remembered_elsewhere() {
    let remembered = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&remembered);
    let mut bench = Bench::new(|builder| {
        builder.with_head_sink(move |head: &super::Head| keeper.lock().unwrap().push(*head))
    });
    bench.record(|_| {});
    bench.writer.turn();
    assert_eq!(remembered.lock().unwrap().len(), 1, "of the start");
    bench.clock.advance(Duration::from_secs(60));
    bench.writer.turn();
    assert_eq!(bench.disk.kinds(), ["head", "decision", "heartbeat"]);
    let heads = remembered.lock().unwrap().clone();
    assert_eq!(heads.len(), 2);
    assert_eq!(heads[1].sequence(), 3);
    assert_eq!(heads[1], bench.shared.head());
}

#[test]
fn what_was_torn_and_cut_off_is_said() {
    let clock = Hands::new();
    let builder = AuditLogBuilder::new("nowhere".as_ref()).with_clock(clock);
    let mut origin = origin();
    origin.torn = Some(Torn {
        file: "audit-00000000000000000001.jsonl".to_owned(),
        offset: 4096,
        bytes: 17,
    });
    let (shared, orders) = builder.divide(&origin);
    let disk = FaultyDisk::default();
    Writer::start(shared, disk.clone(), orders, &origin).unwrap();
    assert_eq!(disk.kinds(), ["head", "torn"]);
    let text = disk.files().concat();
    assert!(text.contains(
        r#""kind":"torn","bytes":17,"file":"audit-00000000000000000001.jsonl","offset":4096"#
    ));
}

fn refused_by(address: &str) -> impl FnOnce(&mut Record<'_>) {
    let address: IpAddr = address.parse().unwrap();
    move |record| {
        record.outcome = Outcome::Refused;
        record.reason = ReasonCode::new("jwt_expired");
        record.client_address = Some(address);
    }
}

fn summaries(bench: &Bench) -> Vec<String> {
    let mut lines = bench.disk.lines();
    lines.retain(|line| line.contains(r#""kind":"summary""#));
    lines
}

#[test]
fn a_flood_of_refusals_is_summed_up_by_network_reason_and_minute() {
    let mut bench = Bench::new(|builder| builder.with_flood_threshold(3));
    for n in 0..10 {
        assert!(bench.record(refused_by(&format!("192.0.2.{n}"))));
        assert!(bench.record(refused_by(&format!("::ffff:198.51.100.{n}"))));
        assert!(bench.record(refused_by(&format!("2001:db8:0:{n:x}::1"))));
        assert!(bench.record(|record| {
            refused_by("192.0.2.1")(record);
            record.reason = ReasonCode::new("credentials_missing");
        }));
    }
    bench.writer.turn();
    assert_eq!(bench.requests().len(), 12, "three of each");
    assert!(summaries(&bench).is_empty());
    bench.clock.advance(Duration::from_secs(60));
    bench.writer.turn();
    let lines = summaries(&bench);
    assert_eq!(lines.len(), 4);
    let text = lines.concat();
    for network in ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/56"] {
        assert!(
            text.contains(&format!(r#""network":"{network}""#)),
            "{text}"
        );
    }
    let line = lines.iter().find(|line| line.contains("198.51")).unwrap();
    assert!(line.contains(r#""time":1767225600000,"kind":"summary","unwritten":7,"count":10"#));
    assert!(line.contains(r#""status_detail":"jwt_expired""#));
    assert!(
        line.contains(r#""first":"00000000-0000-0000-0000-00000000000e""#),
        "{line}"
    );
    assert!(
        line.contains(r#""last":"00000000-0000-0000-0000-000000000026""#),
        "{line}"
    );

    // The next minute begins anew, and another one ends it without the writer's help.
    for _ in 0..5 {
        bench.record(refused_by("192.0.2.1"));
    }
    bench.clock.advance(Duration::from_secs(60));
    bench.record(refused_by("192.0.2.1"));
    bench.writer.turn();
    assert_eq!(summaries(&bench).len(), 5);

    // What is not over when the log is closed is summed up then.
    for _ in 0..5 {
        bench.record(refused_by("203.0.113.1"));
    }
    bench.shared.close();
    assert!(bench.writer.turn());
    assert_eq!(summaries(&bench).len(), 6);
    assert_eq!(bench.disk.kinds().last().unwrap(), "close");
}

#[test]
fn who_is_known_and_who_is_let_in_is_never_summed_up() {
    let mut bench = Bench::new(|builder| builder.with_flood_threshold(1));
    let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice");
    for n in 0..5 {
        bench.record(|_| {});
        let mut record = Record::new(
            RequestId::from_u128(100 + n),
            START,
            Outcome::Refused,
            "quota",
            ReasonCode::new("quota_principal"),
            &Method::GET,
            "/",
        );
        record.principal = Some(&alice);
        bench.shared.take(&record).unwrap();
    }
    bench.writer.turn();
    assert_eq!(bench.requests().len(), 10);
}

#[test]
fn a_flood_from_everywhere_is_bounded_and_loses_no_count() {
    let mut bench = Bench::new(|builder| builder.with_flood_threshold(1));
    for n in 0..10_000_u32 {
        let address = IpAddr::from((n << 8).to_be_bytes());
        for _ in 0..2 {
            bench.record(|record| {
                record.outcome = Outcome::Refused;
                record.client_address = Some(address);
            });
        }
    }
    bench.shared.close();
    bench.writer.turn();
    let lines = summaries(&bench);
    assert_eq!(lines.len(), 4097);
    let others = lines
        .iter()
        .find(|line| line.contains(r#""network":"others""#));
    assert!(others.unwrap().contains(r#""count":11808"#), "{others:?}");
}

/// Text that tries to break out of a line.
fn hostile() -> impl Strategy<Value = String> {
    let bad = "[\\PC\r\n\0\u{1b}\"\\\\{},\u{7f}\u{85}\u{202e}\u{2028}\u{2029}\u{200b}\u{feff}\u{e0041}😀]{0,40}";
    prop_oneof![
        bad.prop_map(|text| text),
        Just("\u{2028}".repeat(2000)),
        Just("x".repeat(1 << 20)),
        Just(format!("{}😀", "x".repeat(1022))),
        Just(r#"","hash":"0000"}"#.to_owned() + "\n" + r#"{"seq":9,"time":0,"kind":"close""#),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn one_record_is_one_line_whatever_stands_in_it(
        path in hostile(),
        operation in hostile(),
        issuer in hostile(),
        subject in hostile(),
        client in hostile(),
        actors in proptest::collection::vec((hostile(), hostile()), 0..12),
    ) {
        let mut evidence = Evidence::new(EvidenceKind::User, issuer, subject).with_client(client);
        for (subject, issuer) in actors {
            evidence = evidence.add_actor(Actor::new(subject).with_issuer(issuer));
        }
        let mut record = Record::new(
            RequestId::from_u128(1),
            START,
            Outcome::Admitted,
            "authn",
            ReasonCode::new("admitted"),
            &Method::GET,
            &path,
        );
        record.principal = Some(&evidence);
        record.operation = Some(&operation);
        let mut batch = Batch::default();
        batch.push(&record);
        let mut lines = Lines::behind(Link::BEFORE_THE_FIRST);
        lines.batch(&batch);
        let text = str::from_utf8(lines.as_bytes()).unwrap();
        prop_assert!(text.len() < MAX_LINE);
        prop_assert_eq!(text.matches('\n').count(), 1);
        let line = text.strip_suffix('\n').unwrap();
        let is_plain = |char: char| !char.is_control() && !crate::audit::tracing_sink::is_deceptive(char);
        prop_assert!(line.chars().all(is_plain));
        prop_assert_eq!(follow(Link::BEFORE_THE_FIRST, line), lines.link());
    }
}
