//! An agent that accepts the access tokens of one OpenID provider.
//!
//! `cargo xtask example oidc-resource-server` starts it with a provider beside it;
//! `cargo run -p example-oidc-resource-server -- --issuer https://id.example` with one of yours.
#![expect(
    clippy::print_stdout,
    reason = "says where it listens and what can be tried"
)]

use std::error::Error;

use axum::{Router, routing::get};
use portcullis::{
    Principal, Stack,
    jwt::{Issuer, Jwt},
    step_up::{Requirement, StepUpLayer},
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = issuer()?;
    // Port 0: a free one. What a client gets tokens for is the address that it calls.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let resource = format!("http://{}/", listener.local_addr()?);

    let (gate, handle) = Stack::builder()
        .with_resource(&*resource)
        // Tokens in any asymmetric algorithm, by the keys that the provider publishes. One on this
        // machine may be asked for them; leave that line out for one that is not.
        .add_authenticator(Jwt::new(
            Issuer::new(&*issuer).dangerously_allow_local_network(),
        ))
        .with_challenge_scopes("notes.read")
        .with_step_up(
            StepUpLayer::builder()
                .add_route_requirement("/notes", Requirement::new().with_scopes("notes.read")),
        )
        .build()?;
    handle.ready().await?;

    println!("listening at {resource}");
    println!();
    println!("  # who nobody is, and where to become somebody");
    println!("  curl -i {resource}whoami");
    println!("  curl {resource}.well-known/oauth-protected-resource");
    println!("  # a token of a client that the provider of the tests knows");
    println!("  token=$(curl -s {issuer}/token -u 'machine-es256:a+secret+of+nobody' \\");
    println!("    -d grant_type=client_credentials -d scope=notes.read -d resource={resource} \\");
    println!("    | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')");
    println!("  curl -H \"Authorization: Bearer $token\" {resource}whoami");
    println!("  curl -H \"Authorization: Bearer $token\" {resource}notes");
    axum::serve(listener, gate.guard(agent())).await?;
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

/// What stands behind `--issuer`.
fn issuer() -> Result<String, &'static str> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--issuer"), Some(issuer)) => Ok(issuer),
        _ => Err(
            "give the issuer: `--issuer https://id.example`; or run `cargo xtask example oidc-resource-server`",
        ),
    }
}
