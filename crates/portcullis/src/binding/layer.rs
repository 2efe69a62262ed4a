//! The layer and its service.

use super::BindingBuilder;
use crate::frame::{shell_layer, shell_service};

shell_layer! {
    /// Adds [`Bound`] to a service. See the [module docs](super).
    ///
    /// What is compared with is kept in the session, so that clones of the layer, and several
    /// layers around handlers of one session, compare with the same.
    pub struct BindingLayer -> Bound;

    /// The settings of a layer.
    pub fn builder() -> BindingBuilder;
}

shell_service! {
    /// Compares where requests come from with where their session came from. See the
    /// [module docs](super).
    pub struct Bound<S>: KeepBody -> B;
}
