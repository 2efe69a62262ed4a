//! What every authenticator owes, as tests: [`authenticator_contract!`](crate::authenticator_contract).

mod corpus;
mod promises;
#[cfg(test)]
mod tests;

use std::{
    any::Any,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use http::request::Parts;
use portcullis_core::{
    Authenticator, Check, Clock as _, RequestView, SystemClock, Timestamp, Verdict,
};

pub use self::promises::Promise;
use crate::clock::VirtualClock;

/// Makes a module of tests that prove an authenticator to keep the promises of the trait
/// [`Authenticator`](portcullis_core::Authenticator).
///
/// The first argument is the name of the module; the second is an expression for a future that
/// makes a [`Candidate`](crate::contract::Candidate): the authenticator and one request that
/// it accepts. Every test makes its own, inside a tokio runtime, so a server that the
/// authenticator asks can be started there.
///
/// The tests are those of [`Promise`](crate::contract::Promise).
///
/// # Example
///
/// ```
/// use portcullis_core::{
///     Authenticator, Check, Description, Evidence, EvidenceKind, ReasonCode, Rejection,
///     RequestView, Secret, Verdict,
/// };
/// use portcullis_testing::contract::Candidate;
///
/// struct OneToken(Secret);
///
/// impl Authenticator for OneToken {
///     fn describe(&self) -> Description {
///         Description::bearer("one_token")
///     }
///
///     fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
///         Check::Done(match request.bearer() {
///             None => Verdict::Absent,
///             Some(token) if !token.starts_with("one_") => Verdict::NotMine,
///             Some(token) if self.0.matches(token.as_bytes()) => {
///                 Verdict::accept(Evidence::new(EvidenceKind::Standing, "one_token", "robot"))
///             }
///             Some(_) => {
///                 Verdict::Reject(Rejection::invalid_token(ReasonCode::new("one_token_unknown")))
///             }
///         })
///     }
/// }
///
/// portcullis_testing::authenticator_contract!(one_token, async {
///     let good = http::Request::builder().header("authorization", "Bearer one_abc");
///     Candidate::new(OneToken(Secret::from("one_abc")), good.body(()).unwrap())
/// });
/// # fn main() {
/// #     for promise in portcullis_testing::contract::Promise::ALL {
/// #         promise.prove(async {
/// #             let good = http::Request::builder().header("authorization", "Bearer one_abc");
/// #             Candidate::new(OneToken(Secret::from("one_abc")), good.body(()).unwrap())
/// #         });
/// #     }
/// # }
/// ```
#[macro_export]
macro_rules! authenticator_contract {
    ($name:ident, $make:expr $(,)?) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, reason = "the expression may name what is around it")]
            use super::*;

            $crate::authenticator_contract!(@test $make,
                absent_without_credentials: AbsentWithoutCredentials,
                accepts_again_after_garbage: AcceptsAgainAfterGarbage,
                accepts_the_good_request: AcceptsTheGoodRequest,
                answers_alike_when_asked_twice: AnswersAlikeWhenAskedTwice,
                answers_alike_when_asked_at_once: AnswersAlikeWhenAskedAtOnce,
                describes_itself: DescribesItself,
                never_accepts_a_doubled_credential: NeverAcceptsADoubledCredential,
                never_accepts_a_foreign_credential: NeverAcceptsAForeignCredential,
                never_accepts_a_tampered_credential: NeverAcceptsATamperedCredential,
                never_accepts_garbage: NeverAcceptsGarbage,
                takes_restricted_requests: TakesRestrictedRequests,
            );
        }
    };
    (@test $make:expr, $($test:ident: $promise:ident,)+) => {
        $(
            #[test]
            fn $test() {
                $crate::contract::Promise::$promise.prove($make);
            }
        )+
    };
}

/// An authenticator to be proved, and one request that it accepts.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use portcullis_core::{Check, Clock as _, Description, RequestView, Verdict};
/// use portcullis_testing::{contract::Candidate, identity_provider::IdentityProvider};
///
/// # struct AsksIssuer;
/// # impl AsksIssuer { fn new(_: &str) -> Self { Self } }
/// # impl portcullis_core::Authenticator for AsksIssuer {
/// #     fn describe(&self) -> Description { Description::bearer("asks_issuer") }
/// #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
/// # }
/// # async fn candidate() -> Candidate<AsksIssuer> {
/// let idp = IdentityProvider::new().serve().await;
/// let token = idp.token("alice").mint();
/// let good = http::Request::builder().header("authorization", format!("Bearer {token}"));
/// Candidate::new(AsksIssuer::new(idp.issuer()), good.body(()).unwrap())
///     .with_now(portcullis_core::SystemClock::new().now())
///     .with_companion(idp) // the issuer lives as long as the candidate
/// # }
/// ```
#[must_use]
pub struct Candidate<A> {
    pub(crate) authenticator: A,
    pub(crate) good: Parts,
    pub(crate) now: Timestamp,
    companions: Vec<Box<dyn Any>>,
}

impl<A: Authenticator> Candidate<A> {
    /// An authenticator, and a request that it accepts at [`VirtualClock::START`].
    pub fn new<B>(authenticator: A, good: http::Request<B>) -> Self {
        Self {
            authenticator,
            good: good.into_parts().0,
            now: VirtualClock::START,
            companions: Vec::new(),
        }
    }

    /// When the requests arrive.
    pub fn with_now(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// Keeps something alive beside the authenticator: a server that it asks, a clock.
    pub fn with_companion(mut self, companion: impl Any) -> Self {
        self.companions.push(Box::new(companion));
        self
    }
}

/// What an authenticator says about a request that arrived at `now`, as the layer asks it:
/// `check`, and after `NeedsIo` also `verify`.
///
/// # Panics
///
/// `verify` gives no answer within a minute.
pub async fn ask(authenticator: &impl Authenticator, request: &Parts, now: Timestamp) -> Verdict {
    ask_view(authenticator, &RequestView::new(request, now)).await
}

/// Does what [`ask`] does, for a test without an asynchronous runtime.
///
/// # Example
///
/// ```
/// use portcullis_core::{Authenticator, Check, Description, RequestView, Verdict};
/// use portcullis_testing::{clock::VirtualClock, contract::drive};
///
/// struct Nobody;
///
/// impl Authenticator for Nobody {
///     fn describe(&self) -> Description {
///         Description::bearer("nobody")
///     }
///
///     fn check(&self, _request: &RequestView<'_>) -> Check<Verdict> {
///         Check::Done(Verdict::Absent)
///     }
/// }
///
/// let (request, ()) = http::Request::new(()).into_parts();
/// assert!(matches!(drive(&Nobody, &request, VirtualClock::START), Verdict::Absent));
/// ```
///
/// # Panics
///
/// It is called inside a runtime, or `verify` gives no answer within a minute.
#[must_use]
pub fn drive(authenticator: &impl Authenticator, request: &Parts, now: Timestamp) -> Verdict {
    block_on(ask(authenticator, request, now))
}

pub(crate) async fn ask_view(
    authenticator: &impl Authenticator,
    request: &RequestView<'_>,
) -> Verdict {
    match authenticator.check(request) {
        Check::Done(verdict) => verdict,
        Check::NeedsIo => within_a_minute("verify", authenticator.verify(request)).await,
    }
}

pub(crate) async fn within_a_minute<T>(what: &str, future: impl Future<Output = T>) -> T {
    let clock = SystemClock::new();
    let mut too_late = clock.sleep_until(clock.instant() + Duration::from_secs(60));
    let mut future = pin!(future);
    poll_fn(|cx| {
        let answer = future.as_mut().poll(cx);
        assert!(
            answer.is_ready() || pin!(&mut too_late).poll(cx).is_pending(),
            "`{what}` gave no answer within a minute"
        );
        match answer {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[expect(
    clippy::expect_used,
    reason = "without a runtime there is nothing to test"
)]
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
        .block_on(future)
}

/// The same, with threads that go on with what was spawned while the future waits for threads of
/// its own: a store may have a task that drives its connection.
#[expect(
    clippy::expect_used,
    reason = "without a runtime there is nothing to test"
)]
pub(crate) fn block_on_with_workers<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built")
        .block_on(future)
}
