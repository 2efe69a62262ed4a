//! The layer and its service.

use super::QuotaBuilder;
use crate::frame::{shell_layer, shell_service};

shell_layer! {
    /// Adds [`Metered`] to a service. See the [module docs](super).
    ///
    /// Clones of the layer, and all services that it is added to, count together.
    pub struct QuotaLayer -> Metered;

    /// The settings of a layer. At least one quota has to be given.
    pub fn builder() -> QuotaBuilder;
}

shell_service! {
    /// Lets requests through whose quotas are not spent. See the [module docs](super).
    pub struct Metered<S>: KeepBody -> B;
}
