//! Stores of quotas behind one object-safe face.

use std::{future::Future, pin::Pin};

use portcullis_core::{Charged, Check, QuotaCharge, QuotaStore, StoreError, Timestamp};

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Charged, StoreError>> + Send + 'a>>;

/// The object-safe twin of [`QuotaStore`], whose own async method returns an opaque future.
pub(crate) trait AnyQuotaStore: Send + Sync + 'static {
    fn charge_now(&self, charges: &[QuotaCharge], now: Timestamp) -> Check<Charged>;
    fn charge<'a>(&'a self, charges: &'a [QuotaCharge], now: Timestamp) -> Asking<'a>;
    fn is_volatile(&self) -> bool;
}

impl<S: QuotaStore> AnyQuotaStore for S {
    fn charge_now(&self, charges: &[QuotaCharge], now: Timestamp) -> Check<Charged> {
        QuotaStore::charge_now(self, charges, now)
    }

    fn charge<'a>(&'a self, charges: &'a [QuotaCharge], now: Timestamp) -> Asking<'a> {
        Box::pin(QuotaStore::charge(self, charges, now))
    }

    fn is_volatile(&self) -> bool {
        QuotaStore::is_volatile(self)
    }
}
