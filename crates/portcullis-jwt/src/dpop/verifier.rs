//! The verifier.

use std::{fmt, sync::Arc};

use portcullis_core::{
    Check, Evidence, ProofDescription, ProofRejection, ProofVerdict, ProofVerifier, ReplayKey,
    ReplayOwner, RequestView, Taken, Timestamp, Unavailable, sabotaged,
};
use siphasher::sip128::SipHasher13;

use super::{
    proof::{self, Fault, Proven, Rules},
    store::{DynReplayStore, Use},
};
use crate::{Algorithm, reason};

/// Checks proofs of possession. Made from a [`Dpop`](super::Dpop); see the
/// [module docs](super).
///
/// Cheap to clone.
#[derive(Clone)]
pub struct DpopVerifier {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) rules: Rules,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) hashes: ReplayHashes,
    pub(super) store: Arc<dyn DynReplayStore>,
}

/// Under which names the store keeps proofs.
pub(super) struct ReplayHashes(SipHasher13);

impl ReplayHashes {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(key.split_at(16).0);
        Self(SipHasher13::new_with_key(&half))
    }

    /// Whose proof it is: that of issuer and subject, who can have any number of keys.
    fn owner(&self, evidence: &Evidence) -> ReplayOwner {
        let (issuer, subject) = (evidence.issuer().as_bytes(), evidence.subject().as_bytes());
        ReplayOwner::from_u128(self.hash(b'o', issuer, subject))
    }

    /// Which proof of a key it is. The URL takes no part.
    fn key(&self, thumbprint: &str, id: &[u8; 32]) -> ReplayKey {
        ReplayKey::from_u128(self.hash(b'k', thumbprint.as_bytes(), id))
    }

    fn hash(&self, kind: u8, one: &[u8], other: &[u8]) -> u128 {
        // With the length of the first, two pairs never make the same bytes.
        let length = one.len().to_be_bytes();
        let bytes = [&[kind], length.as_slice(), one, other].concat();
        self.0.hash(&bytes).as_u128()
    }
}

impl DpopVerifier {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The use of a good proof, and what is said of it if it is the first.
    fn look(
        &self,
        request: &RequestView<'_>,
        evidence: &Evidence,
    ) -> Result<(Use, Proven), ProofVerdict> {
        let confirmation = evidence.confirmation();
        let thumbprint = confirmation
            .and_then(|confirmation| confirmation.jwk_thumbprint())
            .unwrap_or_default();
        let proven = proof::check(request, thumbprint, &self.inner.rules)
            .map_err(|fault| self.rejected(fault, request.now()))?;
        let one = Use {
            owner: self.inner.hashes.owner(evidence),
            key: self.inner.hashes.key(thumbprint, &proven.id),
            until: proven.until,
            now: request.now(),
        };
        Ok((one, proven))
    }

    fn rejected(&self, fault: Fault, now: Timestamp) -> ProofVerdict {
        let (Fault::Proof(code) | Fault::Key(code) | Fault::Nonce(code)) = fault;
        reason::note(code);
        let rejection = match fault {
            Fault::Proof(reason) => ProofRejection::invalid_proof(reason),
            Fault::Key(reason) => ProofRejection::invalid_token(reason),
            Fault::Nonce(reason) => {
                let nonces = self.inner.rules.nonces.as_ref();
                match nonces.and_then(|nonces| nonces.fresh(now)) {
                    Some(nonce) => ProofRejection::nonce_required(reason, nonce),
                    None => ProofRejection::invalid_proof(reason),
                }
            }
        };
        ProofVerdict::Reject(rejection)
    }

    fn taken(&self, taken: Taken, proven: Proven, now: Timestamp) -> ProofVerdict {
        match taken {
            Taken::Fresh => {
                let nonces = self.inner.rules.nonces.as_ref();
                let nonces = nonces.filter(|_| proven.wants_nonce);
                ProofVerdict::Proven(nonces.and_then(|nonces| nonces.fresh(now)))
            }
            Taken::Seen if sabotaged!("dpop.replay") => ProofVerdict::Proven(None),
            Taken::Seen => {
                ProofVerdict::Reject(ProofRejection::invalid_proof(reason::DPOP_REPLAYED))
            }
            Taken::Full if sabotaged!("dpop.full") => ProofVerdict::Proven(None),
            Taken::Full => ProofVerdict::Unavailable(Unavailable::new(reason::DPOP_REPLAYS_FULL)),
            // An answer that is not known here is nobody's permission.
            _ => ProofVerdict::Unavailable(Unavailable::new(reason::DPOP_REPLAYS_UNAVAILABLE)),
        }
    }
}

impl ProofVerifier for DpopVerifier {
    fn describe(&self) -> ProofDescription {
        let names: Vec<_> = self
            .inner
            .algorithms
            .iter()
            .map(|alg| alg.as_str())
            .collect();
        ProofDescription::dpop(names.join(" "))
    }

    fn check(&self, request: &RequestView<'_>, evidence: &Evidence) -> Check<ProofVerdict> {
        let (one, proven) = match self.look(request, evidence) {
            Ok(found) => found,
            Err(verdict) => return Check::Done(verdict),
        };
        match self.inner.store.take_now(one) {
            Check::Done(taken) => Check::Done(self.taken(taken, proven, one.now)),
            Check::NeedsIo => Check::NeedsIo,
        }
    }

    async fn verify(&self, request: &RequestView<'_>, evidence: &Evidence) -> ProofVerdict {
        let (one, proven) = match self.look(request, evidence) {
            Ok(found) => found,
            Err(verdict) => return verdict,
        };
        match self.inner.store.take(one).await {
            Ok(taken) => self.taken(taken, proven, one.now),
            Err(problem) => {
                tracing::warn!(%problem, "the store of used proofs cannot say what it holds");
                ProofVerdict::Unavailable(Unavailable::new(reason::DPOP_REPLAYS_UNAVAILABLE))
            }
        }
    }
}

impl fmt::Debug for DpopVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopVerifier")
            .field("algorithms", &self.inner.algorithms)
            .field("window", &self.inner.rules.window)
            .field("nonces", &self.inner.rules.nonces)
            .finish_non_exhaustive()
    }
}
