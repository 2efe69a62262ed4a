//! How many connections those may hold who wait for one row.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Owners are spread over so many. A few share one, and wait for each other.
const MANY: usize = 256;

/// Questions that lock the row of one owner wait for each other in the server, each with a connection.
/// So of one owner no more than a share of the connections asks at a time, and the others of his wait
/// here: whoever sends many requests at once leaves all other callers what they need.
pub(crate) struct Turns(Box<[Semaphore]>);

impl Turns {
    pub(crate) fn new(connections: usize) -> Self {
        let share = (connections / 4).max(1);
        Self((0..MANY).map(|_| Semaphore::new(share)).collect())
    }

    /// Waits until it is the turn of one more question of an owner. `None` is never waited for.
    pub(crate) async fn of(&self, owner: u128) -> Option<SemaphorePermit<'_>> {
        // Owners are hashes; both halves count, where somebody has shorter ones.
        let place = usize::try_from((owner ^ (owner >> 64)) % MANY as u128).unwrap_or_default();
        // It is never closed.
        self.0.get(place)?.acquire().await.ok()
    }
}
