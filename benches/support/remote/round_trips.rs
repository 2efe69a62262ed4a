//! How often a request whose session is not known goes to its store and back, counted on the way.

use http::HeaderValue;
use portcullis::{
    Secret,
    postgres::Postgres,
    redis::Redis,
    session::{SessionBuilder, SessionLayer},
    stack::{Complete, StackBuilder},
};
use portcullis_tests::{folder::TestFolder, servers};

use super::{Remote, Way, router, send};
use crate::requests::request_from_peer;

/// How many servers are begun anew, each of which knows nothing yet.
const SERVERS: usize = 20;

impl Remote {
    /// The round trips in sequence of the first request to a server, by somebody who has a session: the
    /// most of many servers.
    ///
    /// # Panics
    ///
    /// Something that has to work does not.
    #[must_use]
    pub fn in_sequence(&self) -> [(&'static str, u64); 2] {
        [
            ("remote.miss.redis", self.over_redis()),
            ("remote.miss.postgres", self.over_postgres()),
        ]
    }

    fn over_redis(&self) -> u64 {
        let home = self.server.home();
        let far = home.join("far.sock");
        let way = Way::start(&far, &home.join("redis.sock"));
        let redis = Redis::connect(format!("unix://{}", far.display()));
        let redis = self.runtime.block_on(redis).expect("redis answers");
        // What servers tell each other goes its own way.
        let signals = self.redis.clone();
        self.most(&way, |stack, session| {
            stack
                .with_session(session.with_store(redis.sessions()))
                .with_revocations(redis.revocations())
                .with_signals(signals.signals())
        })
    }

    fn over_postgres(&self) -> u64 {
        const SOCKET: &str = ".s.PGSQL.5432";
        let (folder, beside) = (TestFolder::new(), TestFolder::new());
        folder.make();
        beside.make();
        let server = servers::postgres(folder.path()).add_args(["-h", ""]);
        let server = self.runtime.block_on(server.start());
        let way = Way::start(&beside.path().join(SOCKET), &folder.path().join(SOCKET));
        let at = |folder: &TestFolder| {
            let folder = folder.path().display();
            format!("postgres://postgres@/postgres?host={folder}")
        };
        let connect = |at| self.runtime.block_on(Postgres::connect(at));
        let postgres = connect(at(&beside)).expect("postgres answers");
        let signals = connect(at(&folder)).expect("postgres answers");
        let most = self.most(&way, |stack, session| {
            stack
                .with_session(session.with_store(postgres.sessions()))
                .with_revocations(postgres.revocations())
                .with_signals(signals.signals())
        });
        drop(server);
        most
    }

    fn most(
        &self,
        way: &Way,
        keep: impl Fn(StackBuilder<Complete>, SessionBuilder) -> StackBuilder<Complete>,
    ) -> u64 {
        let credential = self.credential();
        // Opens the session, and the connections.
        for _ in 0..3 {
            self.of_one(way, &keep, &credential);
        }
        let each = (0..SERVERS).map(|_| self.of_one(way, &keep, &credential));
        each.max().unwrap_or_default()
    }

    fn of_one(
        &self,
        way: &Way,
        keep: impl Fn(StackBuilder<Complete>, SessionBuilder) -> StackBuilder<Complete>,
        credential: &HeaderValue,
    ) -> u64 {
        let session = SessionLayer::builder().with_key(Secret::new([7; 16]));
        let (gate, _handle) = keep(self.stack(), session)
            .with_revocation_key(Secret::new([8; 16]))
            .with_cache(1000)
            .build()
            .expect("the settings work");
        let mut service = gate.guard(router());
        let before = way.in_sequence();
        send(self.runtime, &mut service, request_from_peer(credential));
        way.in_sequence() - before
    }
}
