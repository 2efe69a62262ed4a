//! Settings, files that cannot be used, and what is said of them.

use std::{fs, time::Duration};

use portcullis_core::{ReplayStore as _, RevocationStore as _, SessionStore as _, StoreError};
use portcullis_store_redb::{OpenError, Redb};
use portcullis_tests::{folder::TestFolder, logs::Logs};
use tracing::Level;

use portcullis_tests::stores::{
    kept::{OWNER, assert_kept, fill},
    redb::place,
};

use crate::filled;

#[test]
fn settings_that_cannot_work_are_all_named_at_once() {
    let folder = TestFolder::new();
    let path = place(&folder);
    let refused = Redb::builder(&path)
        .with_retention(Duration::from_secs(1))
        .with_max_sessions(0)
        .with_sessions_per_owner(0)
        .with_max_revocations(0)
        .with_max_replays(0)
        .with_replays_per_owner(0)
        .with_max_api_keys(0)
        .open()
        .unwrap_err();
    let OpenError::Settings(problems) = refused else {
        unreachable!("{refused}")
    };
    let named: Vec<_> = problems.iter().map(|error| error.setting()).collect();
    let expected = [
        "with_retention",
        "with_max_sessions",
        "with_sessions_per_owner",
        "with_max_revocations",
        "with_max_replays",
        "with_replays_per_owner",
        "with_max_api_keys",
    ];
    assert_eq!(named, expected);
    assert!(!path.exists(), "nothing is made");
}

#[tokio::test]
async fn all_is_there_after_a_restart_and_nothing_shows_it() {
    let folder = TestFolder::new();
    let path = place(&folder);
    filled(&path).await;
    for _ in 0..2 {
        let redb = Redb::open(&path).unwrap();
        assert_kept(&redb).await;
        assert!(!redb.sessions().is_volatile());
        assert!(!redb.revocations().is_volatile());
        assert!(!redb.replays().is_volatile());
        let shown = format!("{redb:?} {:?} {:?}", redb.sessions(), redb.api_keys());
        assert!(!shown.contains("alice"), "{shown}");
        assert!(shown.contains("store.redb"), "{shown}");
    }
}

#[tokio::test]
async fn a_file_is_open_once_until_the_last_store_of_it_is_dropped() {
    let folder = TestFolder::new();
    let path = place(&folder);
    let redb = Redb::open(&path).unwrap();
    let sessions = redb.sessions();
    fill(&redb).await;
    drop(redb);
    for _ in 0..2 {
        let refused = Redb::open(&path).unwrap_err();
        assert!(matches!(refused, OpenError::InUse(_)), "{refused:?}");
        assert!(refused.to_string().contains("store.redb"), "{refused}");
    }
    assert_eq!(sessions.load(OWNER).await.unwrap().records.len(), 2);
    drop(sessions);
    assert_kept(&Redb::open(&path).unwrap()).await;
}

#[test]
fn a_place_where_nothing_can_be_is_an_error() {
    let folder = TestFolder::new();
    let path = place(&folder);
    let nowhere = folder.path().join("missing/store.redb");
    for path in [&nowhere, folder.path()] {
        let refused = Redb::open(path).unwrap_err();
        assert!(matches!(refused, OpenError::Unreadable(_)), "{refused:?}");
        let said = refused.to_string();
        assert!(said.contains(&*path.to_string_lossy()), "{said}");
    }
    fs::create_dir(&path).unwrap();
    Redb::open(&path).unwrap_err();
}

#[test]
fn nothing_is_asked_outside_of_a_runtime() {
    let folder = TestFolder::new();
    let redb = Redb::open(place(&folder)).unwrap();
    let sessions = redb.sessions();
    let mut load = Box::pin(sessions.load(OWNER));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = load.as_mut().poll(&mut context) else {
        unreachable!("nobody could answer it");
    };
    let _: StoreError = error;
}

#[cfg(unix)]
#[test]
fn a_file_is_made_for_its_owner_alone_and_one_that_is_open_to_others_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = TestFolder::new();
    let path = place(&folder);
    let (logs, _listening) = Logs::listen();
    drop(Redb::open(&path).unwrap());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(Redb::open(&path).unwrap());
    assert_eq!(logs.lines(Level::WARN), [""; 0]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    drop(Redb::open(&path).unwrap());
    let warned = logs.lines(Level::WARN);
    assert_eq!(warned.len(), 1);
    assert!(warned[0].contains("640"), "{warned:?}");
}
