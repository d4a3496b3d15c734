//! `cargo testnet`: see [`datanet_testnet::cli`].
#![deny(unreachable_pub)]

use std::process::ExitCode;

use clap::Parser as _;
use datanet_testnet::cli::{Cli, node_arguments};
use datanet_testnet::ui::complain;

fn main() -> ExitCode {
    // Each node of a network is this program again, as the datanet command.
    if let Some(arguments) = node_arguments() {
        return datanet_testnet::node::run(arguments);
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("error: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
