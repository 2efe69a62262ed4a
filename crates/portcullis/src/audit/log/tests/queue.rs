//! Who waits for a record, and what becomes of those that find no room.

use std::{sync::mpsc, time::Duration};

use portcullis_core::ReasonCode;

use super::{
    super::{
        builder::Mode,
        line::{MAX_LINE, PORTION},
    },
    bench::{Bench, START, record},
    disk::Fault,
};

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
fn what_waits_is_written_in_portions_and_made_durable_at_once() {
    for faults in [
        &[][..],
        &[Fault::Short],
        &[Fault::HalfThenFull],
        &[Fault::Sync],
    ] {
        let mut bench = Bench::new(|builder| builder.with_max_file_size(64 << 20));
        let path = "\u{1b}".repeat(1000);
        for n in 1..=200 {
            let mut record = record(n, START);
            record.path = &path;
            bench.shared.take(&record).unwrap();
        }
        bench.disk.plan(faults);
        let before = bench.disk.syncs();
        bench.writer.turn();
        if bench.shared.is_failing() {
            bench.clock.advance(Duration::from_secs(1));
            bench.writer.turn();
        }
        assert!(!bench.shared.is_failing() && bench.disk.is_played());
        let expected: Vec<u128> = (1..=200).collect();
        assert_eq!(bench.requests(), expected, "{faults:?}");
        let written = bench.disk.files().concat().len();
        let longest = bench.disk.longest();
        assert!(written > 4 * PORTION, "{written}");
        assert!(
            (PORTION..PORTION + MAX_LINE).contains(&longest),
            "{longest}"
        );
        let retries = u32::from(faults == [Fault::Sync]);
        assert_eq!(bench.disk.syncs() - before, 1 + retries, "{faults:?}");
        // The file is as long as it is said to be: what follows stands at its end.
        bench.disk.plan(&[Fault::HalfThenFull]);
        bench.record(|_| {});
        bench.writer.turn();
        bench.clock.advance(Duration::from_secs(1));
        bench.writer.turn();
        assert_eq!(bench.requests().len(), 201, "{faults:?}");
    }
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
        let refused = record(999, START);
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
        let late = record(2, START);
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
        let mut record = record(n, START);
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
    let record = record(999, START);
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
