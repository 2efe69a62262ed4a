//! A way to a server that can be cut, and led to another one.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    task::{JoinHandle, JoinSet},
};

use crate::server::Server;

/// Hands on what is said on a port to the socket of a server, and the answers.
pub(crate) struct Front {
    port: u16,
    ways: Arc<Ways>,
    task: JoinHandle<()>,
}

struct Ways {
    socket: Mutex<String>,
    /// After so many bytes of answers a connection is cut.
    left: AtomicUsize,
}

impl Front {
    pub(crate) async fn new(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ways = Arc::new(Ways {
            socket: Mutex::new(server.socket()),
            left: AtomicUsize::new(usize::MAX),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&ways)));
        Self { port, ways, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn lead_to(&self, server: &Server) {
        *self.ways.socket.lock().unwrap() = server.socket();
    }

    /// Cuts the connection once so many more bytes of answers have come.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.ways.left.store(bytes, Ordering::SeqCst);
    }

    pub(crate) fn heal(&self) {
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
    let questions = tokio::io::copy(&mut said, &mut asked);
    let answers = async {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = answered.read(&mut buffer).await {
            let left = ways.left.load(Ordering::SeqCst);
            let whole = read.min(left);
            let sent = heard.write_all(buffer.get(..whole).unwrap()).await;
            if sent.is_err() || whole < read {
                break;
            }
            if left != usize::MAX {
                ways.left.store(left - whole, Ordering::SeqCst);
            }
        }
    };
    tokio::select! {
        _ = questions => {}
        () = answers => {}
    }
}
