//! Workers that answer for several requests at once, each in one task of its own that outlives
//! all of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::server::Work;

const WORKERS: usize = 2;

type Job = (Work, oneshot::Sender<(String, Work)>);

/// Where work is handed in.
pub(crate) struct Pool {
    workers: Vec<mpsc::Sender<Job>>,
    next: AtomicUsize,
}

impl Pool {
    pub(crate) fn new() -> (Self, JoinSet<()>) {
        let mut tasks = JoinSet::new();
        let mut hire = || {
            let (sender, receiver) = mpsc::channel(64);
            tasks.spawn(work(receiver));
            sender
        };
        let pool = Self {
            workers: (0..WORKERS).map(|_| hire()).collect(),
            next: AtomicUsize::new(0),
        };
        (pool, tasks)
    }

    /// What a worker answers. It does the work also for somebody who has left.
    pub(crate) async fn answer(&self, work: Work) -> (String, Work) {
        let (sender, receiver) = oneshot::channel();
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let worker = &self.workers[next % WORKERS];
        // Without a worker there is no answer either.
        let _ = worker.send((work, sender)).await;
        receiver.await.unwrap()
    }
}

/// Does the first part of all that there is, then the second of all, then the third.
async fn work(mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, 8).await > 0 {
        let mut answers = Vec::new();
        for (work, _) in &batch {
            answers.push(work.look().await);
        }
        tokio::task::yield_now().await;
        // In the other order, so that nobody's turn comes after the same other.
        for ((work, _), answer) in batch.iter().zip(&mut answers).rev() {
            answer.push_str(&work.act().await);
        }
        tokio::task::yield_now().await;
        for ((work, sender), mut answer) in batch.drain(..).zip(answers) {
            answer.push_str(&work.look().await);
            let _ = sender.send((answer, work));
        }
    }
}
