//! No attack gets through, and nobody honest is refused.

mod guard;
mod harness;
mod keys;
mod rows;

#[test]
fn every_attack_is_refused_and_every_control_is_let_in() {
    let harness = harness::Harness::play().expect("the runtime starts");
    assert!(harness.is_clean(), "{}", harness.report(false).join("\n"));
    assert!(harness.report(true).len() > 100, "the rows are there");
}
