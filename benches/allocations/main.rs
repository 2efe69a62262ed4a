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

/// After how many sessions that have begun and ended it is measured what a server takes.
///
/// After the first, its store is full and nothing was thrown away yet. Then the tables of its 64
/// parts grow once, one after another, since what is thrown away goes on taking a place in them;
/// after the second they have.
const ENDED: [usize; 3] = [100_000, 400_000, 1_000_000];
/// What it may take after the last, as a multiple of what it takes after the second.
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
        let bytes = ENDED.map(bytes_after(Leaving::new()));
        for (ended, bytes) in ENDED.iter().zip(bytes) {
            println!("{growth}.bytes_after_{ended} {bytes} bytes");
        }
        let [first, second, last] = bytes.map(|bytes| bytes as f64);
        println!("{growth}.growth_from_first {:.3} ratio", last / first);
        println!("{growth}.growth {:.3} ratio", last / second);
        if last / second > GROWTH {
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

/// What a server takes beyond what it took at first, after so many sessions in all.
fn bytes_after(mut server: Leaving) -> impl FnMut(usize) -> i64 {
    let (mut ended, mut bytes) = (0, 0);
    move |wanted| {
        let more = allocation_counter::measure(|| server.come_and_go(wanted - ended));
        ended = wanted;
        bytes += more.bytes_current;
        bytes
    }
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
