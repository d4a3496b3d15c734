//! The `datanet` program: see [`datanet::cli`].
#![deny(unreachable_pub)]

use std::process::ExitCode;

fn main() -> ExitCode {
    datanet::cli::run(std::env::args_os())
}
