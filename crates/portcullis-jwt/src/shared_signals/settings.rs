//! The configuration.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use portcullis_core::{RevocationKey, Secret};

use super::{
    event::{Reaction, SecurityEvent},
    subject::{SubjectName, SubjectRules},
};
use crate::{HttpClient, Issuer, http::DynHttpClient, logout::KEPT_FOR};

/// The configuration of a receiver of shared signals. See the [module docs](super).
///
/// Setters keep their mistakes; the stack that this is given to reports all of them.
#[must_use]
pub struct SharedSignals {
    pub(super) issuer: Issuer,
    pub(super) way: Way,
    pub(super) path: Option<Box<str>>,
    pub(super) interval: Option<Duration>,
    pub(super) audiences: Option<Vec<Box<str>>>,
    pub(super) token: Option<Secret>,
    pub(super) leeway: Duration,
    pub(super) kept_for: Duration,
    pub(super) reactions: BTreeMap<SecurityEvent, Reaction>,
    pub(super) subject_issuers: Option<Vec<Box<str>>>,
    pub(super) subjects: SubjectRules,
    pub(super) state: Option<Secret>,
    pub(super) max_silence: Option<Duration>,
    pub(super) fail_safe: Option<Duration>,
    pub(super) client: Option<Arc<dyn DynHttpClient>>,
    pub(super) allows_local: bool,
}

/// How events come.
pub(super) enum Way {
    /// They are asked for at this URL.
    Poll(Box<str>),
    Push,
}

impl SharedSignals {
    /// Events that the transmitter of this issuer pushes to the path `/shared-signals` (RFC 8935).
    pub fn push(issuer: Issuer) -> Self {
        Self::by(issuer, Way::Push)
    }

    /// Events that are asked for at this URL (RFC 8936), every ten seconds. What was carried out is
    /// acknowledged then, and not before. By default it is an alarm if no answer comes for ten
    /// minutes.
    pub fn poll(issuer: Issuer, url: impl Into<Box<str>>) -> Self {
        Self {
            max_silence: Some(Duration::from_mins(10)),
            ..Self::by(issuer, Way::Poll(url.into()))
        }
    }

    fn by(issuer: Issuer, way: Way) -> Self {
        use SecurityEvent::{CredentialChanged, RiskMedium};
        Self {
            issuer,
            way,
            path: None,
            interval: None,
            audiences: None,
            token: None,
            leeway: Duration::from_secs(30),
            kept_for: KEPT_FOR,
            reactions: BTreeMap::from([
                (CredentialChanged, Reaction::Note),
                (RiskMedium, Reaction::Note),
            ]),
            subject_issuers: None,
            subjects: SubjectRules {
                issuers: Vec::new(),
                whole_tenants: Vec::new(),
                has_sessions: true,
                has_devices: false,
                has_tenants: false,
                critical: Vec::new(),
                resolver: None,
            },
            state: None,
            max_silence: None,
            fail_safe: Some(Duration::from_hours(1)),
            client: None,
            allows_local: false,
        }
    }

    /// The path from the root of the server to which events are pushed. `/shared-signals` by default.
    pub fn with_path(mut self, path: impl Into<Box<str>>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// How often events are asked for, where none are left waiting: at least every second, at most
    /// every hour.
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// The bearer token of this receiver (RFC 6750): the one that a poll brings along; or the one that
    /// a push has to, which was given to the transmitter as `Bearer …` in `authorization_header`.
    /// Without one, pushes are told by their signature alone.
    pub fn with_token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// What `aud` has to name, byte for byte. The default is the resource of the stack. Replaces all
    /// audiences set before.
    pub fn with_audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences = Some(vec![audience.into()]);
        self
    }

    /// One more audience that is taken. The first one that is added replaces the default.
    pub fn add_audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.get_or_insert_default().push(audience.into());
        self
    }

    /// How far the clocks of issuer and server may be apart: 30 seconds by default, at most 60.
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// For how long it is remembered what is over: as long as anything can live that it is to keep
    /// out, refresh tokens included. 90 days by default.
    pub fn with_kept_for(mut self, kept_for: Duration) -> Self {
        self.kept_for = kept_for;
        self
    }

    /// What an event does. See the [table](super#what-an-event-does) for what it does by default.
    pub fn with_reaction(mut self, event: SecurityEvent, reaction: Reaction) -> Self {
        self.reactions.insert(event, reaction);
        self
    }

    /// Whose subjects the transmitter speaks of: the `iss` of tokens, as the authenticators have it.
    /// Its own issuer by default. An `opaque` subject is one of the first.
    pub fn with_subject_issuers(
        mut self,
        issuers: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Self {
        self.subject_issuers = Some(issuers.into_iter().map(Into::into).collect());
        self
    }

    /// Who is meant by a name that no credential carries, such as an email address. It is called for
    /// each, and must not wait; whoever has to ask a directory keeps a copy of it.
    pub fn with_subjects_by(
        mut self,
        resolver: impl Fn(&SubjectName<'_>) -> Vec<RevocationKey> + Send + Sync + 'static,
    ) -> Self {
        self.subjects.resolver = Some(Arc::new(resolver));
        self
    }

    /// The tokens of this issuer carry no `sid`, so a session of it cannot be told here: its user is
    /// meant. Without this, an event about a session whose id no token has ends nothing.
    pub fn without_sessions(mut self) -> Self {
        self.subjects.has_sessions = false;
        self
    }

    /// Devices are told by their own key: the authenticator adds a
    /// [`RevocationKey::Device`](portcullis_core::RevocationKey::Device) to its evidence. Without this,
    /// the user of a device is meant.
    pub fn with_devices(mut self) -> Self {
        self.subjects.has_devices = true;
        self
    }

    /// Tenants are told by their own key: the authenticator adds a
    /// [`RevocationKey::Tenant`](portcullis_core::RevocationKey::Tenant) to its evidence.
    pub fn with_tenants(mut self) -> Self {
        self.subjects.has_tenants = true;
        self
    }

    /// This tenant is the whole issuer: what ends with it is everything that the issuer vouches for.
    pub fn add_whole_tenant(mut self, tenant: impl Into<Box<str>>) -> Self {
        self.subjects.whole_tenants.push(tenant.into());
        self
    }

    /// Members of a complex subject that the transmitter declares critical
    /// (`critical_subject_members`): an event with one that is not known here, such as `group`, is
    /// acknowledged and not carried out.
    pub fn with_critical_subject_members(
        mut self,
        members: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Self {
        self.subjects.critical = members.into_iter().map(Into::into).collect();
        self
    }

    /// The state that this receiver sends when it asks for a verification: an event that brings
    /// another one is refused. Without it, any is taken.
    pub fn with_verification_state(mut self, state: Secret) -> Self {
        self.state = Some(state);
        self
    }

    /// For how long nothing may come before that is an alarm: no event and no verification, or, with
    /// a poll, no answer. At least a minute. Off by default for pushes: have the transmitter send
    /// verifications, and set it to a few times their distance. What was issued long ago, or has come
    /// before, says nothing of now.
    pub fn with_max_silence(mut self, silence: Duration) -> Self {
        self.max_silence = Some(silence);
        self
    }

    /// Silence is no alarm.
    pub fn without_max_silence(mut self) -> Self {
        self.max_silence = None;
        self
    }

    /// How long ago users may have authenticated while the receiver is blind: an hour by default, at
    /// least a minute.
    pub fn with_fail_safe(mut self, age: Duration) -> Self {
        self.fail_safe = Some(age);
        self
    }

    /// A blind receiver is an alarm, and changes nothing else.
    pub fn without_fail_safe(mut self) -> Self {
        self.fail_safe = None;
        self
    }

    /// Retrieves keys and events with this client. It replaces the built-in one of the feature
    /// `reqwest`.
    pub fn with_http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// Allows to poll from the local network, and then also over `http`. For keys, that is said of
    /// the [`Issuer`].
    pub fn dangerously_allow_local_network(mut self) -> Self {
        self.allows_local = true;
        self
    }
}

impl fmt::Debug for SharedSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSignals")
            .field("issuer", &self.issuer)
            .field("reactions", &self.reactions)
            .field("max_silence", &self.max_silence)
            .field("fail_safe", &self.fail_safe)
            .finish_non_exhaustive()
    }
}
