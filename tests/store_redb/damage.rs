//! A file that is not as it was written is an error, and never a store that has lost something.

use std::{fs, path::Path};

use portcullis_store_redb::{OpenError, Redb};
use portcullis_tests::folder::TestFolder;

use portcullis_tests::stores::{
    kept::{ID, assert_kept, fill, records},
    redb::place,
};

use crate::filled;

/// Opens a file with these bytes: it is an error that names the file, which stays as it is, or
/// nothing is missing. Says whether it was an error.
async fn is_noticed(path: &Path, bytes: &[u8]) -> bool {
    fs::write(path, bytes).unwrap();
    match Redb::open(path) {
        Ok(redb) => {
            assert_kept(&redb).await;
            false
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains(&*path.to_string_lossy()), "{said}");
            assert!(matches!(error, OpenError::Damaged(_)), "{error:?}");
            true
        }
    }
}

#[tokio::test]
async fn whatever_is_damaged_is_noticed_or_was_of_no_use() {
    let folder = TestFolder::in_memory();
    let path = place(&folder);
    filled(&path).await;
    let closed = fs::read(&path).unwrap();
    // What a process leaves that is killed.
    let redb = Redb::open(&path).unwrap();
    let killed = fs::read(&path).unwrap();
    drop(redb);
    let crashed = TestFolder::in_memory();
    let path = place(&crashed);
    for whole in [closed, killed] {
        assert!(!is_noticed(&path, &whole).await, "as it was");
        // Wherever it stands, also where it stood before.
        for kept in [ID.as_bytes(), &[1; 32], &records()[1].to_bytes()[1..]] {
            let mut bytes = whole.clone();
            let found = |at: &usize| whole[*at..].starts_with(kept);
            let places: Vec<_> = (0..whole.len()).filter(found).collect();
            assert!(!places.is_empty());
            places.iter().for_each(|at| bytes[*at] ^= 0x10);
            assert!(is_noticed(&path, &bytes).await, "{places:?}");
        }
        let used: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        let every = used.len().div_ceil(150);
        for at in used.into_iter().step_by(every) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            is_noticed(&path, &bytes).await;
        }
        for kept in [0, 1, 100, 4096, whole.len() / 2, whole.len() - 1] {
            let is_error = is_noticed(&path, &whole[..kept]).await;
            assert!(is_error, "the first {kept} bytes");
        }
        let page = 4096;
        let zeroed: Vec<_> = (0..whole.len() / page)
            .filter(|n| {
                whole[n * page..(n + 1) * page]
                    .iter()
                    .any(|byte| *byte != 0)
            })
            .collect();
        for number in zeroed {
            let mut bytes = whole.clone();
            bytes[number * page..(number + 1) * page].fill(0);
            is_noticed(&path, &bytes).await;
        }
    }
    for strange in [&b"hello"[..], &[0; 8192], &[0xff; 8192]] {
        assert!(is_noticed(&path, strange).await);
        assert_eq!(fs::read(&path).unwrap(), strange, "it is left as it is");
    }
}

/// What was answered last is not taken for what was being written when the process was killed: the
/// file would go back by it in silence.
#[tokio::test]
async fn a_file_that_was_being_used_goes_back_by_nothing_that_was_answered() {
    let folder = TestFolder::in_memory();
    let path = place(&folder);
    let redb = Redb::open(&path).unwrap();
    let before = fs::read(&path).unwrap();
    fill(&redb).await;
    let after = fs::read(&path).unwrap();
    drop(redb);
    let crashed = TestFolder::in_memory();
    let path = place(&crashed);
    assert!(!is_noticed(&path, &after).await, "as it was");
    let is_new = |at: &usize| before.get(*at) != after.get(*at);
    let new: Vec<_> = (0..after.len()).filter(is_new).collect();
    let every = new.len().div_ceil(200);
    for at in new.into_iter().step_by(every) {
        let mut bytes = after.clone();
        bytes[at] ^= 0x10;
        is_noticed(&path, &bytes).await;
    }
}
