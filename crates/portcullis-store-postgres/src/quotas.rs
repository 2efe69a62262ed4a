//! Quotas: a row for each budget that is not paid off.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{Charged, QuotaCharge, QuotaStore, StoreError, Timestamp};
use tokio_postgres::types::Type;

use crate::{
    problem::strange,
    stores::{Shared, column, first},
};

/// A store of quotas that servers share. Clones are the same store.
///
/// The rows of one request are locked in one order, whoever asks, so nobody waits in a circle. They
/// are neither written to the log of the server nor waited for: a crash, a failover and a restored
/// backup let everybody begin anew, which is one burst for each.
///
/// Time is told by the clock of the server, so that no other clock pays anything off.
///
/// It is had of [`Postgres::quotas`](crate::Postgres::quotas).
#[derive(Clone)]
pub struct PostgresQuotas(pub(crate) Arc<Shared>);

impl QuotaStore for PostgresQuotas {
    async fn charge(&self, charges: &[QuotaCharge], now: Timestamp) -> Result<Charged, StoreError> {
        let keys = charges.iter();
        let keys = keys.map(|charge| charge.key().as_u128().to_be_bytes().to_vec());
        let keys: Vec<Vec<u8>> = keys.collect();
        let micros = |of: fn(&QuotaCharge) -> i64| charges.iter().map(of).collect::<Vec<_>>();
        let intervals = micros(|charge| charge.rate().interval_micros());
        let windows = micros(|charge| charge.rate().window_micros());
        let costs = micros(QuotaCharge::cost_micros);
        let clock = now.unix_millis().saturating_mul(1000);
        let clock = Some(clock).filter(|_| self.0.tells_time);
        let params = [
            (&keys as _, Type::BYTEA_ARRAY),
            (&intervals as _, Type::INT8_ARRAY),
            (&windows as _, Type::INT8_ARRAY),
            (&costs as _, Type::INT8_ARRAY),
            (&clock as _, Type::INT8),
        ];
        let question = &self.0.questions.quota_charge;
        // What was charged once must not be charged again, so it is asked once. The first is the one
        // that the fewest share.
        let first_key = charges.first().map_or(0, |charge| charge.key().as_u128());
        let rows = self.0.ask_in_turn(first_key, question, &params).await?;
        let row = first(&rows)?;
        let numbers: Vec<i64> = column(row, "numbers")?;
        if numbers.len() != charges.len() || numbers.iter().any(|number| *number < 0) {
            return Err(strange());
        }
        let numbers = numbers.into_iter().map(i64::unsigned_abs);
        Ok(match column(row, "is_paid")? {
            true => {
                let left = numbers.map(|left| u32::try_from(left).unwrap_or(u32::MAX));
                Charged::Paid(left.collect())
            }
            false => Charged::Spent(numbers.map(Duration::from_micros).collect()),
        })
    }
}

impl fmt::Debug for PostgresQuotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresQuotas").field(&self.0).finish()
    }
}
