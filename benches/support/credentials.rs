//! Tokens, keys and what accepts them.

use std::{collections::VecDeque, iter, num::NonZeroUsize, sync::Arc, time::Duration};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use http::HeaderValue;
use portcullis::{
    Clock as _, Secret, Site, SystemClock,
    api_keys::{ApiKeys, Grant, KeyRing},
    jwt::{Issuer, Jwt, JwtAuthenticator},
};
use portcullis_testing::identity_provider::{IdentityProvider, SigningAlgorithm, Token};

use crate::{RESOURCE, requests::bearer};

/// How many tokens go round where each has to look new.
const POOL: usize = 512;

/// How many other issuers one authenticator may accept.
const MANY_ISSUERS: usize = 64;

/// What tokens are signed with here, and what that is called in figures.
pub const ALGORITHMS: [(&str, SigningAlgorithm); 3] = [
    ("es256", SigningAlgorithm::Es256),
    ("eddsa", SigningAlgorithm::EdDsa),
    ("rs256", SigningAlgorithm::Rs256),
];

/// Who all tokens are about.
pub const SUBJECT: &str = "6f1d3c52-8f0b-4c5e-9a37-0d5f3f6f2a10";

/// What an authenticator remembers of tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "these are the cases that are measured"
)]
pub enum Cache {
    /// As many as it remembers by default: more than are sent here.
    Default,
    /// Nothing.
    Off,
    /// Far fewer than go round, so that each is looked for, not found, and remembered.
    Tiny,
}

/// Things that are taken one after the other, and from the first again after the last.
#[derive(Clone, Debug)]
pub struct Ring<T>(VecDeque<T>);

impl<T> Ring<T> {
    /// One thing, again and again.
    #[must_use]
    pub fn of(one: T) -> Self {
        Self(VecDeque::from([one]))
    }

    /// Several things, each in its turn.
    pub fn from_all(all: impl IntoIterator<Item = T>) -> Self {
        Self(all.into_iter().collect())
    }

    /// The next one.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn advance(&mut self) -> &T {
        self.0.rotate_left(1);
        self.0.front().expect("a ring is not empty")
    }
}

/// An issuer, and the authenticators that accept its tokens.
#[derive(Debug)]
pub struct Tokens {
    issuer: IdentityProvider,
}

impl Tokens {
    /// An issuer with one key for each of [`ALGORITHMS`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            issuer: IdentityProvider::new(),
        }
    }

    /// An authenticator with static keys, and a cache of so many tokens, or none.
    ///
    /// # Panics
    ///
    /// The settings do not work.
    #[must_use]
    pub fn authenticator(&self, cache: Cache) -> JwtAuthenticator {
        let issuer = Issuer::new(self.issuer.issuer());
        let jwt = Jwt::new(issuer.with_static_keys(self.issuer.jwks().to_string()));
        let jwt = match cache {
            Cache::Default => jwt,
            Cache::Off => jwt.without_token_cache(),
            Cache::Tiny => jwt.with_token_cache(NonZeroUsize::MIN),
        };
        jwt.build(&site()).expect("the settings work")
    }

    /// The same authenticator by default, which accepts many other issuers beside this one.
    ///
    /// # Panics
    ///
    /// The settings do not work.
    #[must_use]
    pub fn authenticator_of_many(&self) -> JwtAuthenticator {
        let keys = self.issuer.jwks().to_string();
        let issuers = (0..MANY_ISSUERS / 2)
            .map(|n| format!("https://before-{n}.example"))
            .chain([self.issuer.issuer().to_owned()])
            .chain((0..MANY_ISSUERS / 2).map(|n| format!("https://idp.example/after-{n}")));
        let mut issuers = issuers.map(|issuer| Issuer::new(issuer).with_static_keys(keys.as_str()));
        let first = issuers.next().expect("there are many");
        issuers
            .fold(Jwt::new(first), Jwt::add_issuer)
            .build(&site())
            .expect("the settings work")
    }

    /// One token, again and again, as the value of `Authorization`.
    #[must_use]
    pub fn same(&self, algorithm: SigningAlgorithm) -> Ring<HeaderValue> {
        Ring::of(bearer(&self.token(algorithm).mint()))
    }

    /// Tokens that differ.
    #[must_use]
    pub fn distinct(&self, algorithm: SigningAlgorithm) -> Ring<HeaderValue> {
        let token = self.token(algorithm);
        let tokens = iter::repeat_with(|| bearer(&token.mint()));
        Ring(tokens.take(POOL).collect())
    }

    /// The issuer of all these tokens.
    pub fn issuer(&self) -> &IdentityProvider {
        &self.issuer
    }

    /// Tokens that nobody may accept: one that somebody else has signed, one for another
    /// server, one that is over.
    #[must_use]
    pub fn bad(&self, algorithm: SigningAlgorithm) -> [HeaderValue; 3] {
        let good = self.token(algorithm);
        [
            good.clone().with_forged_signature(),
            good.clone().with_audience("https://other.example/"),
            good.with_age(Duration::from_hours(24)),
        ]
        .map(|token| bearer(&token.mint()))
    }

    /// The check of a signature and nothing else, over tokens that differ, with a key that
    /// was parsed beforehand.
    ///
    /// # Panics
    ///
    /// The key cannot be parsed.
    pub fn raw_check(&self, algorithm: SigningAlgorithm) -> impl FnMut() + use<> {
        let method: &'static dyn VerificationAlgorithm = match algorithm {
            SigningAlgorithm::EdDsa => &ED25519,
            SigningAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            _ => &ECDSA_P256_SHA256_FIXED,
        };
        let key = ParsedPublicKey::new(method, self.issuer.public_key_der(algorithm))
            .expect("the key can be parsed");
        let token = self.token(algorithm);
        let signed = iter::repeat_with(|| signed_and_signature(&token.mint()));
        let mut signed = Ring(signed.take(POOL).collect());
        move || {
            let (message, signature) = signed.advance();
            key.verify_sig(message, signature)
                .expect("the signature is good");
        }
    }

    /// A token of the size and with the claims that usual issuers give.
    fn token(&self, algorithm: SigningAlgorithm) -> Token {
        let now = SystemClock::new().now().unix_seconds();
        self.issuer
            .token(SUBJECT)
            .with_client("https://client.example/metadata.json")
            .with_audience(RESOURCE)
            .with_scope("notes.read notes.write calendar.read profile email")
            .with_lifetime(Duration::from_hours(12))
            .with_claim("auth_time", now)
            .with_claim("acr", "urn:mace:incommon:iap:silver")
            .with_claim("amr", ["pwd", "otp"])
            .with_claim("sid", "0a9f2b1e-5d7c-4e0b-8f3a-1c2d3e4f5a6b")
            .with_claim("name", "Alice Example")
            .with_claim("email", "alice@mail.example")
            .with_claim("groups", ["staff", "notes-admins", "on-call"])
            .with_algorithm(algorithm)
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::new()
    }
}

fn site() -> Site {
    Site::new(Arc::new(SystemClock::new())).with_resource(RESOURCE)
}

/// What a token signs, and the bytes of its signature.
fn signed_and_signature(token: &str) -> (Vec<u8>, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').expect("a token has dots");
    let signature = BASE64URL.decode(signature).expect("a token is base64url");
    (signed.into(), signature)
}

/// The authenticator for API keys, and one key that it accepts.
///
/// # Panics
///
/// The key cannot be issued.
pub fn api_key() -> (ApiKeys, HeaderValue) {
    let keys = KeyRing::new("acme", &Secret::new([7; 32]));
    let grant = Grant::for_application("reporting").with_user("alice");
    let issued = keys
        .issue(grant, SystemClock::new().now())
        .expect("there is randomness");
    (ApiKeys::new(keys), bearer(issued.expose()))
}
