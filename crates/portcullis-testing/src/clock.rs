//! A clock that only the test moves.

use std::{
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use portcullis_core::{Clock, Sleep, Timestamp};

/// A clock that only the test moves. Clones are the same clock.
///
/// It starts at [`VirtualClock::START`]. [`advance`](Self::advance) moves the wall clock, the
/// monotonic clock and the timers in one step, so that token expiry, budgets and stream guards
/// never disagree about how much time went by.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use portcullis_core::Clock as _;
/// use portcullis_testing::clock::VirtualClock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = VirtualClock::new();
/// let deadline = clock.instant() + Duration::from_secs(30);
/// let guard = tokio::spawn(clock.sleep_until(deadline));
///
/// clock.wait_for_timers(1).await; // the task sleeps now
/// clock.advance(Duration::from_secs(30));
/// guard.await.unwrap();
/// assert_eq!(clock.now().to_string(), "2026-01-01T00:00:30.000Z");
/// # }
/// ```
#[derive(Clone)]
pub struct VirtualClock(Arc<Shared>);

struct Shared {
    start: Timestamp,
    // Nothing but the distance to it is ever visible.
    origin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    wall_offset_millis: i64,
    next_timer: u64,
    // By deadline, and then by age: the order in which they fire.
    timers: BTreeMap<(Instant, u64), Waker>,
    watchers: Vec<Waker>,
}

impl VirtualClock {
    /// Where the wall clock starts: 2026-01-01T00:00:00Z.
    pub const START: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    /// A clock that starts at [`START`](Self::START).
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(Self::START)
    }

    /// A clock whose wall clock starts elsewhere.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "an `Instant` can be had from the system only; its value is never looked at"
    )]
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Arc::new(Shared {
            start,
            origin: Instant::now(),
            state: Mutex::default(),
        }))
    }

    /// Moves the wall clock, the monotonic clock and the timers in one step.
    ///
    /// All clocks stand at the new time before the first timer is woken. The timers that are
    /// due are woken in the order of their deadlines.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.elapsed += by;
        let now = self.0.origin + state.elapsed;
        let later = state
            .timers
            .split_off(&(now + Duration::from_nanos(1), u64::MIN));
        let due = std::mem::replace(&mut state.timers, later);
        // A waker may run anything, this clock's methods too.
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    /// Sets the wall clock forward, as a time server does. Nothing else moves.
    pub fn step_wall_forward(&self, by: Duration) {
        self.step_wall(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Sets the wall clock back, as a time server does. Nothing else moves.
    pub fn step_wall_back(&self, by: Duration) {
        self.step_wall(i64::try_from(by.as_millis()).map_or(i64::MIN, |millis| -millis));
    }

    fn step_wall(&self, millis: i64) {
        let mut state = self.state();
        state.wall_offset_millis = state.wall_offset_millis.saturating_add(millis);
    }

    /// How many timers somebody waits for. A timer counts from its first poll, until it is
    /// due or dropped.
    #[must_use]
    pub fn pending_timers(&self) -> usize {
        self.state().timers.len()
    }

    /// Completes once at least `count` timers are waited for: the tasks under test have gone
    /// to sleep, and [`advance`](Self::advance) will find them.
    pub async fn wait_for_timers(&self, count: usize) {
        poll_fn(|cx| {
            let mut state = self.state();
            if state.timers.len() >= count {
                return Poll::Ready(());
            }
            state.watchers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let state = self.state();
        let offset = Duration::from_millis(state.wall_offset_millis.unsigned_abs());
        let unstepped = self.0.start + state.elapsed;
        if state.wall_offset_millis < 0 {
            unstepped - offset
        } else {
            unstepped + offset
        }
    }

    fn instant(&self) -> Instant {
        self.0.origin + self.state().elapsed
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(Timer {
            clock: self.clone(),
            deadline,
            id: None,
        })
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock")
            .field("now", &format_args!("{}", self.now()))
            .field("pending_timers", &self.pending_timers())
            .finish_non_exhaustive()
    }
}

struct Timer {
    clock: VirtualClock,
    deadline: Instant,
    id: Option<u64>,
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.clock.state();
        if this.clock.0.origin + state.elapsed >= this.deadline {
            return Poll::Ready(());
        }
        let id = *this.id.get_or_insert_with(|| {
            state.next_timer += 1;
            state.next_timer
        });
        let replaced = state.timers.insert((this.deadline, id), cx.waker().clone());
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        drop(replaced);
        watchers.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let waker = self.clock.state().timers.remove(&(self.deadline, id));
            // Not under the lock: dropping a waker may drop a task that holds a timer.
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
    };

    use super::*;

    /// Writes its name down when it is woken.
    struct Bell {
        name: usize,
        rung: Arc<Mutex<Vec<usize>>>,
    }

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.rung.lock().unwrap().push(self.name);
        }
    }

    #[derive(Default)]
    struct Bells(Arc<Mutex<Vec<usize>>>);

    impl Bells {
        fn waker(&self, name: usize) -> Waker {
            Waker::from(Arc::new(Bell {
                name,
                rung: Arc::clone(&self.0),
            }))
        }

        fn take(&self) -> Vec<usize> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    fn poll(sleep: &mut Sleep, waker: &Waker) -> Poll<()> {
        Pin::new(sleep).poll(&mut Context::from_waker(waker))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn moves_all_clocks_in_one_step() {
        let clock = VirtualClock::new();
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00.000Z");
        let before = clock.instant();
        clock.clone().advance(90 * SECOND);
        assert_eq!(clock.now().to_string(), "2026-01-01T00:01:30.000Z");
        assert_eq!(clock.instant() - before, 90 * SECOND);
    }

    #[test]
    fn parts_of_a_millisecond_add_up() {
        let clock = VirtualClock::new();
        for _ in 0..1000 {
            clock.advance(Duration::from_micros(1));
        }
        assert_eq!(clock.now(), VirtualClock::START + Duration::from_millis(1));
    }

    #[test]
    fn a_step_of_the_wall_clock_moves_nothing_else() {
        let (clock, bells) = (VirtualClock::new(), Bells::default());
        let before = clock.instant();
        let mut sleep = clock.sleep_until(before + SECOND);
        assert!(poll(&mut sleep, &bells.waker(0)).is_pending());
        clock.step_wall_back(3600 * SECOND);
        assert_eq!(clock.now(), VirtualClock::START - 3600 * SECOND);
        clock.step_wall_forward(7200 * SECOND);
        assert_eq!(clock.now(), VirtualClock::START + 3600 * SECOND);
        assert_eq!(clock.instant(), before);
        assert!(bells.take().is_empty());
        clock.step_wall_back(Duration::MAX);
        assert!(clock.now() < VirtualClock::START, "saturates");
    }

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines() {
        let (clock, bells) = (VirtualClock::new(), Bells::default());
        let start = clock.instant();
        let deadlines = [5_u32, 1, 3, 3, 9];
        let mut sleeps: Vec<_> = deadlines
            .iter()
            .map(|n| clock.sleep_until(start + *n * SECOND))
            .collect();
        for (n, sleep) in sleeps.iter_mut().enumerate() {
            assert!(poll(sleep, &bells.waker(n)).is_pending());
        }
        assert_eq!(clock.pending_timers(), 5);
        clock.advance(5 * SECOND);
        assert_eq!(bells.take(), [1, 2, 3, 0]);
        assert_eq!(clock.pending_timers(), 1);
        for (n, sleep) in sleeps.iter_mut().enumerate() {
            assert_eq!(poll(sleep, &bells.waker(n)).is_ready(), n != 4);
        }
        clock.advance(4 * SECOND);
        assert_eq!(bells.take(), [4]);
    }

    #[test]
    fn a_timer_is_due_at_its_deadline_and_not_before() {
        let (clock, bells) = (VirtualClock::new(), Bells::default());
        let mut sleep = clock.sleep_until(clock.instant() + SECOND);
        assert!(poll(&mut sleep, &bells.waker(0)).is_pending());
        clock.advance(SECOND - Duration::from_nanos(1));
        assert!(bells.take().is_empty());
        assert!(poll(&mut sleep, &bells.waker(0)).is_pending());
        clock.advance(Duration::from_nanos(1));
        assert_eq!(bells.take(), [0]);
        assert!(poll(&mut sleep, &bells.waker(0)).is_ready());
    }

    #[test]
    fn a_deadline_in_the_past_is_due_at_once() {
        let (clock, bells) = (VirtualClock::new(), Bells::default());
        let start = clock.instant();
        clock.advance(SECOND);
        assert!(poll(&mut clock.sleep_until(start), &bells.waker(0)).is_ready());
        assert!(poll(&mut clock.sleep_until(clock.instant()), &bells.waker(0)).is_ready());
        assert_eq!(clock.pending_timers(), 0);
    }

    #[test]
    fn only_the_last_waker_is_woken() {
        let (clock, bells) = (VirtualClock::new(), Bells::default());
        let mut sleep = clock.sleep_until(clock.instant() + SECOND);
        assert!(poll(&mut sleep, &bells.waker(1)).is_pending());
        assert!(poll(&mut sleep, &bells.waker(2)).is_pending());
        assert_eq!(clock.pending_timers(), 1);
        clock.advance(SECOND);
        assert_eq!(bells.take(), [2]);
    }

    #[test]
    fn a_dropped_timer_is_forgotten() {
        let (clock, bells) = (VirtualClock::new(), Bells::default());
        let mut sleep = clock.sleep_until(clock.instant() + SECOND);
        assert_eq!(clock.pending_timers(), 0, "nobody waits yet");
        assert!(poll(&mut sleep, &bells.waker(0)).is_pending());
        drop(sleep);
        assert_eq!(clock.pending_timers(), 0);
        clock.advance(SECOND);
        assert!(bells.take().is_empty());
    }

    #[test]
    fn a_woken_task_may_use_the_clock() {
        struct Reader(VirtualClock, Mutex<Option<Timestamp>>);
        impl Wake for Reader {
            fn wake(self: Arc<Self>) {
                *self.1.lock().unwrap() = Some(self.0.now());
            }
        }
        let clock = VirtualClock::new();
        let reader = Arc::new(Reader(clock.clone(), Mutex::default()));
        let mut sleep = clock.sleep_until(clock.instant() + SECOND);
        assert!(poll(&mut sleep, &Waker::from(Arc::clone(&reader))).is_pending());
        clock.advance(2 * SECOND);
        let seen = *reader.1.lock().unwrap();
        assert_eq!(seen, Some(VirtualClock::START + 2 * SECOND));
    }

    #[tokio::test]
    async fn many_tasks_sleep_and_wake() {
        let clock = VirtualClock::new();
        let woken = Arc::new(AtomicUsize::new(0));
        for n in 1..=1000 {
            let (clock, woken) = (clock.clone(), Arc::clone(&woken));
            tokio::spawn(async move {
                clock
                    .sleep_until(clock.instant() + Duration::from_millis(n))
                    .await;
                woken.fetch_add(1, Ordering::Relaxed);
            });
        }
        clock.wait_for_timers(1000).await;
        clock.advance(Duration::from_millis(400));
        while woken.load(Ordering::Relaxed) < 400 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.pending_timers(), 600);
        clock.advance(Duration::from_millis(600));
        while woken.load(Ordering::Relaxed) < 1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.pending_timers(), 0);
    }
}
