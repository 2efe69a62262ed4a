//! What a caller may still ask for: the decision itself.

use std::time::Duration;

use http::{StatusCode, request::Parts};
use portcullis_core::{AlreadyHashed, ReasonCode};

use super::key::{Key, Keys};
use crate::{
    exchange::{Exchange, Slot},
    frame::{Decision, Step},
    gcra::{Elapsed, Held, Meter},
    principal::Principal,
    reason,
    refusal::Refusal,
};

pub(super) const LAYER: &str = Slot::Quota.name();

/// The step of the `quota` layer.
pub(crate) struct Count {
    pub(super) keys: Keys,
    pub(super) principals: Option<Meter<Key, AlreadyHashed>>,
    pub(super) clients: Option<Meter<Key, AlreadyHashed>>,
    pub(super) elapsed: Elapsed,
}

/// Whose quota is spent, and how long until a request comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Spent {
    pub(super) code: ReasonCode,
    pub(super) returns_in: Duration,
}

impl Step for Count {
    fn slot(&self) -> Option<Slot> {
        Some(Slot::Quota)
    }

    fn decide(&self, _parts: &mut Parts, exchange: &Exchange) -> Decision {
        // `authn` has let the request in: without a principal, because the route is anonymous.
        // There is nobody to count then.
        let Some(principal) = exchange.principal() else {
            return Decision::Pass;
        };
        match self.spend_of(principal) {
            Ok(()) => Decision::Pass,
            Err(spent) => Decision::Refuse(refusal(spent)),
        }
    }
}

/// The answer to whoever has spent a quota.
pub(super) fn refusal(spent: Spent) -> Refusal {
    Refusal::new(LAYER, StatusCode::TOO_MANY_REQUESTS, spent.code)
        .with_retry_after(spent.returns_in)
}

impl Count {
    /// Spends what a request of this principal costs.
    pub(super) fn spend_of(&self, principal: &Principal) -> Result<(), Spent> {
        self.spend(principal.issuer(), principal.subject(), principal.client())
    }

    /// Spends one request of the principal and one of the client, or neither.
    ///
    /// Both are held before either is spent. So a principal that goes on asking does not use
    /// up what the other users of its client have left, and a client that is busy does not
    /// cost a principal what it could have used by way of another.
    fn spend(&self, issuer: &str, subject: &str, client: Option<&str>) -> Result<(), Spent> {
        let now = self.elapsed.now();
        let within = self.keys.within(issuer);
        let client = self.clients.as_ref().zip(client);
        let client = client.map(|(meter, client)| (meter, within.key(client)));
        let go_on = |principal: Cell<'_>| match client {
            Some((meter, key)) => {
                meter.hold(key, now, |client| settle(principal, client.map(Some)))
            }
            None => settle(principal, Ok(None)),
        };
        // Always the principal's first, so that no two requests wait for each other.
        match &self.principals {
            Some(meter) => meter.hold(within.key(subject), now, |held| go_on(held.map(Some))),
            None => go_on(Ok(None)),
        }
    }
}

/// A request of a quota, which there may not be; or how long until there is one.
type Cell<'a> = Result<Option<Held<'a>>, Duration>;

fn settle(principal: Cell<'_>, client: Cell<'_>) -> Result<(), Spent> {
    match (principal, client) {
        (Err(wait), client) if !portcullis_core::sabotaged!("quota.principal") => Err(Spent {
            code: reason::QUOTA_PRINCIPAL,
            // Who has to wait for both would come back in vain after the shorter.
            returns_in: client.map_or_else(|other| wait.max(other), |_| wait),
        }),
        (_, Err(wait)) if !portcullis_core::sabotaged!("quota.client") => Err(Spent {
            code: reason::QUOTA_CLIENT,
            returns_in: wait,
        }),
        both => {
            let held = <[_; 2]>::from(both).into_iter().flatten().flatten();
            held.for_each(Held::spend);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Instant,
    };

    use portcullis_core::{Clock, Sleep, SystemClock, Timestamp};

    use super::*;
    use crate::quota::Quota;

    const ISSUER: &str = "https://idp.example";

    /// A clock that counts seconds.
    #[derive(Debug)]
    struct Seconds {
        start: Instant,
        elapsed: AtomicU64,
    }

    impl Clock for Seconds {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn instant(&self) -> Instant {
            self.start + Duration::from_secs(self.elapsed.load(Ordering::Relaxed))
        }

        fn sleep_until(&self, _: Instant) -> Sleep {
            Sleep::new(std::future::pending())
        }
    }

    struct Counting {
        count: Count,
        clock: Arc<Seconds>,
    }

    impl Counting {
        fn new(principal: Option<Quota>, client: Option<Quota>, capacity: usize) -> Self {
            let clock = Arc::new(Seconds {
                start: SystemClock::new().instant(),
                elapsed: AtomicU64::new(0),
            });
            let meter =
                |quota: Quota| Meter::new(quota.rate().unwrap(), capacity, AlreadyHashed, "");
            Self {
                count: Count {
                    keys: Keys::new().unwrap(),
                    principals: principal.map(meter),
                    clients: client.map(meter),
                    elapsed: Elapsed::new(Arc::clone(&clock) as Arc<dyn Clock>),
                },
                clock,
            }
        }

        fn wait(&self, seconds: u64) {
            self.clock.elapsed.fetch_add(seconds, Ordering::Relaxed);
        }

        /// The reason and the seconds to wait, if it is refused.
        fn ask(&self, subject: &str, client: Option<&str>) -> Option<(&'static str, u64)> {
            let spent = self.count.spend(ISSUER, subject, client).err()?;
            Some((spent.code.as_str(), spent.returns_in.as_secs()))
        }
    }

    #[test]
    fn each_principal_has_a_quota_of_its_own() {
        let quota = Quota::per_minute(6).with_burst(2);
        let counting = Counting::new(Some(quota), None, 100);
        let spent = Some(("quota_principal", 10));
        for asked in [None, None, spent, spent] {
            assert_eq!(counting.ask("alice", None), asked);
        }
        // Another client does not bring another quota, and another issuer's alice is another.
        assert_eq!(counting.ask("alice", Some("app")), spent);
        assert_eq!(counting.ask("bob", None), None);
        let other = "https://other.example";
        assert_eq!(counting.count.spend(other, "alice", None), Ok(()));
        counting.wait(9);
        assert_eq!(counting.ask("alice", None), Some(("quota_principal", 1)));
        counting.wait(1);
        for asked in [None, spent] {
            assert_eq!(counting.ask("alice", None), asked);
        }
    }

    #[test]
    fn each_client_has_a_quota_for_all_its_users() {
        let quota = Quota::per_minute(6).with_burst(2);
        let counting = Counting::new(None, Some(quota), 100);
        let spent = Some(("quota_client", 10));
        assert_eq!(counting.ask("alice", Some("app")), None);
        assert_eq!(counting.ask("bob", Some("app")), None);
        assert_eq!(counting.ask("carol", Some("app")), spent);
        assert_eq!(counting.ask("alice", Some("other")), None);
        // Whoever names no client counts for none.
        assert!((0..100).all(|_| counting.ask("alice", None).is_none()));
    }

    #[test]
    fn who_is_refused_costs_the_others_nothing() {
        let principal = Quota::per_minute(6).with_burst(2);
        let client = Quota::per_minute(12).with_burst(5);
        let counting = Counting::new(Some(principal), Some(client), 100);
        assert_eq!(counting.ask("alice", Some("app")), None);
        assert_eq!(counting.ask("alice", Some("app")), None);
        // A runaway principal leaves its client what the others need.
        for _ in 0..1000 {
            let spent = Some(("quota_principal", 10));
            assert_eq!(counting.ask("alice", Some("app")), spent);
        }
        assert_eq!(counting.ask("bob", Some("app")), None);
        assert_eq!(counting.ask("bob", Some("app")), None);
        assert_eq!(counting.ask("carol", Some("app")), None);
        // And a client that has spent all leaves its principals what they had.
        for _ in 0..1000 {
            let spent = Some(("quota_client", 5));
            assert_eq!(counting.ask("carol", Some("app")), spent);
        }
        assert_eq!(counting.ask("carol", Some("other")), None);
        // Who has to wait for both is told the longer.
        let spent = Some(("quota_principal", 10));
        assert_eq!(counting.ask("carol", Some("app")), spent);
        counting.wait(10);
        assert_eq!(counting.ask("carol", Some("app")), None);
    }

    #[test]
    fn who_waits_for_both_is_told_the_longer() {
        let principal = Quota::per_minute(6).with_burst(1);
        let client = Quota::per_minute(2).with_burst(1);
        let counting = Counting::new(Some(principal), Some(client), 100);
        assert_eq!(counting.ask("alice", Some("app")), None);
        let spent = Some(("quota_principal", 30));
        assert_eq!(counting.ask("alice", Some("app")), spent);
        counting.wait(30);
        assert_eq!(counting.ask("alice", Some("app")), None);
    }

    #[test]
    fn strangers_do_not_make_a_principal_forgotten() {
        let quota = Quota::per_hour(1);
        let counting = Counting::new(Some(quota), None, 64);
        assert_eq!(counting.ask("alice", None), None);
        for n in 0..10_000 {
            let _ = counting.ask(&n.to_string(), None);
        }
        assert_eq!(counting.ask("alice", None), Some(("quota_principal", 3600)));
    }
}
