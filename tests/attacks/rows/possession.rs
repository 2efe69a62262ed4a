//! Tokens that are bound to a key, from somebody who does not hold it: P01–P10 and P12.

mod certificates;
mod constraint;
mod credentials;
mod keys;
mod nonces;
mod requests;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use portcullis::{
    PeerCertificate,
    jwt::Dpop,
    revocation::MemoryReplays,
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::{
    dpop::ProofKey,
    identity_provider::{SigningAlgorithm, Token},
};
use serde_json::{Value, json};

use crate::{
    guard::{Guard, Settings, finish},
    harness::{Expected, Harness},
};

const URL: &str = "https://agent.example/notes";
const BEARER: &str =
    r#"Bearer resource_metadata="https://agent.example/.well-known/oauth-protected-resource""#;
const DPOP: &str = r#"DPoP algs="ES256 EdDSA", resource_metadata="https://agent.example/.well-known/oauth-protected-resource""#;
const BAD_BEARER: &str = r#"Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="https://agent.example/.well-known/oauth-protected-resource""#;
const BAD_DPOP: &str = r#"DPoP error="invalid_token", error_description="The access token is not valid", algs="ES256 EdDSA", resource_metadata="https://agent.example/.well-known/oauth-protected-resource""#;
const BAD_PROOF: &str = r#"DPoP error="invalid_dpop_proof", algs="ES256 EdDSA", resource_metadata="https://agent.example/.well-known/oauth-protected-resource""#;
const UNCONSTRAINED_BEARER: &str = r#"Bearer error="invalid_token", error_description="The request requires a sender-constrained access token", resource_metadata="https://agent.example/.well-known/oauth-protected-resource""#;
const UNCONSTRAINED_DPOP: &str = r#"DPoP error="invalid_token", error_description="The request requires a sender-constrained access token", algs="ES256 EdDSA", resource_metadata="https://agent.example/.well-known/oauth-protected-resource""#;
const USE_NONCE: &str = r#"DPoP error="use_dpop_nonce""#;

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("P01", twice).await;
    harness.row("P02", one_id).await;
    harness.row("P03", requests::requests).await;
    harness.row("P04", requests::times).await;
    harness.row("P05", nonces::nonces).await;
    harness.row("P06", credentials::tokens).await;
    harness.row("P07", credentials::schemes).await;
    harness.row("P08", keys::keys).await;
    harness.row("P09", floods).await;
    harness.row("P10", requests::names).await;
    harness.row("P12", certificates::certificates).await;
    harness.row("own:constraint", constraint::constraint).await;
}

/// A gate that checks proofs, and a token of alice's that is bound to a key.
struct Bound {
    guard: Guard,
    key: ProofKey,
    token: String,
}

impl Bound {
    fn new() -> Self {
        Self::with(Dpop::new(MemoryReplays::default()))
    }

    fn with(dpop: Dpop) -> Self {
        let mut settings = Settings::fixed();
        settings.dpop = Some(dpop);
        let guard = settings.build();
        let key = ProofKey::new(guard.clock.clone());
        let token = guard.token().with_claim("cnf", key.confirmation());
        let token = token.with_lifetime(Duration::from_secs(3600)).mint();
        Self { guard, key, token }
    }

    fn proof(&self) -> Token {
        self.key.proof("GET", URL, &self.token)
    }

    /// A request with the token and this proof.
    fn request(&self, proof: &str) -> Request<Full<Bytes>> {
        self.request_at("/notes", proof)
    }

    fn request_at(&self, path: &str, proof: &str) -> Request<Full<Bytes>> {
        let request = self.guard.request(path);
        finish(
            request
                .header("authorization", format!("DPoP {}", self.token))
                .header("dpop", proof),
        )
    }

    async fn control(&self, harness: &mut Harness, name: &str, proof: &Token) {
        let request = self.request(&proof.mint());
        harness.control(name, &self.guard, request).await;
    }

    /// A proof that is bad, for this reason.
    async fn attack(
        &self,
        harness: &mut Harness,
        name: &str,
        proof: &str,
        codes: &'static [&'static str],
    ) {
        let expected = Expected::lines(&[BAD_PROOF], codes);
        let request = self.request(proof);
        harness.attack(name, &self.guard, request, &expected).await;
    }
}

async fn twice(harness: &mut Harness) {
    let bound = Bound::new();
    let proof = bound.proof().mint();
    let request = bound.request(&proof);
    harness.control("once", &bound.guard, request).await;
    bound
        .attack(harness, "twice", &proof, &["dpop_replayed"])
        .await;
    // The same id in another proof of the key is the same use.
    let again = bound.proof().with_claim("jti", "the same");
    bound.control(harness, "an id", &again).await;
    let again = again.with_claim("iat", json!(bound_now(&bound) - 1)).mint();
    bound
        .attack(harness, "an id again", &again, &["dpop_replayed"])
        .await;
    // As long as it could be used it is remembered.
    let late = bound.proof();
    bound.control(harness, "at first", &late).await;
    bound.guard.clock.advance(Duration::from_secs(60));
    bound
        .attack(harness, "at last", &late.mint(), &["dpop_replayed"])
        .await;
    // A bad proof uses nothing up.
    let good = bound.proof();
    let spoiled = good.clone().with_flipped_signature().mint();
    bound
        .attack(harness, "spoiled", &spoiled, &["dpop_signature"])
        .await;
    bound.control(harness, "after a spoiled one", &good).await;

    let parallel = bound.proof().mint();
    let requests = (0..20).map(|_| bound.guard.send(bound.request(&parallel)));
    let answers = futures_util::future::join_all(requests).await;
    let let_in = answers
        .iter()
        .filter(|answer| answer.status() == 200)
        .count();
    let _ = bound.guard.audit.take();
    harness.judged(
        "twenty at once",
        match let_in {
            1 => Ok(()),
            count => Err(format!("{count} were let in")),
        },
    );
}

fn bound_now(bound: &Bound) -> i64 {
    portcullis::Clock::now(&bound.guard.clock).unix_seconds()
}

async fn one_id(harness: &mut Harness) {
    let bound = Bound::new();
    let one = bound.proof().with_claim("jti", "of two keys");
    bound.control(harness, "of one key", &one).await;
    // Of another key it is another proof.
    let other = ProofKey::new(bound.guard.clock.clone());
    let token = bound.guard.token().with_claim("cnf", other.confirmation());
    let other = Bound {
        key: other,
        token: token.mint(),
        guard: bound.guard,
    };
    let two = other.proof().with_claim("jti", "of two keys");
    other.control(harness, "of another key", &two).await;
    // For another URL it is the same one: stricter than RFC 9449 §11.1 asks for.
    let elsewhere = other
        .key
        .proof("GET", "https://agent.example/other", &other.token)
        .with_claim("jti", "of two keys");
    let expected = Expected::lines(&[BAD_PROOF], &["dpop_replayed"]);
    let request = other.request_at("/other", &elsewhere.mint());
    harness
        .attack("for another URL", &other.guard, request, &expected)
        .await;
}

async fn floods(harness: &mut Harness) {
    let bound = Bound::with(Dpop::new(MemoryReplays::with_capacity(40)));
    let long = bound.proof().with_claim("jti", "a".repeat(1 << 20)).mint();
    let expected = Expected::status(431, &["headers_too_large"]);
    let request = bound.request(&long);
    harness
        .attack("an id of 1 MiB", &bound.guard, request, &expected)
        .await;
    let long = bound.proof().with_claim("jti", "a".repeat(257)).mint();
    bound
        .attack(harness, "an id of 257 bytes", &long, &["dpop_claims"])
        .await;
    // Whoever floods the store is out of it; others are not.
    let mut answers = Vec::new();
    for _ in 0..50 {
        let request = bound.request(&bound.proof().mint());
        answers.push(bound.guard.send(request).await.status().as_u16());
    }
    let _ = bound.guard.audit.take();
    let let_in = answers.iter().filter(|status| **status == 200).count();
    harness.judged(
        "fifty ids",
        if let_in <= 10 {
            Ok(())
        } else {
            Err(format!("{let_in} were let in"))
        },
    );
    let request = bound.request(&bound.proof().mint());
    let full = Expected::status(503, &["dpop_replays_full"]);
    harness
        .attack("one more", &bound.guard, request, &full)
        .await;
    let token = bound
        .guard
        .idp
        .token("bob")
        .with_audience(crate::guard::RESOURCE);
    let token = token.with_claim("cnf", bound.key.confirmation()).mint();
    let other = Bound { token, ..bound };
    other
        .control(harness, "of somebody else", &other.proof())
        .await;
}
