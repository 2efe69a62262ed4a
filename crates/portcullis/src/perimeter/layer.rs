//! The layer and its service.

use super::PerimeterBuilder;
use crate::frame::{RequestBody, shell_layer, shell_service};

shell_layer! {
    /// Adds [`Perimeter`] to a service. See the [module docs](super).
    pub struct PerimeterLayer -> Perimeter;

    /// The settings of a layer. At least one host has to be allowed.
    pub fn builder() -> PerimeterBuilder;
}

shell_service! {
    /// Lets requests through that look as they may. See the [module docs](super).
    pub struct Perimeter<S>: WrapBody -> RequestBody<B>;
}
