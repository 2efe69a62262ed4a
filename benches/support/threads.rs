//! Whether two threads do more than one.

use portcullis::{Clock as _, SystemClock};

/// How much two threads do in the time in which one does one of it. Each is told which it is.
pub(crate) fn twice_at_once(work: impl Fn(usize) + Sync) -> f64 {
    let clock = SystemClock::new();
    let time = |run: &dyn Fn()| {
        let start = clock.instant();
        run();
        clock.instant().duration_since(start).as_secs_f64()
    };
    // Once before, so that both find what it leaves behind.
    [0, 1].into_iter().for_each(&work);
    let alone = time(&|| work(0));
    let together = time(&|| {
        std::thread::scope(|scope| {
            scope.spawn(|| work(0));
            scope.spawn(|| work(1));
        });
    });
    2.0 * alone / together
}
