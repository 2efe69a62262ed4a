//! Two kinds of input each, that nobody should be able to tell apart by the time they take; or
//! that can be told apart, and it is said why that is no secret.
//!
//! | name | the first kind | the second |
//! |---|---|---|
//! | `timing.control_same` | bad API keys | the same ones |
//! | `timing.control_early_exit` | 32 bytes that differ in the first, compared carelessly | in the last |
//! | `timing.api_key_first_or_last` | an API key that is wrong in the first character of its secret | in the last |
//! | `timing.api_key_unknown_or_wrong` | an API key with an id that nobody has | with one that is known; the secret is wrong in both |
//! | `timing.token_near_or_far` | a token that differs from a known one in one of its last characters | that is like no known one |
//! | `timing.device_first_or_last` | a device id that is wrong in its first character | in its last |
//! | `timing.nonce_first_or_last` | a nonce of a proof that is wrong in its first byte | in its last |
//! | `timing.refused_api_key_revoked_or_unknown` | an API key that was revoked | that nobody has issued |
//! | `timing.refused_session_ended_or_idle` | a token whose session was ended | was idle for too long; the answer says so |
//! | `timing.refused_session_ended_or_forgotten` | the same | one whose session the store may have forgotten |
//! | `timing.refused_session_ended_or_revoked` | the same | one whose subject was revoked |
//! | `timing.refused_token_revoked_or_forged` | a token whose subject was revoked | that nobody has signed |
//!
//! What is `refused` is the answer of the gate with tokens, API keys, sessions and a budget of
//! refusals, from the request to the head of the response. The others are an authenticator
//! alone, where less hides a difference; `device` is a gate whose authenticator does nothing.
//!
//! Inputs have one length, and each is copied into a request of its own before the time is
//! taken: where it lies, and what a cache holds of it, is no part of the kind. Nor is which one
//! it is, where that can be had: with enough samples, a hundred keys of one kind differ from a
//! hundred others of the same. So `unknown_or_wrong`, `near_or_far` and `revoked_or_unknown` ask
//! two authenticators about the same credentials, half of which each knows.

mod api_keys;
mod control;
mod device;
mod forgetful;
mod nonce;
mod refused;
mod tokens;

use std::{fmt, hint::black_box};

/// How many credentials there are of each kind.
const POOL: usize = 128;

/// Every pair.
///
/// # Panics
///
/// What should be refused is not, or not for the reason that its kind says.
#[must_use]
pub fn all() -> Vec<Pair> {
    let mut all = control::pairs();
    all.extend(api_keys::pairs());
    all.push(tokens::pair());
    all.push(device::pair());
    all.push(nonce::pair());
    all.extend(refused::pairs());
    all
}

/// The pairs whose name contains one of these texts; all, if there is no text.
///
/// # Panics
///
/// As [`all`] does.
#[must_use]
pub fn chosen(texts: &[String]) -> Vec<Pair> {
    let mut all = all();
    all.retain(|pair| texts.is_empty() || texts.iter().any(|text| pair.name.contains(text)));
    all
}

/// Which of two kinds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a pair has two")]
pub enum Kind {
    /// The one that its name says first.
    One,
    /// The other one.
    Other,
}

impl Kind {
    /// The first of two for one kind, the second for the other.
    fn of<T>(self, [one, other]: [T; 2]) -> T {
        match self {
            Self::One => one,
            Self::Other => other,
        }
    }
}

/// One of many, by a number.
fn pick<T>(many: &[T], n: u64) -> &T {
    let at = usize::try_from(n % many.len() as u64).unwrap_or(0);
    many.get(at).expect("there are some")
}

/// What measures a piece of work.
type Around<'a> = dyn FnMut(&mut dyn FnMut()) + 'a;

/// Prepares an input of a kind, by a number, and does the work inside what measures it.
type Run = Box<dyn FnMut(Kind, u64, &mut Around<'_>)>;

/// Two kinds of input to the same work.
pub struct Pair {
    name: String,
    run: Run,
}

impl Pair {
    /// A pair by the name that its figures bear. What is prepared, of a kind and by a number that
    /// is another one each time, and what is done with the outcome, is not measured.
    fn new<P, O>(
        name: &str,
        mut prepare: impl FnMut(Kind, u64) -> P + 'static,
        mut work: impl FnMut(P) -> O + 'static,
    ) -> Self {
        let run = move |kind, n, around: &mut Around<'_>| {
            let mut prepared = Some(black_box(prepare(kind, n)));
            let mut outcome = None;
            around(&mut || outcome = prepared.take().map(&mut work));
            drop(black_box(outcome));
        };
        Self {
            name: format!("timing.{name}"),
            run: Box::new(run),
        }
    }

    /// Runs it once, on one of the inputs of a kind, with something around the work.
    pub fn run(&mut self, kind: Kind, n: u64, around: &mut Around<'_>) {
        (self.run)(kind, n, around);
    }

    /// What its figures are called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
