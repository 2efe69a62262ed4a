//! Refusals of strangers, summed up once there are many.

use std::{net::IpAddr, sync::atomic::Ordering, time::Duration};

use portcullis_core::{Evidence, EvidenceKind, Outcome, ReasonCode, Record};

use super::{
    bench::{Bench, START, record},
    disk::Fault,
};

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
        let mut record = record(100 + n, START);
        record.outcome = Outcome::Refused;
        record.layer = "quota";
        record.reason = ReasonCode::new("quota_principal");
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

#[test]
fn what_was_summed_up_is_durable_when_a_flush_says_so() {
    let mut bench = Bench::new(|builder| builder.with_flood_threshold(3));
    for (refusals, unwritten, count) in [(10, 7, 10), (5, 5, 15)] {
        for _ in 0..refusals {
            assert!(bench.record(refused_by("192.0.2.1")));
        }
        let mut told = bench.shared.flush_and_tell().unwrap();
        assert!(told.try_recv().is_err());
        bench.writer.turn();
        assert!(matches!(told.try_recv(), Ok(Ok(()))));
        let lines = summaries(&bench);
        let numbers = format!(r#""unwritten":{unwritten},"count":{count}"#);
        assert!(lines.last().unwrap().contains(&numbers), "{lines:?}");
    }
    // What stands in a sum stands in no other, and the next minute begins anew.
    bench.clock.advance(Duration::from_secs(60));
    for _ in 0..4 {
        bench.record(refused_by("192.0.2.1"));
    }
    bench.shared.close();
    bench.writer.turn();
    let lines = summaries(&bench);
    assert_eq!(lines.len(), 3);
    assert!(lines[2].contains(r#""unwritten":1,"count":4"#), "{lines:?}");
    assert_eq!(bench.requests().len(), 6);
}

#[test]
fn a_sum_that_finds_no_room_is_lost_with_all_that_it_sums_up() {
    let mut bench =
        Bench::new(|builder| builder.with_flood_threshold(1).with_max_queued(16, 1 << 20));
    for _ in 0..1001 {
        assert!(bench.record(refused_by("192.0.2.1")));
    }
    while bench.record(|_| {}) {}
    bench.clock.advance(Duration::from_secs(60));
    // Ends the minute of the first 1001.
    assert!(!bench.record(refused_by("192.0.2.1")));
    bench.writer.turn();
    let lines = bench.disk.lines();
    let gap = lines.iter().find(|line| line.contains(r#""kind":"gap""#));
    // 1000 that were summed up, one that filled the queue, one of the next minute.
    assert!(gap.unwrap().contains(r#""lost":1002"#), "{gap:?}");
    assert_eq!(bench.shared.lost.load(Ordering::Relaxed), 1002);
}

#[test]
fn a_minute_that_is_over_while_the_log_is_closed_is_summed_up_all_the_same() {
    let mut bench = Bench::new(|builder| builder.with_flood_threshold(1));
    for _ in 0..1001 {
        assert!(bench.record(refused_by("192.0.2.1")));
    }
    bench.shared.close();
    bench.clock.advance(Duration::from_secs(60));
    // Before the writer has seen that it is to close; a sync may take its time.
    assert!(!bench.record(refused_by("192.0.2.1")));
    assert!(bench.writer.turn());
    let lines = summaries(&bench);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(r#""unwritten":1000"#), "{lines:?}");
    assert_eq!(bench.disk.kinds().last().unwrap(), "close");
}

#[test]
fn sums_that_are_never_written_are_lost_with_all_that_they_sum_up() {
    let mut bench = Bench::new(|builder| builder.with_flood_threshold(1));
    for _ in 0..1001 {
        assert!(bench.record(refused_by("192.0.2.1")));
    }
    bench.disk.plan(&[Fault::Full]);
    bench.shared.close();
    let Bench { shared, writer, .. } = bench;
    writer.run();
    assert_eq!(shared.lost.load(Ordering::Relaxed), 1001);
}
