//! Tokens, good and bad.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use portcullis_core::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    IdentityProvider, SigningAlgorithm,
    keys::{KeyRing, SigningKey},
};

/// A token to be signed. It starts as a good one; each method changes one thing, so that a bad
/// token differs from its good twin in nothing but the defect.
///
/// All that is signed is signed as it stands: a token with a forbidden header or a spoiled
/// encoding still has a true signature over it, unless the signature itself was changed.
///
/// # Example
///
/// ```
/// use portcullis_testing::identity_provider::{IdentityProvider, Segment};
///
/// let idp = IdentityProvider::new();
/// let good = idp.token("alice").with_audience("https://notes.example");
///
/// let bad = [
///     good.clone().without_claim("exp").mint(),
///     good.clone().with_claim("aud", 7).mint(),
///     good.clone().with_header("crit", ["b64"]).mint(),
///     good.clone().with_raw_claims(r#"{"sub":"alice","sub":"root"}"#).mint(),
///     good.clone().with_algorithm_none().mint(),
///     good.clone().with_flipped_signature().mint(),
///     good.clone().with_edited(Segment::Claims, |text| text + "=").mint(),
/// ];
/// # assert!(bad.iter().all(|token| *token != good.mint()));
/// ```
#[derive(Clone)]
#[must_use]
pub struct Token {
    keys: Arc<KeyRing>,
    key: Option<Arc<SigningKey>>,
    signer: Signer,
    issuer: Arc<str>,
    subject: Box<str>,
    client: Box<str>,
    issued_at: Timestamp,
    lifetime: Duration,
    headers: Vec<(Box<str>, Option<Value>)>,
    claims: Vec<(Box<str>, Option<Value>)>,
    raw_header: Option<Vec<u8>>,
    raw_claims: Option<Vec<u8>>,
    edits: Vec<(Segment, Edit)>,
    spoil: Option<Spoil>,
}

type Edit = Arc<dyn Fn(String) -> String + Send + Sync>;
type Spoil = Arc<dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync>;

#[derive(Clone)]
enum Signer {
    /// The key that the header names.
    Named,
    /// A key that the header does not name.
    Other(Arc<SigningKey>),
    Hmac(Vec<u8>),
    Nobody,
}

/// A segment of a token, between its dots.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a signed token has three segments")]
pub enum Segment {
    /// The first: the header.
    Header,
    /// The second: the claims.
    Claims,
    /// The third: the signature.
    Signature,
}

impl Token {
    pub(super) fn new(
        keys: &Arc<KeyRing>,
        issuer: &Arc<str>,
        now: Timestamp,
        subject: &str,
        client: &str,
    ) -> Self {
        Self {
            keys: Arc::clone(keys),
            key: None,
            signer: Signer::Named,
            issuer: Arc::clone(issuer),
            subject: subject.into(),
            client: client.into(),
            issued_at: now,
            lifetime: IdentityProvider::LIFETIME,
            headers: Vec::new(),
            claims: Vec::new(),
            raw_header: None,
            raw_claims: None,
            edits: Vec::new(),
            spoil: None,
        }
    }

    /// A token of nothing but these members, for a JWT of another kind.
    pub(crate) fn with_members_only(mut self, header: Value, claims: Value) -> Self {
        for name in ["kid", "typ"] {
            self = self.without_header(name);
        }
        for name in ["iss", "sub", "client_id", "iat", "exp", "jti"] {
            self = self.without_claim(name);
        }
        let members = |object: Value| match object {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        self = members(header)
            .into_iter()
            .fold(self, |token, (name, value)| token.with_header(&name, value));
        members(claims)
            .into_iter()
            .fold(self, |token, (name, value)| token.with_claim(&name, value))
    }

    /// For whom it is (`aud`).
    pub fn with_audience(self, audience: &str) -> Self {
        self.with_claim("aud", audience)
    }

    /// What it grants (`scope`), separated by spaces.
    pub fn with_scope(self, scope: &str) -> Self {
        self.with_claim("scope", scope)
    }

    /// The client application that it was given to (`client_id`).
    pub fn with_client(mut self, client: &str) -> Self {
        self.client = client.into();
        self
    }

    /// How long it is good after it was issued.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long ago it was issued.
    pub fn with_age(mut self, age: Duration) -> Self {
        self.issued_at = self.issued_at - age;
        self
    }

    /// When it was issued.
    pub fn with_issued_at(mut self, time: Timestamp) -> Self {
        self.issued_at = time;
        self
    }

    /// Signed with the issuer's newest key for another algorithm.
    ///
    /// # Panics
    ///
    /// The issuer has no key for it.
    pub fn with_algorithm(mut self, algorithm: SigningAlgorithm) -> Self {
        self.key = Some(self.keys.active(algorithm));
        self
    }

    /// Signed with a certain key of the issuer, which may have been rotated away or
    /// withdrawn.
    ///
    /// # Panics
    ///
    /// The issuer never had that key.
    pub fn with_key(mut self, key_id: &str) -> Self {
        self.key = Some(self.keys.by_id(key_id));
        self
    }

    /// Sets a claim.
    pub fn with_claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.push((name.into(), Some(value.into())));
        self
    }

    /// Leaves out a claim.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.push((name.into(), None));
        self
    }

    /// Sets a header parameter, `alg`, `kid` and `typ` too.
    pub fn with_header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Leaves out a header parameter.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// Replaces the whole header by other bytes: JSON with repeated members, escapes or
    /// blanks, or no JSON at all.
    pub fn with_raw_header(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_header = Some(bytes.into());
        self
    }

    /// Replaces all claims by other bytes, as [`with_raw_header`](Self::with_raw_header) does.
    pub fn with_raw_claims(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_claims = Some(bytes.into());
        self
    }

    /// Edits the encoded text of a segment. The signature is made over the edited text.
    pub fn with_edited(
        mut self,
        segment: Segment,
        edit: impl Fn(String) -> String + Send + Sync + 'static,
    ) -> Self {
        self.edits.push((segment, Arc::new(edit)));
        self
    }

    /// Signed with a fresh key of the same algorithm, under the name of the issuer's key.
    pub fn with_forged_signature(mut self) -> Self {
        let named = self.named_key();
        let forged = SigningKey::generate(named.algorithm(), named.id());
        self.signer = Signer::Other(Arc::new(forged));
        self
    }

    /// Signed with another issuer's key of the same algorithm, under the name of this
    /// issuer's key.
    ///
    /// # Panics
    ///
    /// The other issuer has no key for it.
    pub fn with_signature_of(mut self, other: &IdentityProvider) -> Self {
        let algorithm = self.named_key().algorithm();
        self.signer = Signer::Other(other.keys.active(algorithm));
        self
    }

    /// `HS256` with this secret, such as a public key taken for one.
    pub fn with_hmac_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.signer = Signer::Hmac(secret.into());
        self.with_header("alg", "HS256")
    }

    /// `alg` is `none`, and the signature is empty.
    pub fn with_algorithm_none(mut self) -> Self {
        self.signer = Signer::Nobody;
        self.with_header("alg", "none")
    }

    /// The signature is empty.
    pub fn with_empty_signature(self) -> Self {
        self.with_spoiled_signature(|_| Vec::new())
    }

    /// The last byte of the signature is missing.
    pub fn with_truncated_signature(self) -> Self {
        self.with_spoiled_signature(|mut signature| {
            signature.pop();
            signature
        })
    }

    /// One bit of the signature is wrong.
    pub fn with_flipped_signature(self) -> Self {
        self.with_spoiled_signature(|mut signature| {
            let middle = signature.len() / 2;
            if let Some(byte) = signature.get_mut(middle) {
                *byte ^= 0x10;
            }
            signature
        })
    }

    /// Changes the bytes of the signature in any way.
    pub fn with_spoiled_signature(
        mut self,
        spoil: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        self.spoil = Some(Arc::new(spoil));
        self
    }

    /// Signs it, and gives the text to send. Each time it has another `jti`, unless that was
    /// set.
    #[must_use]
    pub fn mint(&self) -> String {
        let header = match &self.raw_header {
            Some(bytes) => bytes.clone(),
            None => self.header().to_string().into_bytes(),
        };
        let claims = match &self.raw_claims {
            Some(bytes) => bytes.clone(),
            None => self.claims().to_string().into_bytes(),
        };
        let signed = format!(
            "{}.{}",
            self.segment(Segment::Header, &header),
            self.segment(Segment::Claims, &claims)
        );
        let mut signature = match &self.signer {
            Signer::Named => self.named_key().sign(signed.as_bytes()),
            Signer::Other(key) => key.sign(signed.as_bytes()),
            Signer::Hmac(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
            Signer::Nobody => Vec::new(),
        };
        if let Some(spoil) = &self.spoil {
            signature = spoil(signature);
        }
        format!("{signed}.{}", self.segment(Segment::Signature, &signature))
    }

    fn header(&self) -> Value {
        let key = self.named_key();
        changed(
            json!({ "alg": key.algorithm().name(), "kid": key.id(), "typ": "at+jwt" }),
            &self.headers,
        )
    }

    fn claims(&self) -> Value {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        changed(
            json!({
                "iss": &*self.issuer,
                "sub": self.subject,
                "client_id": self.client,
                "iat": self.issued_at.unix_seconds(),
                "exp": (self.issued_at + self.lifetime).unix_seconds(),
                "jti": format!("token-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            }),
            &self.claims,
        )
    }

    fn segment(&self, segment: Segment, bytes: &[u8]) -> String {
        let edits = self.edits.iter().filter(|(edited, _)| *edited == segment);
        edits.fold(BASE64URL.encode(bytes), |text, (_, edit)| edit(text))
    }

    fn named_key(&self) -> Arc<SigningKey> {
        match &self.key {
            Some(key) => Arc::clone(key),
            None => self.keys.active(self.keys.default_algorithm()),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

fn changed(mut object: Value, changes: &[(Box<str>, Option<Value>)]) -> Value {
    let mut nothing = Map::new();
    let members = object.as_object_mut().unwrap_or(&mut nothing);
    for (name, value) in changes {
        match value {
            Some(value) => members.insert(name.to_string(), value.clone()),
            None => members.remove(&**name),
        };
    }
    object
}
