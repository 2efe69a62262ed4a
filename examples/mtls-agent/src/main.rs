//! An agent that other agents call with certificates.
//!
//! `cargo xtask example mtls-agent` starts it with certificates of an OpenBao beside it; see
//! `authority.sh`.
#![expect(
    clippy::print_stdout,
    reason = "says where it listens and what can be tried"
)]

use std::{error::Error, fs, io, path::PathBuf, time::Duration};

use axum::{Router, routing::get};
use portcullis::{
    Clock as _, Principal, Secret, Stack, SystemClock,
    tls::{ClientCertificates, TlsHandle, TlsListener, TlsSettings},
};

/// How often it is looked whether a file has changed.
const PERIOD: Duration = Duration::from_secs(1);

/// Where the certificates are.
#[derive(Clone)]
struct Folder(PathBuf);

impl Folder {
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(name))
    }

    fn settings(&self) -> io::Result<TlsSettings> {
        let server = self.read("server.pem")?;
        Ok(TlsSettings::new(server.clone(), Secret::new(server))
            .with_client_authorities(self.read("authority.pem")?)
            .with_revocation_lists(self.read("revoked.pem")?))
    }

    /// What is in the files now.
    fn state(&self) -> io::Result<[Vec<u8>; 3]> {
        Ok([
            self.read("server.pem")?,
            self.read("authority.pem")?,
            self.read("revoked.pem")?,
        ])
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = Folder(arguments()?);
    let listener = TlsListener::bind("127.0.0.1:0", &folder.settings()?).await?;
    let port = listener.local_address().port();
    let public = format!("https://localhost:{port}/");
    let (gate, handle) = Stack::builder()
        .with_resource(&*public)
        // Whoever connects has a certificate of our authority; an agent may call, a job may not.
        .add_authenticator(ClientCertificates::spiffe("acme.example").add_path("/agents/"))
        .build()?;
    handle.ready().await?;
    tokio::spawn(follow(folder.clone(), listener.handle()));

    println!("listening at {public}");
    println!();
    let place = folder.0.display();
    for who in ["agent-a", "agent-b", "job"] {
        println!("  curl --cacert {place}/authority.pem --cert {place}/{who}.pem {public}whoami");
    }
    println!("  # without a certificate there is no connection");
    println!("  curl --cacert {place}/authority.pem {public}whoami");
    axum::serve(listener, gate.guard(agent())).await?;
    Ok(())
}

fn agent() -> Router {
    Router::new().route(
        "/whoami",
        get(async |principal: Principal| {
            format!("{} of {}", principal.subject(), principal.issuer())
        }),
    )
}

/// Makes connections with what the files say, from a second after they say it.
async fn follow(folder: Folder, tls: TlsHandle) {
    let clock = SystemClock::new();
    let mut before = folder.state().ok();
    loop {
        clock.sleep_until(clock.instant() + PERIOD).await;
        let now = folder.state().ok();
        if now.is_none() || now == before {
            continue;
        }
        let rotated = folder
            .settings()
            .map_err(|error| error.to_string())
            .and_then(|settings| tls.rotate(&settings).map_err(|errors| errors.to_string()));
        match rotated {
            Ok(()) => {
                println!("the certificates were exchanged");
                before = now;
            }
            // Half of a change: what was good stays.
            Err(problem) => println!("the certificates cannot be used yet: {problem}"),
        }
    }
}

/// What stands behind `--folder`.
fn arguments() -> Result<PathBuf, &'static str> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--folder"), Some(folder)) => Ok(folder.into()),
        _ => Err(
            "give the folder of the certificates: `--folder certificates`; or run `cargo xtask \
             example mtls-agent`, which has them made",
        ),
    }
}
