//! What is done when events do not come any more.

use std::{
    future::pending,
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::future::{Either, select};
use portcullis_core::{Notice, NoticeDesk, Outcome, ReasonCode, RevocationKey, sabotaged};

use super::{
    receiver::{Inner, lock},
    watch::step,
};
use crate::reason;

impl Inner {
    /// Looks after whether anything comes, for as long as it is polled.
    pub(super) async fn look_after(&self, desk: &dyn NoticeDesk) {
        if sabotaged!("set.blind") {
            return;
        }
        let clock = &self.signers.clock;
        lock(&self.watch).hear(clock.instant());
        let mut alarm = None;
        // When the bound of a blind receiver is moved.
        let mut safe_at: Option<Instant> = None;
        loop {
            // Listens before it looks.
            let changed = self.changed.notified();
            let now = clock.instant();
            let watch = *lock(&self.watch);
            let blindness = watch.blindness(&self.watch_rules, now);
            if blindness != alarm {
                self.sound(desk, blindness);
                alarm = blindness;
            }
            let look_at = match (blindness, self.watch_rules.fail_safe) {
                (None, _) => {
                    safe_at = None;
                    watch.silent_at(&self.watch_rules)
                }
                (Some(_), None) => None,
                (Some(_), Some(age)) => {
                    let at = match safe_at {
                        Some(at) if now < at => at,
                        _ => {
                            self.be_safe(desk, age).await;
                            now + step(age)
                        }
                    };
                    safe_at = Some(at);
                    Some(at)
                }
            };
            let waiting = async {
                match look_at {
                    Some(at) => clock.sleep_until(at).await,
                    None => pending().await,
                }
            };
            match select(pin!(changed), pin!(waiting)).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        }
    }

    fn sound(&self, desk: &dyn NoticeDesk, blindness: Option<ReasonCode>) {
        let issuers = &self.subjects.issuers;
        match blindness {
            Some(code) => {
                tracing::error!(
                    reason = %code,
                    ?issuers,
                    fail_safe = ?self.watch_rules.fail_safe,
                    "shared signals do not come any more, so what they would end goes on; look after \
                     the stream at the transmitter"
                );
                desk.report(Outcome::Failed, code);
            }
            None => {
                tracing::info!(?issuers, "shared signals come again");
                desk.report(Outcome::Answered, reason::SET_STREAM_ENABLED);
            }
        }
    }

    /// Has nobody go on who has not authenticated lately.
    async fn be_safe(&self, desk: &dyn NoticeDesk, age: Duration) {
        let at = self.signers.clock.now() - age;
        let notices: Vec<_> = self
            .subjects
            .issuers
            .iter()
            .map(|issuer| {
                Notice::new(RevocationKey::Issuer(issuer.clone()))
                    .with_time(at)
                    .with_kept_for(self.kept_for)
            })
            .collect();
        // Whether it could be is recorded, and it is tried again soon.
        let _ = desk.carry_out(&notices, reason::SET_FAIL_SAFE).await;
    }
}
