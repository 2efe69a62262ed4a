//! A Debian with nothing in it, from which each machine is copied.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{at, folder};
use crate::process;
use crate::setup;

/// The release: whichever is the stable one.
const RELEASE: &str = "stable";

/// The bare root, made if it is not there yet.
///
/// # Errors
/// If it cannot be made.
pub(crate) fn ready() -> Result<PathBuf, String> {
    let bare = folder().join("bare");
    // Beside it, and last of all: one that broke off is made again.
    let done = folder().join("bare.done");
    if done.exists() {
        return Ok(bare);
    }
    if !setup::runs(Command::new("debootstrap").arg("--version")) {
        setup::install(&["debootstrap"])?;
    }
    let mirror = mirror()?;
    if bare.exists() {
        fs::remove_dir_all(&bare).map_err(|error| at(&bare, &error))?;
    }
    fs::create_dir_all(&bare).map_err(|error| at(&bare, &error))?;
    let mut command = process::program("debootstrap");
    command
        .args(["--variant=minbase", RELEASE])
        .arg(&bare)
        .arg(mirror);
    if !process::succeeds(&mut command)? {
        return Err(
            "debootstrap failed; what it did stands in `debootstrap/debootstrap.log` \
                    of the bare root"
                .to_owned(),
        );
    }
    fs::write(&done, "").map_err(|error| at(&done, &error))?;
    Ok(bare)
}

/// Where this machine gets its own Debian packages.
fn mirror() -> Result<String, String> {
    let targets = || -> Result<String, String> {
        let mut command = process::program("apt-get");
        command.args([
            "indextargets",
            "--format",
            "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
            "Created-By: Packages",
        ]);
        let output = command
            .output()
            .map_err(|error| process::cannot_start(&command, &error))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    if let Some(mirror) = mirror_in(&targets()?) {
        return Ok(mirror);
    }
    // Whose packages they are is known only once they have been looked for.
    process::succeeds(process::program("apt-get").arg("update"))?;
    mirror_in(&targets()?).ok_or(
        "the package sources of this machine name no mirror of Debian: run this on a Debian"
            .to_owned(),
    )
}

fn mirror_in(targets: &str) -> Option<String> {
    targets
        .lines()
        .find_map(|line| line.strip_prefix("Debian|Debian|"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_one_of_debian_itself() {
        let targets = "Debian|Debian-Security|http://security.example/debian/\n\
            Other|Debian|http://other.example/\nDebian|Debian|http://mirror.example/debian/\n";
        assert_eq!(
            mirror_in(targets).as_deref(),
            Some("http://mirror.example/debian/")
        );
        assert_eq!(mirror_in(""), None);
    }
}
