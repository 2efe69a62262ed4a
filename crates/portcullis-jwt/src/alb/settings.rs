//! The configuration.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use portcullis_core::{ConfigError, ConfigErrors, IntoAuthenticator, Site, entropy};

use super::{AlbAuthenticator, authenticator::Inner, data::Rules, keys::Keys};
use crate::{
    HttpClient,
    http::{DynHttpClient, Shown, check_url},
    jwt::check_leeway,
    token_cache::TokenCache,
};

const TIMEOUT: Duration = Duration::from_secs(5);
const CACHE: NonZeroUsize = match NonZeroUsize::new(4096) {
    Some(capacity) => capacity,
    None => NonZeroUsize::MIN,
};

/// The configuration of an authenticator of what an Application Load Balancer says. See the
/// [module docs](super).
///
/// Setters keep their mistakes; [`build`](Self::build), or the stack that this is added to, reports
/// all of them.
#[must_use]
pub struct AlbUserClaims {
    signer: Box<str>,
    issuer: Box<str>,
    clients: Option<Vec<Box<str>>>,
    leeway: Duration,
    keys_url: Option<Box<str>>,
    allows_local: bool,
    client: Option<Arc<dyn DynHttpClient>>,
}

impl AlbUserClaims {
    /// Accepts what the load balancer with this ARN says of the users of this issuer.
    pub fn new(load_balancer: impl Into<Box<str>>, issuer: impl Into<Box<str>>) -> Self {
        Self {
            signer: load_balancer.into(),
            issuer: issuer.into(),
            clients: None,
            leeway: Duration::from_secs(30),
            keys_url: None,
            allows_local: false,
            client: None,
        }
    }

    /// Only users that logged in by one of these clients are let in.
    pub fn with_clients(mut self, clients: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.clients = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// How far the clocks of load balancer and server may be apart: 30 seconds by default, at most
    /// 60.
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Where the keys are, if not at the public place of the region: a `kid` is appended with a
    /// slash. Needed in China and in AWS `GovCloud`, which have places of their own.
    pub fn with_keys_url(mut self, url: impl Into<Box<str>>) -> Self {
        self.keys_url = Some(url.into());
        self
    }

    /// Lets the keys be in the local network, and then also be retrieved over `http`.
    pub fn dangerously_allow_local_network(mut self) -> Self {
        self.allows_local = true;
        self
    }

    /// Retrieves keys with this client. It replaces the built-in one of the feature `reqwest`.
    pub fn with_http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// Builds the authenticator, for the place where it will stand. A stack does this by itself.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work.
    pub fn build(self, site: &Site) -> Result<AlbAuthenticator, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        check_leeway(self.leeway, &mut errors);
        let base = self.base(&mut errors);
        self.check_names(&mut errors);
        let client = self.client.clone();
        #[cfg(feature = "reqwest")]
        let client = client.or_else(|| Some(Arc::new(crate::http::ReqwestClient::default())));
        if client.is_none() {
            errors.push(ConfigError::new(
                "with_http_client",
                "is not set, and the feature `reqwest` is off; set it, or switch the feature on",
            ));
        }
        let key = entropy::bytes();
        if let Err(error) = &key {
            let problem = format!("needs randomness, and there is none: {error}");
            errors.push(ConfigError::new("AlbUserClaims::new", problem));
        }
        let (Some(base), Some(client), Ok(key), true) = (base, client, key, errors.is_empty())
        else {
            return Err(errors);
        };
        let clock = site.clock();
        let keys = Keys::new(base, self.allows_local, TIMEOUT, client, Arc::clone(clock));
        Ok(AlbAuthenticator::new(Inner {
            rules: Rules {
                signer: self.signer,
                issuer: self.issuer,
                clients: self.clients.map(Into::into),
                leeway: self.leeway,
            },
            keys: Arc::new(keys),
            cache: TokenCache::new(CACHE, &key),
            clock: Arc::clone(clock),
        }))
    }

    /// Where keys are.
    fn base(&self, errors: &mut ConfigErrors) -> Option<Box<str>> {
        let region = region_of(&self.signer);
        if region.is_none() {
            errors.push(ConfigError::new(
                "AlbUserClaims::new",
                "the load balancer is not named by its ARN; give one like \
                 `arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/notes/50dc6c495c0c9188`",
            ));
        }
        if let Some(url) = &self.keys_url {
            if let Err(problem) = check_url(url, self.allows_local) {
                let problem = format!("{} {problem}; give an `https` URL", Shown(url));
                errors.push(ConfigError::new("with_keys_url", problem));
            }
            return Some(url.trim_end_matches('/').into());
        }
        let region = region?;
        Some(format!("https://public-keys.auth.elb.{region}.amazonaws.com").into())
    }

    fn check_names(&self, errors: &mut ConfigErrors) {
        if let Err(problem) = check_url(&self.issuer, true) {
            let problem = format!(
                "the issuer {} {problem}; write it exactly as in its metadata",
                Shown(&self.issuer)
            );
            errors.push(ConfigError::new("AlbUserClaims::new", problem));
        }
        let has_empty =
            |names: &Vec<Box<str>>| names.is_empty() || names.iter().any(|name| name.is_empty());
        if self.clients.as_ref().is_some_and(has_empty) {
            errors.push(ConfigError::new(
                "with_clients",
                "the list is empty, or a name in it; name the clients, or drop the setting",
            ));
        }
    }
}

/// The region in the ARN of an Application Load Balancer.
fn region_of(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':');
    let (scheme, partition) = (parts.next()?, parts.next()?);
    let (service, region) = (parts.next()?, parts.next()?);
    let (account, resource) = (parts.next()?, parts.next()?);
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let is_right = scheme == "arn"
        && is_name(partition)
        && service == "elasticloadbalancing"
        && is_name(region)
        && is_name(account)
        && resource.starts_with("loadbalancer/app/")
        && parts.next().is_none();
    is_right.then_some(region)
}

impl IntoAuthenticator for AlbUserClaims {
    type Authenticator = AlbAuthenticator;

    fn into_authenticator(self, site: &Site) -> Result<AlbAuthenticator, ConfigErrors> {
        self.build(site)
    }
}

impl fmt::Debug for AlbUserClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlbUserClaims")
            .field("signer", &self.signer)
            .field("issuer", &format_args!("{}", Shown(&self.issuer)))
            .field("clients", &self.clients.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_stands_in_the_arn() {
        let arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/a/1";
        assert_eq!(region_of(arn), Some("eu-central-1"));
        for arn in [
            "",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/a/1",
            "arn:aws:elasticloadbalancing:evil.example/:123456789012:loadbalancer/app/a/1",
            "arn:aws:elasticloadbalancing::123456789012:loadbalancer/app/a/1",
            "arn:aws:ec2:eu-central-1:123456789012:loadbalancer/app/a/1",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/a/1:x",
        ] {
            assert_eq!(region_of(arn), None, "{arn}");
        }
    }
}
