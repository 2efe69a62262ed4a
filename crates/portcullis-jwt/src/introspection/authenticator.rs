//! The authenticator.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use portcullis_core::{
    Authenticator, Check, Clock, Description, NotReady, ReasonCode, Rejection, RequestView, Secret,
    Timestamp, Unavailable, Verdict, sabotaged,
};

use super::{
    answer::{Outcome, Rules, check_window, judge, lifetime},
    cache::Answers,
    endpoint::Endpoint,
    explanation::{Unasked, explain},
    signed::{self, Signed},
    watch::Watch,
};
use crate::{Explanation, flights::Flights, judge::Moment, reason, token};

/// The name in records.
const NAME: &str = "introspection";

/// Asks an issuer about opaque tokens. Made from an [`Introspection`](super::Introspection); see
/// the [module docs](super).
///
/// Cheap to clone: clones share answers and questions.
#[derive(Clone, Debug)]
pub struct IntrospectionAuthenticator {
    inner: Arc<Inner>,
    flights: Flights<Outcome>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) endpoint: Endpoint,
    pub(super) rules: Rules,
    pub(super) signed: Option<Signed>,
    pub(super) prefixes: Vec<Box<str>>,
    pub(super) takes_jwts: bool,
    pub(super) answers: Answers,
    pub(super) watch: Watch,
    /// How long an answer is kept, if any is.
    pub(super) keeps: Option<Duration>,
    /// After how long it is asked again about a token with which something runs.
    pub(super) asks_again: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) asked: AtomicU64,
}

impl IntrospectionAuthenticator {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            flights: Flights::default(),
        }
    }

    /// Says for one token which checks it passes, which one it fails, and why: for a developer
    /// who is stuck.
    ///
    /// It knows nothing of the gate: a token that was revoked there is accepted here.
    ///
    /// Asks the issuer, whatever is known already. The result shows neither the token nor what
    /// the issuer says of it.
    pub async fn explain(&self, token: &str) -> Explanation {
        match self.inner.concerns(token) {
            Err(unasked) => explain(Err(unasked)),
            Ok(()) => explain(Ok(&self.inner.ask(token).await)),
        }
    }

    /// Counters since the authenticator was built.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            questions: self.inner.asked.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    /// Whether a token is one to ask about.
    fn concerns(&self, token: &str) -> Result<(), Unasked> {
        let mut prefixes = self.prefixes.iter();
        let is_named =
            self.prefixes.is_empty() || prefixes.any(|prefix| token.starts_with(&**prefix));
        let is_of_another_kind = !self.takes_jwts && token::is_jwt_shaped(token);
        if !is_named || is_of_another_kind {
            return Err(Unasked::NotMine);
        }
        if token.len() > token::MAX_SIZE && !sabotaged!("introspection.size") {
            return Err(Unasked::TooLong);
        }
        Ok(())
    }

    /// Asks, and holds the answer against the rules, in the time that there is for all of it.
    async fn ask(&self, token: &str) -> Outcome {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let limit = self.endpoint.timeout;
        let deadline = self.clock.instant() + limit;
        let work = pin!(self.ask_and_judge(token));
        match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                let issuer = &self.rules.issuer;
                tracing::warn!(%issuer, ?limit, "the issuer has not answered in time about a token");
                Outcome::Failed(reason::INTROSPECTION_UNAVAILABLE)
            }
        }
    }

    async fn ask_and_judge(&self, token: &str) -> Outcome {
        let issuer = &self.rules.issuer;
        let answer = match self.endpoint.ask(token).await {
            Ok(answer) => answer,
            Err(problem) => {
                tracing::warn!(%issuer, %problem, "the issuer cannot be asked about a token");
                return Outcome::Failed(problem.reason());
            }
        };
        let Some(signed) = &self.signed else {
            return judge(&answer, &self.rules, self.clock.now());
        };
        let moment = |has_waited| Moment {
            now: self.clock.now(),
            instant: self.clock.instant(),
            has_waited,
        };
        match signed.open(&answer, moment).await {
            Ok(answer) => judge(&answer, &self.rules, self.clock.now()),
            Err(signed::Problem::Unsigned(what)) => {
                tracing::warn!(%issuer, what, "an answer about a token is not the issuer's");
                Outcome::Failed(reason::INTROSPECTION_SIGNATURE)
            }
            Err(signed::Problem::Keys) => Outcome::Failed(reason::KEYS_UNAVAILABLE),
        }
    }

    /// Asks, and keeps the answer for as long as that may be.
    pub(super) async fn ask_and_keep(self: &Arc<Self>, key: u128, token: &str) -> Outcome {
        // What the issuer says was true at some moment after this one.
        let asked_at = self.clock.instant();
        let outcome = self.ask(token).await;
        let due = match outcome {
            // Not at once again.
            Outcome::Failed(_) => self.clock.instant(),
            _ => asked_at,
        };
        let outcome = self
            .watch
            .note(self, key, token, outcome, due + self.asks_again);
        let now = self.clock.now();
        if let Some(time) = self.keeps.and_then(|most| lifetime(&outcome, most, now)) {
            self.answers.insert(key, outcome.clone(), asked_at + time);
        }
        outcome
    }

    fn known(&self, key: u128) -> Option<Outcome> {
        self.keeps?;
        self.answers.get(key, self.clock.instant())
    }
}

fn verdict(outcome: Outcome, now: Timestamp) -> Verdict {
    match outcome {
        // An answer never outlives what it is about.
        Outcome::Active(evidence, window) => match check_window(&window, now) {
            Ok(()) => Verdict::Accept(evidence),
            Err(fault) => rejected(fault.reason),
        },
        Outcome::Refused(fault) => rejected(fault.reason),
        Outcome::Failed(reason) => Verdict::Unavailable(Unavailable::new(reason)),
    }
}

fn rejected(reason: ReasonCode) -> Verdict {
    reason::note(reason);
    Verdict::Reject(Rejection::invalid_token(reason))
}

impl Authenticator for IntrospectionAuthenticator {
    fn describe(&self) -> Description {
        Description::bearer(NAME).add_authorization_server(self.inner.rules.issuer.clone())
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some(token) = request.access_token() else {
            return Check::Done(Verdict::Absent);
        };
        match self.inner.concerns(token) {
            Ok(()) => {}
            Err(Unasked::NotMine) => return Check::Done(Verdict::NotMine),
            Err(Unasked::TooLong) => {
                return Check::Done(rejected(reason::INTROSPECTION_SIZE));
            }
        }
        match self.inner.known(self.inner.answers.key(token)) {
            Some(outcome) => Check::Done(verdict(outcome, request.now())),
            None => Check::NeedsIo,
        }
    }

    async fn verify(&self, request: &RequestView<'_>) -> Verdict {
        let Some(token) = request.access_token() else {
            return Verdict::Absent;
        };
        let key = self.inner.answers.key(token);
        // It may have come while this request waited for its turn.
        if let Some(outcome) = self.inner.known(key) {
            return verdict(outcome, request.now());
        }
        let inner = Arc::clone(&self.inner);
        let token = Secret::from(token);
        let question = async move {
            let text = std::str::from_utf8(token.expose()).unwrap_or_default();
            inner.ask_and_keep(key, text).await
        };
        let outcome = self.flights.join(key, question).await;
        // By the clock, not by the time at which the request came: asking may have taken a while.
        verdict(outcome, self.inner.clock.now())
    }

    async fn ready(&self) -> Result<(), NotReady> {
        let not_ready = |problem: String| {
            let issuer = &self.inner.rules.issuer;
            NotReady::new(NAME, format!("cannot ask {issuer:?}: {problem}"))
        };
        let found = self.inner.endpoint.find().await;
        found.map_err(|problem| not_ready(problem.to_string()))?;
        if let Some(signed) = &self.inner.signed {
            let loaded = signed.ready().await;
            loaded.map_err(|problem| not_ready(problem.into()))?;
        }
        Ok(())
    }

    async fn shutdown(&self) {
        self.inner.watch.shutdown().await;
        if let Some(signed) = &self.inner.signed {
            signed.shutdown().await;
        }
    }
}

/// Counters of an [`IntrospectionAuthenticator`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stats {
    questions: u64,
}

impl Stats {
    /// How often the issuer was asked, or it was tried.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.questions
    }
}
