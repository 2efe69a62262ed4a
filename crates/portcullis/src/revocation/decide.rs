//! Whether a credential has been revoked: the decision itself.

use std::{collections::HashSet, sync::Arc, time::Duration};

use http::StatusCode;
use portcullis_core::{
    Check, Evidence, EvidenceKind, ReasonCode, RevokedKey, Signal, StoreError, Timestamp,
};

use super::{
    Revocation,
    cache::RevocationCache,
    keys::{Keying, Keys},
    store::AnyRevocationStore,
};
use crate::{
    exchange::Exchange,
    reason,
    refusal::Refusal,
    signal::AnySignalBus,
    time::{Time, credible},
};

/// How long a client is told to wait for a store.
const RETRY: Duration = Duration::from_secs(1);

/// What has been revoked, as a layer asks for it.
pub(crate) struct Revocations {
    pub(super) store: Arc<dyn AnyRevocationStore>,
    pub(super) keying: Keying,
    pub(super) time: Time,
    pub(super) bus: Option<Arc<dyn AnySignalBus>>,
    pub(super) cache: Option<RevocationCache>,
}

/// Why a credential does not count.
#[derive(Debug)]
pub(crate) enum Bar {
    /// The store has forgotten revocations, and one of them may have been of this credential.
    Forgotten,
    /// It has been revoked.
    Revoked,
    /// The store cannot say.
    Unknown(StoreError),
}

impl Revocations {
    /// Whether a credential has been revoked, if that can be said at once. While nothing is, it
    /// takes next to no time.
    pub(crate) fn check(&self, evidence: &Evidence) -> Check<Result<(), Bar>> {
        if self.store.is_empty() {
            return Check::Done(Ok(()));
        }
        let Some(keys) = self.keying.keys(evidence) else {
            return Check::Done(Err(too_many_keys()));
        };
        match self.store.check(keys.as_slice()) {
            Check::Done(cut_off) => Check::Done(self.judge(evidence, cut_off)),
            Check::NeedsIo => Check::NeedsIo,
        }
    }

    /// The same for a request that begins, which may also be let in by what the store has said
    /// lately. Nobody is refused by that.
    pub(crate) fn check_request(&self, evidence: &Arc<Evidence>) -> Check<Result<(), Bar>> {
        if self.store.is_empty() {
            return Check::Done(Ok(()));
        }
        let lets_in = |cut_off| self.judge(evidence, cut_off).is_ok();
        let cache = self.cache.as_ref().map(|cache| (cache, self.time.steady()));
        let known = cache.and_then(|(cache, now)| cache.get_of(evidence, now));
        if known.is_some_and(lets_in) {
            return Check::Done(Ok(()));
        }
        let Some(keys) = self.keying.keys(evidence) else {
            return Check::Done(Err(too_many_keys()));
        };
        match self.store.check(keys.as_slice()) {
            Check::Done(cut_off) => Check::Done(self.judge(evidence, cut_off)),
            Check::NeedsIo => {
                let known = cache.and_then(|(cache, now)| cache.get(keys.as_slice(), now));
                match known.is_some_and(lets_in) {
                    true => Check::Done(Ok(())),
                    false => Check::NeedsIo,
                }
            }
        }
    }

    /// Goes on where [`check`](Self::check) needs I/O.
    pub(crate) async fn look(&self, evidence: &Evidence) -> Result<(), Bar> {
        self.look_and_keep(evidence, None).await
    }

    /// Goes on where [`check_request`](Self::check_request) needs I/O.
    pub(crate) async fn look_for_request(&self, evidence: &Arc<Evidence>) -> Result<(), Bar> {
        self.look_and_keep(evidence, Some(evidence)).await
    }

    async fn look_and_keep(
        &self,
        evidence: &Evidence,
        shared: Option<&Arc<Evidence>>,
    ) -> Result<(), Bar> {
        let keys = self.keying.keys(evidence).ok_or_else(too_many_keys)?;
        let keys = keys.as_slice();
        let cache = self.cache.as_ref();
        let asking = cache.map(|cache| cache.ask(keys, self.time.steady()));
        let looked_up = self.store.look(keys).await;
        let cut_off = looked_up.map_err(Bar::Unknown)?;
        if let Some(asking) = asking {
            asking.keep(shared, keys, cut_off);
        }
        self.judge(evidence, cut_off)
    }

    /// Whether one revocation is of this credential.
    pub(crate) fn reaches(
        &self,
        evidence: &Evidence,
        revocation: &Revocation,
        cut_off: Timestamp,
    ) -> bool {
        let key = self.keying.key(revocation.key());
        // Where its keys cannot be told, it is let in nowhere either.
        let is_meant = self
            .keying
            .keys(evidence)
            .is_none_or(|keys| keys.as_slice().contains(&key));
        is_meant && is_over(time_of(evidence, self.time.now()), Some(cut_off))
    }

    /// Whether a credential has one of these keys.
    pub(crate) fn has_any(&self, evidence: &Evidence, keys: &HashSet<RevokedKey>) -> bool {
        // Where its keys cannot be told, it is let in nowhere either.
        let own = self.keying.keys(evidence);
        own.is_none_or(|own| own.as_slice().iter().any(|key| keys.contains(key)))
    }

    /// What a bus may tell of a credential.
    pub(crate) fn signals(&self, evidence: &Evidence) -> Vec<Signal> {
        let keys = self.keying.keys(evidence);
        let keys = keys.as_ref().map(Keys::as_slice).unwrap_or_default();
        keys.iter().copied().map(Signal::Revoked).collect()
    }

    /// The latest cut-off under a key.
    pub(crate) async fn cut_off_of(
        &self,
        key: RevokedKey,
    ) -> Result<Option<Timestamp>, StoreError> {
        match self.store.check(&[key]) {
            Check::Done(cut_off) => Ok(cut_off),
            Check::NeedsIo => self.store.look(&[key]).await,
        }
    }

    /// Whether a credential that has the key is over by a cut-off.
    pub(crate) fn is_over_by(&self, evidence: &Evidence, cut_off: Option<Timestamp>) -> bool {
        is_over(time_of(evidence, self.time.now()), cut_off)
    }

    /// What has been forgotten is asked for after the keys: whatever disappeared in between is
    /// then covered by it.
    fn judge(&self, evidence: &Evidence, cut_off: Option<Timestamp>) -> Result<(), Bar> {
        let forgotten = self.store.forgotten();
        if cut_off.max(forgotten).is_none() {
            return Ok(());
        }
        let at = time_of(evidence, self.time.now());
        if is_over(at, cut_off) {
            return Err(Bar::Revoked);
        }
        if is_over(at, forgotten) && !portcullis_core::sabotaged!("revocation.forgotten") {
            return Err(Bar::Forgotten);
        }
        Ok(())
    }
}

/// When whoever holds the credential proved who he is, on the issuer's clock. A person does so
/// by authenticating, and no refreshed token changes that; only where the issuer does not say
/// when that was, the time of the token has to do. A token knows of nothing that comes after it:
/// one that was issued before a cut-off does not become good when the time comes that it claims.
fn time_of(evidence: &Evidence, now: Timestamp) -> Option<Timestamp> {
    // When somebody else said it is not when anybody proved anything.
    let issued_at = evidence
        .issued_at()
        .filter(|_| !evidence.is_asserted_per_request());
    let at = match evidence.kind() {
        EvidenceKind::User => evidence.auth_time().or(issued_at),
        _ => issued_at,
    };
    let at = match portcullis_core::sabotaged!("revocation.ahead") {
        true => at,
        false => at.and_then(|at| credible(at, now)),
    };
    at.map(|at| issued_at.map_or(at, |issued_at| at.min(issued_at)))
}

/// Whether a time is no later than the cut-off. No time is none that is later.
fn is_over(at: Option<Timestamp>, cut_off: Option<Timestamp>) -> bool {
    cut_off.is_some_and(|cut_off| match at {
        Some(at) => at <= cut_off,
        None => !portcullis_core::sabotaged!("revocation.timeless"),
    })
}

fn too_many_keys() -> Bar {
    Bar::Unknown(StoreError::new("the evidence has too many revocation keys"))
}

impl Bar {
    /// The answer, without the challenge that a layer adds to a 401.
    pub(crate) fn refusal(&self, layer: &'static str, exchange: &Exchange) -> Refusal {
        let unauthorized = |code: ReasonCode| Refusal::new(layer, StatusCode::UNAUTHORIZED, code);
        match self {
            Self::Forgotten => unauthorized(reason::REVOCATION_FORGOTTEN),
            Self::Revoked => unauthorized(reason::CREDENTIAL_REVOKED),
            Self::Unknown(error) => {
                tracing::error!(
                    target: "portcullis",
                    request_id = %exchange.id(),
                    "the store of revocations cannot say whether a credential is revoked: {error}",
                );
                let (status, code) = (
                    StatusCode::SERVICE_UNAVAILABLE,
                    reason::REVOCATION_STORE_UNAVAILABLE,
                );
                Refusal::new(layer, status, code).with_retry_after(RETRY)
            }
        }
    }

    /// Never, in an ordinary build.
    pub(crate) fn is_ignored(&self) -> bool {
        match self {
            Self::Forgotten => false,
            Self::Revoked => portcullis_core::sabotaged!("authn.revoked"),
            Self::Unknown(_) => portcullis_core::sabotaged!("authn.revocation_unknown"),
        }
    }

    /// Whether the caller can do nothing but come with another credential.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(self, Self::Forgotten | Self::Revoked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_767_225_600 + seconds)
    }

    #[test]
    fn a_person_is_as_old_as_the_authentication_and_all_others_as_the_token() {
        let evidence = |kind, authenticated, issued| {
            let mut evidence = Evidence::new(kind, "i", "s");
            if let Some(seconds) = authenticated {
                evidence = evidence.with_auth_time(at(seconds));
            }
            if let Some(seconds) = issued {
                evidence = evidence.with_issued_at(at(seconds));
            }
            time_of(&evidence, NOW)
        };
        use EvidenceKind::{Client, Standing, User};
        for (kind, authenticated, issued, expected) in [
            (User, Some(-9), Some(-1), Some(-9)),
            (User, None, Some(-1), Some(-1)),
            (User, None, None, None),
            (Client, Some(-9), Some(-1), Some(-1)),
            (Standing, Some(-9), Some(-1), Some(-1)),
            (Standing, Some(-9), None, None),
            (User, Some(60), None, Some(60)),
            (User, Some(60), Some(-1), Some(-1)),
            (User, Some(61), Some(-1), None),
            (Client, None, Some(i64::MAX / 2000), None),
        ] {
            assert_eq!(
                evidence(kind, authenticated, issued),
                expected.map(at),
                "{kind:?} {authenticated:?} {issued:?}"
            );
        }
    }

    #[test]
    fn only_what_is_later_than_a_cut_off_is_good() {
        let ahead = Timestamp::from_unix_millis(NOW.unix_millis() + 1);
        for (time, cut_off, expected) in [
            (Some(NOW), Some(NOW), true),
            (Some(NOW), Some(NOW + SECOND), true),
            (Some(ahead), Some(NOW), false),
            (Some(ahead), Some(Timestamp::MAX), true),
            (Some(Timestamp::MAX), Some(Timestamp::MAX), true),
            (None, Some(Timestamp::UNIX_EPOCH), true),
            (Some(NOW), None, false),
            (None, None, false),
        ] {
            assert_eq!(is_over(time, cut_off), expected, "{time:?} {cut_off:?}");
        }
    }
}
