//! A guarded agent.
fn main() {}
