//! Keys that are published one by one, as PEM.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::{Either, select};
use http::StatusCode;
use portcullis_core::{Clock, sabotaged};
use quick_cache::sync::Cache;
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};

use crate::{
    Algorithm,
    backend::{Numbers, PublicKey},
    flights::Flights,
    http::{DynHttpClient, HttpRequest, Shown, check_url},
};

/// How many keys are kept: a region has a few.
const KEYS: usize = 64;
/// How long a key that is not there is not asked for again.
const ABSENCE: Duration = Duration::from_secs(30);
/// How many are asked for in that time.
const MAX_RETRIEVALS: u32 = 16;
const MAX_BYTES: usize = 4 * 1024;
/// How a P-256 key begins as `SubjectPublicKeyInfo` (RFC 5480): all but the two coordinates.
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// What came of looking for a key.
#[derive(Clone)]
pub(super) enum Found {
    Key(Arc<PublicKey>),
    /// There is none of this name.
    Absent,
    /// It could not be found out.
    Unknown,
}

/// Where keys are, and those that have been found.
pub(super) struct Keys {
    base: Box<str>,
    allows_local: bool,
    timeout: Duration,
    client: Arc<dyn DynHttpClient>,
    clock: Arc<dyn Clock>,
    known: Cache<Box<str>, Arc<PublicKey>>,
    absent: Cache<Box<str>, Instant>,
    budget: Mutex<Budget>,
    retrievals: AtomicU64,
    flights: Flights<Found>,
}

/// What may still be retrieved in this span.
struct Budget {
    since: Instant,
    left: u32,
}

impl Keys {
    pub(super) fn new(
        base: Box<str>,
        allows_local: bool,
        timeout: Duration,
        client: Arc<dyn DynHttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let since = clock.instant();
        Self {
            base,
            allows_local,
            timeout,
            client,
            clock,
            known: Cache::new(KEYS),
            absent: Cache::new(4 * KEYS),
            budget: Mutex::new(Budget {
                since,
                left: MAX_RETRIEVALS,
            }),
            retrievals: AtomicU64::new(0),
            flights: Flights::default(),
        }
    }

    /// What is known without asking.
    pub(super) fn known(&self, id: &str) -> Option<Found> {
        if let Some(key) = self.known.get(id) {
            return Some(Found::Key(key));
        }
        let until = self.absent.get(id)?;
        (self.clock.instant() < until).then_some(Found::Absent)
    }

    /// Retrieves a key, once for all who want it.
    pub(super) async fn obtain(self: &Arc<Self>, id: &str) -> Found {
        let (keys, name) = (Arc::clone(self), Box::<str>::from(id));
        let question = async move { keys.retrieve(name).await };
        self.flights.join(hash(id), question).await
    }

    pub(super) fn retrievals(&self) -> u64 {
        self.retrievals.load(Ordering::Relaxed)
    }

    async fn retrieve(&self, id: Box<str>) -> Found {
        if let Some(found) = self.known(&id) {
            return found;
        }
        let now = self.clock.instant();
        if !self.may_retrieve(now) {
            return Found::Unknown;
        }
        self.retrievals.fetch_add(1, Ordering::Relaxed);
        let url = format!("{}/{id}", self.base);
        let work = std::pin::pin!(self.fetch(&url));
        let outcome = match select(work, self.clock.sleep_until(now + self.timeout)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err("the retrieval took too long".to_owned()),
        };
        match outcome {
            Ok(Some(key)) => {
                let key = Arc::new(key);
                self.known.insert(id, Arc::clone(&key));
                Found::Key(key)
            }
            Ok(None) => {
                self.absent.insert(id, now + ABSENCE);
                Found::Absent
            }
            Err(problem) => {
                let url = Shown(&url);
                tracing::warn!(%url, problem, "a key of the load balancer cannot be retrieved");
                Found::Unknown
            }
        }
    }

    /// Whether the budget has room for one more.
    fn may_retrieve(&self, now: Instant) -> bool {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(budget.since) >= ABSENCE {
            *budget = Budget {
                since: now,
                left: MAX_RETRIEVALS,
            };
        }
        match budget.left.checked_sub(1) {
            Some(left) => {
                budget.left = left;
                true
            }
            None => sabotaged!("alb.budget"),
        }
    }

    /// The key at a URL; `None`, if there is none.
    async fn fetch(&self, url: &str) -> Result<Option<PublicKey>, String> {
        let (_, reach) = check_url(url, self.allows_local)?;
        let request = HttpRequest::get(url, MAX_BYTES, reach);
        let response = self.client.send(&request).await;
        let response = response.map_err(|error| error.to_string())?;
        match response.status() {
            StatusCode::OK => {}
            // What a bucket says of what it does not hold.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Ok(None),
            status => return Err(format!("status {}", status.as_u16())),
        }
        read(response.body())
            .map(Some)
            .ok_or_else(|| "it is no P-256 key as PEM".to_owned())
    }
}

/// A key as `SubjectPublicKeyInfo`, as PEM.
pub(super) fn read(pem: &[u8]) -> Option<PublicKey> {
    let document = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
    let point = document.as_ref().strip_prefix(&P256)?;
    let (x, y) = point.split_at_checked(32)?;
    if y.len() != 32 {
        return None;
    }
    PublicKey::load(Algorithm::Es256, Numbers::Ec { x, y })
}

/// Ids are UUIDs: their digits are the number.
fn hash(id: &str) -> u128 {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or_default()
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("base", &format_args!("{}", Shown(&self.base)))
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}
