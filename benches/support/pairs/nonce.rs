//! Nonces of proofs that are not ours.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use http::{HeaderValue, request::Parts};
use portcullis::{
    Check, Confirmation, Evidence, EvidenceKind, ProofRejectionKind, ProofVerdict,
    ProofVerifier as _, RequestView, Site, Timestamp,
    jwt::{Dpop, DpopVerifier},
    revocation::MemoryReplays,
};
use portcullis_testing::{clock::VirtualClock, dpop::ProofKey};

use super::{Kind, POOL, Pair, pick};
use crate::{RESOURCE, requests::request};

const TOKEN: &str = "the.access-token.of-a-client";
const URL: &str = "https://agent.example/chat";
const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// Proofs whose nonce is ours but for one bit, in its first byte or in its last. Whoever could tell
/// how far it is right could find one byte after another.
pub(super) fn pair() -> Pair {
    let clock = VirtualClock::starting_at(NOW);
    let site = Site::new(Arc::new(clock.clone())).with_resource(RESOURCE);
    let verifier = Dpop::new(MemoryReplays::default())
        .with_nonces(Duration::from_secs(300))
        .build(&site)
        .expect("the settings work");
    let key = ProofKey::new(clock);
    let confirmation = Confirmation::default().with_jwk_thumbprint(key.thumbprint());
    let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
        .with_confirmation(confirmation);
    let proof = |nonce: Option<&str>| {
        let proof = key.proof("POST", URL, TOKEN);
        let proof = match nonce {
            Some(nonce) => proof.with_claim("nonce", nonce),
            None => proof,
        };
        parts(&proof.mint())
    };
    let nonce = told(&verifier, &evidence, &proof(None));
    let of = |kind: Kind| -> Vec<Parts> {
        (0..POOL as u64)
            .map(|n| proof(Some(&spoiled(&nonce, kind, n))))
            .collect()
    };
    let (first, last) = (of(Kind::One), of(Kind::Other));
    for parts in first.iter().chain(&last) {
        let verdict = verifier.check(&RequestView::new(parts, NOW), &evidence);
        assert!(matches!(verdict, Check::Done(ProofVerdict::Reject(_))));
    }
    Pair::new(
        "nonce_first_or_last",
        move |kind, n| pick::<Parts>(kind.of([&first, &last]), n).clone(),
        move |parts| {
            let verdict = verifier.check(&RequestView::new(&parts, NOW), &evidence);
            (verdict, parts)
        },
    )
}

/// The nonce that the server tells somebody who has none.
fn told(verifier: &DpopVerifier, evidence: &Evidence, parts: &Parts) -> Vec<u8> {
    let verdict = verifier.check(&RequestView::new(parts, NOW), evidence);
    let nonce = match verdict {
        Check::Done(ProofVerdict::Reject(rejection)) => match rejection.into_kind() {
            ProofRejectionKind::NonceRequired(nonce) => Some(nonce),
            _ => None,
        },
        _ => None,
    };
    let nonce = nonce.expect("a nonce is told");
    BASE64URL.decode(nonce.as_bytes()).expect("it is base64url")
}

/// Another bit of the byte each time.
fn spoiled(nonce: &[u8], kind: Kind, n: u64) -> String {
    let mut nonce = nonce.to_vec();
    let at = kind.of([0, nonce.len() - 1]);
    if let Some(byte) = nonce.get_mut(at) {
        *byte ^= 1 << (n % 8);
    }
    BASE64URL.encode(nonce)
}

fn parts(proof: &str) -> Parts {
    let value = |text: &str| HeaderValue::try_from(text).expect("it can be sent");
    let (mut parts, _) = request(&value(&format!("DPoP {TOKEN}"))).into_parts();
    parts.headers.insert("dpop", value(proof));
    parts
}
