//! What the guide states of stores that fail: there is a check of each cell of its table.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

const PAGE: &str = "../crates/portcullis/src/guide/stores.rs";
/// The columns of the table, as the modules of the tests are called.
const STORES: [&str; 4] = ["memory", "redb", "redis", "postgres"];

/// What happens, where, and what plays it: tests of this target by their path, and others by their
/// file and name.
#[rustfmt::skip]
const CHECKS: [(&str, &str, &[&str]); 30] = [
    ("killed", "memory", &["model::memory"]),
    ("killed", "redb", &[
        "model::redb",
        "restarts::redb::what_was_ended_is_over_after_a_restart_and_what_was_not_goes_on",
        "tests/store_redb/kill.rs: nothing_is_lost_that_was_answered_before_the_process_was_killed",
    ]),
    ("killed", "redis", &[
        "faults::redis::a_server_that_is_killed_says_nothing_until_it_is_there_again_and_has_lost_nothing",
        "under_load::redis::a_server_that_is_killed_under_load_lets_nobody_in_and_goes_on_as_it_was",
    ]),
    ("killed", "postgres", &[
        "faults::postgres::a_server_that_is_killed_says_nothing_until_it_is_there_again_and_has_lost_nothing",
        "under_load::postgres::a_server_that_is_killed_under_load_lets_nobody_in_and_goes_on_as_it_was",
    ]),
    ("late", "redis", &[
        "faults::redis::a_server_that_stands_still_is_given_up_in_time_and_found_again",
        "under_load::redis::a_server_that_stands_still_under_load_keeps_nobody_waiting_for_long",
    ]),
    ("late", "postgres", &[
        "faults::postgres::a_server_that_stands_still_is_given_up_in_time_and_found_again",
        "under_load::postgres::a_server_that_stands_still_under_load_keeps_nobody_waiting_for_long",
    ]),
    ("emptied", "memory", &["model::memory"]),
    ("emptied", "redis", &[
        "faults::redis::another_server_at_the_same_address_has_lost_everything",
        "under_load::redis::a_server_that_comes_back_empty_under_load_lets_nobody_in_by_it",
        "tests/store_redis/faults.rs: a_server_that_is_flushed_tells_all_who_were_there_before",
    ]),
    ("emptied", "postgres", &[
        "faults::postgres::another_server_at_the_same_address_has_lost_everything",
        "under_load::postgres::a_server_that_comes_back_empty_under_load_lets_nobody_in_by_it",
        "tests/store_postgres/losses.rs: a_schema_that_is_dropped_is_made_again_and_tells_all_who_were_there_before",
    ]),
    ("rolled-back", "redb", &[
        "restarts::a_file_that_was_restored_lets_those_in_again_who_were_out_until_all_is_revoked",
    ]),
    ("rolled-back", "redis", &[
        "tests/store_redis/faults.rs: a_server_that_has_gone_back_is_one_that_has_lost_something",
    ]),
    ("rolled-back", "postgres", &[
        "tests/store_postgres/losses.rs: a_disk_that_has_gone_back_is_one_that_has_lost_something",
    ]),
    ("partitioned", "redis", &[
        "under_load::redis::a_server_that_one_node_cannot_reach_under_load_is_there_for_the_other",
    ]),
    ("partitioned", "postgres", &[
        "under_load::postgres::a_server_that_one_node_cannot_reach_under_load_is_there_for_the_other",
    ]),
    ("lagging", "redis", &[
        "replicas::redis::a_replica_that_lags_lets_nobody_in_and_takes_nothing",
        "tests/store_redis/faults.rs: a_replica_neither_takes_nor_says_anything",
    ]),
    ("lagging", "postgres", &[
        "replicas::postgres::a_replica_that_lags_lets_nobody_in_and_takes_nothing",
    ]),
    ("promoted", "redis", &[
        "replicas::what_a_replica_of_redis_had_not_received_is_lost_and_noticed",
    ]),
    ("promoted", "postgres", &[
        "replicas::postgres::a_replica_that_lags_lets_nobody_in_and_takes_nothing",
        "tests/store_postgres/losses.rs: a_replica_says_nothing_and_one_that_is_promoted_is_doubted",
    ]),
    ("bus-silent", "redis", &[
        "silent_bus::redis::what_was_ended_elsewhere_ends_within_sixteen_seconds_of_a_silent_bus",
        "silent_bus::redis::what_was_ended_elsewhere_ends_within_the_bound_of_a_silent_bus",
        "silent_bus::redis::what_is_kept_lets_in_for_two_seconds_of_a_silent_bus",
        "silent_bus::redis::a_bus_that_was_silent_is_heard_again",
    ]),
    ("bus-silent", "postgres", &[
        "silent_bus::postgres::what_was_ended_elsewhere_ends_within_sixteen_seconds_of_a_silent_bus",
        "silent_bus::postgres::what_was_ended_elsewhere_ends_within_the_bound_of_a_silent_bus",
        "silent_bus::postgres::what_is_kept_lets_in_for_two_seconds_of_a_silent_bus",
        "silent_bus::postgres::a_bus_that_was_silent_is_heard_again",
    ]),
    ("all-silent", "redis", &[
        "silent_bus::redis::what_nobody_can_confirm_because_all_is_silent_is_cut_where_that_is_asked_for",
    ]),
    ("all-silent", "postgres", &[
        "silent_bus::postgres::what_nobody_can_confirm_because_all_is_silent_is_cut_where_that_is_asked_for",
    ]),
    ("clock-stepped", "memory", &CLOCKS_IN_MEMORY),
    ("clock-stepped", "redb", &CLOCKS_IN_REDB),
    ("clock-stepped", "redis", &CLOCKS_IN_REDIS),
    ("clock-stepped", "postgres", &CLOCKS_IN_POSTGRES),
    ("full", "memory", &[
        "tests/sessions/limits.rs: a_full_store_refuses_new_callers_and_keeps_the_others",
        "many::sessions_that_begin_and_end_leave_no_more_than_there_is_room_for",
    ]),
    ("full", "redb", &[
        "crates/portcullis-store-redb/src/tests/bounds.rs: a_full_store_says_so_and_keeps_what_it_has",
        "crates/portcullis-store-redb/src/tests/writing.rs: a_disk_that_takes_nothing_is_an_error_until_it_does",
    ]),
    ("full", "redis", &[
        "tests/store_redis/faults.rs: a_server_that_is_full_takes_nothing_and_still_says_what_it_has",
    ]),
    ("full", "postgres", &[
        "tests/store_postgres/faults.rs: a_server_that_is_read_only_takes_nothing_and_still_says_what_it_has",
    ]),
];

macro_rules! clocks_at {
    ($($name:ident $store:literal;)*) => {$(
        const $name: [&str; 4] = [
            concat!("clocks::", $store, "::a_clock_that_is_set_back_by_an_hour_makes_no_session_longer"),
            concat!("clocks::", $store, "::a_clock_that_is_set_forward_by_an_hour_lets_nobody_in_and_keeps_nobody_out_for_good"),
            concat!("clocks::", $store, "::a_node_whose_clock_is_ahead_by_an_hour_lets_nobody_in_who_is_out"),
            concat!("clocks::", $store, "::a_node_whose_clock_is_behind_by_an_hour_lets_nobody_in_who_is_out"),
        ];
    )*};
}

clocks_at! {
    CLOCKS_IN_MEMORY "memory";
    CLOCKS_IN_REDB "redb";
    CLOCKS_IN_REDIS "redis";
    CLOCKS_IN_POSTGRES "postgres";
}

/// What the table says of each that happens at each store, where it can.
fn stated(page: &str) -> Vec<(String, &'static str, String)> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let mut stated = Vec::new();
    for row in rows {
        let (what, rest) = row.split_once('`').unwrap();
        let cells: Vec<_> = rest.trim_end_matches('|').split(" | ").skip(1).collect();
        assert_eq!(cells.len(), STORES.len(), "{what}");
        for (store, cell) in STORES.into_iter().zip(cells) {
            stated.push((what.to_owned(), store, cell.trim().to_owned()));
        }
    }
    stated
}

/// The tests of this target.
fn listed() -> BTreeSet<String> {
    let list = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output();
    let list = String::from_utf8(list.unwrap().stdout).unwrap();
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

/// Why there is no such test of this store.
fn problem_of(check: &str, store: &str, listed: &BTreeSet<String>) -> Option<&'static str> {
    let Some((file, name)) = check.split_once(": ") else {
        let is_there = listed.contains(check);
        return (!is_there).then_some("there is no such test in this target");
    };
    let source = fs::read_to_string(Path::new("..").join(file)).unwrap_or_default();
    let mut lines = source.lines().map(str::trim);
    // Its attribute stands just above it.
    let mut is_test = false;
    let is_there = lines.any(|line| {
        let was_test = is_test;
        is_test = line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        was_test && line.contains(&format!("fn {name}("))
    });
    let is_of_the_store = file.contains(store) || store == "memory";
    (!is_there || !is_of_the_store).then_some("there is no such test of this store")
}

#[test]
fn each_cell_of_the_table_has_a_check_that_plays_it_and_each_check_a_cell() {
    let page = fs::read_to_string(PAGE).unwrap();
    let stated = stated(&page);
    assert!(stated.len() >= 40, "{}", stated.len());
    let listed = listed();
    let mut problems = Vec::new();
    for (what, store, cell) in &stated {
        let mut checks = CHECKS
            .iter()
            .filter(|(of, at, _)| of == what && at == store);
        let checks = checks
            .next()
            .map(|(.., checks)| *checks)
            .unwrap_or_default();
        let is_played = *cell != "—" && !cell.ends_with('†');
        if is_played == checks.is_empty() {
            problems.push(format!("{what} at {store}: {} checks", checks.len()));
        }
        for check in checks {
            if let Some(problem) = problem_of(check, store, &listed) {
                problems.push(format!("{what} at {store}: {check}: {problem}"));
            }
        }
    }
    for (what, store, _) in &CHECKS {
        if !stated.iter().any(|(of, at, _)| of == what && at == store) {
            problems.push(format!("{what} at {store} is not in the table"));
        }
    }
    assert_eq!(problems, <[String; 0]>::default());
}

#[test]
fn a_row_without_a_check_is_noticed() {
    let stated = stated("//! | `burnt`: by a fire | — | gone † | gone | — |\n//! | else |\n");
    let cells: Vec<_> = stated.iter().map(|(.., cell)| cell.as_str()).collect();
    assert_eq!(cells, ["—", "gone †", "gone", "—"]);
    let listed = BTreeSet::from(["faults::redis::burns".to_owned()]);
    assert!(problem_of("faults::redis::burns", "redis", &listed).is_none());
    assert!(problem_of("faults::postgres::burns", "postgres", &listed).is_some());
    assert!(problem_of("tests/store_redis/faults.rs: burns", "redis", &listed).is_some());
    let there = "tests/store_redis/faults.rs: a_replica_neither_takes_nor_says_anything";
    assert!(problem_of(there, "redis", &listed).is_none());
    assert!(problem_of(there, "postgres", &listed).is_some());
}
