//! What the measurement itself sees: nothing where there is nothing, and something where there
//! is.

use std::hint::black_box;

use super::{Pair, api_keys};

pub(super) fn pairs() -> Vec<Pair> {
    vec![api_keys::of_one_kind("control_same"), early_exit()]
}

/// A comparison that stops where two texts differ, as none of a secret may.
fn early_exit() -> Pair {
    const SECRET: [u8; 32] = [7; 32];
    Pair::new(
        "control_early_exit",
        |kind, n| {
            let [mut first, mut last] = [SECRET; 2];
            let ([wrong, ..], [.., also]) = (&mut first, &mut last);
            *wrong = 8 + (n % 2) as u8;
            *also = *wrong;
            kind.of([first, last])
        },
        |bytes| {
            let mut both = SECRET.iter().zip(&bytes);
            both.all(|(a, b)| black_box(a) == b)
        },
    )
}
