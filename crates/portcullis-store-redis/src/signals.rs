//! Signals between servers: messages on one channel.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use portcullis_core::{
    Clock, Heard, Signal, SignalBus, SignalListener, SignalListeners, StoreError,
};
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
    listeners: SignalListeners,
}

impl Bus {
    pub(crate) fn new(
        client: Client,
        prefix: &str,
        timeout: std::time::Duration,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let channel = format!("{prefix}:signals");
        let listeners = SignalListeners::new();
        let ear = Ear {
            channel: channel.clone(),
            listeners: listeners.clone(),
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
        self.0.listeners.add(listener);
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

/// Tells all what stands in a message.
pub(crate) fn read(listeners: &SignalListeners, message: Option<&Value>) {
    match message {
        Some(Value::BulkString(bytes)) => listeners.tell_message(bytes),
        _ => listeners.tell(&[Heard::Gap]),
    }
}

impl fmt::Debug for RedisSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisSignals").field(&self.0.link).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
            let (listeners, notes) = (SignalListeners::new(), Arc::new(Notes::default()));
            let listener: Weak<Notes> = Arc::downgrade(&notes);
            listeners.add(listener);
            read(&listeners, message.as_ref());
            assert_eq!(*notes.0.lock().unwrap(), expected, "{message:?}");
        }
    }
}
