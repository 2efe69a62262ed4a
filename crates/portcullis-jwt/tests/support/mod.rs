//! An issuer, a clock and a client, all in this process.
// Each test binary uses a part of it.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test may panic like the test"
)]

pub(crate) mod clock;
pub(crate) mod idp;
pub(crate) mod signer;

use portcullis_core::{
    Authenticator, Check, Evidence, ReasonCode, RequestView, Timestamp, Verdict,
};
use std::sync::Arc;

pub(crate) const ISSUER: &str = "https://idp.example";
pub(crate) const AUDIENCE: &str = "https://notes.example";
/// The moment at which the tests happen.
pub(crate) const NOW: i64 = 1_800_000_000;

/// [`NOW`].
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_seconds(NOW)
}

pub(crate) fn parts(token: &str) -> http::request::Parts {
    let request = http::Request::builder()
        .uri("/notes")
        .header("authorization", format!("Bearer {token}"))
        .body(())
        .unwrap();
    request.into_parts().0
}

/// The answer of the synchronous look.
pub(crate) fn check(auth: &impl Authenticator, token: &str, now: Timestamp) -> Check<Verdict> {
    auth.check(&RequestView::new(&parts(token), now))
}

/// The answer, with I/O where it is needed.
pub(crate) async fn verdict(auth: &impl Authenticator, token: &str, now: Timestamp) -> Verdict {
    let parts = parts(token);
    let view = RequestView::new(&parts, now);
    match auth.check(&view) {
        Check::Done(verdict) => verdict,
        Check::NeedsIo => auth.verify(&view).await,
    }
}

/// A verdict that can be compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Accepted,
    NotMine,
    Rejected(ReasonCode),
    Unavailable(ReasonCode),
}

pub(crate) async fn answer(auth: &impl Authenticator, token: &str, now: Timestamp) -> Answer {
    to_answer(verdict(auth, token, now).await)
}

pub(crate) fn to_answer(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Accept(_) => Answer::Accepted,
        Verdict::NotMine => Answer::NotMine,
        Verdict::Reject(rejection) => Answer::Rejected(rejection.reason()),
        Verdict::Unavailable(unavailable) => Answer::Unavailable(unavailable.reason()),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn evidence(
    auth: &impl Authenticator,
    token: &str,
    now: Timestamp,
) -> Arc<Evidence> {
    match verdict(auth, token, now).await {
        Verdict::Accept(evidence) => evidence,
        other => panic!("{other:?}"),
    }
}
