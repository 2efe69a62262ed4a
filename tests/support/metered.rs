//! A gate on one of several servers that count together.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::convert::Infallible;

use http::Response;
use portcullis::{
    Clock, Gate, Secret,
    quota::{Quota, QuotaBuilder, QuotaLayer, QuotaStore},
};
use portcullis_testing::audit::RecordingAudit;
use tower::{Layer as _, ServiceExt as _};

use crate::fixtures::{request_with, stack_builder};

/// One of the servers.
#[derive(Clone)]
pub struct Metered {
    gate: Gate,
    audit: RecordingAudit,
}

impl Metered {
    /// One at which a principal may ask so often at once, at all of them together, and once more
    /// each hour.
    #[must_use]
    pub fn new(clock: impl Clock, store: impl QuotaStore, burst: u32) -> Self {
        Self::with(clock, store, burst, |quota| quota)
    }

    /// The same, with more settings.
    ///
    /// # Panics
    ///
    /// The settings cannot work.
    #[must_use]
    pub fn with(
        clock: impl Clock,
        store: impl QuotaStore,
        burst: u32,
        more: impl FnOnce(QuotaBuilder) -> QuotaBuilder,
    ) -> Self {
        let audit = RecordingAudit::new();
        let quota = QuotaLayer::builder()
            .with_per_principal(Quota::per_hour(1).with_burst(burst))
            .with_per_client(Quota::per_hour(1).with_burst(1000))
            .with_store(store)
            .with_key(Secret::new([7; 16]));
        let stack = stack_builder(&audit)
            .with_clock(clock)
            .with_quota(more(quota));
        let (gate, _) = stack.build().unwrap();
        Self { gate, audit }
    }

    /// The status of an answer to whoever comes with this token.
    ///
    /// # Panics
    ///
    /// The gate gives none.
    pub async fn ask(&self, token: &str) -> u16 {
        let handler =
            tower::service_fn(async |_| Ok::<_, Infallible>(Response::new("done".to_owned())));
        let request = request_with(token).body(String::new()).unwrap();
        let answer = self.gate.layer(handler).oneshot(request).await;
        answer.unwrap().status().as_u16()
    }

    /// The statuses of so many requests, one after the other.
    ///
    /// # Panics
    ///
    /// The gate gives no answer.
    pub async fn ask_often(&self, token: &str, times: usize) -> Vec<u16> {
        let mut statuses = Vec::new();
        for _ in 0..times {
            statuses.push(self.ask(token).await);
        }
        statuses
    }

    /// The reason of the last record.
    ///
    /// # Panics
    ///
    /// There is none.
    #[must_use]
    pub fn reason(&self) -> String {
        let last = self.audit.take().pop().unwrap();
        last.reason.as_str().to_owned()
    }
}
