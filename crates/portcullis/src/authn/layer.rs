//! The layer.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use portcullis_core::NotReady;
use tower_layer::Layer;

use super::{Authn, AuthnBuilder, chain::AnyAuthenticator};
use crate::{
    audit::Stats,
    endpoints::{Endpoints, Outside},
    frame::{CurrentSteps, Shell},
    resource::Metadata,
    revocation::{Revocation, Revocations, RevokeError},
};

/// Adds [`Authn`] to a service. See the [module docs](super).
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a service"]
pub struct AuthnLayer {
    pub(super) steps: CurrentSteps,
    pub(super) metadata: Option<Metadata>,
    pub(super) authenticators: Arc<[Arc<dyn AnyAuthenticator>]>,
    pub(super) revocations: Arc<Revocations>,
}

impl AuthnLayer {
    /// The settings of a layer. At least one authenticator has to be added.
    pub fn builder() -> AuthnBuilder {
        AuthnBuilder::new()
    }

    /// What has to be reachable without a credential: the resource metadata. To be mounted at
    /// the root of the server, outside this layer.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::new(Arc::new(ArcSwap::from_pointee(Outside {
            metadata: self.metadata.clone(),
            notices: None,
        })))
    }

    /// Completes when every authenticator can decide.
    ///
    /// # Errors
    ///
    /// The first that cannot, and why.
    pub async fn ready(&self) -> Result<(), NotReady> {
        for authenticator in self.authenticators.iter() {
            Arc::clone(authenticator).ready().await?;
        }
        Ok(())
    }

    /// Revokes credentials: whoever comes with one is refused, from the next request on. See
    /// [`revocation`](crate::revocation). A `session` layer inside this one is told where both have
    /// the same [bus](AuthnBuilder::with_signals); otherwise what runs in its sessions is looked after
    /// later, unless the layers are those of a [`Stack`](crate::Stack). Dropped before it is done, it may
    /// be written and nobody told.
    ///
    /// # Errors
    ///
    /// The revocation would have no effect, or the store cannot say whether it has it.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), RevokeError> {
        let now = self.revocations.now();
        let revoked = self.revocations.revoke(&revocation, now).await;
        // Where the store cannot say, it may be there.
        if !matches!(revoked, Err(RevokeError::Invalid(_))) {
            self.revocations.tell_others(&revocation).await;
        }
        revoked
    }

    /// How many decisions there were, where this is the outermost of our layers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.steps.load().stats()
    }
}

impl<S> Layer<S> for AuthnLayer {
    type Service = Authn<S>;

    fn layer(&self, inner: S) -> Authn<S> {
        Authn {
            shell: Shell::new(inner, self.steps.clone()),
        }
    }
}

impl fmt::Debug for AuthnLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .authenticators
            .iter()
            .map(|a| a.describe().name())
            .collect();
        f.debug_struct("AuthnLayer")
            .field("authenticators", &names)
            .finish_non_exhaustive()
    }
}
