//! The settings of the whole stack.

use std::{marker::PhantomData, sync::Arc};

use portcullis_core::{
    ConfigError, ConfigErrors, IntoAuthenticator, IntoNoticeReceiver, Site, sabotaged,
};

use super::{
    Gate, GateHandle,
    installed::{Deciders, Ground, Installed, Layers},
};
use crate::{
    ambient::{Ambient, ambient_setters},
    authn::{AuthnSettings, authn_setters, keep},
    binding::{BindingBuilder, BindingSettings},
    cache::cache_setters,
    endpoints::{Notices, Outside},
    frame::{Step, Steps},
    goodbye::Goodbye,
    notices::{NoticeSettings, ReceiveNotices, Receivers},
    perimeter::{PerimeterBuilder, PerimeterSettings},
    quota::{QuotaBuilder, QuotaSettings},
    resource::AnswerMetadata,
    revocation::{RevocationSettings, Revoker},
    session::{SessionBuilder, SessionSettings},
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
            goodbye: None,
            notices: NoticeSettings::default(),
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
    goodbye: Option<Arc<dyn Goodbye>>,
    notices: NoticeSettings,
    state: PhantomData<State>,
}

impl<State> StackBuilder<State> {
    ambient_setters!();
    authn_setters!();
    cache_setters!();

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
            goodbye: self.goodbye,
            notices: self.notices,
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

    /// What a stream says last when its session is over or the gate is shut down:
    /// [`Plain`](crate::goodbye::Plain) by default. See [`goodbye`](crate::goodbye).
    pub fn with_goodbye(mut self, goodbye: impl Goodbye) -> Self {
        self.goodbye = Some(Arc::new(goodbye));
        self
    }

    /// Hears from an issuer what is over: logouts, accounts and devices that are no longer in
    /// order. See [`notices`](crate::notices).
    pub fn add_notice_receiver(
        mut self,
        receiver: impl IntoNoticeReceiver + Send + 'static,
    ) -> Self {
        self.notices.add(receiver);
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
        let tasks = Tasks::default();
        let (layers, ground) = self.assemble(None, &tasks)?;
        tracing::info!(target: "portcullis", layers = ?layers.steps, "the gate is built");
        let installed = Arc::new(Installed::new(layers));
        installed.deciders().receivers.attend();
        let handle = GateHandle::new(Arc::clone(&installed), ground, tasks);
        Ok((Gate::new(installed), handle))
    }

    /// Checks every setting, and puts the layers in their order: on a ground of their own, or on
    /// that of a gate that runs.
    pub(super) fn assemble(
        self,
        onto: Option<&Ground>,
        tasks: &Tasks,
    ) -> Result<(Layers, Ground), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        if let Some(ground) = onto {
            self.check_onto(ground, &mut errors);
        }
        let ambient = onto.map_or(self.ambient, |ground| Ambient::of(&ground.shared));
        let resource = self.settings.resource(&mut errors);
        let resource = resource.as_ref();
        let time = onto.map_or_else(|| ambient.time(), |ground| ground.time.clone());
        let mut settings = self.settings;
        let (signals, cache) = (settings.signals(), settings.cache);
        if onto.is_none() {
            let max_unconfirmed = self.session.as_ref();
            let max_unconfirmed = max_unconfirmed.and_then(SessionSettings::max_unconfirmed);
            settings.keep_answers(signals.as_ref(), tasks, max_unconfirmed, &mut errors);
        }
        let mut site = Site::new(Arc::clone(&ambient.clock));
        if let Some(resource) = resource {
            site = site.with_resource(Arc::clone(resource.identifier()));
        }
        let receivers = keep(self.notices.assemble(&site), &mut errors);
        let has_session = self.session.is_some();
        let of_session = self.session.as_ref().and_then(SessionSettings::goodbye);
        let goodbye = self.goodbye.or(of_session);
        let session = self.session.and_then(|mut session| {
            if let Some(sessions) = onto.and_then(|ground| ground.sessions.as_ref()) {
                let assembled = keep(session.assemble_onto(sessions), &mut errors)?;
                return Some((assembled.0, Some(assembled.1)));
            }
            session.in_a_stack(signals.as_ref(), cache);
            let assembled = session.assemble(time.clone(), tasks.clone(), resource);
            Some((keep(assembled, &mut errors)?, None))
        });
        let cookies = session.as_ref().and_then(|(session, _)| session.cookies());
        let revocations = |settings: RevocationSettings| match onto {
            Some(ground) if !sabotaged!("gate.replaced_stores") => {
                Ok(Arc::clone(&ground.revocations))
            }
            _ => settings.assemble(time.clone()).map(Arc::new),
        };
        let authn = settings.assemble(&ambient, resource, revocations, cookies);
        let mut authn = keep(authn, &mut errors);
        if let Some((authn, session)) = authn.as_mut().zip(session.as_ref()) {
            authn.step.load_ahead(session.0.ahead());
        }
        let mut perimeter = self.perimeter;
        if let Some(authn) = &authn {
            perimeter.keep_credentials(authn.step.consumed());
        }
        if perimeter.has_upgrades() && !has_session {
            errors.push(ConfigError::new(
                "add_upgrade_route",
                "was called without `with_session`, so nothing would end a connection that goes on \
                 in another protocol; call `with_session` as well, or leave it out",
            ));
        }
        let perimeter = keep(perimeter.assemble(&ambient, resource), &mut errors);
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
        let quota = self
            .quota
            .map(|quota| quota.assemble(&ambient, time.clone()));
        let quota = keep(quota.transpose(), &mut errors);
        let step_up = self.step_up.map(StepUpSettings::assemble).transpose();
        let step_up = keep(step_up, &mut errors);
        let shared = match onto {
            Some(ground) => Some(Arc::clone(&ground.shared)),
            None => keep(ambient.build_for_gate(), &mut errors).map(Arc::new),
        };
        let (
            Some(authn),
            Some(perimeter),
            Some(binding),
            Some(quota),
            Some(step_up),
            Some(shared),
            Some(receivers),
            true,
        ) = (
            authn,
            perimeter,
            binding,
            quota,
            step_up,
            shared,
            receivers,
            errors.is_empty(),
        )
        else {
            return Err(errors);
        };

        let sessions = session.as_ref().map(|(session, _)| session.sessions());
        let revocations = Arc::clone(&authn.revocations);
        let revoker = Revoker::new(revocations, sessions.clone(), tasks.clone());
        let receivers = Receivers::new(
            receivers,
            revoker.clone(),
            Arc::clone(&shared),
            tasks.clone(),
        );
        let receivers = Arc::new(receivers);
        let perimeter: Arc<dyn Step> = Arc::new(perimeter);
        let mut steps: Vec<Arc<dyn Step>> = Vec::new();
        // Public by definition, and asked for across origins: ahead of the checks of Host and
        // Origin.
        if let Some(metadata) = &authn.metadata {
            steps.push(Arc::new(AnswerMetadata(metadata.clone())));
        }
        steps.push(Arc::clone(&perimeter));
        // Signed by an issuer, so that nobody has to authenticate.
        if let Some(receive) = ReceiveNotices::new(&receivers) {
            steps.push(Arc::new(receive));
        }
        steps.push(Arc::new(authn.step));
        let policy = session.as_ref().and_then(|(_, policy)| *policy);
        if let Some((session, _)) = session {
            steps.push(Arc::new(session));
        }
        if let Some(binding) = binding {
            steps.push(Arc::new(binding));
        }
        if let Some(quota) = quota {
            steps.push(quota);
        }
        if let Some(step_up) = step_up {
            steps.push(Arc::new(step_up));
        }
        debug_assert!(steps.iter().filter_map(|step| step.slot()).is_sorted());

        let notices = ReceiveNotices::new(&receivers).map(|receive| {
            let receive = Arc::new(receive.at_root(shared.base_path.clone()));
            let steps: Vec<Arc<dyn Step>> = vec![perimeter, Arc::clone(&receive) as _];
            Notices {
                steps: Arc::new(Steps::new(steps, Arc::clone(&shared)).innermost()),
                receive,
            }
        });
        let ground = Ground {
            shared: Arc::clone(&shared),
            revocations: authn.revocations,
            revoker,
            sessions,
            time,
            resource: resource.map(|resource| Arc::clone(resource.identifier())),
        };
        let steps = Steps::new(steps, shared).innermost().with_goodbye(goodbye);
        let layers = Layers {
            steps: Arc::new(steps),
            deciders: Deciders {
                authenticators: authn.authenticators.into(),
                receivers,
            },
            outside: Outside {
                metadata: authn.metadata,
                notices,
            },
            policy,
        };
        Ok((layers, ground))
    }

    /// What a gate keeps for as long as it runs cannot be given to it a second time.
    fn check_onto(&self, ground: &Ground, errors: &mut ConfigErrors) {
        let of_session = self.session.iter().flat_map(SessionSettings::stores);
        let given = self.ambient.settings.iter().copied();
        let of_cache = self.settings.cache.is_set().then_some("with_cache");
        let given = given.chain(self.settings.stores()).chain(of_cache);
        let given = given.chain(of_session);
        for setting in given {
            errors.push(ConfigError::new(
                setting,
                "is given to a stack that comes in the place of another; the gate keeps its \
                 clock, sink, stores, keys and bus, so leave it out",
            ));
        }
        if self.settings.resource.as_deref() != ground.resource.as_deref() {
            errors.push(ConfigError::new(
                "with_resource",
                "is not what it was when the gate was built; give the same, or build another gate",
            ));
        }
        if self.session.is_some() != ground.sessions.is_some() {
            let problem = match ground.sessions {
                Some(_) => "was not called, and the gate has sessions; call it as well",
                None => "was called, and the gate was built without sessions; leave it out",
            };
            errors.push(ConfigError::new("with_session", problem));
        }
    }
}

impl<State> std::fmt::Debug for StackBuilder<State> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StackBuilder")
            .field("ambient", &self.ambient)
            .finish_non_exhaustive()
    }
}
