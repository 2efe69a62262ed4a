//! Files that follow one another, and the heads of the chain that runs through them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    super::Head,
    bench::{Bench, START},
    disk::Fault,
};

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
        builder.with_head_sink(move |head: &Head| keeper.lock().unwrap().push(*head))
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
fn a_head_has_the_time_of_its_line_whoever_is_asked_and_whenever() {
    let remembered = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&remembered);
    let mut bench = Bench::new(|builder| {
        builder.with_head_sink(move |head: &Head| keeper.lock().unwrap().push(*head))
    });
    let start = bench.shared.head();
    assert_eq!(remembered.lock().unwrap()[0], start);
    // A record waits for a while until it is written, and its line has the time of the record.
    bench.record(|_| {});
    bench.clock.advance(Duration::from_secs(7));
    bench.writer.turn();
    let head = bench.shared.head();
    assert_eq!((head.sequence(), head.at()), (2, START));
    // What fails to be written changes nothing.
    bench.disk.plan(&[Fault::Full]);
    bench.record(|_| {});
    bench.writer.turn();
    assert_eq!(bench.shared.head(), head);
    bench.clock.advance(Duration::from_secs(60));
    bench.writer.turn();
    let heads = remembered.lock().unwrap().clone();
    assert_eq!(heads.last(), Some(&bench.shared.head()));
    assert_eq!(heads.last().unwrap().at(), START + Duration::from_secs(67));
}
