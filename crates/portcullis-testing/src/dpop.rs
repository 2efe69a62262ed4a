//! Keys that tokens are bound to, and proofs that their holder makes (RFC 9449).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use portcullis_core::Clock;
use serde_json::{Value, json};

use crate::identity_provider::{IdentityProvider, SigningAlgorithm, Token};

/// A key that only a client has, and to which tokens can be bound.
///
/// # Example
///
/// ```
/// use portcullis_testing::{
///     clock::VirtualClock, dpop::ProofKey, identity_provider::IdentityProvider,
/// };
///
/// let (clock, idp) = (VirtualClock::new(), IdentityProvider::new());
/// let key = ProofKey::new(clock);
/// let token = idp.token("alice").with_claim("cnf", key.confirmation()).mint();
/// let good = key.proof("GET", "https://notes.example/a", &token);
///
/// let request = http::Request::builder()
///     .uri("https://notes.example/a")
///     .header("authorization", format!("DPoP {token}"))
///     .header("dpop", good.mint());
/// // Each method changes one thing.
/// let bad = good.clone().without_claim("ath").mint();
/// # let _ = (request, bad);
/// ```
#[derive(Clone, Debug)]
pub struct ProofKey {
    signer: IdentityProvider,
    clock: Arc<dyn Clock>,
    jwk: Value,
}

impl ProofKey {
    /// A new key for `ES256`, whose holder has this clock.
    pub fn new(clock: impl Clock) -> Self {
        Self::with_algorithm(SigningAlgorithm::Es256, clock)
    }

    /// A new key for another algorithm.
    ///
    /// # Panics
    ///
    /// The key cannot be made.
    pub fn with_algorithm(algorithm: SigningAlgorithm, clock: impl Clock) -> Self {
        let signer = IdentityProvider::new().with_algorithms([algorithm]);
        let mut jwk = signer
            .jwks()
            .pointer("/keys/0")
            .cloned()
            .unwrap_or_default();
        if let Some(members) = jwk.as_object_mut() {
            members
                .retain(|name, _| matches!(name.as_str(), "crv" | "e" | "kty" | "n" | "x" | "y"));
        }
        Self {
            signer,
            clock: Arc::new(clock),
            jwk,
        }
    }

    /// The public key, as it stands in proofs.
    #[must_use]
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Its thumbprint (`jkt`, RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // `serde_json` writes members in the order of their names, and no blanks.
        hash(&self.jwk.to_string())
    }

    /// What a token that is bound to this key says in `cnf`.
    #[must_use]
    pub fn confirmation(&self) -> Value {
        json!({ "jkt": self.thumbprint() })
    }

    /// A good proof, made now, for one request: its method, its URL and its access token. Minting
    /// it twice gives the same `jti`: a proof that is used twice. Each call makes one of another.
    pub fn proof(&self, method: &str, url: &str, token: &str) -> Token {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.signer.token("").with_members_only(
            json!({ "jwk": self.jwk, "typ": "dpop+jwt" }),
            json!({
                "ath": hash(token),
                "htm": method,
                "htu": url,
                "iat": self.clock.now().unix_seconds(),
                "jti": format!("proof-{number}"),
            }),
        )
    }
}

/// The digest with SHA-256, in base64url.
fn hash(text: &str) -> String {
    BASE64URL.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}
