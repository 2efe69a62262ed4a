//! The kinds of stores that there are, as tests have them: each at a place of its own, which can
//! fail in all the ways of its kind.

pub mod front;
pub mod kept;
pub mod memory;
pub mod postgres;
pub mod redb;
pub mod redis;

use portcullis::{
    Clock, Timestamp,
    api_keys::ApiKeyStore,
    redb::Redb,
    revocation::{ReplayStore, RevocationStore},
    session::SessionStore,
    signal::SignalBus,
};
use portcullis_store_postgres::Postgres;
use portcullis_store_redis::Redis;
use portcullis_testing::clock::VirtualClock;

use self::front::Front;
use crate::node::Node;

/// What a gate keeps at one place. Clones are the same stores.
pub trait Stores: Clone + Send + Sync + 'static {
    /// Its store of sessions.
    type Sessions: SessionStore + Clone;
    /// Its store of revocations.
    type Revocations: RevocationStore + Clone;

    /// Its store of sessions.
    fn sessions(&self) -> Self::Sessions;
    /// Its store of revocations.
    fn revocations(&self) -> Self::Revocations;
}

/// Stores of all four kinds of things.
pub trait AllStores: Stores {
    /// Its store of one-time credentials.
    type Replays: ReplayStore;
    /// Its store of API keys.
    type ApiKeys: ApiKeyStore;

    /// Its store of one-time credentials.
    fn replays(&self) -> Self::Replays;
    /// Its store of API keys.
    fn api_keys(&self) -> Self::ApiKeys;
    /// Says that API keys which are gone are to be gone.
    fn accept_loss(&self) {}
}

macro_rules! all_stores {
    ($($type:ty: $sessions:ty, $revocations:ty, $replays:ty, $api_keys:ty, [$($accept:ident)?];)*) => {$(
        impl Stores for $type {
            type Sessions = $sessions;
            type Revocations = $revocations;

            fn sessions(&self) -> $sessions {
                Self::sessions(self)
            }

            fn revocations(&self) -> $revocations {
                Self::revocations(self)
            }
        }

        impl AllStores for $type {
            type Replays = $replays;
            type ApiKeys = $api_keys;

            fn replays(&self) -> $replays {
                Self::replays(self)
            }

            fn api_keys(&self) -> $api_keys {
                Self::api_keys(self)
            }

            $(fn $accept(&self) {
                Self::api_keys(self).$accept();
            })?
        }
    )*};
}

all_stores! {
    Redb: portcullis::redb::RedbSessions, portcullis::redb::RedbRevocations,
        portcullis::redb::RedbReplays, portcullis::redb::RedbApiKeys, [];
    Redis: portcullis_store_redis::RedisSessions, portcullis_store_redis::RedisRevocations,
        portcullis_store_redis::RedisReplays, portcullis_store_redis::RedisApiKeys, [accept_loss];
    Postgres: portcullis_store_postgres::PostgresSessions,
        portcullis_store_postgres::PostgresRevocations,
        portcullis_store_postgres::PostgresReplays, portcullis_store_postgres::PostgresApiKeys, [accept_loss];
}

/// Where stores are kept, and the time there. Clones are the same place.
#[expect(async_fn_in_trait, reason = "no test asks for more of these futures")]
pub trait Place: Clock + Clone {
    /// What is kept there.
    type Stores: Stores;
    /// How the servers that share it hear of each other.
    type Signals: SignalBus + Clone;
    /// Whether what is there outlasts that all of it is stopped.
    const LASTS: bool;

    /// One that this test has for itself, as far as it does not spoil it.
    async fn start() -> Self;

    /// One that this test can stop.
    async fn start_own() -> Self;

    /// Its stores as one more server has them, by a connection of its own if there is one.
    async fn stores(&self) -> Self::Stores;

    /// What such a server hears by.
    fn signals(&self, stores: &Self::Stores) -> Self::Signals;

    /// Stops and starts all of it. Nobody may hold stores of it meanwhile whom it does not serve by
    /// a process of its own.
    async fn restart(&self);

    /// The clock of everybody there.
    fn clock(&self) -> &VirtualClock;

    /// The same place, as a server has it whose clock is another.
    #[must_use]
    fn by_clock(&self, clock: VirtualClock) -> Self;

    /// One of the servers that share it.
    fn node(&self, stores: &Self::Stores) -> Node {
        self.node_by(self.clone(), stores)
    }

    /// The same by a clock of its own.
    fn node_by(&self, clock: impl Clock, stores: &Self::Stores) -> Node {
        let signals = self.signals(stores);
        Node::new(clock, stores.sessions(), stores.revocations(), signals)
    }

    /// Two servers that share it.
    async fn two_nodes(&self) -> [Node; 2] {
        let (one, other) = (self.stores().await, self.stores().await);
        [self.node(&one), self.node(&other)]
    }
}

/// A place with a process that serves it.
#[expect(async_fn_in_trait, reason = "no test asks for more of these futures")]
pub trait Served: Place<Stores: AllStores> {
    /// What the stores call it in their errors.
    const NAME: &'static str;

    /// Where it listens.
    fn socket(&self) -> String;

    /// Kills it, as a crash does.
    fn kill(&self);

    /// Starts it where it was, after it has stopped.
    async fn go_on(&self);

    /// Removes all that it has kept, while it is stopped.
    fn wipe(&self);

    /// Has it stand still, or no longer.
    fn set_still(&self, is_still: bool);

    /// Has it be a replica that hears nothing of its primary any more.
    async fn stand_by(&self);

    /// Has it be the primary.
    async fn promote(&self);

    /// Its stores by another way.
    async fn stores_by(&self, front: &Front) -> Self::Stores;
}

/// When each of these clocks starts.
pub const START: Timestamp = VirtualClock::START;

/// Places are clocks as well: whatever has one keeps the place.
macro_rules! clock_of_its_own {
    ($type:ty) => {
        impl portcullis::Clock for $type {
            fn now(&self) -> portcullis::Timestamp {
                self.clock.now()
            }

            fn instant(&self) -> std::time::Instant {
                self.clock.instant()
            }

            fn sleep_until(&self, deadline: std::time::Instant) -> portcullis_core::Sleep {
                self.clock.sleep_until(deadline)
            }
        }
    };
}
pub(crate) use clock_of_its_own;

/// Sends a process a signal.
fn signal(signal: &str, process: &str) {
    assert!(try_signal(signal, process), "{signal}");
}

/// The same, if it is there. Says whether it is.
fn try_signal(signal: &str, process: &str) -> bool {
    // The shell's own: a bare system has no program of that name.
    let kill = format!("kill -s {signal} {process} 2>/dev/null");
    let sent = std::process::Command::new("sh")
        .args(["-c", &kill])
        .status();
    sent.is_ok_and(|status| status.success())
}
