//! The datanet command inside this program: the nodes of a network are this very executable, so that a network always
//! runs what was just built.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs `datanet ARGUMENTS` to its end.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    datanet::cli::run(std::iter::once(OsString::from("datanet")).chain(arguments))
}
