//! Whether the sender of a bound credential holds its key.

use std::{future::Future, pin::Pin, sync::Arc};

use http::{HeaderName, request::Parts};
use portcullis_core::{
    Check, ConfigErrors, Evidence, IntoProofVerifier, ProofDescription, ProofVerdict,
    ProofVerifier, ReasonCode, RequestView, Site,
};

use crate::{exchange::Exchange, reason};

/// The header that carries a proof (RFC 9449 §4.1).
pub(super) const PROOF: HeaderName = HeaderName::from_static("dpop");
/// The header that carries a nonce to the client (RFC 9449 §8.2).
pub(super) const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The future of a verifier's I/O. The head of the request moves in and out.
type Verifying = Pin<Box<dyn Future<Output = (Parts, ProofVerdict)> + Send + 'static>>;

/// The object-safe twin of [`ProofVerifier`].
pub(super) trait AnyVerifier: Send + Sync + 'static {
    fn describe(&self) -> ProofDescription;
    fn check(&self, request: &RequestView<'_>, evidence: &Evidence) -> Check<ProofVerdict>;
    fn verify(
        self: Arc<Self>,
        parts: Parts,
        exchange: Exchange,
        evidence: Arc<Evidence>,
    ) -> Verifying;
}

struct Twin<V>(V);

impl<V: ProofVerifier> AnyVerifier for Twin<V> {
    fn describe(&self) -> ProofDescription {
        self.0.describe()
    }

    fn check(&self, request: &RequestView<'_>, evidence: &Evidence) -> Check<ProofVerdict> {
        self.0.check(request, evidence)
    }

    fn verify(
        self: Arc<Self>,
        parts: Parts,
        exchange: Exchange,
        evidence: Arc<Evidence>,
    ) -> Verifying {
        Box::pin(async move {
            let verdict = self.0.verify(&exchange.view(&parts), &evidence).await;
            (parts, verdict)
        })
    }
}

/// A verifier that waits for the place where it will stand.
pub(super) type PlannedVerifier =
    Box<dyn FnOnce(&Site) -> Result<Arc<dyn AnyVerifier>, ConfigErrors> + Send>;

/// Keeps the configuration of a verifier until the stack is built.
pub(super) fn plan<V: IntoProofVerifier + Send + 'static>(config: V) -> PlannedVerifier {
    Box::new(move |site| {
        let verifier = config.into_proof_verifier(site)?;
        Ok(Arc::new(Twin(verifier)) as Arc<dyn AnyVerifier>)
    })
}

/// What is asked of the senders of credentials.
pub(super) struct Possession {
    pub(super) verifier: Option<Arc<dyn AnyVerifier>>,
    /// Whether every credential has to be bound to a key.
    pub(super) is_required: bool,
}

impl Possession {
    /// What can be said without a proof; `true`, if there has to be one as well.
    pub(super) fn needs_proof(
        &self,
        request: &RequestView<'_>,
        evidence: &Evidence,
    ) -> Result<bool, ReasonCode> {
        let comes_with_proof = is_bound(request);
        let Some(confirmation) = evidence.confirmation() else {
            if self.is_required && !portcullis_core::sabotaged!("authn.sender_constraint") {
                return Err(reason::SENDER_CONSTRAINT_MISSING);
            }
            // What the proof would be held against is not there, so it would prove nothing.
            if comes_with_proof && !portcullis_core::sabotaged!("authn.unbound") {
                return Err(reason::PROOF_OF_UNBOUND_CREDENTIAL);
            }
            return Ok(false);
        };
        let names_something = confirmation.certificate_thumbprint().is_some()
            || confirmation.jwk_thumbprint().is_some();
        if (confirmation.has_unsupported_member() || !names_something)
            && !portcullis_core::sabotaged!("authn.confirmation")
        {
            return Err(reason::CONFIRMATION_UNMET);
        }
        if let Some(thumbprint) = confirmation.certificate_thumbprint() {
            let certificate = request.peer_certificate();
            let is_held = certificate.is_some_and(|held| held.thumbprint() == thumbprint);
            if !is_held && !portcullis_core::sabotaged!("authn.certificate") {
                return Err(reason::CERTIFICATE_UNMET);
            }
        }
        let needs_proof = confirmation.jwk_thumbprint().is_some();
        // The other scheme is how a client says that its credential needs no proof.
        if needs_proof && !comes_with_proof && !portcullis_core::sabotaged!("authn.downgrade") {
            return Err(reason::PROOF_DOWNGRADED);
        }
        if !needs_proof && comes_with_proof && !portcullis_core::sabotaged!("authn.unbound") {
            return Err(reason::PROOF_OF_UNBOUND_CREDENTIAL);
        }
        if needs_proof
            && self.verifier.is_none()
            && !portcullis_core::sabotaged!("authn.confirmation")
        {
            return Err(reason::CONFIRMATION_UNMET);
        }
        Ok(needs_proof && comes_with_proof)
    }
}

/// Whether a credential is presented under the scheme of those that come with a proof.
pub(super) fn is_bound(request: &RequestView<'_>) -> bool {
    request
        .authorization()
        .is_some_and(|authorization| authorization.is_scheme("DPoP"))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use portcullis_core::{Confirmation, EvidenceKind, PeerCertificate, Timestamp};

    use super::*;

    struct Anything;

    impl ProofVerifier for Anything {
        fn describe(&self) -> ProofDescription {
            ProofDescription::dpop("ES256")
        }

        fn check(&self, _: &RequestView<'_>, _: &Evidence) -> Check<ProofVerdict> {
            Check::Done(ProofVerdict::Proven(None))
        }
    }

    fn possession(has_verifier: bool, is_required: bool) -> Possession {
        Possession {
            verifier: has_verifier.then(|| Arc::new(Twin(Anything)) as Arc<dyn AnyVerifier>),
            is_required,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "stands for the listener, which puts the certificate there"
    )]
    fn decide(
        possession: &Possession,
        scheme: &str,
        confirmation: Option<Confirmation>,
        certificate: Option<[u8; 32]>,
    ) -> Result<bool, &'static str> {
        let request = Request::builder().header("authorization", format!("{scheme} token"));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(digest) = certificate {
            parts
                .extensions
                .insert(PeerCertificate::from_digest(digest));
        }
        let mut evidence = Evidence::new(EvidenceKind::User, "i", "s");
        if let Some(confirmation) = confirmation {
            evidence = evidence.with_confirmation(confirmation);
        }
        let view = RequestView::new(&parts, Timestamp::UNIX_EPOCH);
        let decided = possession.needs_proof(&view, &evidence);
        decided.map_err(ReasonCode::as_str)
    }

    fn thumbprint(digest: [u8; 32]) -> String {
        PeerCertificate::from_digest(digest).thumbprint().to_owned()
    }

    #[test]
    fn a_credential_without_a_key_needs_none_unless_that_is_required() {
        let lenient = possession(true, false);
        assert_eq!(decide(&lenient, "Bearer", None, None), Ok(false));
        let required = Err("sender_constraint_missing");
        for scheme in ["Bearer", "DPoP"] {
            assert_eq!(
                decide(&possession(true, true), scheme, None, None),
                required
            );
        }
        // A certificate on the connection binds no credential.
        let strict = possession(false, true);
        assert_eq!(decide(&strict, "Bearer", None, Some([1; 32])), required);
    }

    #[test]
    fn a_proof_proves_nothing_of_a_credential_without_a_key() {
        let expected = Err("proof_of_unbound_credential");
        for has_verifier in [false, true] {
            let possession = possession(has_verifier, false);
            assert_eq!(decide(&possession, "DPoP", None, None), expected);
            assert_eq!(decide(&possession, "dpop", None, None), expected);
            let certificate =
                Confirmation::default().with_certificate_thumbprint(thumbprint([1; 32]));
            let decided = decide(&possession, "DPoP", Some(certificate), Some([1; 32]));
            assert_eq!(decided, expected);
        }
    }

    #[test]
    fn a_key_needs_a_proof_and_somebody_who_checks_it() {
        let key = || Some(Confirmation::default().with_jwk_thumbprint("t"));
        for is_required in [false, true] {
            let with = possession(true, is_required);
            assert_eq!(decide(&with, "DPoP", key(), None), Ok(true));
            assert_eq!(
                decide(&with, "Bearer", key(), None),
                Err("proof_downgraded")
            );
            let without = possession(false, is_required);
            assert_eq!(
                decide(&without, "DPoP", key(), None),
                Err("confirmation_unmet")
            );
            assert_eq!(
                decide(&without, "Bearer", key(), None),
                Err("proof_downgraded")
            );
        }
    }

    #[test]
    fn a_certificate_has_to_be_that_of_the_connection() {
        let bound =
            || Some(Confirmation::default().with_certificate_thumbprint(thumbprint([1; 32])));
        for has_verifier in [false, true] {
            let possession = possession(has_verifier, true);
            let decide = |certificate| decide(&possession, "Bearer", bound(), certificate);
            assert_eq!(decide(Some([1; 32])), Ok(false));
            assert_eq!(decide(Some([2; 32])), Err("certificate_unmet"));
            assert_eq!(decide(None), Err("certificate_unmet"));
        }
    }

    #[test]
    fn whatever_is_named_has_to_be_met() {
        let both = Confirmation::default()
            .with_jwk_thumbprint("t")
            .with_certificate_thumbprint(thumbprint([1; 32]));
        let with = possession(true, false);
        let decide = |scheme, confirmation: &Confirmation, certificate| {
            decide(&with, scheme, Some(confirmation.clone()), certificate)
        };
        assert_eq!(decide("DPoP", &both, Some([1; 32])), Ok(true));
        assert_eq!(decide("DPoP", &both, None), Err("certificate_unmet"));
        assert_eq!(
            decide("Bearer", &both, Some([1; 32])),
            Err("proof_downgraded")
        );
        let more = both.with_unsupported_member();
        assert_eq!(
            decide("DPoP", &more, Some([1; 32])),
            Err("confirmation_unmet")
        );
        // One that binds to nothing at all is not understood.
        let nothing = Confirmation::default();
        assert_eq!(decide("Bearer", &nothing, None), Err("confirmation_unmet"));
    }
}
