//! The settings of the whole stack.

use std::{marker::PhantomData, sync::Arc};

use portcullis_core::{ConfigError, ConfigErrors, IntoAuthenticator};

use super::{Gate, GateHandle};
use crate::{
    ambient::{Ambient, ambient_setters},
    authn::{AuthnSettings, authn_setters, keep},
    binding::{BindingBuilder, BindingSettings},
    frame::{Step, Steps},
    perimeter::{PerimeterBuilder, PerimeterSettings},
    quota::{QuotaBuilder, QuotaSettings},
    resource::AnswerMetadata,
    session::{KeepSession, SessionBuilder, SessionSettings},
    step_up::{StepUpBuilder, StepUpSettings},
    tasks::Tasks,
};

/// All layers in their one order. See the [module docs](super).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Stack;

impl Stack {
    /// The settings of a stack.
    pub fn builder() -> StackBuilder<WantsAuthenticator> {
        StackBuilder {
            ambient: Ambient::default(),
            settings: AuthnSettings::default(),
            perimeter: PerimeterSettings::default(),
            session: None,
            binding: None,
            quota: None,
            step_up: None,
            state: PhantomData,
        }
    }
}

/// A [`StackBuilder`] without an authenticator.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WantsAuthenticator;

/// A [`StackBuilder`] that can be built.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Complete;

/// The settings of a [`Stack`]. Setters may be called in any order and keep their mistakes;
/// [`build`](Self::build) reports them, all at once.
#[must_use = "nothing is guarded until `build` is called and the gate is added"]
pub struct StackBuilder<State> {
    ambient: Ambient,
    settings: AuthnSettings,
    perimeter: PerimeterSettings,
    session: Option<SessionSettings>,
    binding: Option<BindingSettings>,
    quota: Option<QuotaSettings>,
    step_up: Option<StepUpSettings>,
    state: PhantomData<State>,
}

impl<State> StackBuilder<State> {
    ambient_setters!();
    authn_setters!();

    /// Adds an authenticator behind those that are there. They are asked in this order.
    pub fn add_authenticator(
        mut self,
        authenticator: impl IntoAuthenticator + Send + 'static,
    ) -> StackBuilder<Complete> {
        self.settings.add_authenticator(authenticator);
        StackBuilder {
            ambient: self.ambient,
            settings: self.settings,
            perimeter: self.perimeter,
            session: self.session,
            binding: self.binding,
            quota: self.quota,
            step_up: self.step_up,
            state: PhantomData,
        }
    }

    /// The settings of the perimeter. Its clock, sink, base path and resource are the
    /// stack's.
    pub fn with_perimeter(mut self, perimeter: PerimeterBuilder) -> Self {
        self.perimeter = perimeter.into_settings();
        self
    }

    /// Gives every caller a session that ends. Its clock, sink and base path are the stack's.
    /// Without it there are no sessions: a caller is in while its credential is good, and what
    /// it began runs on.
    pub fn with_session(mut self, session: SessionBuilder) -> Self {
        self.session = Some(session.into_settings());
        self
    }

    /// Compares where a session came from with where its requests come from. Off by default,
    /// and needs [`with_session`](Self::with_session). Its clock, sink and base path are the
    /// stack's.
    pub fn with_binding(mut self, binding: BindingBuilder) -> Self {
        self.binding = Some(binding.into_settings());
        self
    }

    /// Limits what a principal and a client may ask for in a while. Off by default. Its clock,
    /// sink and base path are the stack's.
    pub fn with_quota(mut self, quota: QuotaBuilder) -> Self {
        self.quota = Some(quota.into_settings());
        self
    }

    /// What a caller has to show beyond a good credential. Off by default. Its clock, sink and
    /// base path are the stack's.
    pub fn with_step_up(mut self, step_up: StepUpBuilder) -> Self {
        self.step_up = Some(step_up.into_settings());
        self
    }
}

impl StackBuilder<Complete> {
    /// Builds the gate and its handle.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix.
    pub fn build(self) -> Result<(Gate, GateHandle), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let resource = self.settings.resource(&mut errors);
        let resource = resource.as_ref();
        let time = self.ambient.time();
        let tasks = Tasks::default();
        let bus = self.settings.bus();
        let has_session = self.session.is_some();
        let session = self.session.and_then(|mut session| {
            if let Some(bus) = bus {
                session.with_signals(bus);
            }
            let session = session.assemble(time.clone(), tasks.clone(), resource);
            keep(session, &mut errors)
        });
        let cookies = session.as_ref().and_then(KeepSession::cookies);
        let authn = self
            .settings
            .assemble(&self.ambient, time, resource, cookies);
        let authn = keep(authn, &mut errors);
        let mut perimeter = self.perimeter;
        if let Some(authn) = &authn {
            perimeter.keep_credentials(authn.step.consumed());
        }
        let perimeter = keep(perimeter.assemble(&self.ambient, resource), &mut errors);
        if self.binding.is_some() && !has_session {
            errors.push(ConfigError::new(
                "with_binding",
                "was called without `with_session`, so there is nothing to compare with; call \
                 `with_session` as well, or leave it out",
            ));
        }
        let binding = self.binding.map(BindingSettings::assemble);
        let binding = keep(binding.transpose(), &mut errors);
        let device = binding
            .as_ref()
            .and_then(|binding| binding.as_ref()?.device_header());
        if let Some(name) = device
            && (authn.as_ref().is_some_and(|authn| authn.step.removes(name))
                || perimeter
                    .as_ref()
                    .is_some_and(|perimeter| perimeter.removes(name)))
        {
            errors.push(ConfigError::new(
                "with_binding",
                format!(
                    "reads a device id from `{name}`, which is removed further out; name \
                     another header"
                ),
            ));
        }
        let quota = self.quota.map(|quota| quota.assemble(&self.ambient));
        let quota = keep(quota.transpose(), &mut errors);
        let step_up = self.step_up.map(StepUpSettings::assemble).transpose();
        let step_up = keep(step_up, &mut errors);
        let shared = keep(self.ambient.build_for_gate(), &mut errors);
        let (
            Some(authn),
            Some(perimeter),
            Some(binding),
            Some(quota),
            Some(step_up),
            Some(shared),
            true,
        ) = (
            authn,
            perimeter,
            binding,
            quota,
            step_up,
            shared,
            errors.is_empty(),
        )
        else {
            return Err(errors);
        };

        let mut steps: Vec<Arc<dyn Step>> = Vec::new();
        // Public by definition, and asked for across origins: ahead of the checks of Host and
        // Origin.
        if let Some(metadata) = &authn.metadata {
            steps.push(Arc::new(AnswerMetadata(metadata.clone())));
        }
        steps.push(Arc::new(perimeter));
        steps.push(Arc::new(authn.step));
        let sessions = session.as_ref().map(KeepSession::sessions);
        if let Some(session) = session {
            steps.push(Arc::new(session));
        }
        if let Some(binding) = binding {
            steps.push(Arc::new(binding));
        }
        if let Some(quota) = quota {
            steps.push(Arc::new(quota));
        }
        if let Some(step_up) = step_up {
            steps.push(Arc::new(step_up));
        }
        debug_assert!(steps.iter().filter_map(|step| step.slot()).is_sorted());

        let steps = Arc::new(Steps::new(steps, shared).innermost());
        tracing::info!(target: "portcullis", layers = ?steps, "the gate is built");
        let handle = GateHandle::new(
            Arc::clone(&steps),
            authn.authenticators.into(),
            authn.revocations,
            sessions,
            tasks,
        );
        Ok((Gate::new(steps, authn.metadata), handle))
    }
}

impl<State> std::fmt::Debug for StackBuilder<State> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StackBuilder")
            .field("ambient", &self.ambient)
            .finish_non_exhaustive()
    }
}
