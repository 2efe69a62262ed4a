//! All layers in their one order, as one layer: the [`Gate`].
//!
//! Setters may be called in any order; the layers stand in the order of the
//! [`Slot`](crate::Slot) table. [`StackBuilder::build`] is the only call that can fail, and
//! reports every problem at once.
//!
//! ```
//! use portcullis::Stack;
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Keys)
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! Customised: the perimeter's own settings, a route that needs no credential, one that needs
//! more than one, and a quota.
//!
//! ```
//! use portcullis::{
//!     Stack,
//!     perimeter::PerimeterLayer,
//!     quota::{Quota, QuotaLayer},
//!     step_up::{Requirement, StepUpLayer},
//! };
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! let (gate, handle) = Stack::builder()
//!     .add_anonymous_route("/health")
//!     .add_authenticator(Keys)
//!     .with_perimeter(
//!         PerimeterLayer::builder()
//!             .add_allowed_host("agent.internal:8080")
//!             .with_max_body(64 * 1024),
//!     )
//!     .with_quota(QuotaLayer::builder().with_per_principal(Quota::per_minute(600)))
//!     .with_step_up(
//!         StepUpLayer::builder()
//!             .add_route_requirement("/admin", Requirement::new().with_scopes("admin")),
//!     )
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # The order
//!
//! | layer, from outside in | writes, once | refuses with |
//! |---|---|---|
//! | [`perimeter`](crate::perimeter) | client address, original path, body limit | 400 403 413 414 429 431 |
//! | [`authn`](crate::authn) | principal, or that the caller is anonymous | 400 401 403 429 503 |
//! | [`session`](crate::session) | session, and its deadlines | 401 404 429 503 |
//! | [`binding`](crate::binding) | nothing: it compares | 401 503 |
//! | [`quota`](crate::quota) | nothing: it counts | 429 503 |
//! | [`step_up`](crate::step_up) | requirements of operations | 400 401 403 |
//!
//! `perimeter` and `authn` stand in every gate, the others in one that was given their settings.
//!
//! A layer in another place answers 500 with an empty body, and an ERROR log names the layers
//! and the fix.
//!
//! Without an authenticator there is no `build`:
//!
//! ```compile_fail
//! let _ = portcullis::Stack::builder().with_resource("https://agent.example/").build();
//! ```

mod asked;
mod builder;
mod gate;
#[cfg(feature = "axum")]
mod guard;
mod handle;
mod installed;
mod replace;
mod shutdown;

#[cfg(feature = "axum")]
pub use self::guard::GuardedRouter;
pub use self::{
    builder::{Complete, Stack, StackBuilder, WantsAuthenticator},
    gate::{Gate, Gated},
    handle::GateHandle,
    replace::ReplaceError,
    shutdown::Shutdown,
};
