//! The end of a gate, in order.

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use portcullis_core::{Clock, SinkError};

use super::{GateHandle, installed::Deciders};

/// How long it may take until what was told to end has ended: requests, tasks, and the sink.
const LINGER: Duration = Duration::from_secs(1);
/// How many times as long the sink has for what it has taken.
const FLUSH: u32 = 5;

/// What a [shutdown](GateHandle::shutdown) came to.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Shutdown {
    /// How many requests were still in when the grace was over, and were ended.
    pub ended: u64,
    /// How many of those nobody has let go of since: mostly bodies that the client does not
    /// read. They end with their connections.
    pub left: u64,
    /// Whether the sink has made all records durable that it has taken.
    pub audit: Result<(), SinkError>,
}

impl GateHandle {
    /// Shuts the gate down. It does not come up again.
    ///
    /// 1. From the call on nothing more is let in: the answer is 503, also where nobody has to
    ///    authenticate, and [`ready`](Self::ready) says no, so that a load balancer looks
    ///    elsewhere. A probe of whether the process lives belongs outside the gate.
    /// 2. What runs, and what is being decided on, has until the grace is over to complete.
    /// 3. What still runs then is ended: handlers that have not answered are dropped and
    ///    answered 503; streams end as they do with a session, server-sent events with a last
    ///    one, `event: shutting-down`; [`Session::ended`](crate::Session::ended) completes, and
    ///    with it what a handler has left behind in [`Session::run`](crate::Session::run). The
    ///    sessions themselves go on, on another server or after a restart, if their store does.
    /// 4. Tasks of the layers and of the authenticators have ended, and the sink has made
    ///    durable what it has taken.
    ///
    /// However long a client, a store or a disk does not move, steps 3 and 4 take eight seconds at
    /// most, and one more for each authenticator and receiver of notices. Dropped on the way, the gate stays shut; call it
    /// again to go on. A second call at the same time waits for the same.
    ///
    /// What is still [left](Shutdown::left) has the record of its end by then, unless its client
    /// has not asked for a byte of it.
    ///
    /// ```no_run
    /// # #[cfg(feature = "axum")] {
    /// # use std::time::Duration;
    /// # async fn stop_signal() {}
    /// # async fn serve(
    /// #     listener: tokio::net::TcpListener,
    /// #     gate: portcullis::Gate,
    /// #     handle: portcullis::GateHandle,
    /// #     router: axum::Router,
    /// # ) {
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let server = axum::serve(listener, gate.guard(router))
    ///     .with_graceful_shutdown(async { drop(stopped.await) });
    /// let server = tokio::spawn(server.into_future());
    ///
    /// stop_signal().await;
    /// // The server takes connections until the gate is shut, so that a load balancer sees why it
    /// // should look elsewhere.
    /// let shutdown = handle.shutdown(Duration::from_secs(20)).await;
    /// if let Err(error) = shutdown.audit {
    ///     eprintln!("the last records may be lost: {error}");
    /// }
    /// // It would wait for ever for a client that has sent half a request, or does not read.
    /// drop(stop);
    /// let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
    /// # }
    /// # }
    /// ```
    pub async fn shutdown(&self, grace: Duration) -> Shutdown {
        let shared = &self.ground.shared;
        let doors = &shared.doors;
        let clock = &*shared.clock;
        doors.begin_closing();
        tracing::info!(target: "portcullis", ?grace, "the gate is being shut down");
        within(clock, grace, doors.emptied()).await;
        let ended = doors.running();
        doors.close();
        let deciders = self.installed.all();
        self.ground.revoker.stop_sessions();
        deciders.iter().for_each(|it| it.receivers.stop());
        within(clock, LINGER, doors.emptied()).await;
        doors.record_those_left();

        within(clock, LINGER, self.tasks.ended()).await;
        self.tasks.drop_all();
        for deciders in &deciders {
            deciders.shut_down(clock, LINGER).await;
        }
        // What has been dropped ends as soon as its task is polled.
        within(clock, LINGER, self.tasks.ended()).await;

        let flush = within(clock, LINGER * FLUSH, shared.recorder.flush()).await;
        let late = || {
            Err(SinkError::new(
                "the sink has not said in time that its records are durable",
            ))
        };
        let shutdown = Shutdown {
            ended,
            left: doors.running(),
            audit: flush.unwrap_or_else(late),
        };
        if let Err(error) = &shutdown.audit {
            tracing::error!(target: "portcullis", "records may be lost: {error}");
        }
        tracing::info!(
            target: "portcullis",
            ended = shutdown.ended,
            left = shutdown.left,
            "the gate is shut down",
        );
        shutdown
    }
}

impl Deciders {
    /// Tells each of them to end, and waits for it for so long at most.
    pub(super) async fn shut_down(&self, clock: &dyn Clock, linger: Duration) {
        for authenticator in self.authenticators.iter() {
            within(clock, linger, Arc::clone(authenticator).shutdown()).await;
        }
        for receiver in self.receivers.iter() {
            within(clock, linger, Arc::clone(receiver).shutdown()).await;
        }
    }
}

/// What a future gives, if it does in time.
async fn within<T>(
    clock: &dyn Clock,
    most: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    // A time that is no time is without an end.
    let Some(late) = clock.instant().checked_add(most) else {
        return Some(future.await);
    };
    let mut late = pin!(clock.sleep_until(late));
    std::future::poll_fn(|cx| {
        // The future first: what is there by now is in time.
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => late.as_mut().poll(cx).map(|()| None),
        }
    })
    .await
}
