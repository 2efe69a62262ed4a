//! What every store owes: by one, and by one that is opened anew for each question.

use std::path::PathBuf;

use portcullis_core::{
    Change, Commit, OwnerKey, Revision, SessionId, SessionKey, SessionStore, Sessions, StoreError,
    Timestamp,
};
use portcullis_store_redb::{Redb, RedbSessions};
use portcullis_testing::{
    api_key_store_contract, replay_store_contract, revocation_store_contract,
    session_store_contract,
};
use portcullis_tests::folder::TestFolder;
use tokio::sync::Mutex;

use portcullis_tests::stores::redb::place;

/// A file that no folder has any more, once it is open: it lasts as long as that.
fn open() -> Redb {
    let folder = TestFolder::in_memory();
    Redb::open(place(&folder)).unwrap()
}

session_store_contract!(sessions, async { open().sessions() });

session_store_contract!(sessions_reopened, async { Reopened::new() });

revocation_store_contract!(revocations, async { open().revocations() });

replay_store_contract!(replays, async { open().replays() });

api_key_store_contract!(api_keys, async { open().api_keys() });

/// As many questions are asked of a file that is opened for each of them. What comes later finds a
/// larger file, which takes longer to be opened, and has it opened each twentieth time.
const ONE_BY_ONE: u32 = 2000;

/// Closes the file and opens it anew between one question and the next. A file is open once, so
/// whoever asks waits for the others.
struct Reopened {
    path: PathBuf,
    turn: Mutex<Turn>,
    _folder: TestFolder,
}

#[derive(Default)]
struct Turn {
    asked: u32,
    open: Option<RedbSessions>,
}

impl Reopened {
    fn new() -> Self {
        let folder = TestFolder::in_memory();
        Self {
            path: place(&folder),
            turn: Mutex::default(),
            _folder: folder,
        }
    }

    fn next<'t>(&self, turn: &'t mut Turn) -> &'t RedbSessions {
        turn.asked += 1;
        if turn.asked < ONE_BY_ONE || turn.asked.is_multiple_of(20) {
            turn.open = None;
        }
        let open = || Redb::open(&self.path).unwrap().sessions();
        turn.open.get_or_insert_with(open)
    }
}

impl SessionStore for Reopened {
    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        let mut turn = self.turn.lock().await;
        self.next(&mut turn).load(owner).await
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let mut turn = self.turn.lock().await;
        let sessions = self.next(&mut turn);
        sessions.commit(owner, expected, changes, now).await
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut turn = self.turn.lock().await;
        self.next(&mut turn).touch(owner, key, id, at).await
    }

    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        let mut turn = self.turn.try_lock().unwrap();
        self.next(&mut turn).forgotten(owner)
    }
}
