//! How this machine comes to its packages, for a machine in a folder to come to them alike: by
//! a mirror, through a proxy, with certificates of its own. What that is, is taken from here
//! when it is needed; none of it is known to the project.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::{at, machine::HOME};
use crate::process;

/// Copied as they are, if they are there.
const FILES: [&str; 4] = [
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt",
];

/// Whom this machine trusts beside those that all do. Its own place, because the package of
/// certificates makes the list above anew from it.
const TRUSTED: &str = "/usr/local/share/ca-certificates";

/// How the names of variables end that say how to get somewhere, or whom to trust there.
const ENDINGS: [&str; 6] = [
    "_CA_BUNDLE",
    "_CA_CERTS",
    "_CAINFO",
    "_CERT_DIR",
    "_CERT_FILE",
    "_PROXY",
];
/// How they begin.
const BEGINNINGS: [&str; 6] = [
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_SOURCE_",
    "NPM_CONFIG_",
    "PIP_",
];

/// Puts into `root` what it takes to reach the registries.
pub(super) fn copy_settings(root: &Path) -> Result<(), String> {
    for file in FILES {
        copy(Path::new(file), &below(root, Path::new(file)))?;
    }
    if let Ok(certificates) = fs::read_dir(TRUSTED) {
        for certificate in certificates.flatten() {
            let path = certificate.path();
            copy(&path, &below(root, &path))?;
        }
    }
    for (name, value) in of_network(env::vars_os()) {
        copy(Path::new(&value), &below(root, &in_a_file(&name)))?;
    }
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let cargo = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let newcomer = below(root, Path::new(HOME));
    copy(
        &cargo.join("config.toml"),
        &newcomer.join(".cargo/config.toml"),
    )?;
    for settings in [".npmrc", ".config/pip/pip.conf"] {
        copy(&home.join(settings), &newcomer.join(settings))?;
    }

    let path = root.join("etc/apt/apt.conf.d/90newcomer");
    fs::write(&path, apt_settings()?).map_err(|error| at(&path, &error))
}

/// The variables that are about the network, as they have to be inside.
pub(super) fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    of_network(env::vars_os()).map(|(name, value)| {
        if Path::new(&value).is_file() {
            let inside = in_a_file(&name);
            (name, inside.into())
        } else {
            (name, value)
        }
    })
}

/// Where a file lies inside to which a variable leads: no package comes there and changes it.
fn in_a_file(name: &OsStr) -> PathBuf {
    Path::new(HOME).join("network").join(name)
}

fn of_network(
    all: impl IntoIterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    all.into_iter().filter(|(name, _)| is_of_network(name))
}

fn is_of_network(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
        || BEGINNINGS
            .iter()
            .any(|beginning| name.starts_with(beginning))
}

/// How apt fetches packages here; that nobody is there to be asked, and that no package comes
/// that nobody has asked for.
fn apt_settings() -> Result<String, String> {
    let mut command = process::program("apt-config");
    let output = command
        .arg("dump")
        .output()
        .map_err(|error| process::cannot_start(&command, &error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut settings: String = said
        .lines()
        .filter(|line| line.starts_with("Acquire::"))
        .map(|line| format!("{line}\n"))
        .collect();
    settings.push_str("APT::Get::Assume-Yes \"true\";\nAPT::Install-Recommends \"false\";\n");
    Ok(settings)
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Copies a file, if there is one.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    if !from.is_file() {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
    }
    // One that leads elsewhere would be written through.
    if to.is_symlink() {
        fs::remove_file(to).map_err(|error| at(to, &error))?;
    }
    fs::copy(from, to).map_err(|error| at(from, &error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_way_into_the_network_is_passed_on() {
        for name in [
            "https_proxy",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "npm_config_registry",
            "PIP_INDEX_URL",
        ] {
            assert!(is_of_network(OsStr::new(name)), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "CARGO",
            "RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CC",
            "API_TOKEN",
        ] {
            assert!(!is_of_network(OsStr::new(name)), "{name}");
        }
    }
}
