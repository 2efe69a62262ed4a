//! A place where nobody should ever go.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Listens on a loopback port, and counts who comes: proof that an address in a token or a
/// response is not followed. It stops when it is dropped.
///
/// # Example
///
/// ```
/// use portcullis_testing::http_probe::ConnectionTrap;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let trap = ConnectionTrap::set().await;
/// let malicious = format!(r#"{{"alg":"ES256","jku":"{}/keys"}}"#, trap.origin());
/// # let _ = malicious;
/// // … the server is sent a token with that header, and then:
/// assert_eq!(trap.connections().await, 0);
/// # }
/// ```
#[derive(Debug)]
pub struct ConnectionTrap {
    address: SocketAddr,
    came: Arc<Mutex<Vec<SocketAddr>>>,
    task: JoinHandle<()>,
}

impl ConnectionTrap {
    /// Starts to listen.
    ///
    /// # Panics
    ///
    /// There is no tokio runtime, or no free port.
    #[expect(
        clippy::expect_used,
        reason = "a loopback port that cannot be had is a fault of the test's machine"
    )]
    pub async fn set() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a loopback port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let came = Arc::<Mutex<_>>::default();
        let book = Arc::clone(&came);
        let task = tokio::spawn(async move {
            while let Ok((_, peer)) = listener.accept().await {
                lock(&book).push(peer);
            }
        });
        Self {
            address,
            came,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made, those too that wait to be accepted.
    ///
    /// # Panics
    ///
    /// The trap itself cannot be reached.
    #[expect(
        clippy::expect_used,
        reason = "a trap that cannot be reached proves nothing"
    )]
    pub async fn connections(&self) -> usize {
        // Connections are accepted in order: once this one was, all earlier ones were.
        let stream = TcpStream::connect(self.address)
            .await
            .expect("the trap listens");
        let own = stream.local_addr().expect("a stream has an address");
        loop {
            let position = lock(&self.came).iter().position(|peer| *peer == own);
            if let Some(position) = position {
                lock(&self.came).remove(position);
                return position;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn lock(book: &Mutex<Vec<SocketAddr>>) -> MutexGuard<'_, Vec<SocketAddr>> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for ConnectionTrap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counts_everybody_but_itself() {
        let trap = ConnectionTrap::set().await;
        assert_eq!(trap.connections().await, 0);
        let first = TcpStream::connect(trap.address()).await.unwrap();
        let second = TcpStream::connect(trap.address()).await.unwrap();
        drop(first);
        assert_eq!(trap.connections().await, 2);
        assert_eq!(trap.connections().await, 2);
        drop(second);
    }
}
