//! What a developer is told about an opaque token.

use portcullis_core::ReasonCode;

use super::answer::{Outcome, Step};
use crate::{
    explanation::{ExplainedStep, Explanation},
    reason,
};

/// Why nobody was asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unasked {
    NotMine,
    TooLong,
}

pub(super) fn explain(outcome: Result<&Outcome, Unasked>) -> Explanation {
    let meaning = |code: ReasonCode| reason::meaning(code).unwrap_or_default();
    let (failed, code, summary) = match outcome {
        Ok(Outcome::Active(..)) => (None, None, "the token is accepted"),
        Ok(Outcome::Refused(fault)) => {
            (Some(fault.step), Some(fault.reason), meaning(fault.reason))
        }
        Ok(Outcome::Failed(code)) => (Some(Step::Answer), Some(*code), meaning(*code)),
        Err(Unasked::TooLong) => {
            let code = reason::INTROSPECTION_SIZE;
            (Some(Step::Size), Some(code), meaning(code))
        }
        Err(Unasked::NotMine) => (
            Some(Step::Form),
            None,
            "this is a JWT, or has none of the prefixes; it is left to the next authenticator",
        ),
    };
    let steps = Step::ALL.into_iter();
    let steps = steps.map(|step| ExplainedStep::new(step.label(), &step, failed.as_ref()));
    Explanation::of_steps(steps.collect(), code, summary, Vec::new())
}
