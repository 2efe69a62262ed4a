//! What is printed of a variant.

use portcullis_benches::Variant;

use crate::harness::Samples;

/// One figure.
pub(crate) fn print(name: &str, value: impl std::fmt::Display, unit: &str) {
    println!("{name} {value} {unit}");
}

/// The times of a variant, and what its authenticator knew.
pub(crate) fn of_variant(samples: &Samples, variant: &Variant) {
    let name = variant.name();
    if let Some(time) = samples.median(name) {
        print(&format!("{name}.time"), format_args!("{time:.0}"), "ns");
    }
    let net = variant
        .floor()
        .and_then(|floor| samples.against(name, floor, |ours, floor| ours - floor));
    if let Some(net) = net {
        print(&format!("{name}.net"), format_args!("{net:.0}"), "ns");
    }
    if let Some(raw) = variant.raw() {
        over_raw(samples, variant, raw);
    }
    if let Some(composite) = variant.composite() {
        over_composite(samples, variant, composite);
    }
    if let Some(ratio) = variant.hit_ratio() {
        print(&format!("{name}.hits"), format_args!("{ratio:.3}"), "ratio");
    }
}

/// What a variant costs as a multiple of its signature check, and beyond the multiple that is
/// its goal.
fn over_raw(samples: &Samples, variant: &Variant, raw: &str) {
    let name = variant.name();
    let goal = goal(raw);
    // Where the floor is the check itself, the whole is compared with it.
    let floor = variant.floor().filter(|floor| *floor != raw);
    let compare = |of: &dyn Fn(f64, f64) -> f64| match floor {
        None => samples.against(name, raw, of),
        Some(floor) => {
            samples.against_two(name, [floor, raw], |ours, floor, raw| of(ours - floor, raw))
        }
    };
    if let Some(ratio) = compare(&|ours, raw| ours / raw) {
        print(
            &format!("{name}.over_raw"),
            format_args!("{ratio:.3}"),
            "ratio",
        );
    }
    if let Some(excess) = compare(&|ours, raw| ours - goal * raw) {
        print(&format!("{name}.excess"), format_args!("{excess:.0}"), "ns");
    }
}

/// What a variant costs as a share of what others cost for the same, both over one floor.
fn over_composite(samples: &Samples, variant: &Variant, composite: &str) {
    let Some(floor) = variant.floor() else { return };
    let net = |ours, floor, composite| (ours - floor) / (composite - floor);
    if let Some(ratio) = samples.against_two(variant.name(), [floor, composite], net) {
        print(
            &format!("{}.over_composite", variant.name()),
            format_args!("{ratio:.4}"),
            "ratio",
        );
    }
}

/// The check of an RSA signature is short, so what comes with it weighs more; a proof comes with a
/// store.
fn goal(raw: &str) -> f64 {
    if raw.starts_with("raw.dpop.") {
        1.15
    } else if raw.ends_with("rs256") {
        1.12
    } else {
        1.05
    }
}
