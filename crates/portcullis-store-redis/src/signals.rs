//! Signals between servers: messages on one channel.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use portcullis_core::{Clock, Heard, Signal, SignalBus, SignalListener, StoreError};
use redis::{Client, Value};

use crate::link::{Ear, Link};

/// How many signals one message carries.
const MANY: usize = 1000;

/// A bus that carries signals between all servers that use the same Redis with the same
/// [prefix](crate::RedisBuilder::with_prefix). Clones are the same bus.
///
/// It is had of [`Redis::signals`](crate::Redis::signals), and has a connection of its own, which is
/// made when somebody first asks it for something: what is told to a server that does not listen
/// takes room in Redis, and may cost it that connection, but not the one by which the stores are asked.
///
/// A message is told to those who are connected and kept for nobody. Whoever was not connected for a
/// while is told of a gap when he is again, and looks at everything that runs. What is written is on
/// the server before it is told, so whoever looks finds it.
#[derive(Clone)]
pub struct RedisSignals(pub(crate) Arc<Bus>);

pub(crate) struct Bus {
    link: Arc<Link>,
    channel: String,
    listeners: Arc<Listeners>,
}

/// Who is told.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<Weak<dyn SignalListener>>>);

impl Bus {
    pub(crate) fn new(
        client: Client,
        prefix: &str,
        timeout: std::time::Duration,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let channel = format!("{prefix}:signals");
        let listeners = Arc::new(Listeners::default());
        let ear = Ear {
            channel: channel.clone(),
            listeners: Arc::clone(&listeners),
        };
        Arc::new(Self {
            link: Link::with_ear(client, timeout, clock, ear),
            channel,
            listeners,
        })
    }
}

impl SignalBus for RedisSignals {
    fn subscribe(&self, listener: Weak<dyn SignalListener>) {
        let mut listeners = self.0.listeners.all();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(listener);
    }

    async fn publish(&self, signals: &[Signal]) -> Result<(), StoreError> {
        self.stand().await?;
        for many in signals.chunks(MANY) {
            let message: Vec<u8> = many.iter().flat_map(|signal| signal.to_bytes()).collect();
            let mut command = redis::cmd("PUBLISH");
            command.arg(&self.0.channel).arg(message);
            self.0.link.command(&command).await?;
        }
        Ok(())
    }

    /// Whatever is said on a connection is said in its order: with the answer, all that was told
    /// before it is there.
    async fn catch_up(&self) -> Result<(), StoreError> {
        self.stand().await
    }
}

impl RedisSignals {
    /// Asks something that only a primary does: one that has become a replica goes on carrying
    /// messages, and nobody hears them.
    async fn stand(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(&self.0.channel);
        self.0.link.command(&command).await.map(drop)
    }
}

impl Listeners {
    fn all(&self) -> MutexGuard<'_, Vec<Weak<dyn SignalListener>>> {
        // What the lock protects is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all of something.
    pub(crate) fn tell(&self, heard: &[Heard]) {
        // Not under the lock: a listener may do anything.
        let listeners = self.all().clone();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            heard.iter().for_each(|heard| listener.hear(*heard));
        }
    }

    /// Tells all what stands in a message. What cannot be read may have meant anything.
    pub(crate) fn read(&self, message: Option<&Value>) {
        let Some(Value::BulkString(bytes)) = message else {
            return self.tell(&[Heard::Gap]);
        };
        let (signals, rest) = bytes.as_chunks::<{ Signal::LEN }>();
        if !rest.is_empty() {
            return self.tell(&[Heard::Gap]);
        }
        let heard = signals.iter().map(|bytes| {
            let signal = Signal::from_bytes(bytes);
            signal.map_or(Heard::Gap, Heard::Signal)
        });
        self.tell(&heard.collect::<Vec<_>>());
    }
}

impl fmt::Debug for RedisSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisSignals").field(&self.0.link).finish()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{OwnerKey, RevokedKey};

    use super::*;

    #[derive(Default)]
    struct Notes(Mutex<Vec<Heard>>);

    impl SignalListener for Notes {
        fn hear(&self, heard: Heard) {
            self.0.lock().unwrap().push(heard);
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_gap() {
        let (one, other) = (
            Signal::Sessions(OwnerKey::from_u128(1)),
            Signal::Revoked(RevokedKey::from_u128(2)),
        );
        let both = [one.to_bytes(), other.to_bytes()].concat();
        let mut strange = both.clone();
        strange[18] = 9;
        let bytes = |bytes: &[u8]| Some(Value::BulkString(bytes.to_vec()));
        for (message, expected) in [
            (bytes(&both), vec![Heard::Signal(one), Heard::Signal(other)]),
            (bytes(&strange), vec![Heard::Signal(one), Heard::Gap]),
            (bytes(&both[..35]), vec![Heard::Gap]),
            (bytes(b""), vec![]),
            (Some(Value::Okay), vec![Heard::Gap]),
            (None, vec![Heard::Gap]),
        ] {
            let (listeners, notes) = (Listeners::default(), Arc::new(Notes::default()));
            let listener: Weak<Notes> = Arc::downgrade(&notes);
            listeners.all().push(listener);
            listeners.read(message.as_ref());
            assert_eq!(*notes.0.lock().unwrap(), expected, "{message:?}");
        }
    }
}
