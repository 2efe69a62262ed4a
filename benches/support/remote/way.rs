//! A way to a server that is far, on which the round trips are counted.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis::{Clock as _, SystemClock};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};

/// How much later an answer comes: so much longer than asking takes that questions which do not
/// wait for each other have all been asked before the first is answered.
const LATER: Duration = Duration::from_millis(20);

/// A socket beside that of a server. Clones are the same way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    /// How many round trips there have been, one after another.
    answered: Arc<AtomicU64>,
}

impl Way {
    /// Begins to listen at one socket, and asks at the other.
    ///
    /// # Panics
    ///
    /// It cannot listen there.
    pub(crate) fn start(far: &Path, near: &Path) -> Self {
        let way = Self::default();
        let listener = UnixListener::bind(far).expect("nobody listens there");
        let (carrying, near) = (way.clone(), near.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = UnixStream::connect(&near).await {
                    carrying.carry(client, server);
                }
            }
        });
        way
    }

    /// How many round trips there have been that waited for each other: what is on its way while
    /// something else is, by whichever connection, is one with it.
    pub(crate) fn in_sequence(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    fn carry(&self, client: UnixStream, server: UnixStream) {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // Which round trip the last question of this connection belongs to.
        let asked = Arc::new(AtomicU64::new(0));
        let (later, arriving) = mpsc::unbounded_channel();
        tokio::spawn(self.clone().ask(from_client, to_server, Arc::clone(&asked)));
        tokio::spawn(hold(from_server, later, asked));
        tokio::spawn(self.clone().answer(arriving, to_client));
    }

    async fn ask(
        self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        asked: Arc<AtomicU64>,
    ) -> io::Result<()> {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let read = from.read(&mut bytes).await?;
            let Some(question) = bytes.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            asked.store(self.in_sequence() + 1, Ordering::SeqCst);
            to.write_all(question).await?;
        }
    }

    async fn answer(
        self,
        mut arriving: mpsc::UnboundedReceiver<Answer>,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let clock = SystemClock::new();
        while let Some(answer) = arriving.recv().await {
            clock.sleep_until(answer.at).await;
            self.answered.fetch_max(answer.round_trip, Ordering::SeqCst);
            to.write_all(&answer.bytes).await?;
        }
        Ok(())
    }
}

/// What the server has said, and when it arrives.
struct Answer {
    at: Instant,
    round_trip: u64,
    bytes: Vec<u8>,
}

async fn hold(
    mut from: impl AsyncRead + Unpin,
    later: mpsc::UnboundedSender<Answer>,
    asked: Arc<AtomicU64>,
) -> io::Result<()> {
    let clock = SystemClock::new();
    loop {
        let mut bytes = Vec::with_capacity(1 << 16);
        if from.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        let answer = Answer {
            at: clock.instant() + LATER,
            round_trip: asked.load(Ordering::SeqCst),
            bytes,
        };
        if later.send(answer).is_err() {
            return Ok(());
        }
    }
}
