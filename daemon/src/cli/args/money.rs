//! The commands about accounts, channels and money.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::amounts::amount;

/// `channel`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ChannelCommand {
    /// Lock a deposit from which a node is paid.
    Open {
        /// The paying account.
        #[arg(long)]
        account: String,
        /// An amount such as `1.5DNT`.
        #[arg(long, value_parser = amount, value_name = "AMOUNT")]
        deposit: u64,
        /// The serving node's key; this node if not given.
        #[arg(long)]
        node: Option<String>,
        /// Blocks until what is left may be taken back.
        #[arg(long)]
        blocks: Option<u64>,
    },
    /// List an account's channels, or those that pay this node.
    List {
        /// The paying account.
        #[arg(long)]
        account: Option<String>,
    },
    /// Add to a channel's deposit, or make it last longer.
    TopUp {
        /// Its id.
        channel: String,
        /// An amount such as `1.5DNT` more.
        #[arg(long, value_parser = amount, value_name = "AMOUNT", required_unless_present = "blocks")]
        amount: Option<u64>,
        /// Blocks from now that it is to last.
        #[arg(long)]
        blocks: Option<u64>,
    },
    /// Take back what is left in a channel: at once if it has expired, pays this node, or its node says so; else its node has time to settle
    /// first. This can't be undone.
    Close {
        /// Its id.
        channel: String,
        /// A file with the serving node's statement, as `channel statement` there prints it.
        #[arg(long, value_name = "FILE")]
        statement: Option<PathBuf>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Print this node's statement that nothing is owed on a channel which its payer is closing, for the payer to close it at once. What is
    /// owed is settled before.
    Statement {
        /// Its id.
        channel: String,
    },
}

/// `epoch`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EpochCommand {
    /// List the epochs that can be challenged, or those of a node.
    List {
        /// The serving node's key.
        #[arg(long)]
        node: Option<String>,
    },
    /// Show one, with its audit.
    Show {
        /// Its id: the node's key, a dash, and its number.
        id: String,
    },
    /// Make it again from its receipts, as an auditor does. Nothing is put on the ledger.
    Check {
        /// Its id.
        id: String,
    },
    /// Challenge it: a drawn committee makes it again. The deposit is lost if the epoch is right.
    Challenge {
        /// Its id.
        id: String,
        /// Receipts that every auditor is to compute the answers of again, by their places: what `check` says is wrong.
        #[arg(long, value_delimiter = ',', value_name = "PLACE")]
        suspects: Vec<u64>,
        /// The account that doubts it; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
}

/// `keys`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysCommand {
    /// List the accounts whose keys are on the node.
    List,
    /// Make a new one.
    Add {
        /// Its name.
        name: String,
    },
}

/// `transfer`.
#[derive(Debug, Args)]
pub(in crate::cli) struct TransferArgs {
    /// Who receives: an address, or a name on the node.
    pub to: String,
    /// An amount such as `1.5DNT`.
    #[arg(value_parser = amount)]
    pub amount: u64,
    /// Who pays.
    #[arg(long, default_value = "node")]
    pub from: String,
    /// Don't ask whether it is meant.
    #[arg(long)]
    pub yes: bool,
}
