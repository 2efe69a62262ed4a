//! Tokens that are bound to a key or a certificate.

use std::time::Duration;

use portcullis::{PeerCertificate, jwt::Dpop, revocation::MemoryReplays};
use portcullis_testing::dpop::ProofKey;
use serde_json::json;

use super::*;

const URL: &str = "https://agent.example/notes";

fn proving(nonces: bool, is_required: bool) -> (Opened, ProofKey, String) {
    let site = Site::new();
    let mut dpop = Dpop::new(MemoryReplays::default());
    if nonces {
        dpop = dpop.with_nonces(Duration::from_secs(300));
    }
    let mut stack = site.stack().with_proof_of_possession(dpop);
    if is_required {
        stack = stack.require_sender_constraint();
    }
    let key = ProofKey::new(site.clock.clone());
    let token = site.token().with_claim("cnf", key.confirmation()).mint();
    (site.open(stack), key, token)
}

#[tokio::test]
async fn possession() {
    let mut lines = Vec::new();
    let (open, key, token) = proving(false, false);
    let bound = &*format!("DPoP {token}");
    let good = || key.proof("GET", URL, &token);
    let with = |proof: &str| open.with(&[("authorization", bound), ("dpop", proof)]);
    assert_eq!(open.send(with(&good().mint())).await.status, 200);

    let none = open.with(&[("authorization", bound)]);
    lines.push(open.line("no proof", none).await);
    let proof = good().mint();
    let two = open.with(&[("authorization", bound), ("dpop", &proof), ("dpop", &proof)]);
    lines.push(open.line("two proofs", two).await);
    let other = key
        .proof("GET", "https://evil.example/notes", &token)
        .mint();
    lines.push(open.line("a proof for another URL", with(&other)).await);
    let once = good();
    let _ = open.send(with(&once.mint())).await;
    lines.push(
        open.line("a proof that was used before", with(&once.mint()))
            .await,
    );
    let thief = ProofKey::new(open.site.clock.clone());
    let stolen = thief.proof("GET", URL, &token).mint();
    lines.push(open.line("a proof of another key", with(&stolen)).await);
    lines.push(
        open.line("a bound token as `Bearer`", open.bearer(&token))
            .await,
    );
    let unbound = open.site.token().mint();
    let unbound = open.with(&[
        ("authorization", &format!("DPoP {unbound}")),
        ("dpop", &key.proof("GET", URL, &unbound).mint()),
    ]);
    lines.push(open.line("an unbound token as `DPoP`", unbound).await);

    let (open, key, token) = proving(true, false);
    let bound = &*format!("DPoP {token}");
    let proof = key.proof("GET", URL, &token).mint();
    let without = open.with(&[("authorization", bound), ("dpop", &proof)]);
    lines.push(
        open.line("a proof without a nonce, where one is wanted", without)
            .await,
    );

    let (open, _, _) = proving(false, true);
    let unbound = open.bearer(&open.site.token().mint());
    lines.push(
        open.line("an unbound token, where a bound one is required", unbound)
            .await,
    );

    let site = Site::new();
    let stack = site.stack();
    let open = site.open(stack);
    let own = PeerCertificate::from_digest([7; 32]);
    let thumbprint = json!({"x5t#S256": own.thumbprint()});
    let token = open.site.token().with_claim("cnf", thumbprint).mint();
    lines.push(
        open.line(
            "a token that is bound to a certificate, without one",
            open.bearer(&token),
        )
        .await,
    );
    let mut other = open.bearer(&token);
    portcullis::Peer::from(PeerAddress::NONE)
        .with_certificate(PeerCertificate::from_digest([8; 32]))
        .attach(other.extensions_mut());
    lines.push(open.line("the same with another certificate", other).await);
    let bound = json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"});
    let token = open.site.token().with_claim("cnf", bound).mint();
    lines.push(
        open.line(
            "a bound token, where no proofs are taken",
            open.bearer(&token),
        )
        .await,
    );
    hold("Possession", &lines);
}
