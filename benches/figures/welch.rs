//! Whether two kinds of input take the same time: Welch's t-test, as dudect applies it (Reparaz,
//! Balasch and Verbauwhede, "Dude, is my code constant time?", 2017).
//!
//! What disturbs a machine makes some samples many times as long as the others, and a test of
//! means sees little beside those. So the slowest are left out, by a threshold that is the same
//! for both kinds; at which one a difference shows best is not known beforehand, so there are
//! many, and the largest t is what counts. That many are tried is why a t is taken for evidence
//! only far beyond what a single test would ask for.

/// What is left out, in steps: the slowest tenth of a percent at the last.
const THRESHOLDS: u32 = 20;
/// How few samples of one kind say nothing.
const FEWEST: usize = 500;

/// What two kinds of samples say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Finding {
    /// The largest, by its absolute value, of all thresholds. Above zero where the first kind
    /// is slower.
    pub(crate) t: f64,
    /// How many samples there were of both kinds, before any was left out.
    pub(crate) samples: usize,
}

impl Finding {
    /// `None` where there are too few samples of one kind.
    pub(crate) fn of(one: &[f64], other: &[f64]) -> Option<Self> {
        let ts = thresholds(one, other)
            .into_iter()
            .filter_map(|threshold| welch(one, other, threshold));
        Some(Self {
            t: ts.max_by(|a, b| a.abs().total_cmp(&b.abs()))?,
            samples: one.len() + other.len(),
        })
    }

    pub(crate) fn evidence(&self) -> Evidence {
        match self.t.abs() {
            t if t > 10.0 => Evidence::Certain,
            t if t > 4.5 => Evidence::Possible,
            _ => Evidence::None,
        }
    }
}

/// Whether there is a difference at all, which is not how large it is: the more samples, the
/// smaller is what is certain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Evidence {
    Certain,
    None,
    Possible,
}

impl Evidence {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::None => "no-evidence",
            Self::Possible => "possible",
        }
    }
}

/// Up to which time samples count: all of them first, and then fewer, close together where
/// most of the samples are.
fn thresholds(one: &[f64], other: &[f64]) -> Vec<f64> {
    let mut all = [one, other].concat();
    all.sort_by(f64::total_cmp);
    let at = |step: u32| {
        let share = 1.0 - 0.5_f64.powf(10.0 * f64::from(step) / f64::from(THRESHOLDS));
        all.get((share * all.len() as f64) as usize).copied()
    };
    let mut thresholds = vec![f64::INFINITY];
    thresholds.extend((1..=THRESHOLDS).filter_map(at));
    thresholds
}

/// The t of the samples below a threshold.
fn welch(one: &[f64], other: &[f64], threshold: f64) -> Option<f64> {
    let moments = |samples: &[f64]| {
        let counted = samples.iter().filter(|sample| **sample < threshold);
        let mut moments = Moments::default();
        counted.for_each(|sample| moments.add(*sample));
        (moments.count >= FEWEST as f64).then_some(moments)
    };
    Some(moments(one)?.t(&moments(other)?))
}

/// Count, mean and variance of samples that come one by one. Sums of squares would cancel
/// where the mean is large beside the spread (Welford 1962).
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, sample: f64) {
        self.count += 1.0;
        let delta = sample - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (sample - self.mean);
    }

    /// The variance of the mean.
    fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }

    /// How many of their own errors the two means are apart.
    fn t(&self, other: &Self) -> f64 {
        let apart = self.mean - other.mean;
        if apart == 0.0 {
            return 0.0;
        }
        apart / (self.variance() + other.variance()).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    const ENOUGH: usize = 20_000;

    fn moments(samples: &[f64]) -> Moments {
        let mut moments = Moments::default();
        samples.iter().for_each(|sample| moments.add(*sample));
        moments
    }

    /// Times as a machine gives them: about bell-shaped, and one in a hundred is far too long.
    fn times(dice: &mut Dice, mean: f64, n: usize) -> Vec<f64> {
        let mut part = || (dice.throw() >> 40) as f64 / (1 << 24) as f64;
        let time = |_| {
            let bell: f64 = (0..12).map(|_| part()).sum::<f64>() - 6.0;
            let is_disturbed = part() < 0.01;
            let delay = if is_disturbed {
                100_000.0 * part()
            } else {
                0.0
            };
            mean + 10.0 * bell + delay
        };
        (0..n).map(time).collect()
    }

    fn finding(seed: u64, difference: f64) -> Finding {
        let mut dice = Dice::new(seed);
        let one = times(&mut dice, 400.0 + difference, ENOUGH);
        let other = times(&mut dice, 400.0, ENOUGH);
        Finding::of(&one, &other).unwrap()
    }

    #[test]
    fn t_is_that_of_an_example_by_hand() {
        // Means 3 and 6, variances 2.5 and 10, five of each: -3 / sqrt(0.5 + 2).
        let one = moments(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let other = moments(&[2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!((one.t(&other) - -3.0 / 2.5_f64.sqrt()).abs() < 1e-12);
        // Another count, and so another weight: -3 / sqrt(0.5 + 10 / 10 * 8 / 9).
        let other = moments(&[2.0, 4.0, 6.0, 8.0, 10.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        let wanted = -3.0 / (0.5_f64 + 80.0 / 9.0 / 10.0).sqrt();
        assert!((one.t(&other) - wanted).abs() < 1e-12);
    }

    #[test]
    fn what_both_have_in_common_changes_nothing() {
        let samples = |offset: f64| -> Moments {
            let samples = (0..1000).map(|n| offset + f64::from(n % 7));
            moments(&samples.collect::<Vec<_>>())
        };
        let near = samples(0.5).t(&samples(0.0));
        let far = samples(1e9 + 0.5).t(&samples(1e9));
        assert!(near > 5.0 && (near - far).abs() < 1e-3, "{near} {far}");
    }

    #[test]
    fn a_planted_difference_is_certain() {
        for seed in 1..=10 {
            let (slower, faster) = (finding(seed, 3.0), finding(seed, -3.0));
            assert!(slower.t > 10.0, "{seed}: {slower:?}");
            assert!(faster.t < -10.0, "{seed}: {faster:?}");
            assert_eq!(slower.evidence(), Evidence::Certain);
            assert_eq!(slower.samples, 2 * ENOUGH);
        }
    }

    #[test]
    fn of_one_distribution_there_is_no_evidence() {
        for seed in 1..=10 {
            let found = finding(seed, 0.0);
            assert!(found.t.abs() < 4.5, "{seed}: {found:?}");
            assert_eq!(found.evidence(), Evidence::None);
        }
    }

    #[test]
    fn without_what_disturbs_a_difference_shows_that_did_not_before() {
        let mut dice = Dice::new(7);
        let one = times(&mut dice, 403.0, ENOUGH);
        let other = times(&mut dice, 400.0, ENOUGH);
        let uncropped = welch(&one, &other, f64::INFINITY).unwrap();
        assert!(uncropped.abs() < 4.5, "{uncropped}");
        assert!(Finding::of(&one, &other).unwrap().t > 10.0);
    }

    #[test]
    fn few_samples_and_those_that_do_not_differ_are_no_reason_to_panic() {
        assert_eq!(Finding::of(&[], &[]), None);
        assert_eq!(Finding::of(&[1.0; FEWEST], &[1.0; FEWEST - 1]), None);
        let same = Finding::of(&[1.0; FEWEST], &[1.0; FEWEST]).unwrap();
        assert_eq!((same.t, same.evidence()), (0.0, Evidence::None));
        let apart = Finding::of(&[1.0; FEWEST], &[2.0; FEWEST]).unwrap();
        assert_eq!(apart.evidence(), Evidence::Certain);
    }

    #[test]
    fn evidence_begins_beyond_the_thresholds_of_dudect() {
        for (t, evidence) in [
            (0.0, "no-evidence"),
            (-4.5, "no-evidence"),
            (4.6, "possible"),
            (-10.0, "possible"),
            (10.1, "certain"),
            (f64::NEG_INFINITY, "certain"),
        ] {
            assert_eq!(
                Finding { t, samples: 0 }.evidence().as_str(),
                evidence,
                "{t}"
            );
        }
    }
}
