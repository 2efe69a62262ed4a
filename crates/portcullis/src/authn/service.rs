//! The service.

use crate::frame::shell_service;

shell_service! {
    /// Lets requests through that somebody vouches for. See the [module docs](super).
    pub struct Authn<S>: KeepBody -> B;
}
