//! Quotas that nothing here spends.

use portcullis::quota::{MemoryQuotas, Quota, QuotaBuilder, QuotaLayer};

/// Both, as a layer counts by itself.
pub(crate) fn by_itself() -> QuotaLayer {
    built(both(Quota::per_second(1_000_000_000)))
}

/// Both, in a store that layers share, as fast as it counts.
pub(crate) fn in_memory() -> QuotaLayer {
    let quota = Quota::per_second(10_000).with_burst(u32::MAX);
    built(both(quota).with_store(MemoryQuotas::default()))
}

fn both(quota: Quota) -> QuotaBuilder {
    QuotaLayer::builder()
        .with_per_principal(quota)
        .with_per_client(quota)
}

fn built(quota: QuotaBuilder) -> QuotaLayer {
    quota.build().expect("the settings work")
}
