//! The example as it is run, with a server of the test's own.

use std::{
    io,
    process::{Command, Output},
};

use portcullis_tests::{folder::TestFolder, servers};

fn run(arguments: &[&str]) -> io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_example-two-nodes"))
        .args(arguments)
        .output()
}

/// Over a server.
fn run_over(store: &str, at: &str) -> io::Result<Output> {
    run(&[
        "--store",
        store,
        "--at",
        at,
        "--streams",
        "120",
        "--figures",
    ])
}

fn assert_tells(store: &str, name: &str, told: &Output) {
    let said = String::from_utf8_lossy(&told.stdout);
    let complained = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{said}{complained}");
    for part in [
        &*format!("over one {name}"),
        "at the first: 120 of 120 with a goodbye",
        "at the second: 120 of 120 with a goodbye",
        "bob's goes on",
        "again: 401",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for place in ["here", "elsewhere"] {
        for percent in ["p50", "p99", "p100"] {
            let figure = format!("two-nodes.{store}.{place}.{percent} ");
            let figure = said.lines().find_map(|line| line.strip_prefix(&figure));
            let time: Option<f64> = figure
                .and_then(|figure| figure.strip_suffix(" ms"))
                .and_then(|time| time.parse().ok());
            assert!(time > Some(0.0), "{place} {percent}: {said}");
        }
    }
}

#[tokio::test]
async fn a_logout_at_one_server_ends_the_streams_of_the_other() {
    let redis = servers::redis().start().await;
    let at = format!("unix://{}/redis.sock", redis.home().display());
    assert_tells("redis", "Redis", &run_over("redis", &at).unwrap());
}

#[tokio::test]
async fn and_over_postgres() {
    let folder = TestFolder::new();
    folder.make();
    let postgres = servers::postgres(folder.path()).add_args(["-h", ""]);
    let running = postgres.start().await;
    let at = format!(
        "postgres://postgres@/postgres?host={}",
        folder.path().display()
    );
    let told = run_over("postgres", &at).unwrap();
    assert_tells("postgres", "PostgreSQL", &told);
    drop(running);
}

#[test]
fn says_what_it_needs() {
    for (arguments, wanted) in [
        (&[][..], "cargo xtask example two-nodes --store redis"),
        (
            &["--store", "postgres"],
            "cargo xtask example two-nodes --store postgres",
        ),
        (&["--store", "redb"], "redis or postgres"),
    ] {
        let told = run(arguments).unwrap();
        assert!(!told.status.success());
        let complained = String::from_utf8(told.stderr).unwrap();
        assert!(complained.contains(wanted), "{complained}");
    }
}
