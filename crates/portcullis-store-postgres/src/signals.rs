//! Signals between servers: notifications on one channel.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::{Either, select};
use portcullis_core::{
    Clock, Heard, Signal, SignalBus, SignalListener, SignalListeners, StoreError,
};
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_postgres::{AsyncMessage, Client, Config, types::Type};

use crate::{
    builder::address_of,
    problem::{Problem, describe},
    schema::Schema,
    tls::Tls,
};

/// How many signals one notification carries, of whose eight thousand bytes each takes 36.
const MANY: usize = 200;
/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(2);

/// A bus that carries signals between all servers that use the same schema of the same database.
/// Clones are the same bus.
///
/// It is had of [`Postgres::signals`](crate::Postgres::signals), and has a connection of its own
/// beside those of the pool, which is made when somebody first asks it for something. A pooler in
/// between has to pool sessions.
///
/// A notification is told to those who are connected and kept for nobody. Whoever was not connected
/// for a while is told of a gap when he is again, and looks at everything that runs. What is written is
/// on the server before it is told, so whoever looks finds it.
#[derive(Clone)]
pub struct PostgresSignals(pub(crate) Arc<Bus>);

pub(crate) struct Bus {
    config: Config,
    tls: Tls,
    channel: String,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    listeners: SignalListeners,
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
}

struct Connection {
    client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Bus {
    pub(crate) fn new(
        config: Config,
        tls: Tls,
        schema: &Schema,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            config,
            tls,
            channel: schema.channel(),
            timeout,
            clock,
            listeners: SignalListeners::new(),
            connection: tokio::sync::Mutex::default(),
        })
    }

    /// Asks on the connection; on another one if it was lost.
    async fn ask(&self, question: &str, message: Option<&str>) -> Result<(), StoreError> {
        for is_last in [false, true] {
            let connection = self.connected().await?;
            let asked = async {
                let params: &[_] = match &message {
                    Some(message) => &[
                        (
                            &self.channel as &(dyn tokio_postgres::types::ToSql + Sync),
                            Type::TEXT,
                        ),
                        (message, Type::TEXT),
                    ],
                    None => &[],
                };
                let asked = connection.client.query_typed(question, params).await;
                asked.map_err(|error| describe(&error))
            };
            match self.in_time(self.timeout, asked).await {
                Some(Ok(_)) => return Ok(()),
                Some(Err(Problem::Said(error))) => return Err(error),
                Some(Err(Problem::Lost(error))) => {
                    self.forget(&connection).await;
                    if is_last {
                        return Err(error);
                    }
                }
                // Who was silent for so long may be so for the next one as well.
                None => {
                    self.forget(&connection).await;
                    return Err(late(self.timeout));
                }
            }
        }
        Err(StoreError::new("there is no connection to postgres"))
    }

    /// The connection, which is made if there is none.
    async fn connected(&self) -> Result<Arc<Connection>, StoreError> {
        let connecting = async {
            let mut connection = self.connection.lock().await;
            if let Some(connection) = &*connection
                && !connection.client.is_closed()
            {
                return Ok(Arc::clone(connection));
            }
            let made = Arc::new(self.connect().await?);
            // Nobody knows what was said before. Told before anybody can say on it that he has caught
            // up.
            self.listeners.tell(&[Heard::Gap]);
            *connection = Some(Arc::clone(&made));
            Ok(made)
        };
        let timeout = self.timeout.max(CONNECT);
        match self.in_time(timeout, connecting).await {
            Some(connected) => connected.map_err(Problem::into_error),
            None => Err(late(timeout)),
        }
    }

    async fn connect(&self) -> Result<Connection, Problem> {
        let runtime = Handle::try_current().map_err(|_| {
            Problem::Said(StoreError::new(
                "postgres is asked outside of a tokio runtime",
            ))
        })?;
        let connected = self.config.connect(self.tls.clone().0).await;
        let (client, mut driven) = connected.map_err(|error| describe(&error))?;
        let listeners = self.listeners.clone();
        let driver = runtime.spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| driven.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message {
                    read(&listeners, notification.payload());
                }
            }
        });
        let connection = Connection { client, driver };
        let listen = format!("LISTEN \"{}\"", self.channel);
        let listening = connection.client.batch_execute(&listen).await;
        listening.map_err(|error| describe(&error))?;
        Ok(connection)
    }

    async fn forget(&self, lost: &Arc<Connection>) {
        let mut connection = self.connection.lock().await;
        if connection
            .as_ref()
            .is_some_and(|kept| Arc::ptr_eq(kept, lost))
        {
            *connection = None;
        }
    }

    async fn in_time<T>(&self, timeout: Duration, work: impl Future<Output = T>) -> Option<T> {
        let late = self.clock.sleep_until(self.clock.instant() + timeout);
        match select(pin!(work), late).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

fn late(timeout: Duration) -> StoreError {
    StoreError::new(format!("postgres did not answer within {timeout:?}"))
}

impl SignalBus for PostgresSignals {
    fn subscribe(&self, listener: Weak<dyn SignalListener>) {
        self.0.listeners.add(listener);
    }

    async fn publish(&self, signals: &[Signal]) -> Result<(), StoreError> {
        for many in signals.chunks(MANY) {
            let message = write(many);
            self.0
                .ask("SELECT pg_notify($1, $2)", Some(&message))
                .await?;
        }
        Ok(())
    }

    /// A server says what it has been told of before it says that a question is answered.
    async fn catch_up(&self) -> Result<(), StoreError> {
        self.0.ask("SELECT 1", None).await
    }
}

/// In hexadecimal: a notification is text.
fn write(signals: &[Signal]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(signals.len() * 2 * Signal::LEN);
    for byte in signals.iter().flat_map(|signal| signal.to_bytes()) {
        // Writing into a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Tells all what stands in a message.
fn read(listeners: &SignalListeners, text: &str) {
    match bytes_of(text) {
        Some(bytes) => listeners.tell_message(&bytes),
        None => listeners.tell(&[Heard::Gap]),
    }
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let (digits, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = digits
        .iter()
        .map(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())
        .collect();
    bytes.filter(|_| rest.is_empty())
}

impl fmt::Debug for PostgresSignals {
    /// Without the user and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSignals")
            .field("address", &address_of(&self.0.config))
            .field("channel", &self.0.channel)
            .finish_non_exhaustive()
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

    fn heard(text: &str) -> Vec<Heard> {
        let (listeners, notes) = (SignalListeners::new(), Arc::new(Notes::default()));
        let listener: Weak<Notes> = Arc::downgrade(&notes);
        listeners.add(listener);
        read(&listeners, text);
        notes.0.lock().unwrap().clone()
    }

    #[test]
    fn what_cannot_be_read_is_a_gap() {
        let (one, other) = (
            Signal::Sessions(OwnerKey::from_u128(1)),
            Signal::Revoked(RevokedKey::from_u128(u128::MAX)),
        );
        let both = write(&[one, other]);
        assert_eq!(heard(&both), [Heard::Signal(one), Heard::Signal(other)]);
        let newer = heard(&both.replacen("01", "02", 1));
        assert_eq!(newer, [Heard::Gap, Heard::Signal(other)]);
        assert_eq!(heard(""), []);
        for strange in ["x", "0", "00", "+1", "é", &both[1..], &both[..70]] {
            assert_eq!(heard(strange), [Heard::Gap], "{strange}");
        }
        let most = write(&[one; MANY]);
        assert!(most.len() < 8000, "{}", most.len());
    }
}
