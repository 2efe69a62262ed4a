//! What every store owes: by one client, by one that is new for each question, and by two.

use portcullis_testing::{
    api_key_store_contract,
    quota_contract::QuotaPromise,
    quota_store_contract, replay_store_contract, revocation_store_contract, session_store_contract,
    store_contract::{ByTurns, Reopened, StorePromise},
};

use crate::server::Server;

session_store_contract!(sessions, async {
    Server::start().await.client().await.sessions()
});

/// Each question starts a process of the server, so it is asked for what a connection could keep to
/// itself, and not for thousands of owners.
#[test]
fn what_is_kept_is_there_for_one_that_is_new_for_each_question() {
    for promise in [
        StorePromise::RefusesAnOldRevision,
        StorePromise::TouchesTheLiving,
    ] {
        promise.prove(async {
            let server = Server::start().await;
            Reopened::new(move || server.lazy_client().sessions())
        });
    }
}

session_store_contract!(sessions_by_turns, async {
    let server = Server::start().await;
    ByTurns::new(
        server.client().await.sessions(),
        server.client().await.sessions(),
    )
});

revocation_store_contract!(revocations, async {
    Server::start().await.client().await.revocations()
});

replay_store_contract!(replays, async {
    Server::start().await.client().await.replays()
});

api_key_store_contract!(api_keys, async {
    Server::start().await.client().await.api_keys()
});

quota_store_contract!(quotas, async {
    Server::start().await.client().await.quotas()
});

quota_store_contract!(quotas_by_turns, async {
    let server = Server::start().await;
    ByTurns::new(
        server.client().await.quotas(),
        server.client().await.quotas(),
    )
});

#[test]
fn what_was_spent_is_there_for_one_that_is_new_for_each_question() {
    for promise in [
        QuotaPromise::ChargesAllOrNone,
        QuotaPromise::ComesBackOneByOne,
    ] {
        promise.prove(async {
            let server = Server::start().await;
            Reopened::new(move || server.lazy_client().quotas())
        });
    }
}
