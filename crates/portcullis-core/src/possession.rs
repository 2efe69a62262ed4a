//! The plug-in that checks whether the sender of a bound credential holds its key.

use std::future::Future;

use http::HeaderValue;

use crate::{Check, ConfigErrors, Evidence, ReasonCode, RequestView, Site, Unavailable};

/// Checks a proof of possession: whether the sender of a credential that is bound to a key
/// (`jkt`, RFC 9449 §6) holds that key.
///
/// The `authn` layer asks after an authenticator has accepted the credential, where its evidence
/// has a [`Confirmation`](crate::Confirmation) with a key, and it was presented under the scheme
/// `DPoP`. Nothing relies on the evidence before the answer is [`ProofVerdict::Proven`].
///
/// # What an implementation owes
///
/// - The proof is of *this* request: its method, its URL by the public name of this server and
///   never by what a header of the request says, its credential, its time.
/// - The key that signed it is the one of the evidence.
/// - Each proof counts once. It is taken last, after everything else about it has been checked.
/// - Whatever a stranger may send is answered with a verdict, never with a panic, and in time and
///   memory that its size bounds.
pub trait ProofVerifier: Send + Sync + 'static {
    /// What the layer has to know beforehand. Asked once, when the layer is built.
    fn describe(&self) -> ProofDescription;

    /// Checks the proof, without doing I/O and without waiting.
    fn check(&self, request: &RequestView<'_>, evidence: &Evidence) -> Check<ProofVerdict>;

    /// Checks it again, and may do I/O. Called only after [`check`](Self::check) answered
    /// [`Check::NeedsIo`] to the same request.
    ///
    /// Without it, `NeedsIo` is answered with 503, reason `proof_verifier_without_verify`.
    ///
    /// The future is dropped when the client goes away.
    fn verify(
        &self,
        request: &RequestView<'_>,
        evidence: &Evidence,
    ) -> impl Future<Output = ProofVerdict> + Send {
        let _ = (request, evidence);
        std::future::ready(ProofVerdict::Unavailable(Unavailable::new(
            ReasonCode::new("proof_verifier_without_verify"),
        )))
    }
}

/// What can be given to a stack as a verifier of proofs: a [`ProofVerifier`], or the
/// configuration of one.
pub trait IntoProofVerifier {
    /// What comes out.
    type Verifier: ProofVerifier;

    /// Builds the verifier for the place where it will stand.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work.
    fn into_proof_verifier(self, site: &Site) -> Result<Self::Verifier, ConfigErrors>;
}

impl<V: ProofVerifier> IntoProofVerifier for V {
    type Verifier = V;

    fn into_proof_verifier(self, _site: &Site) -> Result<V, ConfigErrors> {
        Ok(self)
    }
}

/// What a [`ProofVerifier`] declares about itself, once, when the layer is built.
#[derive(Clone, Debug)]
#[must_use]
pub struct ProofDescription {
    algorithms: Box<str>,
}

impl ProofDescription {
    /// Proofs in the header `DPoP`, signed with one of these algorithms: their names, separated
    /// by spaces, the one to prefer first. Challenges and the resource metadata name them.
    pub fn dpop(algorithms: impl Into<Box<str>>) -> Self {
        Self {
            algorithms: algorithms.into(),
        }
    }

    /// The names of the algorithms, separated by spaces.
    #[must_use]
    pub fn algorithms(&self) -> &str {
        &self.algorithms
    }
}

/// What a [`ProofVerifier`] says about a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProofVerdict {
    /// The sender holds the key. The next request is to use this nonce, if there is one: it is
    /// sent along with the response (RFC 9449 §8.2).
    Proven(Option<HeaderValue>),
    /// There is no proof, or it is none.
    Reject(ProofRejection),
    /// Whether the sender holds the key cannot be found out now. The answer is 503.
    Unavailable(Unavailable),
}

/// Why the sender of a bound credential has not shown that it holds the key. The reason is
/// recorded; the client is told only the kind.
#[derive(Clone, Debug)]
#[must_use]
pub struct ProofRejection {
    kind: ProofRejectionKind,
    reason: ReasonCode,
}

/// What a client is told about a bad proof (RFC 9449 §7.1 and §9). The status is 401.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProofRejectionKind {
    /// `invalid_dpop_proof`.
    InvalidProof,
    /// `invalid_token`: the proof is good, and of another key than the credential's.
    InvalidToken,
    /// `use_dpop_nonce`: the proof has to contain this nonce.
    NonceRequired(HeaderValue),
}

impl ProofRejection {
    /// A proof that is missing, malformed, or of another request.
    pub const fn invalid_proof(reason: ReasonCode) -> Self {
        Self {
            kind: ProofRejectionKind::InvalidProof,
            reason,
        }
    }

    /// A good proof of another key than the one that the credential is bound to.
    pub const fn invalid_token(reason: ReasonCode) -> Self {
        Self {
            kind: ProofRejectionKind::InvalidToken,
            reason,
        }
    }

    /// A proof without a nonce of the server, or with one that is over. The client is given this
    /// one.
    pub const fn nonce_required(reason: ReasonCode, nonce: HeaderValue) -> Self {
        Self {
            kind: ProofRejectionKind::NonceRequired(nonce),
            reason,
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn kind(&self) -> &ProofRejectionKind {
        &self.kind
    }

    /// What the client is told, to keep.
    #[must_use]
    pub fn into_kind(self) -> ProofRejectionKind {
        self.kind
    }

    /// What is recorded.
    #[must_use]
    pub const fn reason(&self) -> ReasonCode {
        self.reason
    }
}
