//! The clients of a storm.

use std::{
    future::Future,
    net::SocketAddr,
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use portcullis::BoxError;
use portcullis_tests::{
    fixtures::request,
    wire::{Client, KeptAlive, Payload, Server},
};

use super::{
    plan::{Act, End, How, LINES, Leave, Line, Login, Plan, Sender, Step},
    server::{Known, LABEL, STOP, World, stop},
};

/// How many have a request under way at the same time.
const AT_ONCE: usize = 250;

/// One request and what its client saw of the answer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) login: Login,
    pub(crate) label: String,
    pub(crate) step: Step,
    pub(crate) note: String,
    pub(crate) seen: Seen,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) status: Option<u16>,
    pub(crate) text: String,
    pub(crate) is_whole: bool,
    /// Why there was no more of it, where the client would have read on.
    pub(crate) problem: Option<String>,
}

/// The connections of all clients together.
struct Lines {
    /// Where those of HTTP/1.1 lead.
    address: SocketAddr,
    /// To the servers by turns.
    shared: Vec<Client>,
    idle: Mutex<Vec<KeptAlive>>,
    opened: AtomicUsize,
}

/// What happened, each login's in its order, and how many connections of HTTP/1.1 it took.
pub(crate) async fn drive(world: &World, plan: &Plan, part: &str) -> (Vec<Entry>, usize) {
    let lines = &Lines::open(&world.servers).await;
    let known = &world.known;
    let scripts = plan.scripts.iter().map(async |(login, steps)| {
        let mut entries = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            let label = format!("{part}.{}.{n}", login.0);
            entries.push(play(lines, known, *login, *step, label).await);
        }
        entries
    });
    let entries = stream::iter(scripts).buffer_unordered(AT_ONCE);
    let entries: Vec<_> = entries.collect().await;
    let opened = lines.opened.load(Ordering::Relaxed);
    (entries.into_iter().flatten().collect(), opened)
}

async fn play(lines: &Lines, known: &Known, login: Login, step: Step, label: String) -> Entry {
    let note = format!("{} of {} by {:?}", label, login.subject(), login.client());
    let request = made(login, &step, &label, &note);
    let told = known.told(&label);
    let mut seen = Seen::default();
    let sent = lines.send(step.line, request, &mut seen, step.end);
    match step.end {
        End::Left(Leave::AfterPolls(polls)) => give_up(sent, polls).await,
        End::Left(Leave::OnceReached | Leave::WhileHeld(_)) => tokio::select! {
            () = sent => {}
            _ = told => {}
        },
        End::Answered | End::Left(Leave::AtTheFirstFrame) | End::Panics(_) => sent.await,
    }
    Entry {
        login,
        label,
        step,
        note,
        seen,
    }
}

pub(crate) fn made(login: Login, step: &Step, label: &str, note: &str) -> Request<Payload> {
    let path = match (step.sender, step.how) {
        (Sender::Anonymous, _) => "/public",
        (_, How::AtOnce) => "/at-once",
        (_, How::Awaiting) => "/awaiting",
        (_, How::InPool) => "/in-pool",
        (_, How::Streaming) => "/streaming",
    };
    let method = match step.act {
        Act::Forget => "DELETE",
        Act::Read => "GET",
        Act::Write => "PUT",
    };
    let mut builder = request().uri(path).method(method);
    builder = builder.header(LABEL, label).header(STOP, stop(step));
    let token = match step.sender {
        Sender::Anonymous => None,
        Sender::Owner => Some(login.token()),
        Sender::Rejected => Some("bad".to_owned()),
    };
    if let Some(token) = token {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    let body = Full::from(note.to_owned());
    builder.body(body.boxed()).unwrap()
}

/// Polls so often, and drops it.
async fn give_up(sent: impl Future<Output = ()>, polls: u8) {
    let mut sent = pin!(sent);
    for _ in 0..polls {
        let poll = std::future::poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx))).await;
        if poll.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

impl Lines {
    async fn open(servers: &[Server]) -> Self {
        let mut shared = Vec::new();
        for server in servers.iter().cycle().take(LINES) {
            shared.push(Client::http2(server.address()).await.unwrap());
        }
        Self {
            address: servers[0].address(),
            shared,
            idle: Mutex::default(),
            opened: AtomicUsize::new(0),
        }
    }

    async fn send(&self, line: Line, request: Request<Payload>, seen: &mut Seen, end: End) {
        let sent = match line {
            Line::Http1 => self.send_http1(request, seen, end).await,
            Line::Http2(n) => match self.shared[n].clone().open(request).await {
                Ok(response) => read(response, seen, end).await,
                Err(error) => Err(error),
            },
        };
        seen.problem = sent.err().map(|error| format!("{error:?}"));
    }

    /// Over a connection that somebody else has used, where there is one.
    async fn send_http1(
        &self,
        request: Request<Payload>,
        seen: &mut Seen,
        end: End,
    ) -> Result<(), BoxError> {
        let mut line = self.connection().await?;
        read(line.open(request).await?, seen, end).await?;
        if seen.is_whole {
            self.idle.lock().unwrap().push(line);
        }
        Ok(())
    }

    async fn connection(&self) -> Result<KeptAlive, BoxError> {
        loop {
            let Some(mut line) = self.idle.lock().unwrap().pop() else {
                self.opened.fetch_add(1, Ordering::Relaxed);
                return KeptAlive::connect(self.address).await;
            };
            if line.is_open().await {
                return Ok(line);
            }
        }
    }
}

async fn read(response: Response<Incoming>, seen: &mut Seen, end: End) -> Result<(), BoxError> {
    seen.status = Some(response.status().as_u16());
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let bytes: Bytes = frame?.into_data().unwrap_or_default();
        seen.text.push_str(std::str::from_utf8(&bytes)?);
        if end == End::Left(Leave::AtTheFirstFrame) {
            return Ok(());
        }
    }
    seen.is_whole = true;
    Ok(())
}
