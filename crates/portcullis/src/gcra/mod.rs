//! How often each of many may do something, in bounded memory.
//!
//! The arithmetic is the generic cell rate algorithm, by the `governor` crate: whatever is done
//! costs a cell, and cells come back one by one. Of each debtor one number is kept: when all
//! that was spent is paid off. Nothing is kept of who owes nothing.

mod elapsed;
mod meter;
mod rate;

#[cfg(feature = "api-keys")]
pub(crate) use self::meter::Debts;
pub(crate) use self::{
    elapsed::Elapsed,
    meter::{Held, Meter},
    rate::{Rate, Unusable},
};
