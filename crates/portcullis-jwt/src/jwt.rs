//! The configuration.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use portcullis_core::{ConfigError, ConfigErrors, IntoAuthenticator, Site, entropy};

use crate::{
    HttpClient, Issuer, JwtAuthenticator,
    authenticator::{Carrier, Inner},
    claims::Rules,
    http::{DynHttpClient, Shown},
    token_cache::TokenCache,
};

/// The longest leeway, as in the FAPI 2.0 Security Profile.
const MAX_LEEWAY: Duration = Duration::from_secs(60);
/// The shortest age: a token has to come from the issuer first.
const MIN_AGE: Duration = Duration::from_secs(10);
const DEFAULT_CACHE: NonZeroUsize = match NonZeroUsize::new(4096) {
    Some(capacity) => capacity,
    None => NonZeroUsize::MIN,
};

/// The configuration of an authenticator for JWT access tokens. See the [crate docs](crate).
///
/// Setters keep their mistakes; [`build`](Self::build), or the stack that this is added to,
/// reports all of them.
#[must_use]
pub struct Jwt {
    issuers: Vec<Issuer>,
    audiences: Option<Vec<Box<str>>>,
    leeway: Duration,
    max_lifetime: Duration,
    max_age: Option<Duration>,
    cache: Option<NonZeroUsize>,
    client: Option<Arc<dyn DynHttpClient>>,
}

impl Jwt {
    /// Accepts the tokens of one issuer, by its identifier. Its keys are found by discovery.
    ///
    /// The same as `Jwt::new(Issuer::new(identifier))`.
    pub fn issuer(identifier: impl Into<Box<str>>) -> Self {
        Self::new(Issuer::new(identifier))
    }

    /// Accepts the tokens of one issuer.
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuers: vec![issuer],
            audiences: None,
            leeway: Duration::from_secs(30),
            max_lifetime: Duration::from_hours(24),
            max_age: None,
            cache: Some(DEFAULT_CACHE),
            client: None,
        }
    }

    /// Accepts the tokens of one more issuer. Each has its own keys: those of one never check
    /// a token of another.
    pub fn add_issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    pub(crate) fn with_only_issuer(mut self, issuer: Issuer) -> Self {
        self.issuers = vec![issuer];
        self
    }

    /// What `aud` has to name, byte for byte: the identifier of this resource server. The
    /// default is the resource of the stack. Replaces all audiences set before.
    pub fn with_audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences = Some(vec![audience.into()]);
        self
    }

    /// One more audience that is taken, such as a former name of this server. The first one
    /// that is added replaces the default.
    pub fn add_audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.get_or_insert_default().push(audience.into());
        self
    }

    /// How far the clocks of issuer and server may be apart: 30 seconds by default, at most
    /// 60.
    ///
    /// A token is good while `now < exp + leeway`, and once `now + leeway >= nbf` and
    /// `now + leeway >= iat`. The end of the evidence is `exp + leeway`.
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest time between `iat` and `exp`: 24 hours by default. A token that is good for
    /// longer is refused, however good its signature: it could not be waited out.
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// How long after `iat` a token is taken, whatever its `exp` says: for issuers whose tokens live
    /// longer than you like. The client gets another, as it does for one that has expired. Off by
    /// default; the leeway comes on top.
    ///
    /// Where only some operations want a young token, a requirement of the step-up layer asks for
    /// that: `Requirement::with_max_token_age` of `portcullis`.
    pub fn with_max_token_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// How many tokens are known whose signature has been checked: 4096 by default.
    ///
    /// An entry takes one to three kilobytes for usual tokens, and never more than a token
    /// can hold. When there are more tokens, those used least lately are checked again.
    pub fn with_token_cache(mut self, capacity: NonZeroUsize) -> Self {
        self.cache = Some(capacity);
        self
    }

    /// Checks the signature of every request.
    pub fn without_token_cache(mut self) -> Self {
        self.cache = None;
        self
    }

    /// Retrieves keys with this client. It replaces the built-in one of the feature
    /// `reqwest`.
    pub fn with_http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// Builds the authenticator, for the place where it will stand.
    ///
    /// A stack does this by itself. Doing it by hand and adding a clone of the result to the
    /// stack leaves another clone for [`JwtAuthenticator::explain`].
    ///
    /// # Errors
    ///
    /// Every setting that cannot work.
    pub fn build(self, site: &Site) -> Result<JwtAuthenticator, ConfigErrors> {
        self.build_for(site, Carrier::Authorization)
    }

    pub(crate) fn build_for(
        self,
        site: &Site,
        carrier: Carrier,
    ) -> Result<JwtAuthenticator, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let audiences = audiences(self.audiences.as_ref(), site, &mut errors);
        self.check_times(&mut errors);
        self.check_issuers(&mut errors);
        let client = self.client();
        let cache = self.token_cache(&mut errors);
        let mut issuers = Vec::with_capacity(self.issuers.len());
        for issuer in self.issuers {
            match issuer.build(site.clock(), client.as_ref()) {
                Ok(built) => issuers.extend(built),
                Err(problems) => errors.extend(problems),
            }
        }
        errors.into_result(())?;
        Ok(JwtAuthenticator::new(Inner {
            carrier,
            issuers,
            rules: Rules {
                audiences,
                leeway: self.leeway,
                max_lifetime: self.max_lifetime,
                max_age: self.max_age,
            },
            cache,
            clock: Arc::clone(site.clock()),
            signature_checks: AtomicU64::new(0),
        }))
    }

    fn check_times(&self, errors: &mut ConfigErrors) {
        check_leeway(self.leeway, errors);
        check_age(self.max_age, errors);
        if self.max_lifetime.is_zero() {
            errors.push(ConfigError::new(
                "with_max_lifetime",
                "is zero, so that every token is refused; give the longest lifetime of a token",
            ));
        }
    }

    fn check_issuers(&self, errors: &mut ConfigErrors) {
        let names: Vec<_> = self.issuers.iter().flat_map(Issuer::names).collect();
        let mut rest = names.iter();
        while let Some(name) = rest.next() {
            if rest.as_slice().contains(name) {
                let problem = format!("the issuer {} is there twice; drop one", Shown(name));
                errors.push(ConfigError::new("add_issuer", problem));
            }
        }
    }

    /// The client that is set, or the built-in one if there is one.
    fn client(&self) -> Option<Arc<dyn DynHttpClient>> {
        client_or_built_in(self.client.clone())
    }

    fn token_cache(&self, errors: &mut ConfigErrors) -> Option<TokenCache> {
        let capacity = self.cache?;
        match entropy::bytes() {
            Ok(key) => Some(TokenCache::new(capacity, &key)),
            Err(error) => {
                let problem = format!("needs randomness, and there is none: {error}");
                errors.push(ConfigError::new("with_token_cache", problem));
                None
            }
        }
    }
}

/// The client that is set, or the built-in one if there is one.
pub(crate) fn client_or_built_in(
    client: Option<Arc<dyn DynHttpClient>>,
) -> Option<Arc<dyn DynHttpClient>> {
    #[cfg(feature = "reqwest")]
    let client = client.or_else(|| Some(Arc::new(crate::http::ReqwestClient::default())));
    client
}

/// The audiences that are set, or the resource of the stack.
pub(crate) fn audiences(
    set: Option<&Vec<Box<str>>>,
    site: &Site,
    errors: &mut ConfigErrors,
) -> Vec<Box<str>> {
    let audiences = match (set, site.resource()) {
        (Some(audiences), _) => audiences.clone(),
        (None, Some(resource)) => vec![resource.into()],
        (None, None) => {
            errors.push(ConfigError::new(
                "with_audience",
                "is not set, and the stack has no resource to take it from; set it, or set \
                 the resource of the stack",
            ));
            Vec::new()
        }
    };
    if audiences.iter().any(|audience| audience.is_empty()) {
        errors.push(ConfigError::new(
            "with_audience",
            "is empty; give the identifier of this resource server",
        ));
    }
    audiences
}

/// How old a token may become.
pub(crate) fn check_age(age: Option<Duration>, errors: &mut ConfigErrors) {
    if age.is_some_and(|age| age < MIN_AGE) {
        errors.push(ConfigError::new(
            "with_max_token_age",
            "is shorter than 10 s, within which clients could not use a token; give a longer time",
        ));
    }
}

pub(crate) fn check_leeway(leeway: Duration, errors: &mut ConfigErrors) {
    if leeway > MAX_LEEWAY {
        errors.push(ConfigError::new(
            "with_leeway",
            "is longer than 60 s; shorten it, and set the clocks",
        ));
    }
}

impl IntoAuthenticator for Jwt {
    type Authenticator = JwtAuthenticator;

    fn into_authenticator(self, site: &Site) -> Result<JwtAuthenticator, ConfigErrors> {
        self.build(site)
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let audiences = self.audiences.as_ref().map(|audiences| {
            let shown = audiences.iter().map(|audience| Shown(audience).to_string());
            shown.collect::<Vec<_>>()
        });
        f.debug_struct("Jwt")
            .field("issuers", &self.issuers)
            .field("audiences", &audiences)
            .field("leeway", &self.leeway)
            .field("max_lifetime", &self.max_lifetime)
            .field("max_age", &self.max_age)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
