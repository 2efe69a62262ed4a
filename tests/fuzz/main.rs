//! Inputs that nobody would write: those of the corpora, and what becomes of them when they are
//! mutated at random.
//!
//! A target is a function over bytes that asserts what holds for every input, and says whether
//! the input was taken. Its corpus lies in `corpus/<name>/`: what a file called `good-…` holds
//! is taken, what a file called `bad-…` holds is not. An input that is found to break a target
//! belongs there, once it is mended.
//!
//! An ordinary run is short and always the same. `cargo xtask fuzz` runs for minutes, each time
//! with another seed.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target is a test: it panics where something does not hold"
)]

mod corpus;
mod engine;
mod length;
mod mutation;
mod shrinking;
mod targets;

use engine::{Target, run};
use targets::{
    api_key, api_key_record, audit_log, authorization, certificate_header, claims, cookie, dpop,
    forwarded, introspection, key_set, logout_token, mcp_session, path, rpc_call, security_event,
    session, token, trace_parent,
};

/// One test each below, and one folder each in `corpus/`.
const TARGETS: [&Target; 19] = [
    &api_key::TARGET,
    &api_key_record::TARGET,
    &audit_log::TARGET,
    &authorization::TARGET,
    &certificate_header::TARGET,
    &claims::TARGET,
    &cookie::TARGET,
    &dpop::TARGET,
    &forwarded::TARGET,
    &introspection::TARGET,
    &key_set::TARGET,
    &logout_token::TARGET,
    &mcp_session::TARGET,
    &path::TARGET,
    &rpc_call::TARGET,
    &security_event::TARGET,
    &session::TARGET,
    &token::TARGET,
    &trace_parent::TARGET,
];

#[test]
fn api_key() {
    run(&api_key::TARGET);
}

#[test]
fn api_key_record() {
    run(&api_key_record::TARGET);
}

#[test]
fn audit_log() {
    run(&audit_log::TARGET);
}

#[test]
fn authorization() {
    run(&authorization::TARGET);
}

#[test]
fn certificate_header() {
    run(&certificate_header::TARGET);
}

#[test]
fn dpop() {
    run(&dpop::TARGET);
}

#[test]
fn claims() {
    run(&claims::TARGET);
}

#[test]
fn cookie() {
    run(&cookie::TARGET);
}

#[test]
fn forwarded() {
    run(&forwarded::TARGET);
}

#[test]
fn introspection() {
    run(&introspection::TARGET);
}

#[test]
fn key_set() {
    run(&key_set::TARGET);
}

#[test]
fn logout_token() {
    run(&logout_token::TARGET);
}

#[test]
fn mcp_session() {
    run(&mcp_session::TARGET);
}

#[test]
fn path() {
    run(&path::TARGET);
}

#[test]
fn rpc_call() {
    run(&rpc_call::TARGET);
}

#[test]
fn security_event() {
    run(&security_event::TARGET);
}

#[test]
fn session() {
    run(&session::TARGET);
}

#[test]
fn token() {
    run(&token::TARGET);
}

#[test]
fn trace_parent() {
    run(&trace_parent::TARGET);
}

/// What `cargo xtask fuzz` can be asked for are the folders.
#[test]
fn every_corpus_has_a_target() {
    assert_eq!(corpus::names(), TARGETS.map(|target| target.name));
}
