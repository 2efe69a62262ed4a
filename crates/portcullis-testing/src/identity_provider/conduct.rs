//! What the endpoints were told to do, and how often they were asked.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// An endpoint of an [`IdentityProvider`](super::IdentityProvider).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// The metadata, in both forms.
    Discovery,
    /// Where security events are asked for.
    Events,
    /// The key set.
    Jwks,
    /// The token endpoint.
    Token,
}

/// What an endpoint does instead of answering as it should.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// Answers with this status and an empty body.
    Status(u16),
    /// Answers 200 with a page for people.
    Html,
    /// Answers 200 with this JSON text, true or not.
    Body(String),
    /// Answers with a key set without keys.
    EmptySet,
    /// Answers with 100 MiB that begin like a key set.
    HugeBody,
    /// Answers with 650 KiB of gzip that unpack to 100 MiB.
    GzipBomb,
    /// Sends one byte of the true answer per second of the issuer's clock.
    SlowDrip,
    /// Promises more than it sends, and closes the connection.
    CutShort,
    /// Takes the request, and is silent.
    NeverAnswers,
    /// Redirects to this address.
    RedirectTo(String),
    /// Answers as it should, but for another issuer identifier.
    WrongIssuer(String),
}

#[derive(Debug)]
pub(super) struct Conduct(Mutex<State>);

#[derive(Debug)]
struct State {
    cache_control: String,
    misbehaviour: HashMap<Endpoint, Misbehaviour>,
    counts: HashMap<Endpoint, usize>,
}

impl Conduct {
    pub(super) fn set(&self, endpoint: Endpoint, misbehaviour: Option<Misbehaviour>) {
        let mut state = self.state();
        match misbehaviour {
            Some(misbehaviour) => state.misbehaviour.insert(endpoint, misbehaviour),
            None => state.misbehaviour.remove(&endpoint),
        };
    }

    pub(super) fn set_cache_control(&self, value: &str) {
        value.clone_into(&mut self.state().cache_control);
    }

    pub(super) fn cache_control(&self) -> String {
        self.state().cache_control.clone()
    }

    pub(super) fn count(&self, endpoint: Endpoint) -> usize {
        self.state().counts.get(&endpoint).copied().unwrap_or(0)
    }

    /// Counts a request, and says how to misbehave.
    pub(super) fn enter(&self, endpoint: Endpoint) -> Option<Misbehaviour> {
        let mut state = self.state();
        *state.counts.entry(endpoint).or_default() += 1;
        state.misbehaviour.get(&endpoint).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Conduct {
    fn default() -> Self {
        Self(Mutex::new(State {
            cache_control: "public, max-age=300".to_owned(),
            misbehaviour: HashMap::new(),
            counts: HashMap::new(),
        }))
    }
}
