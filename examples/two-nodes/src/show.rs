//! Starts two servers, opens streams at both, logs out at one, and says how long it took.

use std::{
    env,
    process::Stdio,
    time::{Duration, Instant},
};

use http::Method;
use portcullis::{Clock as _, SystemClock, api_keys::Grant};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{
    Failure,
    client::{Client, End},
    node::READY,
    secrets::{self, Secrets},
    stores::Store,
};

/// What is shown, and how.
pub(crate) struct Settings {
    /// The address of what both servers share.
    pub(crate) at: String,
    pub(crate) store: Store,
    /// At each of the two.
    pub(crate) streams: usize,
    pub(crate) with_figures: bool,
}

pub(crate) async fn run(settings: &Settings) -> Result<(), Failure> {
    let (store, streams) = (settings.store, settings.streams);
    let drawn = secrets::draw()?;
    let secrets = Secrets::parse(&drawn)?;
    let (a, b) = (
        Node::start(settings, &drawn).await?,
        Node::start(settings, &drawn).await?,
    );
    println!(
        "two servers, {} and {}, over one {store}",
        a.address, b.address
    );

    let clock = SystemClock::new();
    let keys = store.connect(&settings.at).await?.keys(&secrets.pepper);
    let [alice, bob] = ["alice", "bob"].map(Grant::for_user);
    let alice = keys.issue(alice, clock.now()).await?;
    let bob = keys.issue(bob, clock.now()).await?;

    let mut at_a = Client::new(a.address, alice.expose());
    let mut at_b = Client::new(b.address, alice.expose());
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..streams {
        first.push(at_a.stream().await?);
        second.push(at_b.stream().await?);
    }
    let other = Client::new(b.address, bob.expose()).stream().await?;
    println!("alice has {streams} streams at each, and bob has one");
    // A server joins the bus once something runs on it.
    let joined = clock.instant() + Duration::from_secs(2);
    clock.sleep_until(joined).await;

    let began = clock.instant();
    let mut at_a = Client::new(a.address, alice.expose());
    let answer = at_a.send(Method::POST, "/logout").await?;
    if answer.status() != 204 {
        return Err(format!("the logout is answered {}", answer.status()).into());
    }
    println!();
    println!("alice logs out at the first: {:?}", clock.instant() - began);
    println!("her streams end, counted from when she asked for it:");
    let here = report("  at the first", began, first).await?;
    let elsewhere = report("  at the second", began, second).await?;
    if other.is_finished() {
        return Err("the stream of bob has ended as well".into());
    }
    println!("bob's goes on");
    let status = at_b.send(Method::GET, "/stream").await?.status();
    println!("alice asks at the second again: {status}");
    if settings.with_figures {
        println!();
        for (place, times) in [("here", here), ("elsewhere", elsewhere)] {
            for percent in [50, 99, 100] {
                let time = within(&times, percent).as_secs_f64() * 1000.0;
                println!("two-nodes.{}.{place}.p{percent} {time:.2} ms", store.name());
            }
        }
    }
    Ok(())
}

/// Says how long it took until streams had ended, and gives their times in order.
async fn report(
    name: &str,
    began: Instant,
    streams: Vec<JoinHandle<End>>,
) -> Result<Vec<Duration>, Failure> {
    let (mut times, mut goodbyes) = (Vec::with_capacity(streams.len()), 0);
    for stream in streams {
        let end = stream.await?;
        times.push(end.at - began);
        goodbyes += usize::from(end.said_goodbye);
    }
    times.sort_unstable();
    println!(
        "{name}: {} of {} with a goodbye; half within {:?}, 99 of 100 within {:?}, the last {:?}",
        goodbyes,
        times.len(),
        within(&times, 50),
        within(&times, 99),
        within(&times, 100),
    );
    Ok(times)
}

/// The time within which so many of a hundred had ended.
fn within(times: &[Duration], percent: usize) -> Duration {
    let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(index).copied().unwrap_or_default()
}

/// A server in a process of its own, which ends with this.
struct Node {
    _process: Child,
    address: std::net::SocketAddr,
}

impl Node {
    async fn start(settings: &Settings, secrets: &str) -> Result<Self, Failure> {
        let mut process = Command::new(env::current_exe()?)
            .args(["node", "--store", settings.store.name()])
            .args(["--at", &settings.at])
            .env(secrets::VARIABLE, secrets)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or("a node says nothing")?;
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = line.strip_prefix(READY) {
                return Ok(Self {
                    address: address.parse()?,
                    _process: process,
                });
            }
        }
        Err("a node ended before it was ready".into())
    }
}
