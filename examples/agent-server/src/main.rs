//! A streaming agent behind the gate.
//!
//! `cargo run -p example-agent-server` starts it on a free loopback port with an identity
//! provider of its own, and prints what is guarded and how to call it.
//! `-- --issuer https://idp.example` uses a real provider instead, `-- --log trace` shows all that
//! happens and no credential, `-- --audit-dir FOLDER` keeps the records in a log, and its last head
//! in `FOLDER.head`, both of which `-- verify FOLDER` verifies, `-- --store redb` keeps sessions and
//! revocations over a restart, as do `redis` and `postgres`, and `-- tour` plays the story of a caller
//! and prints what the gate says to each step.
#![expect(clippy::print_stdout, reason = "it tells its user what to type")]

mod agent;
mod cli;
mod greeting;
mod issuer;
mod leaving;
mod logging;
mod model;
mod outside;
mod records;
mod stores;
mod tools;
mod tour;

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use http::HeaderName;
use portcullis::{
    Clock as _, Exchange, Principal, Scopes, Secret, Stack, SystemClock,
    api_keys::{ApiKeys, Grant, KeyRing},
    binding::{BindingLayer, Reaction},
    entropy,
    perimeter::PerimeterLayer,
    session::SessionLayer,
    stack::{Complete, StackBuilder},
    step_up::{Requirement, StepUpLayer},
};

use crate::{
    agent::Agent,
    cli::{Options, Wish},
    issuer::Issuing,
    tools::{SEARCH, TRANSFER, Tools},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = match Options::parse(std::env::args().skip(1))? {
        Wish::Help => {
            println!("{}", cli::USAGE);
            return Ok(());
        }
        Wish::Tour => return tour::play().await,
        Wish::Verify(folder, head) => return records::report(&folder, head),
        Wish::Serve(options) => options,
    };
    logging::start(options.log);

    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let resource = options
        .resource
        .clone()
        .unwrap_or(format!("http://{address}/"));
    let issuing = Issuing::start(&options, &resource).await?;

    // The ring lives as long as the process: its key is for trying things out.
    let keys = KeyRing::new("demo", &Secret::new(entropy::bytes::<32>()?));
    let key = keys.issue(
        Grant::for_application("reporting").with_scopes(Scopes::parse("notes.read")?),
        SystemClock::new().now(),
    )?;

    let log = options
        .audit_dir
        .as_deref()
        .map(records::keep)
        .transpose()?;
    let mut stack = gate(&resource, address, &options, &issuing, keys).await?;
    if let Some(log) = &log {
        stack = stack.with_audit(log.clone());
    }
    let (gate, handle) = stack.build()?;
    handle.ready().await?;
    greeting::print(&gate, address, &issuing, key.expose());

    let guarded = outside::around(
        gate.guard(
            agent_routes(Agent {
                clock: Arc::new(SystemClock::new()),
                pause: Duration::from_millis(40),
                tools: Tools::default(),
            })
            .merge(leaving::routes(handle.clone())),
        ),
        options.allow_origin.as_ref(),
    );
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server =
        axum::serve(listener, guarded).with_graceful_shutdown(async { drop(stopped.await) });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        ended = &mut server => ended??,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    // Streams would go on for ever: they are told goodbye.
    let shutdown = handle.shutdown(GRACE).await;
    println!("{} requests were ended", shutdown.ended);
    drop(stop);
    let clock = SystemClock::new();
    tokio::select! {
        _ = server => {}
        // A client that has sent half a request, or does not read, is not waited for.
        () = clock.sleep_until(clock.instant() + GRACE) => {}
    }
    if let Some(log) = log {
        // It waits for the disk, which a task must not.
        let head = tokio::task::spawn_blocking(move || log.close()).await??;
        println!("the audit log goes up to: {head}");
    }
    Ok(())
}

/// Who may call the agent.
async fn gate(
    resource: &str,
    address: SocketAddr,
    options: &Options,
    issuing: &Issuing,
    keys: KeyRing,
) -> Result<StackBuilder<Complete>, Box<dyn Error>> {
    let mut perimeter = PerimeterLayer::builder()
        // Beside the host of the resource, which may be another behind a proxy.
        .add_allowed_host(address.to_string())
        .with_max_body(64 * 1024);
    if let Some(origin) = &options.allow_origin {
        perimeter = perimeter.add_allowed_origin(String::from_utf8_lossy(origin.as_bytes()));
    }
    let session = SessionLayer::builder()
        .with_idle(Duration::from_secs(15 * 60))
        .with_absolute(ABSOLUTE);
    let stack = Stack::builder()
        .with_resource(resource)
        .with_challenge_scopes("notes.read")
        .add_authenticator(issuing.authenticator())
        .add_authenticator(ApiKeys::new(keys))
        .add_anonymous_route("/health")
        .with_perimeter(perimeter)
        .with_binding(
            BindingLayer::builder()
                .with_device_header(HeaderName::from_static("x-device-id"))
                .with_device(Reaction::Ask),
        )
        .with_step_up(
            StepUpLayer::builder()
                .require(SEARCH, Requirement::new().with_scopes("notes.read"))
                .require(
                    TRANSFER,
                    Requirement::new()
                        .with_scopes("payments.write")
                        .add_acr(tour::STRONG)
                        .with_max_age(Duration::from_secs(300)),
                ),
        );
    stores::keep(stack, session, &options.kept).await
}

/// How long answers have to complete when the server is stopped.
const GRACE: Duration = Duration::from_secs(2);

/// How long somebody is in at most, however busy.
pub(crate) const ABSOLUTE: Duration = Duration::from_secs(8 * 3600);

/// The agent, as if there were no gate.
fn agent_routes(agent: Agent) -> Router {
    Router::new()
        .route("/chat", post(agent::chat))
        .route("/whoami", get(whoami))
        .route("/health", get(health))
        .with_state(agent)
}

/// Who the gate says is calling.
async fn whoami(principal: Principal) -> String {
    format!(
        "{} of {}, as {}, may {}\n",
        principal.subject(),
        principal.issuer(),
        principal.kind().as_str(),
        if principal.scopes().is_empty() {
            "nothing in particular"
        } else {
            principal.scopes().as_str()
        },
    )
}

/// Open to everybody.
async fn health(exchange: Exchange) -> String {
    format!("ok {}\n", exchange.id())
}

#[cfg(test)]
mod tests;
