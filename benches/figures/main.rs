//! `cargo xtask bench [text..]`: every layer against its floor, and the whole against a
//! composite of crates of others, in one run.
//!
//! Prints lines of `name value unit`, for the variants whose name contains one of the texts.
//! The variants are named in `portcullis_benches::variants` and `records::taking`, what begins with
//! `timing` in `pairs`; of each is printed:
//!
//! | line | what it says |
//! |---|---|
//! | `….time` | one run, making the request included |
//! | `….net` | that, less its floor in the same round |
//! | `….over_raw` | the net time as a multiple of the raw signature check |
//! | `….excess` | the net time beyond 1.05 times the raw check (RS256: 1.12); the goal is 3000 ns |
//! | `….over_composite` | the net time as a share of that of `composite`: crates of others for the same; the goal for `whole.warm.es256` is 0.0333 (1/30), better 0.0143 (1/70) |
//! | `….hits` | the share of requests whose token was known |
//! | `audit.durable_of_…` | records that a strict audit log has durable in a second, so many being waited for at once; that is the disk's figure |
//! | `timing.….t` | whether two kinds of input take the same time: the t of Welch's test, above zero where the first is slower, and what dudect takes it for: `no-evidence`, `possible` beyond 4.5, `certain` beyond 10 |
//! | `timing.….samples` | how many samples that was of |
//! | `timing.….difference` | the median of the first kind less that of the second |
//! | `timing.….median` | the median of the second |
//! | `flood.….retrievals` | how often keys were retrieved for 100 000 tokens that name unknown ones, within one cool-down; the goal is 1 |
//! | `flood.….slowdown` | how long good tokens, known or new, took between them, as a multiple of what they take alone; the goal is 1.1 |
//! | `….two_threads_over_one` | how much two threads do in the time in which one does one |
//! | `….allocations` | of one run, making the request included |
//! | `streams.end_here.…`, `streams.end_elsewhere.…` | how long half, 99 of 100 and all of a thousand streams went on after their session was ended, on the same server and on another in the same process; the goal is 20 ms for 99 of 100. Between processes see the next line |
//! | `two-nodes.….here.…`, `two-nodes.….elsewhere.…` | the same with two processes over Redis and over PostgreSQL, from when the logout was asked for until the client has the last byte: the example `two-nodes`, which is run at the end; the goals elsewhere for 99 of 100 are 100 ms over Redis and 150 ms over PostgreSQL |
//! | `stream.frame.net`, `stream.frame.added_allocations` | what one frame of a guarded stream costs; the goals are 25 ns, better 10, and 0 |
//! | `session.touch_at_a_million.time` | noting activity in one of a million sessions; the goal is 450 ns |
//! | `session.two_threads_over_one` | how much of that two threads do in the time in which one does one; the goal is 1.7 |
//! | `session.idle.ours.over_composite` | the net time of a request on a known session that has an idle timeout, as a share of that by `tower-sessions`, both in memory; the goal is 0.2 |
//! | `session.ended.bytes_after_…` | what a server takes after so many people have come and logged out |
//! | `session.ended.growth`, `session.ended.growth_from_first` | that after a million, as a multiple of that after 400 000 and after 100 000; the goal of the first is 1.1. In between the tables of the store grow once |
//! | `session.bytes`, `session.bytes_bound` | what each of a million sessions takes in memory, by itself and with a network and a user agent to compare with; the goal is 220 |
//! | `remote.hit.throughput` | how many requests a second there are with stores in Redis whose answers are known, as a share of those with stores in memory, in the same rounds; the goal is 0.85 |
//! | `remote.….questions` | what one request asks the stores: one that is known, and one that is not; the goals are 0 and 2 |
//! | `remote.miss.….in_sequence` | round trips to Redis and to PostgreSQL that wait for each other, counted on the way, of the first request to a server by somebody who has a session: the most of twenty servers; the goal is 1 |
//! | `remote.miss.round_trips` | how much longer one that is not known takes than one with stores in memory, in round trips to Redis: both questions are on their way together; the goal is 1, and what the program does itself counts here |
//! | `….added_allocations` | that, less its floor; the goal is 9 for the stack with a known token |
//!
//! Times are medians over many short rounds; differences and ratios are taken within a round,
//! and their median is printed. One thread, no runtime, the service called in process. Times
//! belong to the machine and the hour; ratios and counts can be compared.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command line program speaks through them"
)]

mod dice;
mod harness;
mod lines;
mod timing;
mod welch;

use std::{
    env, io,
    process::{Command, ExitCode},
};

use axum::{body::Body, routing::Route};
use http::Request;
use portcullis::stack::Gated;
use portcullis_benches::{
    credentials::{ALGORITHMS, Tokens},
    flood, pairs, records,
    remote::Remote,
    sessions, streams, variants,
};
use tower::Service;

use crate::{harness::Samples, lines::print};

fn main() -> ExitCode {
    let texts: Vec<String> = env::args().skip(1).collect();
    // First, because it compiles, and nothing should while times are taken.
    let are_counted = match count_allocations(&texts) {
        Ok(are_counted) => are_counted,
        Err(error) => {
            eprintln!("cannot count allocations, because cargo cannot be started: {error}");
            false
        }
    };
    sizes();
    let mut variants = variants::chosen(&texts);
    let samples = Samples::take(&mut variants);
    for variant in &variants {
        lines::of_variant(&samples, variant);
    }
    let is_asked_for = |text: &String| "session.two_threads_over_one".contains(text.as_str());
    if texts.is_empty() || texts.iter().any(is_asked_for) {
        let ratio = format!("{:.2}", sessions::two_threads_over_one());
        print("session.two_threads_over_one", ratio, "ratio");
    }
    floods(&texts);
    ends(&texts);
    remote(&texts);
    pairs::chosen(&texts).iter_mut().for_each(timing::of_pair);
    let mut taking = records::taking();
    taking.retain(|variant| {
        texts.is_empty() || texts.iter().any(|text| variant.name().contains(text))
    });
    let samples = Samples::take(&mut taking);
    for variant in &taking {
        lines::of_variant(&samples, variant);
    }
    for at_once in [1, 64, 1024] {
        let name = format!("audit.durable_of_{at_once}");
        if texts.is_empty() || texts.iter().any(|text| name.contains(text.as_str())) {
            let rate = format!("{:.0}", records::durable_in_a_second(at_once));
            print(&name, rate, "records/s");
        }
    }
    if are_counted {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Stores in Redis beside stores in memory, with and without what is kept of them.
fn remote(texts: &[String]) {
    if !texts.is_empty() && !texts.iter().any(|text| "remote".contains(text.as_str())) {
        return;
    }
    let remote = Remote::start();
    let _entered = remote.enter();
    for (name, questions) in remote.questions() {
        print(&format!("{name}.questions"), questions, "questions");
    }
    for (name, round_trips) in remote.in_sequence() {
        print(&format!("{name}.in_sequence"), round_trips, "round-trips");
    }
    let mut variants = remote.variants();
    let samples = Samples::take(&mut variants);
    for variant in &variants {
        lines::of_variant(&samples, variant);
    }
    let throughput = samples.against("remote.memory", "remote.hit", |memory, hit| memory / hit);
    if let Some(throughput) = throughput {
        let throughput = format!("{throughput:.3}");
        print("remote.hit.throughput", throughput, "ratio");
    }
    let round_trips = samples.against_two(
        "remote.miss",
        ["remote.memory", "remote.round_trip"],
        |miss, memory, round_trip| (miss - memory) / round_trip,
    );
    if let Some(round_trips) = round_trips {
        let round_trips = format!("{round_trips:.2}");
        print("remote.miss.round_trips", round_trips, "ratio");
    }
    for (name, is_kept) in [("memory", false), ("hit", true)] {
        let ratio = format!("{:.2}", remote.two_threads_over_one(is_kept));
        print(
            &format!("remote.{name}.two_threads_over_one"),
            ratio,
            "ratio",
        );
    }
}

/// A thousand streams after their session was ended.
fn ends(texts: &[String]) {
    for (name, measure) in [
        (
            "streams.end_here",
            streams::end_here as fn() -> streams::Ends,
        ),
        ("streams.end_elsewhere", streams::end_elsewhere),
    ] {
        if texts.is_empty() || texts.iter().any(|text| name.contains(text.as_str())) {
            let ends = measure();
            for percent in [50, 99, 100] {
                let time = ends.within(percent).as_secs_f64() * 1000.0;
                print(&format!("{name}.p{percent}"), format!("{time:.2}"), "ms");
            }
        }
    }
}

/// Good tokens between a hundred thousand that name unknown keys, and two threads at once.
fn floods(texts: &[String]) {
    let is_asked_for =
        |name: &str| texts.is_empty() || texts.iter().any(|text| name.contains(text.as_str()));
    let tokens = Tokens::new();
    for (name, is_known) in [("flood.known", true), ("flood.new", false)] {
        if is_asked_for(name) {
            let flooded = flood::flooded(&tokens, is_known);
            let slowdown = format!("{:.3}", flooded.slowdown);
            print(
                &format!("{name}.retrievals"),
                flooded.retrievals,
                "retrievals",
            );
            print(&format!("{name}.slowdown"), slowdown, "ratio");
        }
    }
    let name = "jwt.warm.two_threads_over_one";
    if is_asked_for(name) {
        let ratio = format!("{:.2}", flood::two_threads_over_one(&tokens));
        print(name, ratio, "ratio");
    }
}

/// Counting needs an allocator of its own, which must not be in the program that times.
fn count_allocations(texts: &[String]) -> io::Result<bool> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args("run --quiet --profile bench --locked --bin allocations".split(' '))
        .args(FEATURES)
        .arg("--")
        .args(texts)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    Ok(status.success())
}

/// Those that this program was built with: the other one then needs nothing built anew, and
/// counts what this one times.
const FEATURES: &[&str] = if cfg!(feature = "peers") {
    &["--features", "peers"]
} else {
    &[]
};

/// What does not depend on the moment: the size of futures and tokens.
fn sizes() {
    let (ours, floor) = (future_size::<Gated<Route>>(), future_size::<Route>());
    print("axum.route.future", floor, "bytes");
    print("axum.gate.future", ours, "bytes");
    let tokens = Tokens::new();
    for (name, algorithm) in ALGORITHMS {
        let header = tokens.same(algorithm).advance().len();
        print(
            &format!("token.{name}.size"),
            header - "Bearer ".len(),
            "bytes",
        );
    }
}

const fn future_size<S: Service<Request<Body>>>() -> usize {
    size_of::<S::Future>()
}
