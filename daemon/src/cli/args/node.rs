//! The commands that set up and run a node.

use std::path::PathBuf;

use clap::Args;

use crate::cli::files::path;

/// `setup`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetupArgs {
    /// Read and compare every byte of what is cached.
    #[arg(long)]
    pub verify: bool,
}

/// `init`.
#[derive(Debug, Args)]
pub(in crate::cli) struct InitArgs {
    /// A name for people.
    #[arg(long, default_value = "node")]
    pub name: String,
    /// The genesis file of the network to join; without one the node starts a network of its own.
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub genesis: Option<PathBuf>,
    /// Id of the network of its own.
    #[arg(long, default_value = "datanet-own", conflicts_with = "genesis")]
    pub chain_id: String,
    /// Make a node that other machines can reach: it listens on all interfaces, on ports that stay, and announces HOST,
    /// an address or a name; without one, the address by which this machine reaches others.
    #[arg(long, value_name = "HOST", num_args = 0..=1, default_missing_value = "")]
    pub public: Option<String>,
    /// Any configuration key: `--set api.listen=127.0.0.1:0`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// `start`.
#[derive(Debug, Args)]
pub(in crate::cli) struct StartArgs {
    /// Any configuration key: `--set api.listen=127.0.0.1:0`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// `dev`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DevArgs {
    /// Any configuration key.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}
