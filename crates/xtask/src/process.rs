//! Where things lie, and how another program is run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The folder for whatever can be made again.
pub(crate) fn target() -> PathBuf {
    // Relative to the root in any case, because every program is started there.
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The cargo that started us, so that one toolchain does everything.
pub(crate) fn cargo() -> Command {
    program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program at the root of the workspace, which never waits for an answer.
pub(crate) fn program(path: impl Into<PathBuf>) -> Command {
    let mut command = Command::new(path.into());
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a program whose output goes straight to the user.
///
/// # Errors
/// If the program cannot be started.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool, String> {
    command
        .status()
        .map(|status| status.success())
        .map_err(|error| cannot_start(command, &error))
}

/// The message for a program that is not there.
pub(crate) fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start {}: {error}", command.get_program().display())
}
