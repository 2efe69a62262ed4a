//! One issuer, as configured.

use std::{fmt, iter, sync::Arc, time::Duration};

use portcullis_core::{Clock, ConfigError, ConfigErrors, Scopes};
use url::Url;

use crate::{
    Algorithm,
    algorithm::Allowed,
    http::{DynHttpClient, Shown, check_url},
    judge::TrustedIssuer,
    key::KeySet,
    key_source::{KeySource, Limits, Place, RemoteKeys, Retrieval},
    profile::Profile,
};

/// The longest time that a key set is fresh, whatever is configured.
const MAX_AGE: Duration = Duration::from_hours(24);
/// The most issuers of one setting: each is looked through, and told to clients.
const MAX_NAMES: usize = 100;
const SHORTEST_MAX_AGE: Duration = Duration::from_mins(1);
const MAX_STALE: Duration = Duration::from_hours(24);
const MAX_TIMEOUT: Duration = Duration::from_mins(1);

/// An issuer whose tokens are accepted, and where its keys come from.
///
/// By default they are found by discovery: the issuer's metadata is looked for at
/// `/.well-known/openid-configuration`, appended to the issuer (OpenID Connect Discovery §4),
/// then at `/.well-known/oauth-authorization-server`, put between host and path (RFC 8414
/// §3.1). The `issuer` in it has to equal the configured one byte for byte: a trailing slash
/// counts.
///
/// # When keys are retrieved
///
/// - At first when a request needs them, or when the stack's `ready()` is awaited.
/// - Again when they are no longer fresh. How long they are, says the issuer's
///   `Cache-Control: max-age`, within one minute and [`with_max_key_age`](Self::with_max_key_age);
///   five minutes if it says nothing; up to a tenth less at random.
/// - When a token names a key that is not among them, so that a rotated key works at once: at
///   most every 30 seconds. Ten thousand invented key ids cause one retrieval, and a key id
///   that a retrieval did not bring is not asked for again for a minute.
///
/// There is one retrieval at a time. It belongs to the authenticator, not to a request. While
/// the keys are less than a minute overdue, requests go on with those at hand.
///
/// # When keys cannot be retrieved
///
/// The last good ones serve for [`with_max_stale`](Self::with_max_stale) longer; then tokens
/// of this issuer are answered with 503. Attempts are 1 s apart, then 2 s, up to 30 s. An
/// answer without a single usable key counts as a failure.
///
/// # How soon a withdrawn key is refused
///
/// At the latest when the keys are no longer fresh, plus one minute, plus the time of one
/// retrieval; also for tokens whose signature is already known. While the issuer cannot be
/// reached, `with_max_stale` later.
#[derive(Clone)]
#[must_use]
pub struct Issuer {
    name: Box<str>,
    /// Issuers of which everything else is the same, keys included.
    other_names: Vec<Box<str>>,
    profile: Option<Profile>,
    role_prefix: Option<Box<str>>,
    source: Source,
    algorithms: Option<Vec<Algorithm>>,
    clients: Option<Vec<Box<str>>>,
    allows_legacy_typ: bool,
    allows_local: bool,
    limits: Limits,
}

#[derive(Clone)]
enum Source {
    Discovery,
    JwksUrl(Box<str>),
    Static(Box<str>),
}

impl Issuer {
    /// An issuer by its identifier: the `iss` of its tokens, byte for byte.
    ///
    /// It is the `https` URL that the issuer's documentation shows. Keys are found by
    /// discovery.
    pub fn new(identifier: impl Into<Box<str>>) -> Self {
        Self {
            name: identifier.into(),
            other_names: Vec::new(),
            profile: None,
            role_prefix: None,
            source: Source::Discovery,
            algorithms: None,
            clients: None,
            allows_legacy_typ: false,
            allows_local: false,
            limits: Limits {
                max_age: MAX_AGE,
                max_stale: Duration::from_hours(1),
                timeout: Duration::from_secs(5),
            },
        }
    }

    /// An issuer whose tokens are known. Its constructors stand on the pages of
    /// [`provider`](crate::provider).
    pub(crate) fn with_profile(name: Box<str>, profile: Profile) -> Self {
        Self {
            profile: Some(profile),
            ..Self::new(name)
        }
    }

    /// More issuers of which everything else is the same.
    /// The same issuer with another profile; `None`, if it has one already.
    pub(crate) fn into_profile(mut self, profile: Profile) -> Option<Self> {
        if self.profile.is_some() {
            return None;
        }
        self.profile = Some(profile);
        Some(self)
    }

    pub(crate) fn with_other_names(mut self, names: impl IntoIterator<Item = Box<str>>) -> Self {
        self.other_names = names.into_iter().collect();
        self
    }

    /// Takes the keys from this URL, without discovery. Replaces
    /// [`with_static_keys`](Self::with_static_keys).
    pub fn with_jwks_url(mut self, url: impl Into<Box<str>>) -> Self {
        self.source = Source::JwksUrl(url.into());
        self
    }

    /// Takes the keys from this JSON Web Key set (RFC 7517 §5), and never retrieves any.
    /// Replaces [`with_jwks_url`](Self::with_jwks_url).
    ///
    /// Keys that cannot be used are left out with a warning. A set without a usable one is a
    /// configuration error.
    pub fn with_static_keys(mut self, jwks: impl Into<Box<str>>) -> Self {
        self.source = Source::Static(jwks.into());
        self
    }

    /// Accepts only these algorithms. They are of one kind of key: `ES256` and `ES384`,
    /// `EdDSA`, or those of RSA.
    ///
    /// Without it, every [`Algorithm`] is accepted, each from the keys that are for it. That
    /// is safe: each key has exactly one algorithm, which it declares as `alg` or which
    /// follows from its type (RFC 8725 §3.1), and a token cannot choose another. An RSA key
    /// that declares none is for `RS256`; where this list allows only one algorithm of RSA,
    /// for that one.
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Accepts the tokens of these client applications alone, by `client_id` or what stands in
    /// for it, byte for byte. Replaces those that were named before.
    ///
    /// Without it, every client is accepted to which the issuer gives a token for this server's
    /// audience.
    pub fn with_clients(mut self, clients: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.clients = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// Takes the roles in the tokens of this [`provider`](crate::provider) for scopes, with this
    /// prefix before their names; its page says which roles there are. With `role:`, the role
    /// `admin` meets what requires the scope `role:admin`.
    ///
    /// Without it, roles are not looked at. The prefix is one that no scope of the issuer
    /// begins with: a scope that does is left out, so that none passes for a role. So is a role
    /// that cannot be a scope (RFC 6749 §3.3), because of a blank in it or a letter that is not
    /// ASCII.
    pub fn with_roles_as_scopes(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.role_prefix = Some(prefix.into());
        self
    }

    /// Accepts the header `typ: JWT` beside `at+jwt`, for issuers older than RFC 9068.
    ///
    /// This gives up what tells an access token from an ID token. What is left:
    ///
    /// - Tokens with a claim that access tokens do not carry are refused: `nonce`, `at_hash`,
    ///   `c_hash`, `events`.
    /// - An ID token's audience is the client. So **this server's audience must not be a
    ///   client id**.
    ///
    /// For a provider that has a page, its constructor does better: see
    /// [`provider`](crate::provider).
    ///
    /// In such tokens, `azp` stands in for a missing `client_id`, and `scp` for a missing
    /// `scope`.
    pub fn with_legacy_typ(mut self) -> Self {
        self.allows_legacy_typ = true;
        self
    }

    /// How long retrieved keys are fresh at most, whatever the issuer's `Cache-Control` says:
    /// between a minute and a day, which is the default.
    ///
    /// A shorter time makes a withdrawn key be refused sooner, at the price of more retrievals.
    pub fn with_max_key_age(mut self, age: Duration) -> Self {
        self.limits.max_age = age;
        self
    }

    /// How much longer the last good keys serve when newer ones cannot be retrieved: an hour
    /// by default, at most a day. Then the answer is 503.
    pub fn with_max_stale(mut self, time: Duration) -> Self {
        self.limits.max_stale = time;
        self
    }

    /// How long a retrieval may take, discovery included: five seconds by default, at most a
    /// minute. Requests that need the keys wait as long.
    pub fn with_retrieval_timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Allows to retrieve keys from the local network: from loopback and private addresses,
    /// by `http` as well. Meant for tests and for issuers beside this server.
    ///
    /// Whoever can write the issuer's metadata can then make this server send requests into
    /// its own network. Link-local addresses, where clouds serve credentials, stay refused.
    pub fn dangerously_allow_local_network(mut self) -> Self {
        self.allows_local = true;
        self
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        iter::once(&self.name)
            .chain(&self.other_names)
            .map(|name| &**name)
    }

    pub(crate) fn build(
        self,
        clock: &Arc<dyn Clock>,
        client: Option<&Arc<dyn DynHttpClient>>,
    ) -> Result<Vec<TrustedIssuer>, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        self.check_name(&mut errors);
        self.check_limits(&mut errors);
        self.check_clients(&mut errors);
        self.check_profile(&mut errors);
        let allowed = self.allowed(&mut errors);
        let keys = self.key_source(allowed, clock, client, &mut errors);
        let Some(keys) = keys else {
            return Err(errors);
        };
        errors.into_result(())?;
        let keys = Arc::new(keys);
        let clients: Option<Arc<[_]>> = self.clients.map(Into::into);
        let allows_legacy_typ = self.allows_legacy_typ || self.profile.is_some();
        let names = iter::once(self.name).chain(self.other_names);
        Ok(names
            .map(|name| TrustedIssuer {
                name,
                allowed,
                clients: clients.clone(),
                allows_legacy_typ,
                profile: self.profile.clone(),
                role_prefix: self.role_prefix.clone(),
                keys: Arc::clone(&keys),
            })
            .collect())
    }

    fn check_name(&self, errors: &mut ConfigErrors) {
        let mut complain = |problem: &str| {
            let problem = format!(
                "the issuer {} {problem}; write it exactly as in `iss`",
                Shown(&self.name)
            );
            errors.push(ConfigError::new(self.constructor(), problem));
        };
        if matches!(self.source, Source::Discovery) {
            match check_url(&self.name, self.allows_local) {
                Err(problem) => complain(problem),
                Ok((url, _)) if url.query().is_some() => complain("holds a query"),
                Ok(_) => {}
            }
        } else if self.name.is_empty()
            || self.name.len() > 2048
            || self.name.chars().any(char::is_control)
        {
            complain("is empty, longer than 2048 bytes or holds a control character");
        } else if Url::parse(&self.name)
            .is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
        {
            // Clients are told where to get tokens.
            complain("holds a user name or a password, which everybody would be told");
        }
    }

    fn check_limits(&self, errors: &mut ConfigErrors) {
        let mut check = |setting: &str, holds: bool, problem: &str| {
            if !holds {
                errors.push(ConfigError::new(setting, problem));
            }
        };
        let Limits {
            max_age,
            max_stale,
            timeout,
        } = self.limits;
        check(
            "with_max_key_age",
            (SHORTEST_MAX_AGE..=MAX_AGE).contains(&max_age),
            "is not between one minute and 24 hours; choose a time in between",
        );
        check(
            "with_max_stale",
            max_stale <= MAX_STALE,
            "is longer than 24 hours; shorten it",
        );
        check(
            "with_retrieval_timeout",
            !timeout.is_zero() && timeout <= MAX_TIMEOUT,
            "is zero or longer than one minute; choose a time in between",
        );
    }

    /// What whoever configures this has written.
    fn constructor(&self) -> &'static str {
        self.profile
            .as_ref()
            .map_or("Issuer::new", Profile::setting)
    }

    fn check_profile(&self, errors: &mut ConfigErrors) {
        let name = Shown(&self.name);
        let mut complain = |setting: &str, problem: String| {
            errors.push(ConfigError::new(setting, problem));
        };
        if let Some(profile) = &self.profile {
            for name in self.names() {
                if let Some(problem) = profile.problem_of(name) {
                    let problem = format!("the issuer {} {problem}", Shown(name));
                    complain(profile.setting(), problem);
                }
            }
            if self.other_names.len() >= MAX_NAMES {
                let problem = format!("names more than {MAX_NAMES} tenants; name fewer");
                complain(profile.setting(), problem);
            }
            if self.allows_legacy_typ {
                let problem = format!(
                    "is set for {name}, of which is known what its tokens look like; drop it"
                );
                complain("with_legacy_typ", problem);
            }
        }
        match &self.role_prefix {
            Some(_) if self.profile.is_none() => {
                let problem = format!(
                    "is set for {name}, of which is not known where it writes roles; use the \
                     constructor of its provider, or drop it"
                );
                complain("with_roles_as_scopes", problem);
            }
            Some(prefix) if Scopes::collect([&**prefix]).is_err() => {
                let problem = format!(
                    "the prefix for {name} is empty or cannot begin a scope; give one that no \
                     scope begins with, such as `role:`"
                );
                complain("with_roles_as_scopes", problem);
            }
            _ => {}
        }
    }

    fn check_clients(&self, errors: &mut ConfigErrors) {
        let Some(clients) = &self.clients else {
            return;
        };
        if clients.is_empty() || clients.iter().any(|client| client.is_empty()) {
            let problem = format!(
                "the list for {} is empty, or a name in it; name the clients, or drop the setting",
                Shown(&self.name)
            );
            errors.push(ConfigError::new("with_clients", problem));
        }
    }

    fn allowed(&self, errors: &mut ConfigErrors) -> Allowed {
        let Some(algorithms) = &self.algorithms else {
            return Allowed::ALL;
        };
        let mut complain = |problem: &str| {
            let problem = format!("the list for {} {problem}", Shown(&self.name));
            errors.push(ConfigError::new("with_algorithms", problem));
        };
        if algorithms.is_empty() {
            complain("is empty; name an algorithm, or drop the setting");
        }
        let mut rest = algorithms.iter();
        while let Some(algorithm) = rest.next() {
            if rest.as_slice().contains(algorithm) {
                complain(&format!("names {algorithm} twice; name it once"));
            }
        }
        let mut families = algorithms.iter().map(|algorithm| algorithm.family());
        if let Some(first) = families.next()
            && families.any(|family| family != first)
        {
            complain(
                "mixes key families (RSA, EC, OKP); give one family per issuer, or drop the \
                 setting to accept the algorithm that each key declares",
            );
        }
        Allowed::only(algorithms)
    }

    fn key_source(
        &self,
        allowed: Allowed,
        clock: &Arc<dyn Clock>,
        client: Option<&Arc<dyn DynHttpClient>>,
        errors: &mut ConfigErrors,
    ) -> Option<KeySource> {
        let place = match &self.source {
            Source::Static(jwks) => {
                return match KeySet::parse(jwks, allowed, &self.name, None) {
                    Ok(keys) => Some(KeySource::fixed(keys)),
                    Err(problem) => {
                        let problem = format!(
                            "the key set of {} {problem}; give it public keys for signatures",
                            Shown(&self.name)
                        );
                        errors.push(ConfigError::new("with_static_keys", problem));
                        None
                    }
                };
            }
            Source::JwksUrl(url) => {
                if let Err(problem) = check_url(url, self.allows_local) {
                    let url = Shown(url);
                    let problem = format!("{url} {problem}; give the `jwks_uri` of the issuer");
                    errors.push(ConfigError::new("with_jwks_url", problem));
                }
                Place::Known(url.clone())
            }
            Source::Discovery => Place::Discovered,
        };
        let Some(client) = client else {
            errors.push(ConfigError::new(
                "with_http_client",
                "is not set, and the feature `reqwest` is off; set it, switch the feature on, \
                 or give the issuer `with_static_keys`",
            ));
            return None;
        };
        let retrieval = Retrieval {
            issuer: self.name.clone(),
            place,
            allows_local: self.allows_local,
            allowed,
            limits: self.limits,
            client: Arc::clone(client),
            clock: Arc::clone(clock),
        };
        Some(KeySource::Remote(RemoteKeys::new(retrieval)))
    }
}

impl fmt::Debug for Issuer {
    /// Without what secrets were left in a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("name", &format_args!("{}", Shown(&self.name)))
            .field("other_names", &self.other_names.len())
            .field("profile", &self.profile)
            .field("role_prefix", &self.role_prefix)
            .field("source", &self.source)
            .field("algorithms", &self.algorithms)
            .field("clients", &self.clients.as_ref().map(Vec::len))
            .field("allows_legacy_typ", &self.allows_legacy_typ)
            .field("allows_local", &self.allows_local)
            .field("limits", &self.limits)
            .finish()
    }
}

impl fmt::Debug for Source {
    /// Without the key set: somebody may have given it with the private keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discovery => f.write_str("Discovery"),
            Self::JwksUrl(url) => write!(f, "JwksUrl({})", Shown(url)),
            Self::Static(_) => f.write_str("Static(..)"),
        }
    }
}
