//! Lets requests in behind a strict log, and says which, until it is killed.
//!
//! `audit-child FOLDER`: each line that it prints is the id of a request whose handler runs, so
//! whose record is durable.
#![expect(
    clippy::expect_used,
    reason = "whoever started it sees that it has ended"
)]

use std::{convert::Infallible, env, io::Write as _};

use http::{Request, Response};
use portcullis::{
    Exchange, RequestBody,
    audit::log::{AuditLog, Mode},
};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::fixtures::{request_with, stack_builder};
use tower::{Layer as _, ServiceExt as _, service_fn};

/// How many requests are on their way at once.
const AT_ONCE: usize = 16;

/// How many each of them is followed by, if nobody kills this.
const MOST: usize = 20_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let folder = env::args().nth(1).expect("a folder");
    let log = AuditLog::builder(folder)
        .with_mode(Mode::Strict)
        .with_max_file_size(64 << 10)
        .open()
        .expect("the log opens");
    let (gate, _handle) = stack_builder(&RecordingAudit::new())
        .with_audit(log)
        .build()
        .expect("the settings work");
    let mut tasks = Vec::new();
    for n in 0..AT_ONCE {
        let service = gate.layer(service_fn(acknowledge));
        tasks.push(tokio::spawn(async move {
            for _ in 0..MOST {
                let request = request_with(&format!("good-user{n}")).body(String::new());
                let request = request.expect("a request");
                let Ok(response) = service.clone().oneshot(request).await;
                assert_eq!(response.status(), 200);
            }
        }));
    }
    for task in tasks {
        task.await.expect("it is let in");
    }
}

async fn acknowledge(
    request: Request<RequestBody<String>>,
) -> Result<Response<String>, Infallible> {
    let exchange = Exchange::of(request.extensions()).expect("it came through the gate");
    // One write each, and short enough not to be torn (POSIX, `PIPE_BUF`).
    let line = format!("{}\n", exchange.id());
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())
        .and_then(|()| out.flush())
        .expect("somebody listens");
    Ok(Response::new(String::new()))
}
