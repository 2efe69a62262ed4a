//! Whether a request meets what is required of it: the decision itself.

use std::sync::Arc;

use http::{StatusCode, request::Parts};

use super::requirements::Requirements;
use crate::{
    exchange::{Exchange, Slot},
    frame::{Decision, Step},
    reason,
    refusal::Refusal,
};

/// The step of the `step_up` layer.
#[derive(Debug)]
pub(crate) struct StepUpStep(pub(super) Arc<Requirements>);

impl StepUpStep {
    pub(crate) fn requirements(&self) -> &Arc<Requirements> {
        &self.0
    }
}

impl Step for StepUpStep {
    fn slot(&self) -> Option<Slot> {
        Some(Slot::StepUp)
    }

    fn decide(&self, parts: &mut Parts, exchange: &Exchange) -> Decision {
        let demand = match self.0.for_request(parts, exchange.path()) {
            Ok(demand) => demand,
            Err(ambiguity) => {
                tracing::debug!(target: "portcullis", request_id = %exchange.id(), "the path {ambiguity}");
                return Decision::Refuse(Refusal::new(
                    Slot::StepUp.name(),
                    StatusCode::BAD_REQUEST,
                    reason::PATH_AMBIGUOUS,
                ));
            }
        };
        match self.0.judge(demand, exchange, exchange.arrived_at()) {
            Ok(()) => {
                exchange.add_requirements(&self.0);
                Decision::Pass
            }
            Err(refusal) => Decision::Refuse(refusal),
        }
    }
}
