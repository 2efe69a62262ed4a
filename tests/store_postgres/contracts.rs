//! What every store owes: by one client, by one that is new for each question, and by two.

use portcullis_testing::{
    api_key_store_contract,
    quota_contract::QuotaPromise,
    quota_store_contract, replay_store_contract, revocation_store_contract, session_store_contract,
    store_contract::{ByTurns, Reopened, StorePromise},
};

use portcullis_tests::stores::{Place as _, postgres::PostgresServer};

session_store_contract!(sessions, async {
    PostgresServer::start().await.stores().await.sessions()
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
            let server = PostgresServer::start().await;
            Reopened::new(move || server.lazy_client().sessions())
        });
    }
}

session_store_contract!(sessions_by_turns, async {
    let server = PostgresServer::start().await;
    ByTurns::new(
        server.stores().await.sessions(),
        server.stores().await.sessions(),
    )
});

revocation_store_contract!(revocations, async {
    PostgresServer::start().await.stores().await.revocations()
});

replay_store_contract!(replays, async {
    PostgresServer::start().await.stores().await.replays()
});

api_key_store_contract!(api_keys, async {
    PostgresServer::start().await.stores().await.api_keys()
});

quota_store_contract!(quotas, async {
    PostgresServer::start().await.stores().await.quotas()
});

quota_store_contract!(quotas_by_turns, async {
    let server = PostgresServer::start().await;
    ByTurns::new(
        server.stores().await.quotas(),
        server.stores().await.quotas(),
    )
});

#[test]
fn what_was_spent_is_there_for_one_that_is_new_for_each_question() {
    for promise in [
        QuotaPromise::ChargesAllOrNone,
        QuotaPromise::ComesBackOneByOne,
    ] {
        promise.prove(async {
            let server = PostgresServer::start().await;
            Reopened::new(move || server.lazy_client().quotas())
        });
    }
}
