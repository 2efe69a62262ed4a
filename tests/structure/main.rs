//! What holds for the workspace as a whole: who may depend on whom, that every source
//! is compiled by something, and the habits that no compiler knows.
//!
//! Every rule is a function from what was read to a list of complaints, and beside each
//! stands a test that gives it something bad: a rule that cannot complain is no rule.

mod arrows;
mod bans;
mod documents;
mod orphans;
mod pages;
mod tree;

use std::error::Error;

use cargo_metadata::{Metadata, MetadataCommand};

/// What cargo knows about our own crates.
fn metadata() -> Result<Metadata, Box<dyn Error>> {
    Ok(MetadataCommand::new()
        .manifest_path(tree::root().join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--locked".to_owned()])
        .exec()?)
}

/// Shows all complaints at once, each on a line of its own.
#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
