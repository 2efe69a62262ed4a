//! Two servers that share one Redis, or one PostgreSQL: a logout at one of them ends what runs at the
//! other.
//!
//! `cargo xtask example two-nodes` starts a Redis for it, and with `--store postgres` a PostgreSQL;
//! `cargo run -p example-two-nodes -- --at redis://127.0.0.1:6379/` takes one of yours.
//! `--streams 1000` says how many there are at each of the two, and with `--figures` it also says
//! in lines of `name value unit` how long they went on.
#![expect(
    clippy::print_stdout,
    reason = "says what happens, and how long it takes"
)]

mod client;
mod node;
mod secrets;
mod show;
mod stores;

use std::error::Error;

use crate::stores::Store;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// What stands on the command line.
struct Settings {
    /// Whether this process is one of the two, which the show starts.
    is_node: bool,
    show: show::Settings,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let settings = settings(std::env::args().skip(1))?;
    if settings.is_node {
        return node::run(settings.show.store, &settings.show.at).await;
    }
    show::run(&settings.show).await
}

fn settings(mut arguments: impl Iterator<Item = String>) -> Result<Settings, Failure> {
    let mut is_node = false;
    let mut show = show::Settings {
        at: String::new(),
        store: Store::default(),
        streams: 1000,
        with_figures: false,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match &*argument {
            "node" => is_node = true,
            "--at" => show.at = value()?,
            "--figures" => show.with_figures = true,
            "--store" => {
                show.store = Store::parse(&value()?).ok_or("`--store` wants redis or postgres")?;
            }
            "--streams" => show.streams = value()?.parse()?,
            other => return Err(format!("does not know `{other}`").into()),
        }
    }
    if show.at.is_empty() {
        let problem = format!(
            "give the address of a {}: `--at {}`; or run `cargo xtask example two-nodes --store {}`, \
             which starts one",
            show.store,
            show.store.example(),
            show.store.name(),
        );
        return Err(problem.into());
    }
    Ok(Settings { is_node, show })
}
