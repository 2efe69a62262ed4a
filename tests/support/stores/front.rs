//! A way to a server that can be cut, and can lose what goes along it.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::Served;

/// Hands on what is said on a port to the socket of a server, and the answers.
#[derive(Debug)]
pub struct Front {
    port: u16,
    ways: Arc<Ways>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Ways {
    socket: Mutex<String>,
    /// After so many bytes of answers a connection is cut.
    left: AtomicUsize,
    /// How many were.
    cuts: AtomicUsize,
    /// What goes along it comes to nobody.
    is_swallowed: watch::Sender<bool>,
}

impl Front {
    /// One to this server.
    ///
    /// # Panics
    ///
    /// There is no port for it.
    pub async fn new(server: &impl Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ways = Arc::new(Ways {
            socket: Mutex::new(server.socket()),
            left: AtomicUsize::new(usize::MAX),
            cuts: AtomicUsize::new(0),
            is_swallowed: watch::Sender::new(false),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&ways)));
        Self { port, ways, task }
    }

    /// Where it begins.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether what goes along it, either way, comes to nobody from now on, while each side takes
    /// the other to be there. What was on the way comes on when it no longer is.
    pub fn set_swallowing(&self, is_swallowed: bool) {
        self.ways.is_swallowed.send_replace(is_swallowed);
    }

    /// To another server from now on. Those that are connected stay so.
    ///
    /// # Panics
    ///
    /// Somebody else has panicked over it.
    pub fn lead_to(&self, server: &impl Served) {
        *self.ways.socket.lock().unwrap() = server.socket();
    }

    /// Cuts the connection once so many more bytes of answers have come.
    pub fn cut_after(&self, bytes: usize) {
        self.ways.left.store(bytes, Ordering::SeqCst);
    }

    /// How many connections it has cut.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.ways.cuts.load(Ordering::SeqCst)
    }

    /// Cuts nothing from now on.
    pub fn heal(&self) {
        self.ways.left.store(usize::MAX, Ordering::SeqCst);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, ways: Arc<Ways>) {
    let mut all = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let ways = Arc::clone(&ways);
        all.spawn(async move {
            let socket = ways.socket.lock().unwrap().clone();
            if let Ok(server) = UnixStream::connect(socket).await {
                hand_on(client, server, &ways).await;
            }
        });
    }
}

async fn hand_on(client: TcpStream, server: UnixStream, ways: &Ways) {
    let (mut said, mut heard) = client.into_split();
    let (mut answered, mut asked) = server.into_split();
    let swallowed = ways.is_swallowed.subscribe();
    let pass = async || {
        let passes = swallowed
            .clone()
            .wait_for(|is_swallowed| !is_swallowed)
            .await
            .is_ok();
        passes.then_some(())
    };
    let questions = async {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = said.read(&mut buffer).await {
            pass().await?;
            asked.write_all(buffer.get(..read)?).await.ok()?;
        }
        None::<()>
    };
    let answers = async {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = answered.read(&mut buffer).await {
            pass().await?;
            let left = ways.left.load(Ordering::SeqCst);
            let whole = read.min(left);
            heard.write_all(buffer.get(..whole)?).await.ok()?;
            if whole < read {
                ways.cuts.fetch_add(1, Ordering::SeqCst);
                break;
            }
            if left != usize::MAX {
                ways.left.store(left - whole, Ordering::SeqCst);
            }
        }
        None::<()>
    };
    tokio::select! {
        _ = questions => {}
        _ = answers => {}
    }
}
