//! What a bus may tell of a caller.

use portcullis_core::Signal;

use super::Exchange;
use crate::session::Session;

impl Exchange {
    /// The signals that may be about this caller: each means that something he came with was revoked,
    /// or that sessions of his were ended, on whichever server.
    ///
    /// For what is kept for a caller outside of his requests, such as tokens with which the agent calls
    /// others in his name. Keep it under these signals, and throw away what is kept under one that the
    /// [bus](crate::signal) tells of, and everything at a [gap](crate::signal::Heard::Gap). A signal says
    /// only where something may have changed, so whoever is still in just has it made anew.
    ///
    /// They are keyed hashes, the same on all servers that share the stores and their keys. None of an
    /// anonymous caller.
    ///
    /// ```
    /// use std::{collections::HashMap, sync::{Arc, Mutex, PoisonError, Weak}};
    /// use portcullis::{
    ///     Exchange, Secret,
    ///     signal::{Heard, Signal, SignalBus, SignalListener},
    /// };
    ///
    /// /// Tokens for other services, by what they end with.
    /// #[derive(Default)]
    /// struct Tokens(Mutex<Vec<(Vec<Signal>, Arc<Secret>)>>);
    ///
    /// impl Tokens {
    ///     fn keep(&self, caller: &Exchange, token: Secret) {
    ///         let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
    ///         all.push((caller.signals(), Arc::new(token)));
    ///     }
    /// }
    ///
    /// impl SignalListener for Tokens {
    ///     fn hear(&self, heard: Heard) {
    ///         let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
    ///         match heard {
    ///             Heard::Signal(signal) => all.retain(|(signals, _)| !signals.contains(&signal)),
    ///             // A gap, or something newer than this code.
    ///             _ => all.clear(),
    ///         }
    ///     }
    /// }
    ///
    /// let bus = portcullis::signal::MemorySignals::new(); // the one that the stack is given
    /// let tokens = Arc::new(Tokens::default());
    /// let listener: Weak<Tokens> = Arc::downgrade(&tokens);
    /// bus.subscribe(listener);
    /// ```
    #[must_use]
    pub fn signals(&self) -> Vec<Signal> {
        let revocable = self.revocations().zip(self.principal());
        let signals = revocable.map(|(revocations, principal)| {
            // Nobody has a credential whose keys cannot be told.
            revocations.signals(principal.evidence())
        });
        let mut signals = signals.unwrap_or_default();
        signals.extend(self.session().map(Session::signal));
        signals
    }
}
