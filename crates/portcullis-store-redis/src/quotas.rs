//! Quotas: a number for each budget that is not paid off.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use portcullis_core::{Charged, QuotaCharge, QuotaStore, StoreError, Timestamp};
use redis::Value;

use crate::{
    bucket::{bytes, number, strange},
    layout::text,
    link::Repeat,
    script::Script,
    stores::Shared,
};

static CHARGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/quota_charge.lua")));

/// A store of quotas that servers share. Clones are the same store.
///
/// All budgets are in one slot of a cluster: those of one request are charged together, and any
/// principal may come by way of any client. There is no marker beside them: a server that has lost
/// them lets everybody begin anew, which is one burst for each.
///
/// Time is told by the clock of the server, so that no other clock pays anything off. A budget is
/// gone a minute after it is paid off.
///
/// It is had of [`Redis::quotas`](crate::Redis::quotas).
#[derive(Clone)]
pub struct RedisQuotas(pub(crate) Arc<Shared>);

impl QuotaStore for RedisQuotas {
    async fn charge(&self, charges: &[QuotaCharge], now: Timestamp) -> Result<Charged, StoreError> {
        let tag = &self.0.quotas;
        let keys = charges.iter().map(|charge| {
            let key = charge.key().to_string();
            [tag.as_bytes(), key.as_bytes()].concat()
        });
        let keys: Vec<_> = keys.collect();
        let mut args = vec![match self.0.tells_time {
            true => text(&now.unix_millis().saturating_mul(1000)),
            false => Vec::new(),
        }];
        args.extend(charges.iter().flat_map(|charge| {
            let rate = charge.rate();
            let cost = charge.cost_micros();
            [rate.interval_micros(), rate.window_micros(), cost].map(|micros| text(&micros))
        }));
        // What was charged once must not be charged again.
        let asked = self.0.link.run(&CHARGE, &keys, &args, Repeat::Never);
        read(asked.await?, charges.len())
    }
}

fn read(answer: Value, count: usize) -> Result<Charged, StoreError> {
    let Value::Array(parts) = answer else {
        return Err(strange());
    };
    let mut parts = parts.into_iter().map(bytes);
    let outcome = parts.next().ok_or_else(strange)??;
    let numbers = parts.map(|part| number(&part?));
    let numbers: Vec<i64> = numbers.collect::<Result<_, _>>()?;
    if numbers.len() != count || numbers.iter().any(|number| *number < 0) {
        return Err(strange());
    }
    let numbers = numbers.into_iter().map(i64::unsigned_abs);
    match &*outcome {
        b"paid" => {
            let left = numbers.map(|left| u32::try_from(left).unwrap_or(u32::MAX));
            Ok(Charged::Paid(left.collect()))
        }
        b"spent" => Ok(Charged::Spent(numbers.map(Duration::from_micros).collect())),
        _ => Err(strange()),
    }
}

impl fmt::Debug for RedisQuotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisQuotas").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_it_of_each_budget_or_is_none() {
        let say = |words: &[&str]| {
            let words = words
                .iter()
                .map(|word| Value::BulkString(word.as_bytes().to_vec()));
            Value::Array(words.collect())
        };
        let paid = read(say(&["paid", "7", "0"]), 2);
        assert_eq!(paid.unwrap(), Charged::Paid(vec![7, 0]));
        let spent = read(say(&["spent", "0", "1500"]), 2);
        let waits = vec![Duration::ZERO, Duration::from_micros(1500)];
        assert_eq!(spent.unwrap(), Charged::Spent(waits));
        assert_eq!(read(say(&["paid"]), 0).unwrap(), Charged::Paid(vec![]));
        for strange in [
            say(&["paid", "7"]),
            say(&["paid", "7", "0", "0"]),
            say(&["paid", "7", "-1"]),
            say(&["paid", "7", "x"]),
            say(&["other", "7", "0"]),
            say(&[]),
            Value::Array(vec![Value::Int(1), Value::Int(1), Value::Int(1)]),
            Value::Okay,
            Value::Nil,
        ] {
            assert!(read(strange, 2).is_err());
        }
    }
}
