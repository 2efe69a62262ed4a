//! The settings of the `session` layer.

mod reauthentication;
mod streams;

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{ConfigError, ConfigErrors, Secret, SessionStore, SignalBus};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::{
    Aal, AllSessions, KeepSession, MemorySessions, SessionCookie, SessionLayer,
    cache::SessionCache,
    keys::Keying,
    mcp::McpSessions,
    policy::Policy,
    registry::Registry,
    shared::{ASKING, Shared},
    store::AnySessionStore,
    streams::Streams,
    touching::Touching,
};
use crate::{
    ambient::{Ambient, ambient_setters},
    authn::keep,
    cache::{CacheSettings, cache_setters},
    frame::Steps,
    goodbye::Goodbye,
    resource::Resource,
    signal::{AnySignalBus, Signals},
    tasks::Tasks,
    time::Time,
};

/// The shortest key of `with_sealing_key`.
const MIN_SEALING_KEY: usize = 32;
/// The shortest bound of `with_max_unconfirmed`.
const MIN_UNCONFIRMED: Duration = Duration::from_secs(2);

/// The settings of a [`SessionLayer`]. Setters keep their mistakes; [`build`](Self::build)
/// reports them, all at once.
#[derive(Debug)]
#[must_use = "nobody has a session until `build` is called and the layer is added"]
pub struct SessionBuilder {
    ambient: Ambient,
    settings: SessionSettings,
}

/// What `session` is made from, beside what every layer has.
#[derive(Default)]
pub(crate) struct SessionSettings {
    /// Apart from what a level of assurance says as well.
    policy: Policy,
    level: Option<Aal>,
    idle: Option<Duration>,
    absolute: Option<Duration>,
    reauthentication: Option<Option<Duration>>,
    store: Option<Arc<dyn AnySessionStore>>,
    key: Option<Secret>,
    sealing_key: Option<Secret>,
    old_sealing_keys: Vec<Secret>,
    cookie: Option<SessionCookie>,
    passive: Vec<Box<str>>,
    signals: Option<Bus>,
    goodbye: Option<Arc<dyn Goodbye>>,
    has_mcp_sessions: bool,
    cache: CacheSettings,
    /// Whether somebody else says what is wrong with that.
    is_cache_of_stack: bool,
}

/// What others are told by.
enum Bus {
    Own(Arc<dyn AnySignalBus>),
    /// That of the stack, which hears by it as well.
    OfStack(Arc<Signals>),
}

impl SessionBuilder {
    pub(super) fn new() -> Self {
        Self {
            ambient: Ambient::default(),
            settings: SessionSettings::default(),
        }
    }

    ambient_setters!();
    cache_setters!();

    /// How long a session may be inactive: an hour by default. Counts in whole seconds. A store
    /// that has to be asked is told of activity eight times in that time at most, so a session
    /// there may end by as much as an eighth earlier.
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.settings.idle = Some(idle);
        self
    }

    /// How long a session may last, however active it is: a day by default. A user's session
    /// counts from when the user authenticated, where the issuer says so.
    pub fn with_absolute(mut self, absolute: Duration) -> Self {
        self.settings.absolute = Some(absolute);
        self
    }

    /// How many sessions a principal may have at once: 100 by default. There is one for each
    /// client, session at the issuer and proof key.
    pub fn with_limit(mut self, sessions: u32) -> Self {
        self.settings.policy.limit = Some(sessions);
        self
    }

    /// Lets a principal have as many sessions as it likes. Whoever can log in can then fill
    /// the store.
    pub fn without_limit(mut self) -> Self {
        self.settings.policy.limit = None;
        self
    }

    /// How long one request counts as activity while it runs: an hour by default. After that
    /// it goes on, and the session is idle unless there are others.
    pub fn with_max_running(mut self, max_running: Duration) -> Self {
        self.settings.policy.max_running = max_running;
        self
    }

    /// A route whose requests keep nobody in: a feed, a subscription, a poll that a client
    /// makes without its user. By the exact route that axum has matched, or the exact path.
    pub fn add_passive_route(mut self, route: impl Into<Box<str>>) -> Self {
        self.settings.passive.push(route.into());
        self
    }

    /// Opens a user's session again also by a token that was *issued* later, where the issuer
    /// does not say when its users authenticated (`auth_time`). Then whoever holds a refresh
    /// token is in again without the user.
    pub fn with_reopening_by_issue_time(mut self) -> Self {
        self.settings.policy.reopens_by_issue = true;
        self
    }

    /// Where sessions are kept. In the memory of this process by default:
    /// [`MemorySessions`]. One that is not [volatile](SessionStore::is_volatile) needs
    /// [`with_key`](Self::with_key).
    pub fn with_store(mut self, store: impl SessionStore) -> Self {
        self.settings.store = Some(Arc::new(store));
        self
    }

    /// The key of the hashes by which sessions are found, and of what is sealed in them: 16 random bytes, kept where the
    /// server's other secrets are; of another length it is an error when the layer is built.
    /// Without it one is drawn then, and what a store keeps is of use to that layer alone, so
    /// one that is not [volatile](SessionStore::is_volatile) is an error without a key.
    pub fn with_key(mut self, key: Secret) -> Self {
        self.settings.key = Some(key);
        self
    }

    /// The key that seals what handlers keep in sessions, before a store sees it: at least 32 random
    /// bytes, kept where the server's other secrets are, and the same for all who share the store.
    ///
    /// By default it is derived from [`with_key`](Self::with_key) (HKDF, RFC 5869), which is enough
    /// as long as nobody has to be rid of it. What that one has sealed stays readable.
    pub fn with_sealing_key(mut self, key: Secret) -> Self {
        self.settings.sealing_key = Some(key);
        self
    }

    /// A key that sealed once, so that what it has sealed stays readable: the one before it, when
    /// [`with_sealing_key`](Self::with_sealing_key) gets another. Take it out when the longest
    /// session ([`with_absolute`](Self::with_absolute)) that was open then is over. All servers that
    /// share the store have to know a new key before the first of them seals with it.
    pub fn add_old_sealing_key(mut self, key: Secret) -> Self {
        self.settings.old_sealing_keys.push(key);
        self
    }

    /// Lets handlers give browsers a [cookie](super#cookies) of their session, which lets them in by
    /// itself. Off by default. In a [`Stack`](crate::Stack) alone, whose `authn` reads it, and with a
    /// [resource](crate::stack::StackBuilder::with_resource), whose origin is that of its pages.
    pub fn with_cookie(mut self, cookie: SessionCookie) -> Self {
        self.settings.cookie = Some(cookie);
        self
    }

    /// What other servers that share the store are told by of sessions that are over, and tell it:
    /// what runs in one here then ends at once. None by default: it ends within 15 seconds. In a
    /// stack, set it [there](crate::stack::StackBuilder::with_signals). See [`signal`](crate::signal).
    pub fn with_signals(mut self, bus: impl SignalBus) -> Self {
        self.settings.signals = Some(Bus::Own(Arc::new(bus)));
        self
    }

    /// For how long something may run of which nobody can say whether its session still lives and its
    /// credential still counts, because a store does not answer. Then it is cut, with
    /// `session_unconfirmed`; the session itself may go on. At least two seconds. By default it goes
    /// on until its own deadlines.
    pub fn with_max_unconfirmed(mut self, bound: Duration) -> Self {
        self.settings.policy.max_unconfirmed = Some(bound);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix.
    pub fn build(self) -> Result<SessionLayer, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        if self.settings.cookie.is_some() {
            let problem = "is of use in a stack alone, where `authn` reads the cookie; build a \
                           `Stack`, or leave it out";
            errors.push(ConfigError::new("with_cookie", problem));
            return Err(errors);
        }
        let goodbye = self.settings.goodbye();
        let step = keep(
            self.settings
                .assemble(self.ambient.time(), Tasks::default(), None),
            &mut errors,
        );
        let shared = keep(self.ambient.build(), &mut errors);
        match (step, shared) {
            (Some(step), Some(shared)) if errors.is_empty() => Ok(SessionLayer::new(Arc::new(
                Steps::new(vec![Arc::new(step)], shared).with_goodbye(goodbye),
            ))),
            _ => Err(errors),
        }
    }

    pub(crate) fn into_settings(self) -> SessionSettings {
        self.settings
    }
}

impl SessionSettings {
    /// What the stack says of it.
    pub(crate) fn in_a_stack(&mut self, signals: Option<&Arc<Signals>>, cache: CacheSettings) {
        if let Some(signals) = signals {
            self.signals = Some(Bus::OfStack(Arc::clone(signals)));
        }
        self.is_cache_of_stack = cache.is_set();
        self.cache = cache.or(self.cache);
    }

    /// For how long something may run of which nobody can say whether it may.
    pub(crate) fn max_unconfirmed(&self) -> Option<Duration> {
        self.policy.max_unconfirmed
    }

    /// The setters of what sessions are kept in.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &'static str> {
        let called = [
            self.store.as_ref().map(|_| "with_store"),
            self.key.as_ref().map(|_| "with_key"),
            self.signals.as_ref().map(|_| "with_signals"),
            self.cache.is_set().then_some("with_cache"),
            self.sealing_key.as_ref().map(|_| "with_sealing_key"),
            self.old_sealing_keys.first().map(|_| "add_old_sealing_key"),
            self.cookie.as_ref().map(|_| "with_cookie"),
        ];
        called.into_iter().flatten()
    }

    /// Checks every setting, for a gate whose sessions are there. The rules come into force by
    /// [`AllSessions::replace_policy`].
    pub(crate) fn assemble_onto(
        self,
        sessions: &AllSessions,
    ) -> Result<(KeepSession, Policy), ConfigErrors> {
        let shared = Arc::clone(&sessions.0);
        let step = KeepSession {
            mcp: self
                .has_mcp_sessions
                .then(|| McpSessions::new(&shared.keying)),
            shared,
            passive: self.passive.clone(),
        };
        let policy = self.policy();
        self.check().into_result((step, policy))
    }

    /// What streams are told at their end.
    pub(crate) fn goodbye(&self) -> Option<Arc<dyn Goodbye>> {
        self.goodbye.clone()
    }

    /// Checks every setting. `time` and `tasks` are those of all layers beside it.
    pub(crate) fn assemble(
        self,
        time: Time,
        tasks: Tasks,
        resource: Option<&Resource>,
    ) -> Result<KeepSession, ConfigErrors> {
        let mut errors = self.check();
        let policy = self.policy();
        let outlasts = self
            .store
            .as_ref()
            .is_some_and(|store| !store.is_volatile());
        if outlasts && self.key.is_none() {
            let problem = "is missing, and the store outlasts the process: after a restart nobody \
                           who was logged out would be found in it; draw 16 random bytes once, \
                           and keep them where the server's other secrets are";
            errors.push(ConfigError::new("with_key", problem));
        }
        let max_unconfirmed = self.policy.max_unconfirmed;
        let has_bus = self.signals.is_some();
        let mut of_cache = ConfigErrors::default();
        let bounds = self.cache.bounds(has_bus, max_unconfirmed, &mut of_cache);
        if !self.is_cache_of_stack {
            errors.extend(of_cache);
        }
        for (setting, keys) in [
            ("with_sealing_key", self.sealing_key.as_slice()),
            ("add_old_sealing_key", &self.old_sealing_keys),
        ] {
            if keys.iter().any(|key| key.expose().len() < MIN_SEALING_KEY) {
                let problem = "is shorter than 32 bytes; draw 32 random bytes once, and keep them \
                               where the server's other secrets are";
                errors.push(ConfigError::new(setting, problem));
            }
        }
        let Some(keying) = keying(self.key.as_ref(), &mut errors) else {
            return Err(errors);
        };
        let cookies = self
            .cookie
            .map(|cookie| cookie.assemble(resource.map(Resource::url)));
        let cookies = keep(cookies.transpose(), &mut errors).flatten();
        let sealing = keying.sealing(self.sealing_key.as_ref(), &self.old_sealing_keys);
        let store = self.store.unwrap_or_else(|| {
            tracing::info!(
                target: "portcullis",
                "sessions are kept in the memory of this process: a restart forgets them, and \
                 who was ended",
            );
            Arc::new(MemorySessions::default())
        });
        let signals = self.signals.map(|bus| match bus {
            Bus::Own(bus) => Arc::new(Signals::new(bus)),
            Bus::OfStack(signals) => signals,
        });
        let cache = signals.as_ref().zip(bounds).map(|(signals, bounds)| {
            Arc::new(SessionCache::new(
                &bounds,
                signals,
                time.clone(),
                tasks.clone(),
            ))
        });
        errors.into_result(KeepSession {
            mcp: self.has_mcp_sessions.then(|| McpSessions::new(&keying)),
            shared: Arc::new(Shared {
                store,
                time,
                keying,
                sealing,
                cookies,
                policy: ArcSwap::from_pointee(policy),
                registry: Registry::default(),
                streams: Streams::default(),
                touching: Touching::default(),
                tasks,
                signals,
                cache,
                asking: Semaphore::new(ASKING),
            }),
            passive: self.passive,
        })
    }

    /// What is wrong with the rules and the routes.
    fn check(&self) -> ConfigErrors {
        let mut errors = ConfigErrors::default();
        let policy = self.policy();
        let Policy {
            idle,
            absolute,
            limit,
            max_running,
            ..
        } = policy;
        let reauthentication = policy.reauthentication.unwrap_or(Duration::MAX);
        for (setting, length) in [
            ("with_idle", idle),
            ("with_absolute", absolute),
            ("with_max_running", max_running),
            ("with_reauthentication", reauthentication),
        ] {
            if length < Duration::from_secs(1) {
                let problem = "is shorter than a second, so nobody would be in; lengthen it";
                errors.push(ConfigError::new(setting, problem));
            }
        }
        if self
            .policy
            .max_unconfirmed
            .is_some_and(|bound| bound < MIN_UNCONFIRMED)
        {
            let problem =
                "is shorter than two seconds, and it is looked once a second; lengthen it";
            errors.push(ConfigError::new("with_max_unconfirmed", problem));
        }
        if idle > absolute {
            errors.push(ConfigError::new(
                "with_idle",
                "is longer than `with_absolute`, so it would never end a session; shorten it",
            ));
        }
        if limit == Some(0) {
            let problem = "allows no session, so nobody would be in; allow at least one";
            errors.push(ConfigError::new("with_limit", problem));
        }
        if policy.max_streams == Some(0) {
            let problem = "allows no stream, so no answer of unknown length would be given; allow \
                           at least one, or call `without_max_streams`";
            errors.push(ConfigError::new("with_max_streams", problem));
        }
        for route in &self.passive {
            if !route.starts_with('/') || route.contains('*') {
                errors.push(ConfigError::new(
                    "add_passive_route",
                    format!(
                        "`{}` is no exact route; give one that starts with `/`, without `*`",
                        route.escape_debug()
                    ),
                ));
            }
        }
        errors
    }
}

impl SessionSettings {
    /// What goes for sessions. What was set goes before what a level of assurance says, and that
    /// before what is so by default.
    fn policy(&self) -> Policy {
        let mut policy = self.policy;
        if let Some(level) = self.level {
            policy.idle = level.idle();
            policy.absolute = level.overall();
            policy.reauthentication = Some(level.overall());
        }
        policy.idle = self.idle.unwrap_or(policy.idle);
        policy.absolute = self.absolute.unwrap_or(policy.absolute);
        policy.reauthentication = self.reauthentication.unwrap_or(policy.reauthentication);
        policy
    }
}

fn keying(key: Option<&Secret>, errors: &mut ConfigErrors) -> Option<Keying> {
    if let Some(key) = key {
        let keying = Keying::with_key(key);
        if keying.is_none() {
            let problem = "is not 16 bytes; draw 16 random bytes once, and keep them where the \
                           server's other secrets are";
            errors.push(ConfigError::new("with_key", problem));
        }
        return keying;
    }
    let drawn = Keying::new().map_err(|error| {
        let problem = format!("the operating system gives no randomness: {error}");
        errors.push(ConfigError::new("build", problem));
    });
    drawn.ok()
}

impl fmt::Debug for SessionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSettings")
            .field("policy", &self.policy())
            .field("passive", &self.passive)
            .finish_non_exhaustive()
    }
}
