//! Accepting connections, and their handshakes beside one another.

use std::{
    collections::VecDeque, future::poll_fn, net::SocketAddr, num::NonZeroUsize, pin::pin,
    sync::Arc, task::Poll, time::Duration,
};

use arc_swap::ArcSwap;
use portcullis_core::{Clock, PeerCertificate};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::Remote;

/// How long to wait where the machine has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) config: Arc<ArcSwap<ServerConfig>>,
    pub(super) timeout: Duration,
    pub(super) handshakes: NonZeroUsize,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) accepted: mpsc::Sender<(TlsStream<TcpStream>, Remote)>,
}

impl Acceptor {
    /// Until nobody takes connections any more. All handshakes end with it.
    pub(super) async fn run(self) {
        let mut running = JoinSet::new();
        // By age.
        let mut handshakes = VecDeque::new();
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // One client that went away, or a machine without descriptors: neither ends it.
                    tracing::debug!(%error, "a connection cannot be accepted");
                    self.clock.sleep_until(self.clock.instant() + PAUSE).await;
                    continue;
                }
            };
            if self.accepted.is_closed() {
                return;
            }
            // Whoever has ended makes room in the set.
            while running.try_join_next().is_some() {}
            make_room(&mut handshakes, self.handshakes.get());
            handshakes.push_back(running.spawn(self.shake_hands(stream, address)));
        }
    }

    /// Hands a connection on, if its handshake comes to its end.
    fn shake_hands(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (current, accepted) = (Arc::clone(&self.config), self.accepted.clone());
        let (clock, deadline) = (Arc::clone(&self.clock), self.clock.instant() + self.timeout);
        async move {
            let config = current.load_full();
            let acceptor = TlsAcceptor::from(Arc::clone(&config));
            let stream = handshake(&acceptor, stream, &*clock, deadline).await;
            let Some(stream) = stream else { return };
            // Whoever began before the settings were exchanged may be the one they were exchanged for.
            if !Arc::ptr_eq(&config, &current.load_full()) {
                tracing::debug!("a handshake ended after the settings had been exchanged");
                return;
            }
            let (_, connection) = stream.get_ref();
            let chain = connection.peer_certificates().unwrap_or_default();
            let remote = Remote::new(address, PeerCertificate::from_der(chain));
            // Nobody takes it any more: then the server is going down.
            let _ = accepted.send((stream, remote)).await;
        }
    }
}

/// Sees to it that one more is not too many. The oldest goes first: a client that stays silent, or one
/// whose connection nobody takes.
fn make_room(handshakes: &mut VecDeque<AbortHandle>, most: usize) {
    if handshakes.len() < most {
        return;
    }
    handshakes.retain(|handshake| !handshake.is_finished());
    while handshakes.len() >= most {
        let Some(oldest) = handshakes.pop_front() else {
            return;
        };
        oldest.abort();
    }
}

/// The stream, if the handshake comes to its end in time.
async fn handshake(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    clock: &dyn Clock,
    deadline: std::time::Instant,
) -> Option<TlsStream<TcpStream>> {
    let mut working = pin!(acceptor.accept(stream));
    let mut late = pin!(clock.sleep_until(deadline));
    let outcome = poll_fn(|cx| match working.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => late.as_mut().poll(cx).map(|()| None),
    });
    match outcome.await {
        Some(Ok(stream)) => Some(stream),
        Some(Err(error)) => {
            tracing::debug!(%error, "a handshake failed");
            None
        }
        None => {
            tracing::debug!("a handshake took too long");
            None
        }
    }
}
