//! What a disk does not take, and what was torn.

use std::{env, fs, io::Write as _, process, time::Duration};

use super::{
    super::{
        AuditLog,
        builder::AuditLogBuilder,
        read::{Name, files},
        recover::recover,
        torn::Torn,
        verify,
        writer::Writer,
    },
    bench::{Bench, Hands, origin},
    disk::{Fault, FaultyDisk},
};

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
fn what_a_failed_write_left_is_taken_back_also_where_a_new_file_is_due() {
    for faults in [
        &[Fault::HalfThenFull, Fault::Truncate][..],
        &[Fault::HalfThenFull],
        &[Fault::Sync],
        &[Fault::Sync, Fault::Truncate],
        &[Fault::Sync, Fault::Truncate, Fault::Truncate],
        &[Fault::Sync, Fault::Truncate, Fault::Sync],
        &[Fault::Sync, Fault::Truncate, Fault::Create],
    ] {
        let mut bench = Bench::new(|builder| builder.with_max_file_age(Duration::from_secs(60)));
        bench.record(|_| {});
        bench.writer.turn();
        bench.disk.plan(faults);
        bench.record(|_| {});
        bench.writer.turn();
        assert!(bench.shared.is_failing(), "{faults:?}");
        // The disk is away until the file is as old as files become.
        bench.clock.advance(Duration::from_secs(60));
        for _ in 0..3 {
            bench.record(|_| {});
            bench.writer.turn();
            bench.clock.advance(Duration::from_secs(1));
        }
        assert!(bench.disk.is_played() && !bench.shared.is_failing());
        assert_eq!(bench.disk.files().len(), 2, "{faults:?}");
        // Follows the chain over both files.
        assert_eq!(bench.requests(), [1, 2, 3, 4, 5], "{faults:?}");
    }
}

#[test]
fn what_was_torn_and_cut_off_is_said() {
    let clock = Hands::new();
    let builder = AuditLogBuilder::new("nowhere".as_ref()).with_clock(clock);
    let mut origin = origin();
    origin.torn = vec![
        Torn {
            file: "audit-00000000000000000001.jsonl".to_owned(),
            offset: 4096,
            bytes: 17,
        },
        Torn {
            file: "audit-00000000000000000009.jsonl".to_owned(),
            offset: 0,
            bytes: 5,
        },
    ];
    let (shared, orders) = builder.divide(&origin);
    let disk = FaultyDisk::default();
    Writer::start(shared, disk.clone(), orders, &origin).unwrap();
    assert_eq!(disk.kinds(), ["head", "torn", "torn"]);
    let text = disk.files().concat();
    assert!(text.contains(
        r#""kind":"torn","bytes":17,"file":"audit-00000000000000000001.jsonl","offset":4096"#
    ));
    assert!(text.contains(
        r#""kind":"torn","bytes":5,"file":"audit-00000000000000000009.jsonl","offset":0"#
    ));
}

#[test]
fn what_was_cut_off_is_said_also_if_the_start_is_interrupted() {
    let folder = env::temp_dir().join(format!("portcullis-cut-{}", process::id()));
    drop(fs::remove_dir_all(&folder));
    AuditLog::builder(&folder).open().unwrap().close().unwrap();
    let first = folder.join(Name::of(1).text);
    let whole = fs::metadata(&first).unwrap().len();
    let mut file = fs::OpenOptions::new().append(true).open(&first).unwrap();
    file.write_all(b"{\"seq\":3,").unwrap();
    // A file that was begun, and no more, goes as a whole.
    fs::write(folder.join(Name::of(3).text), "{").unwrap();

    // Twice the machine stops once everything is cut off.
    for _ in 0..2 {
        assert_eq!(recover(&folder, None, false).unwrap().torn.len(), 2);
        assert_eq!(fs::metadata(&first).unwrap().len(), whole);
        assert_eq!(files(&folder).unwrap().len(), 1);
    }
    // Whoever starts it again and again says it once.
    for _ in 0..2 {
        AuditLog::builder(&folder).open().unwrap().close().unwrap();
        let report = verify(&folder).run().unwrap();
        assert_eq!((report.torn, report.torn_tail), (2, 0));
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "no note is left");
    let text = fs::read_to_string(folder.join(Name::of(3).text)).unwrap();
    let marker = format!(
        r#""bytes":9,"file":"{}","offset":{whole}"#,
        Name::of(1).text
    );
    assert!(text.contains(&marker), "{text}");
    fs::remove_dir_all(folder).unwrap();
}
