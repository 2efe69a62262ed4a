//! What the file looks like, byte for byte.

use std::{fs, path::Path, process};

use portcullis_core::{
    Change, Commit, EndReason, EvidenceKind, ReplayKey, ReplayOwner, ReplayStore as _, Revision,
    RevocationStore as _, RevokedKey, SessionState, SessionStore as _, Taken, Timestamp,
    api_keys::{ApiKeyStore as _, Grant, KeyHash, StoredKey},
};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableHandle as _};

use super::{DAY, Folder, SECOND, START, owner, put, record};
use crate::{
    OpenError, Redb, file,
    tables::{self, META, VERSION},
};

const GOLDEN: &str = include_str!("../../golden/schema-1.txt");

#[tokio::test]
async fn the_file_is_written_as_its_version_says() {
    let folder = Folder::new();
    let redb = Redb::open(folder.file()).unwrap();
    assert_eq!(put(&redb, 1, record(1), START).await, Commit::Done);
    let mut standing = record(2);
    standing.kind = EvidenceKind::Standing;
    standing.state = SessionState::Ended(START, EndReason::Ended);
    assert_eq!(put(&redb, 2, standing, START).await, Commit::Done);
    // One who comes, is over, and is forgotten when the next one comes.
    let mut old = record(3);
    old.ends_at = START - 40 * DAY;
    assert_eq!(put(&redb, 3, old, START - 50 * DAY).await, Commit::Done);
    assert_eq!(put(&redb, 4, record(4), START).await, Commit::Done);
    let revocations = redb.revocations();
    for (key, until) in [(5, START + DAY), (6, Timestamp::MAX)] {
        let revoked = revocations.revoke(RevokedKey::from_u128(key), START, until, START);
        revoked.await.unwrap();
    }
    let (user, key) = (ReplayOwner::from_u128(7), ReplayKey::from_u128(8));
    let taken = redb.replays().take(user, key, START + SECOND, START).await;
    assert_eq!(taken.unwrap(), Taken::Fresh);
    let grant = Grant::for_user("alice");
    let key = StoredKey::new("key000000000001", KeyHash::from_bytes([9; 32]), grant);
    let put = redb.api_keys().put(key).await;
    assert_eq!(put.unwrap(), Commit::Done);
    drop((redb, revocations));
    let written = dump(&folder.file());
    assert_eq!(
        written, GOLDEN,
        "another layout is another version, and reads this one"
    );
}

#[test]
fn a_file_of_another_version_is_left_as_it_is() {
    let folder = Folder::new();
    let path = folder.file();
    drop(Redb::open(&path).unwrap());
    for (version, is_newer) in [(2, true), (u64::MAX, true), (0, false)] {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let bytes = u64::to_be_bytes(version);
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert(VERSION, &bytes[..]).unwrap();
        drop(meta);
        transaction.commit().unwrap();
        drop(database);
        let refused = Redb::open(&path).unwrap_err();
        let said = refused.to_string();
        assert!(said.starts_with(&*path.to_string_lossy()), "{said}");
        match refused {
            OpenError::Newer(_) => assert!(is_newer && said.contains(&version.to_string())),
            OpenError::Damaged(_) => assert!(!is_newer),
            other => panic!("{other}"),
        }
    }
}

/// A newer program beside this one, or before it.
#[tokio::test]
async fn sessions_of_a_later_version_are_an_error_and_stay_as_they_are() {
    let folder = Folder::new();
    let path = folder.file();
    let redb = Redb::open(&path).unwrap();
    assert_eq!(put(&redb, 1, record(1), START).await, Commit::Done);
    drop(redb);
    let key = owner(1).as_u128().to_be_bytes();
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut rows = transaction.open_table(tables::SESSIONS).unwrap();
    let mut row = rows.get(&key[..]).unwrap().unwrap().value().to_vec();
    row[8] = 3;
    rows.insert(&key[..], &row[..]).unwrap();
    drop(rows);
    transaction.commit().unwrap();
    drop(database);

    let redb = Redb::open(&path).unwrap();
    let sessions = redb.sessions();
    let said = sessions.load(owner(1)).await.unwrap_err().to_string();
    assert!(said.contains("has version 3"), "{said}");
    let changes = || vec![Change::Put(record(1)), Change::Remove(record(9).key)];
    for expected in [0, 1, 2] {
        let expected = Revision::from_u64(expected);
        let commit = sessions.commit(owner(1), expected, changes(), START);
        assert!(commit.await.is_err());
    }
    let touched = sessions.touch(owner(1), record(1).key, record(1).id, START + SECOND);
    assert!(touched.await.is_err());
    // Others are none the worse for it.
    assert_eq!(put(&redb, 2, record(2), START).await, Commit::Done);
    drop((redb, sessions));
    let database = Database::open(&path).unwrap();
    let rows = database.begin_read().unwrap();
    let rows = rows.open_table(tables::SESSIONS).unwrap();
    assert_eq!(rows.get(&key[..]).unwrap().unwrap().value(), row);
}

#[test]
fn what_an_interrupted_start_has_left_is_in_nobodys_way() {
    let folder = Folder::new();
    let name = format!("store.redb.new-{}", process::id());
    fs::write(folder.0.join(&name), "unfinished").unwrap();
    drop(file::open(&folder.file()).unwrap());
    assert_eq!(names_in(&folder), ["store.redb", &name]);
}

fn names_in(folder: &Folder) -> Vec<String> {
    let all = fs::read_dir(&folder.0).unwrap();
    let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

/// As in two containers, whose processes have one number.
#[test]
fn many_with_one_number_make_one_file_at_once() {
    for _ in 0..20 {
        let folder = Folder::new();
        let together = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            let making = || {
                together.wait();
                file::make(&folder.file())
            };
            let threads = [(); 4].map(|()| scope.spawn(making));
            for thread in threads {
                thread.join().unwrap().unwrap();
            }
        });
        assert_eq!(names_in(&folder), ["store.redb"]);
        drop(file::open(&folder.file()).unwrap());
    }
}

#[test]
fn where_there_are_no_links_nothing_is_replaced_either() {
    let folder = Folder::new();
    let (one, other) = (folder.0.join("one"), folder.0.join("other"));
    fs::write(&one, "one").unwrap();
    fs::write(&other, "other").unwrap();
    for from in [&one, &other] {
        file::put_without_link(from, &folder.file()).unwrap();
        assert_eq!(fs::read(folder.file()).unwrap(), b"one");
    }
}

/// What stands in all tables.
fn dump(path: &Path) -> String {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_read().unwrap();
    let mut text = String::new();
    for table in tables::ALL {
        for row in transaction.open_table(table).unwrap().iter().unwrap() {
            let (key, value) = row.unwrap();
            let key = match table.name() {
                "meta" => String::from_utf8(key.value().to_vec()).unwrap(),
                _ => hex(key.value()),
            };
            text.push_str(&format!(
                "{} {key} = {}\n",
                table.name(),
                hex(value.value())
            ));
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
