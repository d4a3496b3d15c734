//! The commands about programs that work as agents here.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Subcommand;

use crate::agent::spec::Kind;
use crate::cli::files::path;

/// `agent`, of programs here.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ProgramCommand {
    /// Program here: write a spec to begin with, each key of it explained.
    New {
        /// `buyer`, `curator`, `judge` or `service`.
        #[arg(value_parser = Kind::from_str)]
        kind: Kind,
        /// The file; the agent is called after it.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
    /// Program here: run an agent until it is done or asked to stop. What an earlier run left unfinished is taken up, and nothing is done twice.
    Run {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
    /// Program here: whether it runs, what it decided, and what that cost.
    Status {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
    /// Program here: ask it to stop, and wait until it has: what it is doing is finished, or left to be taken up.
    Stop {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
    /// Program here: its journal, each decision with its reason, its cost and what came of it.
    Log {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
        /// Go on as it decides, until Ctrl-C.
        #[arg(long)]
        follow: bool,
    },
    /// Program here: the key with which it signs vouchers: what a channel to another node is opened for.
    Key {
        /// Its spec.
        #[arg(value_name = "SPEC.toml", value_parser = path())]
        spec: PathBuf,
    },
}
