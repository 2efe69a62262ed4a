//! Proofs of possession, and opaque tokens whose answer is kept.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use futures_util::FutureExt as _;
use http::HeaderValue;
use portcullis::{
    Authenticator as _, Check, Clock as _, Confirmation, Evidence, EvidenceKind, ProofVerdict,
    ProofVerifier as _, RequestView, Secret, Site, SystemClock, Timestamp, Verdict,
    jwt::{
        ClientCredentials, Dpop, HttpClient, HttpError, HttpRequest, Introspection,
        IntrospectionAuthenticator,
    },
    revocation::{MemoryReplays, ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken},
};
use portcullis_testing::{
    clock::VirtualClock, dpop::ProofKey, identity_provider::SigningAlgorithm,
};

use crate::{
    RESOURCE, Variant,
    credentials::Ring,
    requests::{bearer, request},
};

/// How many proofs go round.
const POOL: usize = 512;
const URL: &str = "https://agent.example/chat";
const TOKEN: &str = "the.access-token.of-a-client";
/// What proofs are signed with, and what that is called in figures.
const ALGORITHMS: [(&str, SigningAlgorithm); 2] = [
    ("es256", SigningAlgorithm::Es256),
    ("eddsa", SigningAlgorithm::EdDsa),
];

/// The store in memory, in which each proof is another one, and time passes: what goes round would
/// be a replay, and a store that is never emptied would be full.
#[derive(Default)]
struct Passing {
    store: MemoryReplays,
    taken: AtomicU64,
}

impl ReplayStore for Passing {
    fn take_now(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        _until: Timestamp,
        now: Timestamp,
    ) -> Check<Taken> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let key = ReplayKey::from_u128(key.as_u128() ^ u128::from(number));
        let now = now + Duration::from_secs(number);
        self.store
            .take_now(owner, key, now + Duration::from_secs(60), now)
    }

    async fn take(
        &self,
        _owner: ReplayOwner,
        _key: ReplayKey,
        _until: Timestamp,
        _now: Timestamp,
    ) -> Result<Taken, StoreError> {
        Ok(Taken::Full)
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

/// Proofs: what has to be computed, and all of it.
///
/// # Panics
///
/// A proof is not accepted.
#[must_use]
pub fn variants() -> Vec<Variant> {
    let mut variants = Vec::new();
    for (name, algorithm) in ALGORITHMS {
        let key = ProofKey::with_algorithm(algorithm, SystemClock::new());
        let proofs: Vec<String> = (0..POOL)
            .map(|_| key.proof("POST", URL, TOKEN).mint())
            .collect();
        let raw = format!("raw.dpop.{name}");
        variants.push(Variant::new(
            raw.as_str(),
            raw_check(&key, algorithm, &proofs),
        ));
        let check = Variant::new(format!("dpop.{name}"), checking(&key, proofs));
        variants.push(check.with_floor(&raw).with_raw(&raw));
    }
    variants
}

/// The key is read from its coordinates, and checks the signature.
fn raw_check(
    key: &ProofKey,
    algorithm: SigningAlgorithm,
    proofs: &[String],
) -> impl FnMut() + use<> {
    let method: &'static dyn VerificationAlgorithm = match algorithm {
        SigningAlgorithm::EdDsa => &ED25519,
        _ => &ECDSA_P256_SHA256_FIXED,
    };
    let coordinate = |name| {
        let text = key.jwk().get(name).and_then(|value| value.as_str());
        BASE64URL
            .decode(text.unwrap_or_default())
            .expect("a key is base64url")
    };
    let point = match algorithm {
        SigningAlgorithm::EdDsa => coordinate("x"),
        _ => [vec![4], coordinate("x"), coordinate("y")].concat(),
    };
    let signed = proofs.iter().map(|proof| {
        let (signed, signature) = proof.rsplit_once('.').expect("a proof has dots");
        let signature = BASE64URL.decode(signature).expect("a proof is base64url");
        (signed.as_bytes().to_vec(), signature)
    });
    let mut signed = Ring::from_all(signed);
    move || {
        let (message, signature) = signed.advance();
        let key = ParsedPublicKey::new(method, black_box(&point)).expect("the key can be read");
        key.verify_sig(message, signature)
            .expect("the signature is good");
    }
}

/// The verifier alone, with a store that remembers.
fn checking(key: &ProofKey, proofs: Vec<String>) -> impl FnMut() + use<> {
    let site = Site::new(Arc::new(SystemClock::new())).with_resource(RESOURCE);
    let verifier = Dpop::new(Passing::default())
        .build(&site)
        .expect("the settings work");
    let confirmation = Confirmation::default().with_jwk_thumbprint(key.thumbprint());
    let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
        .with_confirmation(confirmation);
    let credential = HeaderValue::try_from(format!("DPoP {TOKEN}")).expect("a token can be sent");
    let (mut parts, _) = request(&credential).into_parts();
    let proofs = proofs
        .into_iter()
        .map(|proof| HeaderValue::try_from(proof).expect("a proof can be sent"));
    let mut proofs = Ring::from_all(proofs);
    // The proofs of this run are as old as they are when it starts.
    let now = SystemClock::new().now();
    move || {
        parts.headers.insert("dpop", proofs.advance().clone());
        let verdict = verifier.check(&RequestView::new(&parts, now), &evidence);
        assert!(matches!(
            black_box(verdict),
            Check::Done(ProofVerdict::Proven(_))
        ));
    }
}

/// An issuer that says of every token that it is good.
struct Desk(String);

impl HttpClient for Desk {
    async fn send(&self, _: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
        let mut response = http::Response::new(self.0.clone().into_bytes());
        let json = HeaderValue::from_static("application/json");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, json);
        Ok(response)
    }
}

/// An opaque token whose answer is kept, beside a token whose signature is known.
///
/// # Panics
///
/// The token is not accepted.
#[must_use]
pub fn of_opaque_tokens() -> Variant {
    // It stands, so that the answer is kept however long the figures take.
    let clock = VirtualClock::new();
    let authenticator = asking(&clock);
    let credential = bearer("opaque-0a9f2b1e5d7c4e0b8f3a1c2d3e4f5a6b");
    let (parts, _) = request(&credential).into_parts();
    let now = clock.now();
    let first = authenticator
        .verify(&RequestView::new(&parts, now))
        .now_or_never();
    assert!(matches!(first, Some(Verdict::Accept(_))));
    Variant::new("introspection.cached", move || {
        let verdict = authenticator.check(&RequestView::new(&parts, now));
        assert!(matches!(
            black_box(verdict),
            Check::Done(Verdict::Accept(_))
        ));
    })
    .with_floor("jwt.warm.es256")
}

fn asking(clock: &VirtualClock) -> IntrospectionAuthenticator {
    let issuer = "https://idp.example";
    let end = clock.now().unix_seconds() + 12 * 3600;
    let answer = format!(
        r#"{{"active":true,"token_type":"Bearer","iss":"{issuer}","aud":"{RESOURCE}","sub":"alice","client_id":"app","scope":"notes.read","exp":{end}}}"#
    );
    let credentials = ClientCredentials::client_secret_basic("agent", Secret::from("hush"));
    Introspection::new(issuer, credentials)
        .with_endpoint("https://idp.example/introspect")
        .with_http_client(Desk(answer))
        .build(&Site::new(Arc::new(clock.clone())).with_resource(RESOURCE))
        .expect("the settings work")
}
