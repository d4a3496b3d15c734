//! The commands about the chain's parameters, its treasury, and the ledger as a whole.

use std::path::PathBuf;

use clap::Subcommand;
use datanet_ledger::component::Component;

use crate::cli::amounts::amount;
use crate::cli::files::path;

/// `treasury`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TreasuryCommand {
    /// What is in it, and which payments are announced.
    Show,
    /// As the chain's authority, announce a payment. It is made after the chain's delay.
    Spend {
        /// Who is paid: an address, or a name on the node.
        to: String,
        /// How much, such as `250DNT`.
        #[arg(value_parser = amount)]
        amount: u64,
        /// What for. Its SHA-256 goes on the ledger; publish the words.
        #[arg(long)]
        reason: String,
        /// The authority's account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// As the chain's authority, step back for good: what it did is votes' alone from then on.
    Retire {
        /// The authority's account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// As the chain's authority, take an announced payment back.
    Cancel {
        /// Its number.
        number: u64,
        /// The authority's account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
}

/// `params`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ParamsCommand {
    /// What holds, and what is announced.
    Show,
    /// As the chain's authority, announce other parameters. They hold after the chain's delay.
    Set {
        /// What changes, such as `min_fee=2000`.
        #[arg(required = true, value_name = "NAME=VALUE")]
        changes: Vec<String>,
        /// The authority's account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// As the chain's authority, let a component of the ledger run again that stands still (`datanet status`).
    Reset {
        /// Which, such as `channels`.
        component: Component,
        /// The authority's account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
    /// As the chain's authority, take announced parameters back.
    Cancel {
        /// The authority's account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
}

/// `ledger`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LedgerCommand {
    /// Write all of the ledger's state into a new file. The node must be stopped.
    Export {
        /// The file.
        #[arg(value_parser = path())]
        file: PathBuf,
    },
    /// Make a home whose ledger goes on from an export. The home is made if it is not there.
    Import {
        /// The file.
        #[arg(value_parser = path())]
        file: PathBuf,
    },
}
