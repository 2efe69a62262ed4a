//! One question for each key at a time.
//!
//! Whoever comes while it is asked waits for the same answer. The question belongs to all who
//! wait: one that goes away takes nothing from the others, and with the last one it ends.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{Shared, WeakShared},
};
use portcullis_core::sabotaged;

type Question<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(crate) struct Flights<T: Clone> {
    running: Arc<Mutex<Running<T>>>,
}

struct Running<T: Clone> {
    next: u64,
    questions: HashMap<u128, (u64, WeakShared<Question<T>>)>,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// The answer to the question of this key: to the one that is being asked, or to this.
    pub(crate) fn join(
        &self,
        key: u128,
        question: impl Future<Output = T> + Send + 'static,
    ) -> Shared<Question<T>> {
        let mut running = lock(&self.running);
        let asked = running.questions.get(&key);
        if let Some(asked) = asked.and_then(|(_, question)| question.upgrade())
            && !sabotaged!("introspection.flight")
        {
            return asked;
        }
        let number = running.next;
        running.next += 1;
        let landing = Landing {
            running: Arc::clone(&self.running),
            key,
            number,
        };
        let question: Question<T> = Box::pin(async move {
            // Dropped with the question, however that ends.
            let _landing = landing;
            question.await
        });
        let question = question.shared();
        if let Some(weak) = question.downgrade() {
            running.questions.insert(key, (number, weak));
        }
        question
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.running).questions.len()
    }
}

impl<T: Clone> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self {
            running: Arc::clone(&self.running),
        }
    }
}

impl<T: Clone> Default for Flights<T> {
    fn default() -> Self {
        let running = Running {
            next: 0,
            questions: HashMap::new(),
        };
        Self {
            running: Arc::new(Mutex::new(running)),
        }
    }
}

impl<T: Clone> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights")
            .field("running", &lock(&self.running).questions.len())
            .finish()
    }
}

/// Takes a question off the list when it is over.
struct Landing<T: Clone> {
    running: Arc<Mutex<Running<T>>>,
    key: u128,
    number: u64,
}

impl<T: Clone> Drop for Landing<T> {
    fn drop(&mut self) {
        let mut running = lock(&self.running);
        let is_this = |(number, _): &(u64, _)| *number == self.number;
        if running.questions.get(&self.key).is_some_and(is_this) {
            running.questions.remove(&self.key);
        }
    }
}

fn lock<T: Clone>(running: &Mutex<Running<T>>) -> MutexGuard<'_, Running<T>> {
    // It is whole between any two statements.
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    /// A question that counts when it is asked, and ends when it is told to.
    fn question(
        asked: &Arc<AtomicUsize>,
    ) -> (
        impl Future<Output = u32> + Send + 'static + use<>,
        oneshot::Sender<()>,
    ) {
        let asked = Arc::clone(asked);
        let (tell, told) = oneshot::channel::<()>();
        let question = async move {
            asked.fetch_add(1, Ordering::Relaxed);
            let _ = told.await;
            7
        };
        (question, tell)
    }

    #[tokio::test]
    async fn those_of_one_key_share_one_question() {
        let flights = Flights::default();
        let asked = Arc::default();
        let (first, tell) = question(&asked);
        let first = flights.join(1, first);
        let (second, _kept) = question(&asked);
        let second = flights.join(1, second);
        let (other, tell_other) = question(&asked);
        let other = flights.join(2, other);
        assert_eq!(flights.len(), 2);
        let waiting = tokio::spawn(async move { tokio::join!(first, second, other) });
        tell.send(()).unwrap();
        tell_other.send(()).unwrap();
        let (first, second, other) = waiting.await.unwrap();
        assert_eq!([first, second, other], [7; 3]);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn one_that_goes_away_takes_nothing_from_the_others() {
        let flights = Flights::default();
        let asked = Arc::default();
        let (first, tell) = question(&asked);
        let mut first = flights.join(1, first);
        assert!((&mut first).now_or_never().is_none());
        let second = flights.join(1, std::future::pending());
        drop(first);
        tell.send(()).unwrap();
        assert_eq!(second.await, 7);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn with_the_last_one_it_ends_and_the_next_asks_again() {
        let flights = Flights::default();
        let asked = Arc::default();
        let (first, tell) = question(&asked);
        let mut first = flights.join(1, first);
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        assert!(tell.is_closed(), "the question was dropped");
        assert_eq!(flights.len(), 0);
        let (second, tell) = question(&asked);
        let second = flights.join(1, second);
        tell.send(()).unwrap();
        assert_eq!(second.await, 7);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
