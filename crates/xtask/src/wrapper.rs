//! The executable a second time, as the compiler that cargo calls for our own crates.
//!
//! The off-switch of a security check exists only under `cfg(portcullis_sabotage)`.
//! `RUSTFLAGS` would set that for every dependency too and build the world again; a
//! feature could be turned on by an application. So the compiler itself is wrapped,
//! which cargo offers for members of the workspace alone.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use crate::process;

/// Set to `1` for the process that is to be a compiler.
pub(crate) const SWITCH: &str = "PORTCULLIS_SABOTAGE_WRAPPER";

/// Whether this process was started by cargo in the place of the compiler.
pub(crate) fn wanted() -> bool {
    env::var_os(SWITCH).is_some_and(|value| value == "1")
}

/// Calls the compiler, named by the first argument, with the switches compiled in.
///
/// # Errors
/// If there is no such compiler.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> Result<bool, String> {
    let compiler = arguments
        .next()
        .ok_or_else(|| format!("{SWITCH} is set, but no compiler was named: unset it"))?;
    // Not `process::program`: cargo says where its compiler stands, and may feed it.
    let mut command = Command::new(compiler);
    command
        .args(arguments)
        .args(["--cfg", "portcullis_sabotage"]);
    process::succeeds(&mut command)
}
