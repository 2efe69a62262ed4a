//! What is permitted.

use std::fmt;

use crate::principal::ActorView;

/// An operation that was permitted, with the arguments it was asked for with. See the
/// [module docs](super).
///
/// It comes from [`Exchange::authorize`](crate::Exchange::authorize) alone. It is not `Clone`,
/// and its arguments come out once.
///
/// ```compile_fail
/// async fn twice(exchange: portcullis::Exchange) -> Option<(u64, u64)> {
///     let permit = exchange.authorize("payments.transfer", 500).await.ok()?;
///     Some((permit.spend(), permit.spend()))
/// }
/// ```
#[must_use = "nothing is done with a permit until it is spent"]
pub struct Permit<T> {
    operation: Box<str>,
    actor: Option<ActorView>,
    arguments: T,
}

impl<T> Permit<T> {
    /// Called where the decision was made, and there alone.
    pub(super) fn new(operation: Box<str>, actor: Option<ActorView>, arguments: T) -> Self {
        Self {
            operation,
            actor,
            arguments,
        }
    }

    /// Gives the arguments out, and is used up by that.
    pub fn spend(self) -> T {
        self.arguments
    }

    /// What is permitted.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// Who it is permitted to. `None` if the caller is anonymous, for an operation that
    /// requires nothing.
    #[must_use]
    pub fn actor(&self) -> Option<&ActorView> {
        self.actor.as_ref()
    }
}

impl<T> fmt::Debug for Permit<T> {
    /// Without the arguments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}
