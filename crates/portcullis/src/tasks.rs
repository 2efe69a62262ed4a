//! The tasks that layers have, so that each of them has an owner.

use std::future::Future;

use portcullis_core::StoreError;
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of the layers of one stack, or of one loose layer. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    /// Drops what still runs.
    over: CancellationToken,
}

impl Tasks {
    /// Begins a task. It gives nothing if it was dropped before its end.
    pub(crate) fn spawn_on<T: Send + 'static>(
        &self,
        runtime: &Handle,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        let work = self.over.clone().run_until_cancelled_owned(work);
        self.tracker.spawn_on(work, runtime)
    }

    /// Runs something to its end, also when whoever waits for it goes away: a handler that ends
    /// a session may be dropped for that very reason.
    pub(crate) async fn to_the_end<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        let Ok(runtime) = Handle::try_current() else {
            return work.await;
        };
        match self.spawn_on(&runtime, work).await {
            Ok(Some(done)) => done,
            Ok(None) => {
                Err(StoreError::new("the gate was shut down before the store answered").into())
            }
            Err(_) => Err(StoreError::new("the task that asked the store failed").into()),
        }
    }

    /// Completes when every task has ended that has been begun.
    pub(crate) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops what runs, and what is begun from now on.
    pub(crate) fn drop_all(&self) {
        self.over.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_without_whoever_waits_for_it() {
        let tasks = Tasks::default();
        let (done, told) = tokio::sync::oneshot::channel();
        let waiting = tasks.to_the_end(async move {
            tokio::task::yield_now().await;
            let _ = done.send(());
            Ok::<_, StoreError>(())
        });
        tokio::select! {
            biased;
            _ = waiting => panic!("it has not been waited for"),
            () = std::future::ready(()) => {}
        }
        told.await.unwrap();
        tasks.ended().await;
    }

    #[tokio::test]
    async fn what_hangs_is_dropped_and_says_so() {
        let tasks = Tasks::default();
        let hanging = tokio::spawn({
            let tasks = tasks.clone();
            async move { tasks.to_the_end(pending::<Result<(), StoreError>>()).await }
        });
        tokio::task::yield_now().await;
        tasks.drop_all();
        tasks.ended().await;
        let error = hanging.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("shut down"), "{error}");
    }
}
