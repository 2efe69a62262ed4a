//! An agent for callers with API keys, who manage their keys themselves: issued, listed, rotated
//! and revoked over routes that only a key with the scope `keys.manage` opens.
//!
//! `cargo run -p example-api-keys` starts it, and says what to try.
#![expect(
    clippy::print_stdout,
    reason = "says where it listens and what can be tried"
)]

mod desk;

use std::{error::Error, time::Duration};

use axum::{Router, routing::get};
use portcullis::{
    Clock as _, Principal, Scopes, Secret, Stack, SystemClock,
    api_keys::{ApiKeys, Grant, KeyRegistry, MemoryApiKeys},
    entropy,
    step_up::{Requirement, StepUpLayer},
};
use tokio::net::TcpListener;

use crate::desk::Desk;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In earnest it is drawn once, and kept where the server's other secrets are. Here it lasts as
    // long as the store does: until the program ends.
    let pepper = Secret::new(entropy::bytes::<32>()?);
    let keys = KeyRegistry::new("demo", &pepper, MemoryApiKeys::default());

    // Port 0: a free one.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let resource = format!("http://{}/", listener.local_addr()?);
    let manages = || Requirement::new().with_scopes(desk::SCOPE);
    let (gate, handle) = Stack::builder()
        .with_resource(&*resource)
        .add_authenticator(
            ApiKeys::from_registry(keys.clone()).with_last_use_interval(Duration::from_secs(1)),
        )
        .with_step_up(
            StepUpLayer::builder()
                .add_route_requirement("/notes", Requirement::new().with_scopes("notes.read"))
                .add_route_requirement("/keys", manages())
                .add_route_requirement("/keys/{id}", manages())
                .add_route_requirement("/keys/{id}/rotate", manages()),
        )
        .build()?;
    handle.ready().await?;

    let now = SystemClock::new().now();
    let alice = |scopes: &str| {
        Ok::<_, Box<dyn Error>>(Grant::for_user("alice").with_scopes(Scopes::parse(scopes)?))
    };
    let first = keys.issue(alice("keys.manage notes.read")?, now).await?;
    let reader = keys.issue(alice("notes.read")?, now).await?;
    println!("listening at {resource}");
    println!();
    println!("  # two keys of alice, shown this once: one that manages keys, and one that reads");
    println!("  key={}", first.expose());
    println!("  reader={}", reader.expose());
    println!("  id={}", reader.stored().id());
    println!("  # what they open");
    println!("  curl -s -H \"Authorization: Bearer $key\" {resource}whoami");
    println!("  curl -s -H \"Authorization: Bearer $reader\" {resource}notes");
    println!("  # another key, that may be used three times a minute");
    println!("  curl -s -H \"Authorization: Bearer $key\" -H 'Content-Type: application/json' \\");
    println!("    -d '{{\"scopes\":\"notes.read\",\"days\":90,\"per_minute\":3}}' {resource}keys");
    println!("  # all keys of alice, and when they were used");
    println!("  curl -s -H \"Authorization: Bearer $key\" {resource}keys");
    println!("  # another secret for the reader; the one above works for a minute more");
    println!("  curl -s -X POST -H \"Authorization: Bearer $key\" {resource}keys/$id/rotate");
    println!("  # the end of both");
    println!("  curl -s -X DELETE -H \"Authorization: Bearer $key\" {resource}keys/$id");
    println!("  curl -s -i -H \"Authorization: Bearer $reader\" {resource}notes");
    let router = agent().merge(Desk::new(keys, handle).into_router());
    axum::serve(listener, gate.guard(router)).await?;
    Ok(())
}

fn agent() -> Router {
    Router::new()
        .route(
            "/whoami",
            get(async |principal: Principal| {
                format!("{} of {}", principal.subject(), principal.issuer())
            }),
        )
        .route("/notes", get(async || "buy milk"))
}
