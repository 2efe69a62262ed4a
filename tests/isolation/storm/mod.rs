//! A thousand callers over real connections, of whom some go away, some are answered by a
//! handler that panics, and all keep something under the same name.
//!
//! [`plan`] says what everybody does, [`server`] and [`driver`] do it, [`model`] says what a
//! login may find, and [`invariants`] judges what clients, handlers and records tell of it.

mod driver;
mod invariants;
mod look;
mod model;
mod places;
mod plan;
mod pool;
mod server;
mod tampered;

use std::collections::BTreeSet;

use portcullis::audit::RecordKind;
use portcullis_tests::patience::eventually;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};
use tokio::runtime::Runtime;

use self::{
    driver::drive,
    invariants::{History, check},
    plan::{End, How, Leave, Line, Plan, Sender},
    server::World,
};

/// One in each run, of some thousand requests: another one in the next.
const STORMS: u32 = 1;

#[test]
fn nobody_is_somebody_else_in_a_storm() {
    by_seed(weather);
}

/// To see one again, say its seed: `PROPTEST_RNG_SEED=… cargo test --test isolation`.
fn by_seed(weather: impl Fn(u64) -> Result<(), String>) {
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(STORMS)
    };
    let outcome = match config.rng_seed {
        RngSeed::Fixed(seed) => weather(seed),
        RngSeed::Random => TestRunner::new(config)
            .run(&any::<u64>().no_shrink(), |seed| {
                weather(seed).map_err(TestCaseError::fail)
            })
            .map_err(|error| error.to_string()),
    };
    outcome.unwrap();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap()
}

/// The storm of a seed and the calm after it, with both kinds of session stores.
fn weather(seed: u64) -> Result<(), String> {
    let runtime = runtime();
    let storm = Plan::storm(seed);
    for is_asked in [false, true] {
        let (history, opened) = runtime.block_on(async {
            let world = World::new(is_asked).await;
            let (mut entries, opened) = drive(&world, &storm, "storm").await;
            entries.extend(drive(&world, &Plan::calm(), "calm").await.0);
            (told(&world, entries).await, opened)
        });
        let outcome = check(&history).and_then(|()| was_a_storm(&history, opened, 20));
        outcome.map_err(|problem| {
            format!(
                "in the storm of seed {seed}, with a store that is asked ({is_asked}): {problem}"
            )
        })?;
    }
    Ok(())
}

/// The history, as soon as every request that came to a handler has ended.
async fn told(world: &World, entries: Vec<driver::Entry>) -> History {
    let mut reached = Vec::new();
    eventually("the end of all requests", || {
        reached = world.known.reached();
        let records = world.audit.records();
        let ends = records
            .iter()
            .filter(|record| record.kind == RecordKind::End);
        let ended: BTreeSet<_> = ends.map(|record| record.request_id).collect();
        reached.iter().all(|(request, _)| ended.contains(request))
    })
    .await;
    let reached = reached
        .into_iter()
        .map(|(id, label)| (id.to_string(), label));
    History {
        entries,
        reached: reached.collect(),
        records: world.audit.records(),
    }
}

/// A property of requests that are all answered alike would hold for nothing: there is each kind, at
/// least so often.
fn was_a_storm(history: &History, opened: usize, least: usize) -> Result<(), String> {
    let reached: BTreeSet<_> = history.reached.iter().map(|(_, label)| label).collect();
    let count = |is: &dyn Fn(&driver::Entry) -> bool| {
        let entries = history.entries.iter().filter(|entry| is(entry));
        entries.count()
    };
    let is_cut = |entry: &driver::Entry| !entry.seen.is_whole && reached.contains(&entry.label);
    let panics = |entry: &driver::Entry| matches!(entry.step.end, End::Panics(_));
    let left = |leave: fn(Leave) -> bool| {
        count(&|entry| is_cut(entry) && matches!(entry.step.end, End::Left(how) if leave(how)))
    };
    let seen = [
        (
            "panics that cut an answer",
            count(&|entry| is_cut(entry) && panics(entry)),
        ),
        (
            "left while held",
            left(|leave| matches!(leave, Leave::WhileHeld(_))),
        ),
        ("left at work", left(|leave| leave == Leave::OnceReached)),
        (
            "left at the first frame",
            left(|leave| leave == Leave::AtTheFirstFrame),
        ),
        (
            "answered in a pool",
            count(&|entry| entry.step.how == How::InPool && entry.seen.is_whole),
        ),
        (
            "refused",
            count(&|entry| entry.step.sender == Sender::Rejected),
        ),
        (
            "anonymous",
            count(&|entry| entry.step.sender == Sender::Anonymous),
        ),
        (
            "requests over a connection that was somebody else's",
            count(&|entry| entry.step.line == Line::Http1 && entry.seen.is_whole)
                .saturating_sub(opened),
        ),
    ];
    match seen.iter().find(|(_, count)| *count < least) {
        None => Ok(()),
        Some((what, count)) => Err(format!("too few {what}: {count}")),
    }
}
