//! Whose tokens are accepted.

use std::error::Error;

use portcullis::{
    Clock as _, Timestamp,
    jwt::{Issuer, Jwt},
};
use portcullis_testing::identity_provider::{IdentityProvider, Token};

use crate::cli::Options;

/// A provider of one's own, or a real one.
#[derive(Debug)]
pub(crate) enum Issuing {
    Local {
        provider: IdentityProvider,
        resource: String,
    },
    Real {
        url: String,
    },
}

impl Issuing {
    pub(crate) async fn start(options: &Options, resource: &str) -> Result<Self, Box<dyn Error>> {
        match &options.issuer {
            Some(url) => Ok(Self::Real { url: url.clone() }),
            None => Ok(Self::Local {
                provider: IdentityProvider::new().serve().await,
                resource: resource.to_owned(),
            }),
        }
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Local { provider, .. } => provider.issuer(),
            Self::Real { url } => url,
        }
    }

    /// A token to try things out with, where that can be had without asking anybody.
    pub(crate) fn token(&self) -> Option<String> {
        match self {
            Self::Local { provider, resource } => {
                let now = portcullis::SystemClock::new().now();
                Some(mint(provider, resource, "alice", "notes.read", now).mint())
            }
            Self::Real { .. } => None,
        }
    }

    pub(crate) fn authenticator(&self) -> Jwt {
        let issuer = Issuer::new(self.url());
        // A provider on this machine has neither a certificate nor a public address.
        let is_local = url::Url::parse(self.url()).is_ok_and(|url| match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        });
        Jwt::new(if is_local {
            issuer.dangerously_allow_local_network()
        } else {
            issuer
        })
    }
}

/// A token of somebody who signed in at a time.
pub(crate) fn mint(
    provider: &IdentityProvider,
    resource: &str,
    name: &str,
    scopes: &str,
    signed_in_at: Timestamp,
) -> Token {
    provider
        .token(name)
        .with_audience(resource)
        .with_scope(scopes)
        .with_claim("auth_time", signed_in_at.unix_seconds())
}
