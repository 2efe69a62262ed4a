//! An issuer of tokens that tests own: in process, or over HTTP on a loopback port.
//!
//! It signs good tokens, every kind of bad one, and its endpoints misbehave on request. It
//! signs with its own code, so that a fault in the verifier under test is not repeated here.

mod conduct;
mod endpoints;
mod events;
mod keys;
mod responses;
mod server;
#[cfg(test)]
mod tests;
mod token;

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{Clock, SystemClock};
use serde_json::{Value, json};

use self::{conduct::Conduct, events::Outbox, keys::KeyRing, server::Server};
pub use self::{
    conduct::{Endpoint, Misbehaviour},
    keys::SigningAlgorithm,
    token::{Segment, Token},
};

/// An issuer of tokens that the test owns. Clones are the same issuer.
///
/// [`new`](Self::new) makes one that lives in the process: its tokens are signed and its key
/// set can be read, but nobody listens. [`serve`](Self::serve) puts it on a free port of the
/// loopback interface, until the last clone is dropped.
///
/// # Example
///
/// ```
/// use portcullis_testing::identity_provider::{IdentityProvider, SigningAlgorithm};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let idp = IdentityProvider::new().serve().await;
///
/// let good = idp
///     .token("alice")
///     .with_audience("https://notes.example")
///     .with_scope("notes.read")
///     .with_algorithm(SigningAlgorithm::EdDsa);
/// let bearer = format!("Bearer {}", good.mint());
/// # assert_eq!(bearer.matches('.').count(), 2);
///
/// // The same token, but for one defect:
/// let expired = good.clone().with_age(std::time::Duration::from_secs(3600)).mint();
/// let unsigned = good.clone().with_empty_signature().mint();
/// # assert!(unsigned.ends_with('.') && expired != unsigned);
///
/// // Keys come and go:
/// let new_key = idp.rotate(SigningAlgorithm::EdDsa);
/// idp.withdraw(&new_key);
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct IdentityProvider {
    issuer: Arc<str>,
    path: Arc<str>,
    clock: Arc<dyn Clock>,
    clients: Arc<Vec<(Box<str>, Box<str>)>>,
    keys: Arc<KeyRing>,
    conduct: Arc<Conduct>,
    outbox: Arc<Outbox>,
    server: Option<Arc<Server>>,
}

impl IdentityProvider {
    /// An issuer with one key each for ES256, EdDSA and RS256, with the system's clock.
    ///
    /// The keys are made when one is first needed; the one for RS256 takes about a tenth of a
    /// second.
    pub fn new() -> Self {
        use SigningAlgorithm::{EdDsa, Es256, Rs256};
        Self {
            issuer: "https://idp.example".into(),
            path: "".into(),
            clock: Arc::new(SystemClock::new()),
            clients: Arc::default(),
            keys: Arc::new(KeyRing::new(vec![Es256, EdDsa, Rs256])),
            conduct: Arc::default(),
            outbox: Arc::default(),
            server: None,
        }
    }

    /// The clock that dates the tokens.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The issuer identifier. [`serve`](Self::serve) replaces it by the address it serves at.
    pub fn with_issuer(mut self, issuer: &str) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// A path for the issuer identifier when it is served, such as `/tenants/7`.
    pub fn with_path(mut self, path: &str) -> Self {
        self.path = path.trim_end_matches('/').into();
        self
    }

    /// The algorithms to start with, one key each. Tokens are signed with the first unless
    /// they say otherwise.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn with_algorithms(
        mut self,
        algorithms: impl IntoIterator<Item = SigningAlgorithm>,
    ) -> Self {
        self.keys = Arc::new(KeyRing::new(algorithms.into_iter().collect()));
        self
    }

    /// One more client that the token endpoint gives tokens to.
    pub fn add_client(mut self, id: &str, secret: &str) -> Self {
        Arc::make_mut(&mut self.clients).push((id.into(), secret.into()));
        self
    }

    /// Serves the metadata, the key set, the token endpoint and security events on a free port of the loopback
    /// interface. The issuer identifier becomes `http://127.0.0.1:<port>` and the path.
    ///
    /// # Panics
    ///
    /// There is no tokio runtime, or no free port.
    pub async fn serve(mut self) -> Self {
        let (listener, origin) = server::bind().await;
        self.issuer = format!("{origin}{}", self.path).into();
        self.server = None;
        let server = Server::start(listener, self.clone());
        self.server = Some(Arc::new(server));
        self
    }

    /// The issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the key set is.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.issuer)
    }

    /// Where tokens are given to clients.
    #[must_use]
    pub fn token_endpoint(&self) -> String {
        format!("{}/token", self.issuer)
    }

    /// The published key set (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.keys.published() })
    }

    /// The metadata (OpenID Connect Discovery §3, RFC 8414 §2).
    #[must_use]
    pub fn metadata(&self) -> Value {
        let algorithms: Vec<_> = self.keys.algorithms().map(SigningAlgorithm::name).collect();
        json!({
            "issuer": self.issuer(),
            "jwks_uri": self.jwks_uri(),
            "token_endpoint": self.token_endpoint(),
            "authorization_endpoint": format!("{}/authorize", self.issuer),
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        })
    }

    /// A good access token (RFC 9068) for a user: five minutes long, for the client
    /// `test-client`, without audience and scope. It can be made bad in any way.
    pub fn token(&self, subject: &str) -> Token {
        Token::new(
            &self.keys,
            &self.issuer,
            self.clock.now(),
            subject,
            "test-client",
        )
    }

    /// A good access token for a client on its own behalf: the client is also the subject
    /// (RFC 9068 §2.2).
    pub fn client_token(&self, client: &str) -> Token {
        Token::new(&self.keys, &self.issuer, self.clock.now(), client, client)
    }

    /// The id of the key that signs with this algorithm now.
    ///
    /// # Panics
    ///
    /// There is no key for this algorithm.
    #[must_use]
    pub fn key_id(&self, algorithm: SigningAlgorithm) -> String {
        self.keys.active(algorithm).id().to_owned()
    }

    /// The public key that signs with this algorithm now, as a JWK.
    ///
    /// # Panics
    ///
    /// There is no key for this algorithm.
    #[must_use]
    pub fn jwk(&self, algorithm: SigningAlgorithm) -> Value {
        self.keys.active(algorithm).jwk()
    }

    /// The same public key in DER (`SubjectPublicKeyInfo`, RFC 5280 §4.1).
    ///
    /// # Panics
    ///
    /// There is no key for this algorithm.
    #[must_use]
    pub fn public_key_der(&self, algorithm: SigningAlgorithm) -> Vec<u8> {
        self.keys.active(algorithm).public_key_der()
    }

    /// Publishes a new key for this algorithm, which signs from now on, and gives its id. The
    /// old one stays published.
    #[expect(clippy::must_use_candidate, reason = "the new key is used at once")]
    pub fn rotate(&self, algorithm: SigningAlgorithm) -> String {
        self.keys.add(algorithm).id().to_owned()
    }

    /// No longer publishes a key. A token can still be signed with it, as a thief would:
    /// [`Token::with_key`].
    ///
    /// # Panics
    ///
    /// There is no such key.
    pub fn withdraw(&self, key_id: &str) {
        self.keys.withdraw(key_id);
    }

    /// Publishes one more entry in the key set, of any content.
    pub fn publish_extra_jwk(&self, jwk: Value) {
        self.keys.publish_extra(jwk);
    }

    /// The `Cache-Control` of the key set from now on. At first it is `public, max-age=300`;
    /// an empty one is not sent.
    pub fn set_cache_control(&self, value: &str) {
        self.conduct.set_cache_control(value);
    }

    /// From now on, what an endpoint does instead of answering.
    pub fn misbehave(&self, endpoint: Endpoint, misbehaviour: Misbehaviour) {
        self.conduct.set(endpoint, Some(misbehaviour));
    }

    /// From now on, an endpoint answers as it should.
    pub fn behave(&self, endpoint: Endpoint) {
        self.conduct.set(endpoint, None);
    }

    /// How often the key set was asked for over HTTP.
    #[must_use]
    pub fn jwks_requests(&self) -> usize {
        self.conduct.count(Endpoint::Jwks)
    }

    /// How often the metadata was asked for over HTTP, in either form.
    #[must_use]
    pub fn discovery_requests(&self) -> usize {
        self.conduct.count(Endpoint::Discovery)
    }

    /// How often security events were asked for over HTTP.
    #[must_use]
    pub fn event_requests(&self) -> usize {
        self.conduct.count(Endpoint::Events)
    }

    /// How often a token was asked for over HTTP.
    #[must_use]
    pub fn token_requests(&self) -> usize {
        self.conduct.count(Endpoint::Token)
    }

    /// How long tokens live unless they say otherwise.
    const LIFETIME: Duration = Duration::from_secs(300);
}

impl fmt::Debug for IdentityProvider {
    /// Without the secrets of its clients.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients: Vec<_> = self.clients.iter().map(|(id, _)| id).collect();
        f.debug_struct("IdentityProvider")
            .field("issuer", &self.issuer)
            .field("clients", &clients)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Default for IdentityProvider {
    fn default() -> Self {
        Self::new()
    }
}
