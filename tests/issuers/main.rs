//! Tokens in the shape that known providers give them, and what the authenticator makes of them.
//!
//! They are signed by an issuer of our own, so what is tested is that a token which looks as the
//! pages of `portcullis_jwt::provider` say becomes the evidence which they say.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a token that is judged otherwise fails the test"
)]

mod auth0;
mod cognito;
mod entra;
mod google;
mod keycloak;
mod okta;
mod openbao;

use std::sync::Arc;

use portcullis::{
    Authenticator as _, Check, Clock as _, Evidence, RequestView, Site, Verdict,
    jwt::{Issuer, Jwt, JwtAuthenticator},
};
use portcullis_testing::{
    clock::VirtualClock,
    identity_provider::{IdentityProvider, SigningAlgorithm, Token},
};
use serde_json::Value;

const RESOURCE: &str = "https://agent.example/";

/// A provider, and an authenticator that knows it.
struct Provider {
    idp: IdentityProvider,
    clock: VirtualClock,
    authenticator: JwtAuthenticator,
}

impl Provider {
    fn new(name: &str, issuer: Issuer) -> Self {
        Self::with_keys(name, issuer, |keys| keys)
    }

    /// One whose key set looks different.
    fn with_keys(name: &str, issuer: Issuer, edit: impl FnOnce(Value) -> Value) -> Self {
        let clock = VirtualClock::new();
        let idp = IdentityProvider::new()
            .with_algorithms([SigningAlgorithm::Es256])
            .with_clock(clock.clone())
            .with_issuer(name);
        let site = Site::new(Arc::new(clock.clone())).with_resource(RESOURCE);
        let issuer = issuer.with_static_keys(edit(idp.jwks()).to_string());
        let authenticator = Jwt::new(issuer).build(&site).unwrap();
        Self {
            idp,
            clock,
            authenticator,
        }
    }

    /// In seconds.
    fn now(&self) -> i64 {
        self.clock.now().unix_seconds()
    }

    /// The evidence, or the reason why there is none.
    fn judge(&self, token: &Token) -> Result<Arc<Evidence>, &'static str> {
        let request = http::Request::builder()
            .header("authorization", format!("Bearer {}", token.mint()))
            .body(());
        let (parts, ()) = request.unwrap().into_parts();
        let view = RequestView::new(&parts, self.clock.now());
        match self.authenticator.check(&view) {
            Check::Done(Verdict::Accept(evidence)) => Ok(evidence),
            Check::Done(Verdict::Reject(rejection)) => Err(rejection.reason().as_str()),
            Check::Done(Verdict::NotMine) => Err("not mine"),
            other => panic!("{other:?}"),
        }
    }
}
