//! The configuration.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use portcullis_core::{Clock, ConfigErrors, Secret, SystemClock};
use rustls::{ServerConfig, crypto::CryptoProvider};

use super::config;

const TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKES: NonZeroUsize = match NonZeroUsize::new(1024) {
    Some(handshakes) => handshakes,
    None => NonZeroUsize::MIN,
};

/// What a [`TlsListener`](super::TlsListener) proves itself with, and whom it trusts.
///
/// Setters keep their mistakes; the listener, or [`rotate`](super::TlsHandle::rotate), reports all of
/// them. `Debug` shows neither key nor certificates.
#[derive(Clone)]
#[must_use]
pub struct TlsSettings {
    pub(super) chain: Vec<u8>,
    pub(super) key: Secret,
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) revoked: Option<Vec<u8>>,
    pub(super) is_optional: bool,
    pub(super) has_http2: bool,
    pub(super) timeout: Duration,
    pub(super) handshakes: NonZeroUsize,
    pub(super) provider: Option<Arc<CryptoProvider>>,
    pub(super) clock: Arc<dyn Clock>,
}

impl TlsSettings {
    /// The server's certificate and those that lead to its authority, as PEM, its own first; and its
    /// private key, as PEM.
    pub fn new(chain: impl Into<Vec<u8>>, key: Secret) -> Self {
        Self {
            chain: chain.into(),
            key,
            authorities: None,
            revoked: None,
            is_optional: false,
            has_http2: false,
            timeout: TIMEOUT,
            handshakes: HANDSHAKES,
            provider: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Lets nobody connect who does not show a certificate of one of these authorities (PEM).
    pub fn with_client_authorities(mut self, authorities: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(authorities.into());
        self
    }

    /// Also lets those connect who show no certificate: those who come with tokens or keys. One that
    /// is shown is still checked.
    pub fn with_optional_client_certificates(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// The revocation lists of the [authorities](Self::with_client_authorities) (RFC 5280 §5, PEM), of
    /// each one. A list that is missing, or whose `nextUpdate` has come, lets nobody of that authority
    /// in: bring the next one by [`rotate`](super::TlsHandle::rotate) in time.
    pub fn with_revocation_lists(mut self, lists: impl Into<Vec<u8>>) -> Self {
        self.revoked = Some(lists.into());
        self
    }

    /// Also offers HTTP/2. The server has to speak it: axum with its feature `http2`.
    pub fn with_http2(mut self) -> Self {
        self.has_http2 = true;
        self
    }

    /// How long a handshake may take: ten seconds by default, at most a minute.
    pub fn with_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many handshakes run at a time: 1024 by default. For one more, the oldest that is not through
    /// is dropped: clients that connect and stay silent keep nobody waiting.
    pub fn with_max_handshakes(mut self, handshakes: NonZeroUsize) -> Self {
        self.handshakes = handshakes;
        self
    }

    /// Who computes. Needed where the feature `aws-lc-rs` is off.
    pub fn with_crypto_provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The clock of the time limits, for tests. Certificates are held against the system's time in
    /// any case.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, ConfigErrors> {
        config::build(self)
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("has_client_authorities", &self.authorities.is_some())
            .field("has_revocation_lists", &self.revoked.is_some())
            .field("is_optional", &self.is_optional)
            .field("has_http2", &self.has_http2)
            .field("timeout", &self.timeout)
            .field("handshakes", &self.handshakes)
            .finish_non_exhaustive()
    }
}
