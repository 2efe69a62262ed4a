//! The layer and its service.

use super::SessionBuilder;
use crate::frame::{shell_layer, shell_service};

shell_layer! {
    /// Adds [`WithSession`] to a service. See the [module docs](super).
    pub struct SessionLayer -> WithSession;

    /// The settings of a layer.
    pub fn builder() -> SessionBuilder;
}

shell_service! {
    /// Lets callers through whose session lives, or who may open one. See the
    /// [module docs](super).
    pub struct WithSession<S>: KeepBody -> B;
}
