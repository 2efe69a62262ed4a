//! How servers that share their stores tell each other where to look again.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::{OwnerKey, RevokedKey, StoreError};

/// Where to look again: something that a store keeps has changed for the worse of somebody.
///
/// It says where, and not what: whoever hears it asks the store, which alone decides. So one that
/// is heard twice, late, or that somebody has made up costs a question, and ends nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Signal {
    /// Something was revoked under this key.
    Revoked(RevokedKey),
    /// Sessions of this owner were ended or changed.
    Sessions(OwnerKey),
}

/// The form of the bytes. Another form has another number.
const VERSION: u8 = 1;
const REVOKED: u8 = b'r';
const SESSIONS: u8 = b's';

impl Signal {
    /// How many bytes it is written as.
    pub const LEN: usize = 18;

    /// The signal as bytes: a version, a kind and a key.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let (kind, key) = match self {
            Self::Revoked(key) => (REVOKED, key.as_u128()),
            Self::Sessions(owner) => (SESSIONS, owner.as_u128()),
        };
        let mut bytes = [0; Self::LEN];
        let [version, of_kind, rest @ ..] = &mut bytes;
        (*version, *of_kind, *rest) = (VERSION, kind, key.to_be_bytes());
        bytes
    }

    /// The signal again. `None` if these bytes are none, or one that only a newer version knows:
    /// whoever hears that [looks everywhere](Heard::Gap).
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[version, kind], key) = bytes.split_first_chunk()?;
        let key = u128::from_be_bytes(key.try_into().ok()?);
        match (version, kind) {
            (VERSION, REVOKED) => Some(Self::Revoked(RevokedKey::from_u128(key))),
            (VERSION, SESSIONS) => Some(Self::Sessions(OwnerKey::from_u128(key))),
            _ => None,
        }
    }
}

/// What a listener of a [`SignalBus`] is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Heard {
    /// Signals may have been missed, so there may be something everywhere.
    Gap,
    /// This signal.
    Signal(Signal),
}

/// Who is told of signals.
pub trait SignalListener: Send + Sync + 'static {
    /// Notes what is heard. It must not wait: others are told after it.
    fn hear(&self, heard: Heard);
}

/// Carries [`Signal`]s from each server to all that share its stores.
///
/// Signals are hints. A bus may tell one twice and in any order; it must not lose one and then
/// say that it has [caught up](Self::catch_up). One that has lost some, or cannot know, tells its
/// listeners of a [gap](Heard::Gap).
///
/// The macro `signal_bus_contract!` of `portcullis-testing` proves a bus.
///
/// # Example
///
/// One that is correct, for the gates of one process:
///
/// ```
/// use std::sync::{Mutex, Weak};
/// use portcullis_core::{Heard, Signal, SignalBus, SignalListener, StoreError};
///
/// #[derive(Default)]
/// struct Plain(Mutex<Vec<Weak<dyn SignalListener>>>);
///
/// impl SignalBus for Plain {
///     fn subscribe(&self, listener: Weak<dyn SignalListener>) {
///         self.0.lock().unwrap_or_else(|error| error.into_inner()).push(listener);
///     }
///
///     async fn publish(&self, signals: &[Signal]) -> Result<(), StoreError> {
///         let listeners = self.0.lock().map_err(|_| StoreError::new("poisoned"))?.clone();
///         for listener in listeners.iter().filter_map(Weak::upgrade) {
///             signals.iter().for_each(|signal| listener.hear(Heard::Signal(*signal)));
///         }
///         Ok(())
///     }
///
///     async fn catch_up(&self) -> Result<(), StoreError> {
///         Ok(())
///     }
/// }
/// ```
pub trait SignalBus: Send + Sync + 'static {
    /// Has a listener told of what is published from the next [`catch_up`](Self::catch_up) on,
    /// until it is dropped. It neither waits nor asks anybody.
    fn subscribe(&self, listener: Weak<dyn SignalListener>);

    /// Tells all listeners on all servers, those of this bus too.
    ///
    /// # Errors
    ///
    /// The bus cannot say whether all are told.
    fn publish(&self, signals: &[Signal]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Completes when the listeners of this bus have been told everything whose
    /// [`publish`](Self::publish) had completed before this was called, wherever that was, or of a
    /// gap in its place.
    ///
    /// A layer asks for it again and again. While it fails nobody knows what was missed.
    ///
    /// # Errors
    ///
    /// The bus cannot say whether they have.
    fn catch_up(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The listeners of a bus, for whoever writes one. Clones are the same.
#[derive(Clone, Default)]
pub struct SignalListeners(Arc<Mutex<Vec<Weak<dyn SignalListener>>>>);

impl SignalListeners {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, until it is dropped.
    pub fn add(&self, listener: Weak<dyn SignalListener>) {
        let mut listeners = self.all();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(listener);
    }

    /// Tells each of them.
    pub fn tell(&self, heard: &[Heard]) {
        // Not under the lock: a listener may do anything.
        let listeners = self.all().clone();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            heard.iter().for_each(|heard| listener.hear(*heard));
        }
    }

    /// Tells each of them the signals that stand in a message, one behind the other. What cannot be
    /// read may have meant anything, so it is a gap.
    pub fn tell_message(&self, message: &[u8]) {
        let (signals, rest) = message.as_chunks::<{ Signal::LEN }>();
        if !rest.is_empty() {
            return self.tell(&[Heard::Gap]);
        }
        let heard = signals.iter().map(|bytes| {
            let signal = Signal::from_bytes(bytes);
            signal.map_or(Heard::Gap, Heard::Signal)
        });
        self.tell(&heard.collect::<Vec<_>>());
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<dyn SignalListener>>> {
        // What the lock protects is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SignalListeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalListeners").finish_non_exhaustive()
    }
}

/// A bus that several layers share.
impl<B: SignalBus> SignalBus for Arc<B> {
    fn subscribe(&self, listener: Weak<dyn SignalListener>) {
        B::subscribe(self, listener);
    }

    fn publish(&self, signals: &[Signal]) -> impl Future<Output = Result<(), StoreError>> + Send {
        B::publish(self, signals)
    }

    fn catch_up(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        B::catch_up(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_after_it_was_written() {
        let key = 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;
        for (signal, written) in [
            (
                Signal::Revoked(RevokedKey::from_u128(key)),
                *b"\x01r\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10",
            ),
            (
                Signal::Sessions(OwnerKey::from_u128(key)),
                *b"\x01s\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10",
            ),
        ] {
            assert_eq!(signal.to_bytes(), written);
            assert_eq!(Signal::from_bytes(&written), Some(signal));
        }
    }

    #[test]
    fn what_is_no_signal_is_none() {
        let signal = Signal::Sessions(OwnerKey::from_u128(1)).to_bytes();
        let (mut newer, mut other) = (signal, signal);
        newer[0] = 2;
        other[1] = b'x';
        for bytes in [
            &[][..],
            &signal[1..],
            &newer,
            &other,
            &[&signal[..], b"\0"].concat(),
        ] {
            assert_eq!(Signal::from_bytes(bytes), None, "{bytes:?}");
        }
    }
}
