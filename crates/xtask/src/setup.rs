//! What a machine with nothing but the Rust toolchain still needs for the tests.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process;

/// A program that comes from the system.
struct Need {
    program: &'static str,
    /// With these arguments it ends well if it is whole.
    probe: &'static [&'static str],
    /// If this is set, somebody has chosen another program, and knows it is there.
    variable: Option<&'static str>,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
    purpose: &'static str,
}

const NEEDS: [Need; 5] = [
    Need {
        program: "cc",
        probe: &["--version"],
        variable: Some("CC"),
        // Only a C compiler: aws-lc-sys brings its bindings and calls no cmake.
        packages: &["gcc", "libc6-dev"],
        purpose: "builds the cryptography",
    },
    Need {
        program: "npm",
        probe: &["--version"],
        variable: None,
        packages: &["npm"],
        purpose: "brings the pinned Node runtime and the servers that we are tested against",
    },
    Need {
        program: "sh",
        // Debian puts the programs where no path leads. Its package starts a server where a system
        // starts services, which nobody asks for anything.
        probe: &[
            "-c",
            "command -v postgres || ls /usr/lib/postgresql/*/bin/postgres",
        ],
        variable: None,
        packages: &["postgresql"],
        purpose: "is what the stores in PostgreSQL are tested against",
    },
    Need {
        program: "python3",
        // Debian has Python without what a virtual environment is made with.
        probe: &["-c", "import ensurepip, venv"],
        variable: None,
        packages: &["python3", "python3-venv"],
        purpose: "brings the proxies and the authority that we are tested against",
    },
    Need {
        program: "redis-server",
        probe: &["--version"],
        variable: None,
        packages: &["redis-server"],
        purpose: "is what the stores in Redis are tested against",
    },
];

/// Where the servers live that are not ours, each with a lock file.
const COUNTERPARTS: &str = "tests/counterparts";

/// The counterparts that tests rely on. One that is missing fails the run: a test that
/// skips itself proves nothing.
const REQUIRED: [Counterpart; 2] = [
    Counterpart::Node("oidc-provider"),
    Counterpart::Python("servers"),
];

/// Other people's programs, in a folder of this name, from whose packages they come.
enum Counterpart {
    Node(&'static str),
    Python(&'static str),
}

/// Makes the machine ready, or says what a person has to do.
///
/// # Errors
/// If something is missing that cannot be installed from here.
pub(crate) fn ready() -> Result<(), String> {
    programs()?;
    let folder = |name| process::root().join(COUNTERPARTS).join(name);
    REQUIRED.iter().try_for_each(|required| match required {
        Counterpart::Node(name) => node(&folder(name)),
        Counterpart::Python(name) => python(&folder(name)),
    })
}

fn programs() -> Result<(), String> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !need.met()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|need| need.packages)
        .copied()
        .collect();
    install(&packages)?;
    match missing.iter().find(|need| !need.met()) {
        None => Ok(()),
        Some(need) => Err(format!(
            "{} is still missing after the installation; it {}",
            need.program, need.purpose
        )),
    }
}

impl Need {
    fn met(&self) -> bool {
        self.variable
            .is_some_and(|name| env::var_os(name).is_some())
            || runs(Command::new(self.program).args(self.probe))
    }
}

/// Installs packages of Debian, or says what a person has to do.
///
/// # Errors
/// If they cannot be installed from here.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    let by_hand = format!(
        "missing on this machine: install {} (on Debian: apt-get install {}), then run again",
        packages.join(", "),
        packages.join(" ")
    );
    let prefix: &[&str] = if is_root() {
        &[]
    } else if runs(Command::new("sudo").args(["-n", "true"])) {
        &["sudo", "-n"]
    } else {
        return Err(by_hand);
    };
    if !runs(Command::new("apt-get").arg("--version")) {
        return Err(by_hand);
    }
    println!("installing {}", packages.join(", "));
    let update: &[&str] = &["update"];
    // Without recommendations: npm would bring hundreds of packages that nothing uses.
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    for arguments in [update, &install] {
        // `env` sets the variable behind sudo, which passes none on.
        let words = [
            prefix,
            &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"],
            arguments,
        ]
        .concat();
        let Some((program, rest)) = words.split_first() else {
            return Err(by_hand);
        };
        if !process::succeeds(process::program(program).args(rest))? {
            return Err(format!("`{}` failed; {by_hand}", words.join(" ")));
        }
    }
    Ok(())
}

pub(crate) fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Whether a program is there and content; what it says does not matter.
pub(crate) fn runs(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn node(folder: &Path) -> Result<(), String> {
    // npm writes its own copy of the lock file last of all, so an installation that broke off
    // is not fresh.
    if is_fresh(
        folder,
        "package-lock.json",
        "node_modules/.package-lock.json",
    )? {
        return Ok(());
    }
    println!("setting up {}", folder.display());
    // No scripts: what a package may run at installation is no part of a lock file.
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    succeed(process::program("npm").args(arguments).current_dir(folder))
}

fn python(folder: &Path) -> Result<(), String> {
    const LOCK: &str = "requirements.txt";
    const INSTALLED: &str = "venv/requirements.txt";
    if is_fresh(folder, LOCK, INSTALLED)? {
        return Ok(());
    }
    println!("setting up {}", folder.display());
    succeed(
        process::program("python3")
            .args(["-m", "venv", "--clear", "venv"])
            .current_dir(folder),
    )?;
    // Only what has one of the hashes, and no scripts: a wheel is unpacked.
    let arguments = "-m pip install --disable-pip-version-check --no-deps --only-binary :all: \
                     --require-hashes --requirement";
    succeed(
        process::program(folder.join("venv/bin/python"))
            .args(arguments.split_whitespace())
            .arg(LOCK)
            .current_dir(folder),
    )?;
    let (lock, installed) = (folder.join(LOCK), folder.join(INSTALLED));
    fs::copy(&lock, &installed)
        .map(drop)
        .map_err(|error| format!("{}: {error}", installed.display()))
}

fn succeed(command: &mut Command) -> Result<(), String> {
    if process::succeeds(command)? {
        Ok(())
    } else {
        Err(format!("{command:?} failed"))
    }
}

/// Whether what is installed is not older than its lock file.
fn is_fresh(folder: &Path, lock: &str, installed: &str) -> Result<bool, String> {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let lock = folder.join(lock);
    let wanted = modified(&lock)
        .map_err(|error| format!("{}: {error}; the checkout is incomplete", lock.display()))?;
    match modified(&folder.join(installed)) {
        Ok(installed) => Ok(installed >= wanted),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}
