//! The layer and its service.

use super::StepUpBuilder;
use crate::frame::{shell_layer, shell_service};

shell_layer! {
    /// Adds [`StepUp`] to a service. See the [module docs](super).
    pub struct StepUpLayer -> StepUp;

    /// The settings of a layer. At least one thing has to be required.
    pub fn builder() -> StepUpBuilder;
}

shell_service! {
    /// Lets requests through that meet what is required of them. See the [module docs](super).
    pub struct StepUp<S>: KeepBody -> B;
}
