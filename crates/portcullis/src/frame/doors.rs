//! Whether requests are let in, and how many of those that were have not ended.

use std::{
    pin::pin,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Waker},
};

use portcullis_core::ReasonCode;
use slab::Slab;
use tokio::sync::Notify;

use crate::{exchange::Exchange, reason};

/// What a request came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Completed,
    Cut,
    Dropped,
    Failed,
    ShutDown,
}

impl End {
    const ALL: [Self; 5] = [
        Self::Completed,
        Self::Cut,
        Self::Dropped,
        Self::Failed,
        Self::ShutDown,
    ];

    pub(super) const fn code(self) -> ReasonCode {
        match self {
            Self::Completed => reason::COMPLETED,
            Self::Cut => reason::CUT,
            Self::Dropped => reason::DROPPED,
            Self::Failed => reason::FAILED,
            Self::ShutDown => reason::SHUT_DOWN,
        }
    }
}

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const CLOSED: u8 = 2;

/// How many locks the sleepers have between them.
const SHARDS: usize = 16;

/// Where requests come in and go out.
///
/// That a request is in, and that the doors are closed, are each written before the other is
/// read: so either the request sees closed doors, or whoever closed them sees the request.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    state: Apart<AtomicU8>,
    entered: Apart<AtomicU64>,
    ended: Apart<[AtomicU64; End::ALL.len()]>,
    /// The requests that take a while.
    sleepers: [Mutex<Slab<Sleeper>>; SHARDS],
    /// Told of each end once the doors are not open any more.
    someone_left: Notify,
}

/// On cache lines of its own: what each frame reads must not lie beside what each request writes.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

/// A request that takes a while.
#[derive(Debug)]
struct Sleeper {
    exchange: Exchange,
    /// Of its task, where that waits for something else.
    waker: Option<Waker>,
}

/// Where a sleeper lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bed {
    shard: usize,
    key: usize,
}

impl Doors {
    /// Whether new requests are taken.
    pub(crate) fn are_open(&self) -> bool {
        self.state() == OPEN || portcullis_core::sabotaged!("gate.shutdown")
    }

    /// Whether those that are in have to end.
    pub(crate) fn are_closed(&self) -> bool {
        self.state() == CLOSED && !portcullis_core::sabotaged!("gate.shutdown_cut")
    }

    /// Takes a request in, while the doors are open.
    pub(super) fn enter(&self) -> bool {
        self.entered.0.fetch_add(1, Ordering::SeqCst);
        let are_open = self.are_open();
        if !are_open {
            self.withdraw();
        }
        are_open
    }

    /// A request that was in has ended.
    pub(super) fn leave(&self, end: End) {
        if let Some(counter) = self.ended.0.get(end as usize) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        self.tell();
    }

    /// A request that came in has not been let in by the layers.
    pub(super) fn withdraw(&self) {
        self.entered.0.fetch_sub(1, Ordering::SeqCst);
        self.tell();
    }

    fn tell(&self) {
        if self.state() != OPEN {
            self.someone_left.notify_waiters();
        }
    }

    /// How many requests are in.
    pub(crate) fn running(&self) -> u64 {
        // The ends first: what ends meanwhile then counts as running, not as less than nothing.
        let ended = self.ended.0.iter();
        let ended: u64 = ended.map(|counter| counter.load(Ordering::SeqCst)).sum();
        self.entered.0.load(Ordering::SeqCst).saturating_sub(ended)
    }

    /// How many have ended, by how they did.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (ReasonCode, u64)> {
        let counters = End::ALL.iter().zip(&self.ended.0);
        counters.map(|(end, counter)| (end.code(), counter.load(Ordering::Relaxed)))
    }

    /// Takes no new requests any more.
    pub(crate) fn begin_closing(&self) {
        // Doors that are closed stay so.
        let _ = self
            .state
            .0
            .compare_exchange(OPEN, CLOSING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Has those that are in end, and wakes them for it.
    pub(crate) fn close(&self) {
        self.state.0.store(CLOSED, Ordering::SeqCst);
        for shard in &self.sleepers {
            // Not under the lock: a waker may run anything.
            let wakers: Vec<_> = lock(shard)
                .iter()
                .filter_map(|(_, sleeper)| sleeper.waker.clone())
                .collect();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Writes down the end of those that have not ended, because nobody polls them.
    pub(crate) fn record_those_left(&self) {
        for shard in &self.sleepers {
            let left: Vec<_> = lock(shard)
                .iter()
                .map(|(_, sleeper)| sleeper.exchange.clone())
                .collect();
            // Not under the lock: a sink may do anything.
            left.iter()
                .for_each(|exchange| exchange.record_end(End::ShutDown.code()));
        }
    }

    /// Completes when nothing is in.
    pub(crate) async fn emptied(&self) {
        loop {
            let mut someone_left = pin!(self.someone_left.notified());
            // Listens before it looks, so that no end is missed.
            someone_left.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            someone_left.await;
        }
    }

    /// Lists a request that takes a while.
    pub(super) fn stay(&self, bed: &mut Option<Bed>, exchange: &Exchange) {
        if bed.is_none() {
            *bed = self.list(exchange, None);
        }
    }

    /// Lists a request that waits, and has its task woken when the doors are closed.
    pub(super) fn lie_down(&self, bed: &mut Option<Bed>, exchange: &Exchange, cx: &Context<'_>) {
        let Some(Bed { shard, key }) = *bed else {
            *bed = self.list(exchange, Some(cx.waker().clone()));
            return;
        };
        let Some(mut sleepers) = self.shard(shard) else {
            return;
        };
        let waker = sleepers.get_mut(key).map(|sleeper| &mut sleeper.waker);
        let replaced = waker
            .filter(|waker| {
                waker
                    .as_ref()
                    .is_none_or(|waker| !waker.will_wake(cx.waker()))
            })
            .map(|waker| waker.replace(cx.waker().clone()));
        // Not under the lock, as above.
        drop(sleepers);
        drop(replaced);
    }

    /// Forgets a request.
    pub(super) fn get_up(&self, bed: &mut Option<Bed>) {
        if let Some(Bed { shard, key }) = bed.take() {
            let sleeper = self
                .shard(shard)
                .and_then(|mut sleepers| sleepers.try_remove(key));
            drop(sleeper);
        }
    }

    fn list(&self, exchange: &Exchange, waker: Option<Waker>) -> Option<Bed> {
        let shard = self.entered.0.load(Ordering::Relaxed) as usize % SHARDS;
        let exchange = exchange.clone();
        let key = self.shard(shard)?.insert(Sleeper { exchange, waker });
        Some(Bed { shard, key })
    }

    fn shard(&self, shard: usize) -> Option<MutexGuard<'_, Slab<Sleeper>>> {
        self.sleepers.get(shard).map(lock)
    }

    fn state(&self) -> u8 {
        self.state.0.load(Ordering::SeqCst)
    }
}

/// A request that waits before it is let in.
pub(super) struct Sleep<'a> {
    doors: &'a Doors,
    exchange: &'a Exchange,
    bed: Option<Bed>,
}

impl<'a> Sleep<'a> {
    pub(super) fn new(doors: &'a Doors, exchange: &'a Exchange) -> Self {
        Self {
            doors,
            exchange,
            bed: None,
        }
    }

    pub(super) fn lie_down(&mut self, cx: &Context<'_>) {
        self.doors.lie_down(&mut self.bed, self.exchange, cx);
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.doors.get_up(&mut self.bed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A slab is whole between any two calls.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ambient::Ambient;

    fn exchange() -> Exchange {
        let shared = Arc::new(Ambient::default().build().unwrap());
        let (mut parts, ()) = http::Request::new(()).into_parts();
        Exchange::open(&mut parts, &shared)
    }

    #[test]
    fn counts_who_is_in() {
        let doors = Doors::default();
        assert!(doors.enter() && doors.enter() && doors.enter());
        assert_eq!(doors.running(), 3);
        doors.leave(End::Completed);
        doors.withdraw();
        assert_eq!(doors.running(), 1);
        doors.leave(End::ShutDown);
        assert_eq!(doors.running(), 0);
        let ends: Vec<_> = doors.ends().filter(|(_, count)| *count > 0).collect();
        assert_eq!(ends, [(reason::COMPLETED, 1), (reason::SHUT_DOWN, 1)]);
    }

    #[test]
    fn who_is_in_may_stay_until_they_are_closed() {
        let doors = Doors::default();
        assert!(doors.enter());
        doors.begin_closing();
        assert!(!doors.are_open() && !doors.are_closed());
        assert!(!doors.enter());
        doors.close();
        assert!(doors.are_closed() && !doors.enter());
        assert_eq!(doors.running(), 1);
        doors.begin_closing();
        assert!(doors.are_closed(), "closed doors stay closed");
    }

    #[test]
    fn closing_wakes_who_lies_down_and_nobody_who_got_up() {
        let doors = Doors::default();
        let exchange = exchange();
        let mut first = tokio_test::task::spawn(());
        let mut second = tokio_test::task::spawn(());
        let (mut one, mut two) = (None, None);
        first.enter(|cx, _| doors.lie_down(&mut one, &exchange, cx));
        second.enter(|cx, _| {
            doors.stay(&mut two, &exchange);
            doors.lie_down(&mut two, &exchange, cx);
            doors.lie_down(&mut two, &exchange, cx);
        });
        doors.get_up(&mut two);
        doors.close();
        assert!(first.is_woken() && !second.is_woken());
        doors.get_up(&mut one);
        assert!(doors.sleepers.iter().all(|shard| lock(shard).is_empty()));
    }

    #[tokio::test]
    async fn says_when_the_last_has_left() {
        let doors = Doors::default();
        assert!(doors.enter() && doors.enter());
        doors.begin_closing();
        let mut emptied = tokio_test::task::spawn(doors.emptied());
        tokio_test::assert_pending!(emptied.poll());
        doors.leave(End::Completed);
        assert!(emptied.is_woken());
        tokio_test::assert_pending!(emptied.poll());
        doors.leave(End::Dropped);
        tokio_test::assert_ready!(emptied.poll());
    }

    #[test]
    fn each_end_has_its_counter() {
        for (index, end) in End::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, index);
        }
    }
}
