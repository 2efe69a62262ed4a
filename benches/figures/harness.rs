//! Measures many things at once, so that what disturbs the machine disturbs all of them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use portcullis_benches::Variant;

use crate::dice::Dice;

/// How long one variant runs in one round, about: short, so that a round is one moment of the
/// machine, and long beside what reading the clock costs.
const BATCH: Duration = Duration::from_micros(100);
const ROUNDS: usize = 1000;
/// Runs before each batch that are not timed: the variant before it has left the caches full
/// of its own.
const WARM_UP: u32 = 2;

/// Nanoseconds of one run, by variant and round.
pub(crate) struct Samples(BTreeMap<String, Vec<f64>>);

impl Samples {
    /// Runs all variants in many rounds, in another order each time.
    pub(crate) fn take(variants: &mut [Variant]) -> Self {
        let mut samples = Self(BTreeMap::new());
        let mut batches: Vec<_> = variants
            .iter_mut()
            .map(|variant| (batch_size(variant), variant))
            .collect();
        let mut dice = Dice::new(0x9e37_79b9_7f4a_7c15);
        for _ in 0..ROUNDS {
            dice.shuffle(&mut batches);
            for (size, variant) in &mut batches {
                (0..WARM_UP).for_each(|_| variant.run());
                let time = time(|| (0..*size).for_each(|_| variant.run()));
                let times = samples.0.entry(variant.name().to_owned()).or_default();
                times.push(time.as_secs_f64() * 1e9 / f64::from(*size));
            }
        }
        samples
    }

    /// The median of one variant.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        median(self.0.get(name)?.clone())
    }

    /// The median of what `of` makes of a variant and another one of the same round.
    pub(crate) fn against(
        &self,
        name: &str,
        other: &str,
        of: impl Fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let (ours, theirs) = (self.0.get(name)?, self.0.get(other)?);
        median(ours.iter().zip(theirs).map(|(a, b)| of(*a, *b)).collect())
    }

    /// The same of three variants.
    pub(crate) fn against_two(
        &self,
        name: &str,
        others: [&str; 2],
        of: impl Fn(f64, f64, f64) -> f64,
    ) -> Option<f64> {
        let ours = self.0.get(name)?;
        let [first, second] = others.map(|other| self.0.get(other));
        let three = ours.iter().zip(first?).zip(second?);
        median(three.map(|((a, b), c)| of(*a, *b, *c)).collect())
    }
}

fn batch_size(variant: &mut Variant) -> u32 {
    const PROBE: u32 = 32;
    (0..PROBE).for_each(|_| variant.run());
    let once = time(|| (0..PROBE).for_each(|_| variant.run())) / PROBE;
    let size = BATCH.as_nanos() / once.as_nanos().max(1);
    u32::try_from(size).unwrap_or(u32::MAX).max(1)
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is this machine, so its own clock is the right one"
)]
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
