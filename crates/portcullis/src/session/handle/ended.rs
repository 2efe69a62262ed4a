//! What ends with a session.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use portcullis_core::EndReason;

use super::super::running::{Live, Running};

/// The future of [`Session::ended`](super::Session::ended).
#[must_use = "a future does nothing unless it is awaited"]
pub struct Ended {
    live: Arc<Live>,
    listener: Option<u64>,
    /// The connection that goes on, if the request's does.
    running: Option<Running>,
}

impl Ended {
    pub(super) fn new(live: &Arc<Live>, running: Option<Running>) -> Self {
        Self {
            live: Arc::clone(live),
            listener: None,
            running,
        }
    }
}

impl Future for Ended {
    type Output = EndReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<EndReason> {
        let this = &mut *self;
        if let Some(running) = &this.running
            && let Poll::Ready(reason) = running.poll_over(cx)
        {
            return Poll::Ready(reason);
        }
        this.live.poll_ended(&mut this.listener, cx)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(listener) = self.listener {
            self.live.forget_listener(listener);
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Session::run`](super::Session::run).
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Run<F> {
        ended: Ended,
        #[pin]
        future: Option<F>,
    }
}

impl<F> Run<F> {
    pub(super) fn new(ended: Ended, future: F) -> Self {
        Self {
            ended,
            future: Some(future),
        }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, EndReason>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The end comes first: nothing more is done in a session that is over.
        if let Poll::Ready(reason) = Pin::new(this.ended).poll(cx) {
            this.future.set(None);
            return Poll::Ready(Err(reason));
        }
        match this.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx).map(Ok),
            None => Poll::Pending,
        }
    }
}

impl<F> fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}
