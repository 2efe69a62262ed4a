//! Two servers that share one Redis: a logout at one of them ends what runs at the other.
//!
//! `cargo xtask example two-nodes` starts a Redis for it;
//! `cargo run -p example-two-nodes -- --redis redis://127.0.0.1:6379/` takes one of yours.
//! `--streams 1000` says how many there are at each of the two.
#![expect(
    clippy::print_stdout,
    reason = "says what happens, and how long it takes"
)]

mod client;
mod node;
mod secrets;
mod show;

use std::error::Error;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// What stands on the command line.
struct Settings {
    /// Whether this process is one of the two, which the show starts.
    is_node: bool,
    redis: String,
    streams: usize,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let settings = settings(std::env::args().skip(1))?;
    if settings.is_node {
        return node::run(&settings.redis).await;
    }
    show::run(&settings.redis, settings.streams).await
}

fn settings(mut arguments: impl Iterator<Item = String>) -> Result<Settings, Failure> {
    let mut settings = Settings {
        is_node: false,
        redis: String::new(),
        streams: 1000,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match &*argument {
            "node" => settings.is_node = true,
            "--redis" => settings.redis = value()?,
            "--streams" => settings.streams = value()?.parse()?,
            other => return Err(format!("does not know `{other}`").into()),
        }
    }
    if settings.redis.is_empty() {
        let problem = "give the address of a Redis: `--redis redis://127.0.0.1:6379/`; or run \
                       `cargo xtask example two-nodes`, which starts one";
        return Err(problem.into());
    }
    Ok(settings)
}
