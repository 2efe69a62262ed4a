//! A machine in a folder, with a toolchain and a clone.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{at, folder, network};
use crate::process;

/// Where the toolchain is inside.
const TOOLCHAIN: &str = "/opt/rust";
/// Where the newcomer lives inside.
pub(super) const HOME: &str = "/opt/newcomer";
/// The programs, outside (where the machine is entered) as well as inside.
const PATH: &str = "/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Enters the machine `$1` with the toolchain `$2` to run `$3`. All that is mounted is seen by
/// this process and its children alone, and is gone with them.
const ENTER: &str = r#"set -e
mount --bind "$2" "$1/opt/rust"
mount -o remount,bind,ro "$1/opt/rust"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
exec chroot "$1" sh -c "cd /opt/newcomer/portcullis && $3""#;

/// A machine of its own.
pub(super) struct Machine {
    root: PathBuf,
    toolchain: PathBuf,
}

impl Machine {
    /// A copy of the bare root with the ways of this machine into the network, and a clone of
    /// what is committed. One that an earlier run has left is removed.
    pub(super) fn set_up(bare: &Path) -> Result<Self, String> {
        let machine = Self {
            root: folder().join("machine"),
            toolchain: toolchain()?,
        };
        if machine.root.exists() {
            machine.remove()?;
        }
        let mut copy = process::program("cp");
        copy.args(["-a", "--reflink=auto"])
            .arg(bare)
            .arg(&machine.root);
        done(&mut copy)?;
        for folder in [TOOLCHAIN, HOME] {
            let folder = machine.inside(folder);
            fs::create_dir_all(&folder).map_err(|error| at(&folder, &error))?;
        }
        network::copy_settings(&machine.root)?;
        let mut clone = process::program("git");
        clone
            .args(["clone", "--quiet", "--no-hardlinks"])
            .arg(process::root())
            .arg(machine.inside(HOME).join("portcullis"));
        done(&mut clone)?;
        Ok(machine)
    }

    /// Runs a line of a shell in the clone. What is started ends with it.
    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = process::program("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", ENTER, "sh"])
            .arg(&self.root)
            .arg(&self.toolchain)
            .arg(line)
            .env_clear()
            .envs(network::variables())
            .env("PATH", PATH)
            .env("HOME", HOME)
            .env("LANG", "C.UTF-8");
        command
    }

    /// Removes it, with all that was built in it.
    pub(super) fn remove(&self) -> Result<(), String> {
        let mounts = Path::new("/proc/self/mountinfo");
        let mounts = fs::read_to_string(mounts).map_err(|error| at(mounts, &error))?;
        if let Some(place) = mounted_below(&mounts, &self.root) {
            // What is mounted there is not ours to remove.
            return Err(format!("{place} is mounted: unmount it, then run again"));
        }
        fs::remove_dir_all(&self.root).map_err(|error| at(&self.root, &error))
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// The toolchain whose cargo has started this program.
fn toolchain() -> Result<PathBuf, String> {
    let cargo = env::var_os("CARGO").map(PathBuf::from);
    let folder = cargo
        .as_deref()
        .and_then(Path::parent)
        .and_then(Path::parent)
        .filter(|folder| folder.join("bin/rustc").is_file());
    folder.map(Path::to_path_buf).ok_or(
        "there is no toolchain in one folder: start this with the `cargo` of rustup".to_owned(),
    )
}

fn done(command: &mut Command) -> Result<(), String> {
    if process::succeeds(command)? {
        Ok(())
    } else {
        Err(format!("{} failed", command.get_program().display()))
    }
}

/// A place below `root` where something is mounted.
fn mounted_below<'a>(mounts: &'a str, root: &Path) -> Option<&'a str> {
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .find(|place| Path::new(place).starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_in_a_machine_is_seen() {
        let mounts = "22 28 0:21 / /proc rw - proc proc rw\n\
            90 28 0:5 / /srv/target/fresh/machine/dev rw - devtmpfs udev rw\n";
        let root = Path::new("/srv/target/fresh/machine");
        assert_eq!(
            mounted_below(mounts, root),
            Some("/srv/target/fresh/machine/dev")
        );
        assert_eq!(
            mounted_below(mounts, Path::new("/srv/target/fresh/mach")),
            None
        );
    }
}
