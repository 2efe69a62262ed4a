//! An agent behind a proxy that lets people log in.
//!
//! `cargo xtask example behind-sso-proxy` starts it with a Caddy in front; see the `Caddyfile`.
#![expect(
    clippy::print_stdout,
    reason = "says where it listens and what can be tried"
)]

use std::{env, error::Error};

use axum::{Router, routing::get};
use http::HeaderName;
use portcullis::{
    Principal, Secret, Stack,
    forwarded_user::{ForwardedUser, Hop},
    perimeter::PerimeterLayer,
    step_up::{Requirement, StepUpLayer},
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [listen, public] = arguments()?;
    let secret = env::var("PROXY_SECRET").map_err(|_| "set PROXY_SECRET to that of the proxy")?;

    // A proxy that signs what it says needs none of this: `jwt::ProxyAssertion::pomerium(host)` and
    // its like are the authenticator then.
    let proxy = Hop::shared_secret(
        HeaderName::from_static("x-proxy-secret"),
        Secret::from(secret),
    );
    let users = ForwardedUser::dangerously_from_headers_of(proxy, &*public)
        .with_groups_as_scopes(HeaderName::from_static("x-forwarded-groups"), "group:");
    let (gate, handle) = Stack::builder()
        // What people call is the proxy.
        .with_resource(&*public)
        // Its word on where they come from counts.
        .with_perimeter(PerimeterLayer::builder().add_trusted_proxy("127.0.0.1/32"))
        .add_authenticator(users)
        .with_step_up(
            StepUpLayer::builder()
                .add_route_requirement("/notes", Requirement::new().with_scopes("group:staff")),
        )
        .build()?;
    handle.ready().await?;

    let listener = TcpListener::bind(&*listen).await?;
    println!("listening at {public}");
    println!();
    println!("  # nobody, alice, and alice who would like to be somebody else");
    println!("  curl -i {public}whoami");
    println!("  curl -u 'alice:correct horse' {public}whoami");
    println!("  curl -u 'alice:correct horse' -H 'X-Forwarded-User: root' {public}whoami");
    println!("  curl -u 'alice:correct horse' {public}notes");
    println!("  # past the proxy, the same header opens nothing");
    println!(
        "  curl -i -H 'Host: {}' -H 'X-Forwarded-User: root' http://{listen}/whoami",
        public.trim_start_matches("http://").trim_end_matches('/')
    );
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

/// Where to listen, and the URL under which people reach the proxy.
fn arguments() -> Result<[String; 2], &'static str> {
    let given: Vec<String> = env::args().skip(1).collect();
    match <[String; 4]>::try_from(given) {
        Ok([listen, address, public, url]) if listen == "--listen" && public == "--public" => {
            Ok([address, url])
        }
        _ => Err(
            "give `--listen 127.0.0.1:8081 --public http://127.0.0.1:8080/`; or run \
             `cargo xtask example behind-sso-proxy`, which starts the proxy too",
        ),
    }
}
