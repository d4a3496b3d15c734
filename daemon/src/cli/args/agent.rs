//! `agent`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Subcommand;

use crate::agent::spec::Kind;
use crate::cli::files::path;

/// `agent`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AgentCommand {
    /// Write a spec to begin with, each key of it explained.
    New {
        /// `buyer`, `curator` or `judge`.
        #[arg(value_parser = Kind::from_str)]
        kind: Kind,
        /// The file; the agent is called after it.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
    /// Run an agent until it is done or asked to stop. What an earlier run left unfinished is taken up, and nothing is done twice.
    Run {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
    /// Whether it runs, what it decided, and what that cost.
    Status {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
    /// Ask it to stop, and wait until it has: what it is doing is finished, or left to be taken up.
    Stop {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
    /// Its journal: each decision with its reason, its cost and what came of it.
    Log {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
        /// Go on as it decides, until Ctrl-C.
        #[arg(long)]
        follow: bool,
    },
    /// The key with which it signs vouchers: what a channel to another node is opened for.
    Key {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
}
