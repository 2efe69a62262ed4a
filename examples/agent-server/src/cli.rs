//! What can be said on the command line.

use std::{net::SocketAddr, path::PathBuf};

use http::HeaderValue;
use portcullis::audit::log::Head;
use tracing::level_filters::LevelFilter;

use crate::stores::{Kept, Store};

pub(crate) const USAGE: &str = "\
usage: example-agent-server [--issuer URL] [--resource URL] [--listen ADDRESS]
                            [--allow-origin ORIGIN] [--audit-dir FOLDER] [--log LEVEL]
                            [--store NAME [--at PLACE] [--keys FILE]]
       example-agent-server tour
       example-agent-server verify FOLDER [HEAD]

  --issuer URL      accept tokens of this provider; without it, a local one is started
  --resource URL    the public url of this agent: the audience that tokens must have
                    (default: the address it listens on)
  --listen ADDRESS  where to listen (default: a free port of 127.0.0.1)
  --allow-origin ORIGIN
                    lets the pages of this origin call: https://app.example
  --audit-dir FOLDER
                    lets nothing in whose record is not on the disk in this folder; how far
                    they went is kept in FOLDER.head, and held against them at the next start
  --store NAME      where sessions and revocations are kept: memory, redb, redis or postgres
                    (default: memory, which a restart forgets)
  --at PLACE        the file of redb, or the address of the server
                    (default: agent-server.redb, or one on this machine)
  --keys FILE       the keys under which they are found again, which are drawn if there are none
                    (default: agent-server.keys)
  --log LEVEL       error, warn, info, debug or trace (default: info); none shows a credential

  verify FOLDER     says whether the records in a folder are as they were written
  HEAD              how far they went at some time, as the server has printed it
                    (default: what FOLDER.head says, if it is there)";

/// What somebody wants.
#[derive(Debug)]
pub(crate) enum Wish {
    Help,
    Serve(Options),
    Tour,
    Verify(PathBuf, Option<Head>),
}

/// What was said.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) issuer: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) listen: SocketAddr,
    pub(crate) allow_origin: Option<HeaderValue>,
    pub(crate) audit_dir: Option<PathBuf>,
    pub(crate) kept: Kept,
    pub(crate) log: LevelFilter,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            issuer: None,
            resource: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            allow_origin: None,
            audit_dir: None,
            kept: Kept::default(),
            log: LevelFilter::INFO,
        }
    }
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Wish, String> {
        let mut options = Self::default();
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--help" | "-h" => return Ok(Wish::Help),
                "tour" => return Ok(Wish::Tour),
                "verify" => return verify(arguments),
                _ => {}
            }
            // No value is shown: it may have been meant for something else. What stands behind
            // an equals sign is one.
            let shown = name.split('=').next().unwrap_or_default();
            let value = arguments
                .next()
                .ok_or(format!("`{shown}` wants a value\n\n{USAGE}"))?;
            match name.as_str() {
                "--audit-dir" => options.audit_dir = Some(value.into()),
                "--issuer" => options.issuer = Some(value),
                "--resource" => options.resource = Some(value),
                "--allow-origin" => {
                    options.allow_origin = Some(value.parse().map_err(
                        |_| "`--allow-origin` wants an origin like https://app.example",
                    )?);
                }
                "--listen" => {
                    options.listen = value
                        .parse()
                        .map_err(|_| "`--listen` wants an address like 127.0.0.1:3000")?;
                }
                "--store" => {
                    options.kept.store = Store::parse(&value)
                        .ok_or("`--store` wants memory, redb, redis or postgres")?;
                }
                "--at" => options.kept.at = Some(value),
                "--keys" => options.kept.keys = Some(value.into()),
                "--log" => {
                    options.log = value
                        .parse()
                        .map_err(|_| "`--log` wants a level like debug")?;
                }
                _ => return Err(format!("`{shown}` is not known\n\n{USAGE}")),
            }
        }
        Ok(Wish::Serve(options))
    }
}

fn verify(mut arguments: impl Iterator<Item = String>) -> Result<Wish, String> {
    let folder = arguments
        .next()
        .ok_or(format!("`verify` wants a folder\n\n{USAGE}"))?;
    // A head has blanks in it, and not everybody quotes them.
    let head: Vec<String> = arguments.collect();
    let head = if head.is_empty() {
        None
    } else {
        let head = head.join(" ");
        Some(head.parse().map_err(|error| format!("`{head}` {error}"))?)
    };
    Ok(Wish::Verify(folder.into(), head))
}
