//! What can be said on the command line.

use std::net::SocketAddr;

use http::HeaderValue;

pub(crate) const USAGE: &str = "\
usage: example-agent-server [--issuer URL] [--resource URL] [--listen ADDRESS]
                            [--allow-origin ORIGIN]
       example-agent-server tour

  --issuer URL      accept tokens of this provider; without it, a local one is started
  --resource URL    the public url of this agent: the audience that tokens must have
                    (default: the address it listens on)
  --listen ADDRESS  where to listen (default: a free port of 127.0.0.1)
  --allow-origin ORIGIN
                    lets the pages of this origin call: https://app.example";

/// What somebody wants.
#[derive(Debug)]
pub(crate) enum Wish {
    Help,
    Serve(Options),
    Tour,
}

/// What was said.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) issuer: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) listen: SocketAddr,
    pub(crate) allow_origin: Option<HeaderValue>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            issuer: None,
            resource: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            allow_origin: None,
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
                _ => {}
            }
            let value = arguments
                .next()
                .ok_or(format!("`{name}` wants a value\n\n{USAGE}"))?;
            match name.as_str() {
                "--issuer" => options.issuer = Some(value),
                "--resource" => options.resource = Some(value),
                "--allow-origin" => {
                    options.allow_origin =
                        Some(value.parse().map_err(|_| {
                            format!("`--allow-origin` wants an origin, not `{value}`")
                        })?);
                }
                "--listen" => {
                    options.listen = value.parse().map_err(|_| {
                        format!("`--listen` wants an address like 127.0.0.1:3000, not `{value}`")
                    })?;
                }
                _ => return Err(format!("`{name}` is not known\n\n{USAGE}")),
            }
        }
        Ok(Wish::Serve(options))
    }
}
