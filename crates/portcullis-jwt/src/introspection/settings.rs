//! The configuration.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use portcullis_core::{ConfigError, ConfigErrors, IntoAuthenticator, Site, entropy};
use tokio::sync::{OnceCell, Semaphore};

use super::{
    IntrospectionAuthenticator,
    answer::Rules,
    authenticator::Inner,
    cache::Answers,
    credentials::{ClientCredentials, Prepared},
    endpoint::Endpoint,
    signed::Signed,
    watch::Watch,
};
use crate::{
    Algorithm, HttpClient, Issuer,
    algorithm::Allowed,
    claims,
    http::{DynHttpClient, Shown, check_url},
    jwt::{audiences, check_age, check_leeway},
    key_source::{Limits, Place, Retrieval},
};

const DEFAULT_CAPACITY: NonZeroUsize = match NonZeroUsize::new(4096) {
    Some(capacity) => capacity,
    None => NonZeroUsize::MIN,
};
const DEFAULT_SPAN: Duration = Duration::from_secs(30);
const MAX_SPAN: Duration = Duration::from_mins(5);
const MAX_TIMEOUT: Duration = Duration::from_mins(1);
const DEFAULT_TURNS: NonZeroUsize = match NonZeroUsize::new(64) {
    Some(turns) => turns,
    None => NonZeroUsize::MIN,
};

/// The configuration of an authenticator that asks about opaque tokens. See the
/// [module docs](super).
///
/// Setters keep their mistakes; [`build`](Self::build), or the stack that this is added to,
/// reports all of them.
#[must_use]
pub struct Introspection {
    issuer: Box<str>,
    credentials: ClientCredentials,
    endpoint: Option<Box<str>>,
    prefixes: Vec<Box<str>>,
    takes_jwts: bool,
    is_signed: bool,
    jwks_url: Option<Box<str>>,
    algorithms: Option<Vec<Algorithm>>,
    audiences: Option<Vec<Box<str>>>,
    clients: Option<Vec<Box<str>>>,
    allows_missing_audience: bool,
    allows_missing_token_type: bool,
    leeway: Duration,
    max_age: Option<Duration>,
    span: Option<Duration>,
    capacity: NonZeroUsize,
    timeout: Duration,
    turns: NonZeroUsize,
    allows_local: bool,
    client: Option<Arc<dyn DynHttpClient>>,
}

impl Introspection {
    /// Asks the issuer with this identifier, as this client. The endpoint is found by discovery
    /// (RFC 8414; OpenID Connect Discovery).
    pub fn new(issuer: impl Into<Box<str>>, credentials: ClientCredentials) -> Self {
        Self {
            issuer: issuer.into(),
            credentials,
            endpoint: None,
            prefixes: Vec::new(),
            takes_jwts: false,
            is_signed: false,
            jwks_url: None,
            algorithms: None,
            audiences: None,
            clients: None,
            allows_missing_audience: false,
            allows_missing_token_type: false,
            leeway: Duration::from_secs(30),
            max_age: None,
            span: Some(DEFAULT_SPAN),
            capacity: DEFAULT_CAPACITY,
            timeout: Duration::from_secs(5),
            turns: DEFAULT_TURNS,
            allows_local: false,
            client: None,
        }
    }

    /// Asks at this URL, without discovery.
    pub fn with_endpoint(mut self, url: impl Into<Box<str>>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Asks only about tokens that begin with this, such as `ory_at_`. Replaces all prefixes set
    /// before. Without one, every bearer credential that no authenticator before has taken is
    /// asked about.
    pub fn with_prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefixes = vec![prefix.into()];
        self
    }

    /// One more prefix.
    pub fn add_prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefixes.push(prefix.into());
        self
    }

    /// Asks about JWTs too, so that their issuer can take them back. A [`Jwt`](crate::Jwt) for
    /// the same issuer must not stand before it then: that would answer without asking.
    pub fn with_jwts(mut self) -> Self {
        self.takes_jwts = true;
        self
    }

    /// Asks for answers that the issuer has signed (RFC 9701), and takes no others: what the
    /// issuer says is then known to be its own even where somebody else ends the TLS connection.
    /// The keys are found by discovery.
    pub fn with_signed_answers(mut self) -> Self {
        self.is_signed = true;
        self
    }

    /// Where the keys of [signed answers](Self::with_signed_answers) are, without discovery.
    pub fn with_jwks_url(mut self, url: impl Into<Box<str>>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// With which algorithms [answers](Self::with_signed_answers) may be signed: all of one
    /// family of keys. Without it, what each key declares.
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// What `aud` has to name, byte for byte: the identifier of this resource server. The
    /// default is the resource of the stack. Replaces all audiences set before.
    pub fn with_audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences = Some(vec![audience.into()]);
        self
    }

    /// One more audience that is taken. The first one that is added replaces the default.
    pub fn add_audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.get_or_insert_default().push(audience.into());
        self
    }

    /// Only the tokens of these clients are accepted, by their `client_id`.
    pub fn with_clients(mut self, clients: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.clients = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// Takes answers without `aud`. One that is there still has to name this server.
    ///
    /// Then a token that was given to a client for quite another server of the same issuer opens
    /// this one too: name the clients with [`with_clients`](Self::with_clients), and have scopes
    /// that nobody else uses.
    pub fn dangerously_allow_missing_audience(mut self) -> Self {
        self.allows_missing_audience = true;
        self
    }

    /// Takes answers without `token_type`, for issuers that leave it out. It is what tells access
    /// tokens from refresh tokens: make sure that the issuer does not say of its refresh tokens
    /// that they are active, or not to this client.
    pub fn allow_missing_token_type(mut self) -> Self {
        self.allows_missing_token_type = true;
        self
    }

    /// How far the clocks of issuer and server may be apart: 30 seconds by default, at most 60.
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// How long after `iat` a token is taken, whatever its `exp` says, as
    /// [`Jwt::with_max_token_age`](crate::Jwt::with_max_token_age) does for JWTs. Off by default; with
    /// it, a token is refused of which the issuer does not say when it was issued.
    pub fn with_max_token_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// How long an answer is kept: 30 seconds by default, at most five minutes, and never beyond
    /// `exp`. A token that its issuer has revoked stays good here for as long.
    pub fn with_cache_for(mut self, span: Duration) -> Self {
        self.span = Some(span);
        self
    }

    /// Of how many tokens answers are kept: 4096 by default, about a kilobyte each.
    pub fn with_cache_capacity(mut self, capacity: NonZeroUsize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Asks for every request, but once for requests with the same token at the same time.
    pub fn without_cache(mut self) -> Self {
        self.span = None;
        self
    }

    /// How long an answer may take, with everything that is needed for it: five seconds by
    /// default, at most one minute.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many tokens are asked about at the same time: 64 by default. Others wait for their
    /// turn, within the [time](Self::with_timeout) that an answer may take.
    pub fn with_max_concurrency(mut self, turns: NonZeroUsize) -> Self {
        self.turns = turns;
        self
    }

    /// Lets the issuer be in the local network, and then also be asked over `http`. Only for
    /// development, or where the network is trusted: the agent's secret and its users' tokens are
    /// sent over it.
    pub fn dangerously_allow_local_network(mut self) -> Self {
        self.allows_local = true;
        self
    }

    /// Asks with this client. It replaces the built-in one of the feature `reqwest`.
    pub fn with_http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// Builds the authenticator, for the place where it will stand. A stack does this by itself.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work.
    pub fn build(self, site: &Site) -> Result<IntrospectionAuthenticator, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let audiences = audiences(self.audiences.as_ref(), site, &mut errors);
        check_leeway(self.leeway, &mut errors);
        self.check_issuer(&mut errors);
        self.check_times(&mut errors);
        self.check_names(&mut errors);
        let client = self.client(&mut errors);
        let credentials = self
            .credentials
            .prepare(&self.issuer, site.clock(), &mut errors);
        let key = entropy::bytes();
        if let Err(error) = &key {
            let problem = format!("needs randomness, and there is none: {error}");
            errors.push(ConfigError::new("with_cache_for", problem));
        }
        let signed = client
            .as_ref()
            .and_then(|client| self.signed(site, client, &audiences, &mut errors));
        let (Some(client), Some(credentials), Ok(key)) = (client, credentials, key) else {
            return Err(errors);
        };
        errors.into_result(())?;
        Ok(IntrospectionAuthenticator::new(Inner {
            endpoint: self.endpoint(site, client, credentials),
            rules: Rules {
                issuer: self.issuer,
                checks: claims::Rules {
                    audiences,
                    leeway: self.leeway,
                    max_lifetime: Duration::MAX,
                    max_age: self.max_age,
                },
                clients: self.clients.map(Into::into),
                allows_missing_audience: self.allows_missing_audience,
                allows_missing_token_type: self.allows_missing_token_type,
            },
            signed,
            prefixes: self.prefixes,
            takes_jwts: self.takes_jwts,
            answers: Answers::new(self.capacity, &key),
            keeps: self.span,
            asks_again: self.span.unwrap_or(DEFAULT_SPAN),
            watch: Watch::default(),
            clock: Arc::clone(site.clock()),
            asked: AtomicU64::new(0),
        }))
    }

    fn check_issuer(&self, errors: &mut ConfigErrors) {
        // Where clients get tokens is told to everybody, so it is a URL in any case.
        match check_url(&self.issuer, self.allows_local) {
            Ok((url, _)) if url.query().is_none() => {}
            outcome => {
                let problem = outcome.err().unwrap_or("holds a query");
                let problem = format!(
                    "the issuer {} {problem}; write it exactly as in its metadata",
                    Shown(&self.issuer)
                );
                errors.push(ConfigError::new("Introspection::new", problem));
            }
        }
        if let Some(url) = &self.endpoint
            && let Err(problem) = check_url(url, self.allows_local)
        {
            let problem = format!(
                "{} {problem}; give the `introspection_endpoint` of the issuer",
                Shown(url)
            );
            errors.push(ConfigError::new("with_endpoint", problem));
        }
    }

    fn check_times(&self, errors: &mut ConfigErrors) {
        check_age(self.max_age, errors);
        if self
            .span
            .is_some_and(|span| span.is_zero() || span > MAX_SPAN)
        {
            errors.push(ConfigError::new(
                "with_cache_for",
                "is zero or longer than 5 min; choose a time in between, or `without_cache`",
            ));
        }
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            errors.push(ConfigError::new(
                "with_timeout",
                "is zero or longer than one minute; choose a time in between",
            ));
        }
        if self.turns.get() > Semaphore::MAX_PERMITS {
            errors.push(ConfigError::new(
                "with_max_concurrency",
                "is more than can be counted; give a smaller number",
            ));
        }
    }

    fn check_names(&self, errors: &mut ConfigErrors) {
        if self.prefixes.iter().any(|prefix| prefix.is_empty()) {
            errors.push(ConfigError::new(
                "with_prefix",
                "is empty, which every token begins with; give a prefix, or drop the setting",
            ));
        }
        let has_empty =
            |names: &Vec<Box<str>>| names.is_empty() || names.iter().any(|name| name.is_empty());
        if self.clients.as_ref().is_some_and(has_empty) {
            errors.push(ConfigError::new(
                "with_clients",
                "the list is empty, or a name in it; name the clients, or drop the setting",
            ));
        }
        let unused = [
            ("with_jwks_url", self.jwks_url.is_some()),
            ("with_algorithms", self.algorithms.is_some()),
        ];
        for (setting, is_set) in unused {
            if is_set && !self.is_signed {
                errors.push(ConfigError::new(
                    setting,
                    "is for signed answers; add `with_signed_answers`, or drop it",
                ));
            }
        }
    }

    fn client(&self, errors: &mut ConfigErrors) -> Option<Arc<dyn DynHttpClient>> {
        if self.client.is_none() && self.credentials.needs_connection() {
            errors.push(ConfigError::new(
                "with_http_client",
                "is not set, and the credentials are `tls_client_auth`; set a client that shows \
                 the certificate",
            ));
            return None;
        }
        let client = self.client.clone();
        #[cfg(feature = "reqwest")]
        let client = client.or_else(|| Some(Arc::new(crate::http::ReqwestClient::pooled())));
        if client.is_none() {
            errors.push(ConfigError::new(
                "with_http_client",
                "is not set, and the feature `reqwest` is off; set it, or switch the feature on",
            ));
        }
        client
    }

    fn signed(
        &self,
        site: &Site,
        client: &Arc<dyn DynHttpClient>,
        audiences: &[Box<str>],
        errors: &mut ConfigErrors,
    ) -> Option<Signed> {
        if !self.is_signed {
            return None;
        }
        let mut issuer = Issuer::new(self.issuer.clone()).with_retrieval_timeout(self.timeout);
        if let Some(url) = &self.jwks_url {
            issuer = issuer.with_jwks_url(url.clone());
        }
        if let Some(algorithms) = &self.algorithms {
            issuer = issuer.with_algorithms(algorithms.iter().copied());
        }
        if self.allows_local {
            issuer = issuer.dangerously_allow_local_network();
        }
        match issuer.build(site.clock(), Some(client)) {
            Ok(issuers) => issuers.into_iter().next().map(|issuer| Signed {
                issuer,
                client: self.credentials.id().into(),
                audiences: audiences.to_vec(),
                leeway: self.leeway,
            }),
            Err(problems) => {
                // What is wrong with the issuer and the timeout has been said above.
                for problem in problems.iter() {
                    if matches!(problem.setting(), "with_jwks_url" | "with_algorithms") {
                        errors.push(ConfigError::new(problem.setting(), problem.problem()));
                    }
                }
                None
            }
        }
    }

    fn endpoint(
        &self,
        site: &Site,
        client: Arc<dyn DynHttpClient>,
        credentials: Prepared,
    ) -> Endpoint {
        Endpoint {
            url: OnceCell::new_with(self.endpoint.clone()),
            discovery: Retrieval {
                issuer: self.issuer.clone(),
                place: Place::Discovered,
                allows_local: self.allows_local,
                allowed: Allowed::ALL,
                limits: Limits {
                    max_age: MAX_TIMEOUT,
                    max_stale: Duration::ZERO,
                    timeout: self.timeout,
                },
                client,
                clock: Arc::clone(site.clock()),
            },
            credentials,
            is_signed: self.is_signed,
            timeout: self.timeout,
            turns: Semaphore::new(self.turns.get()),
        }
    }
}

impl IntoAuthenticator for Introspection {
    type Authenticator = IntrospectionAuthenticator;

    fn into_authenticator(self, site: &Site) -> Result<IntrospectionAuthenticator, ConfigErrors> {
        self.build(site)
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("issuer", &format_args!("{}", Shown(&self.issuer)))
            .field("credentials", &self.credentials)
            .field("prefixes", &self.prefixes)
            .field("is_signed", &self.is_signed)
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}
