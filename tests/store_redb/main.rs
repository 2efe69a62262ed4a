//! Stores in one file, on a real disk.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod contracts;
mod damage;
mod kill;
mod settings;

use std::path::Path;

use portcullis_store_redb::Redb;
use portcullis_tests::stores::kept::{assert_kept, fill};

/// A file in which [`fill`] has kept something, closed in good order.
async fn filled(path: &Path) {
    let redb = Redb::open(path).unwrap();
    fill(&redb).await;
    assert_kept(&redb).await;
}
