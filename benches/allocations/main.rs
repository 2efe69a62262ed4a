//! Prints how often each variant allocates, as `name.allocations 17 count`, and how many of
//! these its floor does not make, as `name.added_allocations 4 count`. Fails if a budget is
//! overrun.
//!
//! Counts of one run do not drift, so unlike times they can be held to a number.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program speaks through them"
)]

use std::{collections::BTreeMap, env, process::ExitCode};

use portcullis::session::MemorySessions;
use portcullis_benches::{Variant, growth::Leaving, sessions, variants};

/// The first requests fill caches and tables that the others find filled.
const WARM_UP: usize = 64;
const RUNS: u64 = 64;

/// What a variant may allocate beyond its floor.
const BUDGETS: [(&str, u64); 12] = [
    ("axum.gate", 9),
    ("axum.gate_with_session", 10),
    ("axum.gate_with_binding", 0),
    ("stream.frame", 0),
    ("stack.warm.es256", 9),
    ("stack.warm.eddsa", 9),
    ("stack.warm.rs256", 9),
    ("stack.api_keys", 9),
    ("whole.warm.es256", 10),
    ("dpop.es256", 18),
    ("dpop.eddsa", 16),
    ("introspection.cached", 0),
];

/// What a session in memory may take, what finds it included.
const SESSION_BYTES: i64 = 220;

/// How many sessions have ended before what is left of them is measured, and how many then.
const ENDED_BEFORE: usize = 100_000;
const ENDED: usize = 1_000_000;
/// What there may be after all of them, as a multiple of what was there before.
const GROWTH: f64 = 1.1;

fn main() -> ExitCode {
    let texts: Vec<String> = env::args().skip(1).collect();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut is_kept = true;
    for mut variant in variants::chosen(&texts) {
        let count = count(&mut variant);
        let name = variant.name();
        println!("{name}.allocations {count} count");
        let floor = variant.floor().and_then(|floor| counts.get(floor));
        if let Some(added) = floor.map(|floor| count.saturating_sub(*floor)) {
            println!("{name}.added_allocations {added} count");
            let budget = BUDGETS.iter().find(|(budgeted, _)| *budgeted == name);
            if let Some((_, budget)) = budget.filter(|(_, budget)| added > *budget) {
                eprintln!("{name} adds {added} allocations to its floor, more than {budget}");
                is_kept = false;
            }
        }
        counts.insert(name.to_owned(), count);
    }
    for (name, store) in [
        (
            "session.bytes",
            sessions::store as fn(usize) -> MemorySessions,
        ),
        ("session.bytes_bound", sessions::store_of_bound),
    ] {
        if !texts.is_empty() && !texts.iter().any(|text| name.contains(text)) {
            continue;
        }
        let bytes = bytes_each(store);
        println!("{name} {bytes} bytes");
        if bytes > SESSION_BYTES {
            eprintln!("{name} is more than {SESSION_BYTES}");
            is_kept = false;
        }
    }
    let growth = "session.ended";
    if texts.is_empty() || texts.iter().any(|text| growth.contains(text)) {
        let [before, after] = bytes_of_ended();
        let ratio = after as f64 / before as f64;
        println!("{growth}.bytes_after_{ENDED_BEFORE} {before} bytes");
        println!("{growth}.bytes_after_{ENDED} {after} bytes");
        println!("{growth}.growth {ratio:.3} ratio");
        if ratio > GROWTH {
            eprintln!("{growth}.growth is more than {GROWTH}");
            is_kept = false;
        }
    }
    if is_kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What one of many sessions takes.
fn bytes_each(store: fn(usize) -> MemorySessions) -> i64 {
    let mut kept = None;
    let grown = allocation_counter::measure(|| kept = Some(store(sessions::MANY)));
    drop(kept);
    grown.bytes_current / sessions::MANY as i64
}

/// What a server takes after some sessions have begun and ended, and after many more.
fn bytes_of_ended() -> [i64; 2] {
    let mut server = None;
    let before = allocation_counter::measure(|| {
        let server = server.insert(Leaving::new());
        server.come_and_go(ENDED_BEFORE);
    });
    let more = allocation_counter::measure(|| {
        if let Some(server) = &mut server {
            server.come_and_go(ENDED - ENDED_BEFORE);
        }
    });
    [
        before.bytes_current,
        before.bytes_current + more.bytes_current,
    ]
}

/// The allocations of one run: the least of many, because a table that grows once in a while
/// is nothing that a request costs.
fn count(variant: &mut Variant) -> u64 {
    (0..WARM_UP).for_each(|_| variant.run());
    (0..RUNS)
        .map(|_| allocation_counter::measure(|| variant.run()).count_total)
        .min()
        .unwrap_or(0)
}
