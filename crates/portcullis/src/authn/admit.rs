//! What is asked of a credential that an authenticator has accepted, before anything relies on
//! it: that it is not revoked, and that whoever sends it holds the key that it is bound to.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use http::{StatusCode, request::Parts};
use portcullis_core::{
    Check, Evidence, ProofRejection, ProofRejectionKind, ProofVerdict, ReasonCode, Unavailable,
};

use super::{
    decide::{Authenticate, LAYER, restrict},
    possession::{self, AnyVerifier},
};
use crate::{
    exchange::Exchange,
    principal::{Identity, Principal},
    reason,
    refusal::Refusal,
    revocation::Bar,
    session::Ahead,
};

/// Evidence that an authenticator has accepted, and the name of that one.
#[derive(Clone)]
pub(super) struct Accepted {
    pub(super) evidence: Arc<Evidence>,
    pub(super) name: &'static str,
}

/// How far it has come without I/O.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    Admitted,
    /// The revocations have to be asked, and then for a proof, if one is needed.
    WantsRevocations,
    /// The verifier has looked at the proof, and has to look again.
    WantsVerifier,
}

impl Authenticate {
    /// Has sessions loaded while a store is asked about the credential.
    pub(crate) fn load_ahead(&mut self, ahead: Ahead) {
        self.ahead = Some(ahead);
    }

    /// Lets a caller in, as far as that goes without I/O.
    pub(super) fn finish(
        &self,
        parts: &mut Parts,
        exchange: &Exchange,
        accepted: &Accepted,
    ) -> Result<Progress, Refusal> {
        match self.revocations.check_request(&accepted.evidence) {
            Check::Done(result) => self.check_bar(parts, exchange, accepted, result)?,
            Check::NeedsIo => return Ok(Progress::WantsRevocations),
        }
        let Some(verifier) = self.verifier_for(parts, exchange, accepted)? else {
            self.admit(parts, exchange, accepted);
            return Ok(Progress::Admitted);
        };
        match verifier.check(&exchange.view(parts), &accepted.evidence) {
            Check::Done(verdict) => {
                self.settle(parts, exchange, accepted, verdict)?;
                Ok(Progress::Admitted)
            }
            Check::NeedsIo => Ok(Progress::WantsVerifier),
        }
    }

    /// Goes on where [`finish`](Self::finish) could not.
    pub(super) async fn finish_with_io(
        &self,
        mut parts: Parts,
        exchange: &Exchange,
        accepted: &Accepted,
        is_verifier_next: bool,
    ) -> (Parts, Result<(), Refusal>) {
        let result = match self.revocations.check_request(&accepted.evidence) {
            Check::Done(result) => result,
            Check::NeedsIo => self.look(exchange, &accepted.evidence).await,
        };
        if let Err(refusal) = self.check_bar(&parts, exchange, accepted, result) {
            return (parts, Err(refusal));
        }
        let verifier = match self.verifier_for(&parts, exchange, accepted) {
            Ok(Some(verifier)) => Arc::clone(verifier),
            Ok(None) => {
                self.admit(&mut parts, exchange, accepted);
                return (parts, Ok(()));
            }
            Err(refusal) => return (parts, Err(refusal)),
        };
        let checked = match is_verifier_next {
            true => Check::NeedsIo,
            false => verifier.check(&exchange.view(&parts), &accepted.evidence),
        };
        let verdict = match checked {
            Check::Done(verdict) => verdict,
            Check::NeedsIo => {
                let evidence = Arc::clone(&accepted.evidence);
                let (back, verdict) = verifier.verify(parts, exchange.clone(), evidence).await;
                parts = back;
                verdict
            }
        };
        let result = self.settle(&mut parts, exchange, accepted, verdict);
        (parts, result)
    }

    /// Asks whether the credential is revoked, and meanwhile for what the session layer will want to
    /// know: two stores take the time of one.
    async fn look(&self, exchange: &Exchange, evidence: &Arc<Evidence>) -> Result<(), Bar> {
        let mut look = pin!(self.revocations.look_for_request(evidence));
        let ahead = self.ahead.as_ref();
        let Some(mut load) = ahead.and_then(|ahead| ahead.load(evidence)) else {
            return look.await;
        };
        let (mut looked, mut is_loaded) = (None, false);
        poll_fn(|cx| {
            if looked.is_none()
                && let Poll::Ready(result) = look.as_mut().poll(cx)
            {
                looked = Some(result);
            }
            if !is_loaded && let Poll::Ready(loaded) = load.as_mut().poll(cx) {
                exchange.set_loaded(loaded);
                is_loaded = true;
            }
            match looked.take() {
                // Who is refused need not wait for the other.
                Some(result) if is_loaded || result.is_err() => Poll::Ready(result),
                not_yet => {
                    looked = not_yet;
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Whether the credential is revoked, or that cannot be said.
    fn check_bar(
        &self,
        parts: &Parts,
        exchange: &Exchange,
        accepted: &Accepted,
        result: Result<(), Bar>,
    ) -> Result<(), Refusal> {
        let Err(bar) = result else {
            return Ok(());
        };
        if bar.is_ignored() {
            return Ok(());
        }
        let mut refusal = bar.refusal(LAYER, exchange);
        if bar.is_final() {
            let is_bound = possession::is_bound(&exchange.view(parts));
            refusal = refusal.with_challenges(Arc::clone(self.challenges.invalid_token(is_bound)));
        }
        Err(restrict(
            refusal.with_authenticator(accepted.name),
            exchange,
        ))
    }

    /// Who has to be asked for a proof, if one is needed.
    fn verifier_for(
        &self,
        parts: &Parts,
        exchange: &Exchange,
        accepted: &Accepted,
    ) -> Result<Option<&Arc<dyn AnyVerifier>>, Refusal> {
        let view = exchange.view(parts);
        match self.possession.needs_proof(&view, &accepted.evidence) {
            Ok(true) => Ok(self.possession.verifier.as_ref()),
            Ok(false) => Ok(None),
            Err(code) => {
                let refusal = self.invalid_token(code, possession::is_bound(&view));
                Err(restrict(
                    refusal.with_authenticator(accepted.name),
                    exchange,
                ))
            }
        }
    }

    /// Lets a caller in whose proof is good.
    fn settle(
        &self,
        parts: &mut Parts,
        exchange: &Exchange,
        accepted: &Accepted,
        verdict: ProofVerdict,
    ) -> Result<(), Refusal> {
        let refusal = match verdict {
            ProofVerdict::Proven(nonce) => {
                if let Some(nonce) = nonce {
                    exchange.set_nonce(nonce);
                }
                self.admit(parts, exchange, accepted);
                return Ok(());
            }
            ProofVerdict::Reject(rejection) => {
                let refusal = self.unproven(rejection).with_authenticator(accepted.name);
                // That is how a client is told a nonce, so it is in order, and costs next to nothing.
                return match refusal.is_free_of_charge() {
                    true => Err(refusal),
                    false => Err(restrict(refusal, exchange)),
                };
            }
            ProofVerdict::Unavailable(unavailable) => unavailable_now(unavailable),
            // A verdict that this layer does not know is nobody's permission.
            _ => self.bad_proof(reason::CONFIRMATION_UNMET),
        };
        Err(restrict(
            refusal.with_authenticator(accepted.name),
            exchange,
        ))
    }

    fn unproven(&self, rejection: ProofRejection) -> Refusal {
        let code = rejection.reason();
        match rejection.into_kind() {
            ProofRejectionKind::InvalidToken => self.invalid_token(code, true),
            ProofRejectionKind::NonceRequired(nonce) => {
                Refusal::new(LAYER, StatusCode::UNAUTHORIZED, code)
                    .with_challenges(Arc::clone(&self.challenges.use_nonce))
                    .with_header(possession::NONCE, nonce)
                    .free_of_charge()
            }
            // Also any kind that this layer does not know.
            _ => self.bad_proof(code),
        }
    }

    fn bad_proof(&self, code: ReasonCode) -> Refusal {
        Refusal::new(LAYER, StatusCode::UNAUTHORIZED, code)
            .with_challenges(Arc::clone(&self.challenges.invalid_proof))
    }

    fn admit(&self, parts: &mut Parts, exchange: &Exchange, accepted: &Accepted) {
        self.consume(&mut parts.headers);
        if let Some(id) = self.take_cookie(&mut parts.headers) {
            exchange.set_cookie(id);
        }
        let principal = Principal::from_evidence(Arc::clone(&accepted.evidence), accepted.name);
        exchange.set_identity(Identity::Principal(principal), &self.challenges);
        exchange.set_revocations(&self.revocations);
    }
}

/// 503: what a decision depends on is down.
pub(super) fn unavailable_now(unavailable: Unavailable) -> Refusal {
    Refusal::new(LAYER, StatusCode::SERVICE_UNAVAILABLE, unavailable.reason())
        .with_retry_after(unavailable.retry_after())
}
