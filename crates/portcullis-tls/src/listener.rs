//! A listener that ends TLS.

mod accept;
mod config;
mod remote;
mod settings;

use std::{fmt, io, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use portcullis_core::ConfigErrors;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::server::TlsStream;

use self::accept::Acceptor;
pub use self::{remote::Remote, settings::TlsSettings};

/// How many connections wait to be taken.
const WAITING: usize = 64;

/// A listener that ends TLS, and asks clients for certificates.
///
/// For `axum::serve`, with the feature `axum`; or for a loop of your own, by
/// [`accept`](Self::accept). Each handshake runs in a task of its own, and has its time: clients that
/// connect and stay silent keep nobody else out. Sessions are not resumed, because a client that
/// resumes one is not asked for its certificate again.
///
/// What comes after the handshake is the server's business: `axum::serve` has no time limit for the
/// head of a request, and none for connections that are idle.
///
/// # Example
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use portcullis_core::Secret;
/// use portcullis_tls::{TlsListener, TlsSettings};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = TlsSettings::new(std::fs::read("server.pem")?, Secret::new(std::fs::read("server.key")?));
/// let listener = TlsListener::bind("127.0.0.1:8443", &settings).await?;
/// axum::serve(listener, Router::new().route("/", get(async || "hello"))).await?;
/// # Ok(())
/// # }
/// ```
///
/// With certificates of clients, see the [crate docs](crate).
#[derive(Debug)]
pub struct TlsListener {
    accepted: mpsc::Receiver<(TlsStream<TcpStream>, Remote)>,
    local_address: SocketAddr,
    handle: TlsHandle,
    _task: Task,
}

/// A task that ends with this.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TlsListener {
    /// Binds an address.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or a setting cannot work: then the error is
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) and names it.
    pub async fn bind(address: impl ToSocketAddrs, settings: &TlsSettings) -> io::Result<Self> {
        Self::new(TcpListener::bind(address).await?, settings)
            .map_err(|errors| io::Error::new(io::ErrorKind::InvalidInput, errors))
    }

    /// Listens at a socket that is bound. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work.
    pub fn new(listener: TcpListener, settings: &TlsSettings) -> Result<Self, ConfigErrors> {
        let local_address = listener.local_addr().map_err(|error| {
            let problem = format!("has a socket without an address: {error}");
            portcullis_core::ConfigError::new("TlsListener::new", problem)
        })?;
        let config = Arc::new(ArcSwap::from(settings.server_config()?));
        let (sender, accepted) = mpsc::channel(WAITING);
        let acceptor = Acceptor {
            listener,
            config: Arc::clone(&config),
            timeout: settings.timeout,
            handshakes: settings.handshakes,
            clock: Arc::clone(&settings.clock),
            accepted: sender,
        };
        Ok(Self {
            accepted,
            local_address,
            handle: TlsHandle { config },
            _task: Task(tokio::spawn(acceptor.run())),
        })
    }

    /// Exchanges certificate, authorities and revocation lists while the listener runs.
    #[must_use]
    pub fn handle(&self) -> TlsHandle {
        self.handle.clone()
    }

    /// Where it listens.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// The next connection whose handshake is done. Waits for ever where the task that accepts has
    /// ended, which it does with its runtime.
    pub async fn accept(&mut self) -> (TlsStream<TcpStream>, Remote) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }
}

#[cfg(feature = "axum")]
impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Remote;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        Self::accept(self).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Remote::new(self.local_address, None))
    }
}

/// Exchanges what a [`TlsListener`] proves itself with and whom it trusts.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct TlsHandle {
    config: Arc<ArcSwap<ServerConfig>>,
}

impl TlsHandle {
    /// Makes connections from now on with these settings; a handshake that has begun with the old ones
    /// comes to nothing. Connections that stand go on as they were made: revoke a client at the gate
    /// (`GateHandle::revoke`, by the serial number of its certificate as token id) to have it out at
    /// once.
    ///
    /// The time of a handshake and their number stay as they are.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work. Then everything stays as it was.
    pub fn rotate(&self, settings: &TlsSettings) -> Result<(), ConfigErrors> {
        self.config.store(settings.server_config()?);
        Ok(())
    }
}

impl fmt::Debug for TlsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsHandle").finish_non_exhaustive()
    }
}
