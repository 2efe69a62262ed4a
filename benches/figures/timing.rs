//! What can be learned from how long an answer takes.

use std::time::Duration;

use portcullis_benches::pairs::{Kind, Pair};

use crate::{
    dice::Dice,
    harness::{median, time},
    lines::print,
    welch::Finding,
};

/// How many samples are taken of a pair, of both kinds together.
const SAMPLES: usize = 100_000;
/// How long that may take, if it takes longer than usual.
const LONGEST: Duration = Duration::from_secs(3);
/// Samples that are not counted.
const WARM_UP: usize = 2_000;

/// Takes samples of both kinds, in random order, and prints what they say.
pub(crate) fn of_pair(pair: &mut Pair) {
    let mut dice = Dice::new(0x2545_f491_4f6c_dd1d);
    let mut sample = || {
        // The highest bit decides about the kind, the others about the input.
        let thrown = dice.throw();
        let kind = if thrown >> 63 == 0 {
            Kind::One
        } else {
            Kind::Other
        };
        let mut taken = Duration::ZERO;
        pair.run(kind, thrown, &mut |work| taken = time(work));
        (kind, taken)
    };
    for _ in 0..WARM_UP {
        let _ = sample();
    }
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let mut left = LONGEST;
    for _ in 0..SAMPLES {
        let (kind, taken) = sample();
        let times = match kind {
            Kind::One => &mut one,
            Kind::Other => &mut other,
        };
        times.push(taken.as_secs_f64() * 1e9);
        left = left.saturating_sub(taken);
        if left.is_zero() {
            break;
        }
    }
    let name = pair.name();
    let Some(found) = Finding::of(&one, &other) else {
        return;
    };
    print(
        &format!("{name}.t"),
        format_args!("{:.1}", found.t),
        found.evidence().as_str(),
    );
    print(&format!("{name}.samples"), found.samples, "count");
    if let Some((one, other)) = median(one).zip(median(other)) {
        print(
            &format!("{name}.difference"),
            format_args!("{:.0}", one - other),
            "ns",
        );
        print(&format!("{name}.median"), format_args!("{other:.0}"), "ns");
    }
}
