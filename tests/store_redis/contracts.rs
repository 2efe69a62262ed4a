//! What every store owes: by one client, by one that is new for each question, and by two.

use portcullis_core::RevocationStore as _;
use portcullis_testing::{
    api_key_contract::ApiKeyPromise,
    api_key_store_contract,
    quota_contract::QuotaPromise,
    quota_store_contract,
    replay_contract::ReplayPromise,
    replay_store_contract,
    revocation_contract::RevocationPromise,
    revocation_store_contract, session_store_contract,
    store_contract::{ByTurns, Reopened, StorePromise},
};

use portcullis_tests::{
    patience::until,
    servers,
    stores::{Place as _, redis::RedisServer},
};

session_store_contract!(sessions, async {
    RedisServer::start().await.stores().await.sessions()
});

session_store_contract!(sessions_reopened, async {
    let server = RedisServer::start().await;
    Reopened::new(move || server.lazy_client().sessions())
});

session_store_contract!(sessions_by_turns, async {
    let server = RedisServer::start().await;
    ByTurns::new(
        server.stores().await.sessions(),
        server.stores().await.sessions(),
    )
});

revocation_store_contract!(revocations, async {
    RedisServer::start().await.stores().await.revocations()
});

replay_store_contract!(replays, async {
    RedisServer::start().await.stores().await.replays()
});

api_key_store_contract!(api_keys, async {
    RedisServer::start().await.stores().await.api_keys()
});

quota_store_contract!(quotas, async {
    RedisServer::start().await.stores().await.quotas()
});

quota_store_contract!(quotas_reopened, async {
    let server = RedisServer::start().await;
    Reopened::new(move || server.lazy_client().quotas())
});

quota_store_contract!(quotas_by_turns, async {
    let server = RedisServer::start().await;
    ByTurns::new(
        server.stores().await.quotas(),
        server.stores().await.quotas(),
    )
});

/// A cluster of one server has all slots, and still refuses a script that touches two.
#[test]
fn every_script_keeps_to_one_slot_of_a_cluster() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(cluster());
    let client = |name: String| {
        let builder = server.builder().with_prefix(name);
        async { builder.connect().await.unwrap() }
    };
    for (n, promise) in StorePromise::ALL.iter().enumerate() {
        promise.prove(async { client(format!("s{n}")).await.sessions() });
    }
    for (n, promise) in RevocationPromise::ALL.iter().enumerate() {
        promise.prove(async { client(format!("r{n}")).await.revocations() });
    }
    for (n, promise) in ReplayPromise::ALL.iter().enumerate() {
        promise.prove(async { client(format!("p{n}")).await.replays() });
    }
    for (n, promise) in ApiKeyPromise::ALL.iter().enumerate() {
        promise.prove(async { client(format!("k{n}")).await.api_keys() });
    }
    for (n, promise) in QuotaPromise::ALL.iter().enumerate() {
        promise.prove(async { client(format!("q{n}")).await.quotas() });
    }
}

async fn cluster() -> RedisServer {
    let cluster = ["--cluster-enabled", "yes", "--cluster-port", "{port}"];
    let server = RedisServer::start_with(servers::redis().add_args(cluster)).await;
    server.say("CLUSTER ADDSLOTSRANGE 0 16383");
    let revocations = server.stores().await.revocations();
    until("the cluster", async || revocations.look(&[]).await.is_ok()).await;
    server
}
