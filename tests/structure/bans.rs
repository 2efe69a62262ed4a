//! What none of our crates may drag into the programs of its users.
//!
//! Asked of `cargo tree`, because it answers for one crate with chosen features; the
//! graph in `cargo metadata` joins the features that all members ask for. Sources,
//! licences and versions are the matter of `deny.toml`.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::process::Command;

use crate::{assert_none, tree};

struct Ban {
    /// Which part of the graph: arguments of `cargo tree`.
    graph: &'static [&'static str],
    /// A crate that must be seen, or the answer is not believed.
    contains: &'static str,
    not: &'static [&'static str],
}

/// Crates of others for what ours are for.
const PEERS: [&str; 3] = [
    "tower-oauth2-resource-server",
    "tower-sessions",
    "tower_governor",
];

const BANS: [Ban; 9] = [
    // Plain data and traits, whatever is turned on: the first to reach 1.0.
    Ban {
        graph: &["--package", "portcullis-core", "--all-features"],
        contains: "http",
        not: &[
            "aws-lc-rs",
            "axum",
            "hyper",
            "hyper-util",
            "jsonwebtoken",
            "reqwest",
            "rustls",
            "serde_json",
            "tower",
            "tower-http",
        ],
    },
    // The layers as they come: any Tower service, and no cryptography that needs C.
    Ban {
        graph: &["--package", "portcullis", "--no-default-features"],
        contains: "portcullis-core",
        not: &[
            "aws-lc-rs",
            "axum",
            "dashmap",
            "hyper",
            "hyper-util",
            "jsonwebtoken",
            "opentelemetry",
            "portcullis-jwt",
            "portcullis-store-redb",
            "reqwest",
            "rustls",
            "tracing-subscriber",
        ],
    },
    // Tokens are verified without a web framework, and without a client of its own if the
    // application brings one.
    Ban {
        graph: &[
            "--package",
            "portcullis-jwt",
            "--no-default-features",
            "--features",
            "aws-lc-rs",
        ],
        contains: "portcullis-core",
        not: &[
            "axum",
            "dashmap",
            "hyper",
            "reqwest",
            "rustls",
            "tower",
            "tower-http",
        ],
    },
    // A store in a file is a file: no server, no network.
    Ban {
        graph: &["--package", "portcullis-store-redb"],
        contains: "redb",
        not: &["axum", "hyper", "mio", "rand", "rustls", "socket2", "tower"],
    },
    // A store brings its client, and no TLS unless it is asked for.
    Ban {
        graph: &["--package", "portcullis-store-postgres"],
        contains: "tokio-postgres",
        not: &["axum", "hyper", "jsonwebtoken", "rustls", "tower"],
    },
    Ban {
        graph: &["--package", "portcullis-store-redis"],
        contains: "redis",
        not: &["axum", "hyper", "jsonwebtoken", "rand", "rustls", "tower"],
    },
    // What we are measured beside is built by `cargo xtask bench` alone, which asks for it by
    // the feature `peers`: no check and no test pays for it, and no figure without it.
    Ban {
        graph: &[
            "--workspace",
            "--all-features",
            "--exclude",
            "portcullis-benches",
        ],
        contains: "portcullis",
        not: &PEERS,
    },
    Ban {
        graph: &["--package", "portcullis-benches"],
        contains: "portcullis",
        not: &PEERS,
    },
    // Everything that is built by default.
    Ban {
        graph: &["--workspace"],
        contains: "portcullis",
        not: &[
            "native-tls",
            "openssl",
            "openssl-sys",
            "ring",
            "rsa",
            "rustls-pemfile",
        ],
    },
];

fn complaints(ban: &Ban, reached: &BTreeSet<String>) -> Vec<String> {
    let graph = ban.graph.join(" ");
    if !reached.contains(ban.contains) {
        return vec![format!("`{graph}` does not even reach {}", ban.contains)];
    }
    ban.not
        .iter()
        .filter(|banned| reached.contains(**banned))
        .map(|banned| {
            format!(
                "`{graph}` must not reach {banned}: see `cargo tree {graph} -e normal -i {banned}`"
            )
        })
        .collect()
}

/// The names of all normal dependencies, direct or not.
fn reached(graph: &[&str]) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--locked", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(graph)
        .current_dir(tree::root())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(names(&String::from_utf8(output.stdout)?))
}

/// The first word of each line of `name v1.2.3 (where)`.
fn names(said: &str) -> BTreeSet<String> {
    said.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_crate_of_ours_reaches_what_it_must_not() {
    let mut said = Vec::new();
    for ban in &BANS {
        said.extend(complaints(ban, &reached(ban.graph).unwrap()));
    }
    assert_none(&said);
}

#[test]
fn complains_of_a_banned_crate_and_of_an_answer_that_says_nothing() {
    let ban = Ban {
        graph: &["--package", "portcullis-core"],
        contains: "http",
        not: &["axum"],
    };
    let said = |tree: &str| complaints(&ban, &names(tree));
    assert_none(&said(
        "portcullis-core v0.1.0 (crates/portcullis-core)\nhttp v1.5.0\naxum-core v0.5.0",
    ));
    assert_eq!(said("http v1.5.0\naxum v0.8.9 (*)").len(), 1);
    assert_eq!(said("").len(), 1);
}
