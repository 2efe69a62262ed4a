//! What the gate's own services ask of it.

use std::{future::Future, sync::Arc};

use http::{HeaderValue, Request, header::AUTHORIZATION, request::Parts};
use portcullis_core::{Check, Secret, StoreError, Verdict};

use super::GateHandle;
use crate::exchange::Exchange;

impl GateHandle {
    /// Makes the exchange of a request that no gate has seen.
    pub(crate) fn open(&self, parts: &mut Parts) -> Exchange {
        Exchange::open(parts, &self.ground.shared)
    }

    /// Does it to the end, also when whoever waits for it goes away.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let work = async move { Ok::<_, StoreError>(work.await) };
        self.tasks.to_the_end(work).await
    }

    /// What the first authenticator says of a bearer token that takes it for its own, within a
    /// request that was let in for another reason. `None` if none does. Nobody is let in by that.
    pub(crate) async fn identify(&self, exchange: &Exchange, token: &Secret) -> Option<Verdict> {
        let value = [b"Bearer ", token.expose()].concat();
        let mut value = HeaderValue::from_bytes(&value).ok()?;
        value.set_sensitive(true);
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.headers.insert(AUTHORIZATION, value);
        for authenticator in self.installed.deciders().authenticators.iter() {
            let verdict = match authenticator.check(&exchange.view(&parts)) {
                Check::Done(verdict) => verdict,
                Check::NeedsIo => {
                    let asked = Arc::clone(authenticator).verify(parts, exchange.clone());
                    let (returned, verdict) = asked.await;
                    parts = returned;
                    verdict
                }
            };
            if !matches!(verdict, Verdict::Absent | Verdict::NotMine) {
                return Some(verdict);
            }
        }
        None
    }
}
