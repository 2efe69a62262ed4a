//! The tools that come from elsewhere: one version each, kept beside the build.

use std::path::PathBuf;
use std::process::Command;

use crate::process;

/// Licences, bans, sources, advisories.
pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    leading: &[],
};

/// Features one by one.
pub(crate) const HACK: Tool = Tool {
    name: "cargo-hack",
    version: "0.6.46",
    // It insists on being called as cargo calls it.
    leading: &["hack"],
};

/// Dependencies that nothing uses.
pub(crate) const MACHETE: Tool = Tool {
    name: "cargo-machete",
    version: "0.9.2",
    leading: &[],
};

/// A pinned tool. It lies under the target folder and is called by its path, so that
/// whatever else a developer has installed neither helps nor hinders.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    leading: &'static [&'static str],
}

impl Tool {
    /// The tool, ready for arguments; installed first if this version is not there.
    ///
    /// # Errors
    /// If it cannot be installed.
    pub(crate) fn command(&self) -> Result<Command, String> {
        if !self.is_installed() {
            self.install()?;
        }
        Ok(self.bare())
    }

    fn bare(&self) -> Command {
        let mut command = process::program(folder().join("bin").join(self.name));
        command.args(self.leading);
        command
    }

    fn is_installed(&self) -> bool {
        self.bare().arg("--version").output().is_ok_and(|output| {
            let said = String::from_utf8_lossy(&output.stdout);
            said.split_whitespace().any(|word| word == self.version)
        })
    }

    fn install(&self) -> Result<(), String> {
        println!("installing {} {}", self.name, self.version);
        let installed = process::succeeds(
            process::cargo()
                .args(["install", "--locked", "--version"])
                .arg(format!("={}", self.version))
                .arg("--root")
                .arg(folder())
                .arg(self.name)
                // They run for seconds; what takes time is to build them.
                .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
                .env("CARGO_PROFILE_RELEASE_LTO", "false")
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
        )?;
        if installed && self.is_installed() {
            Ok(())
        } else {
            Err(format!(
                "{} {} could not be installed",
                self.name, self.version
            ))
        }
    }
}

fn folder() -> PathBuf {
    process::target().join("xtask-tools")
}
