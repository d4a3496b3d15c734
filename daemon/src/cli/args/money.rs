//! The commands about accounts, channels and money.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::amounts::{amount, seconds};
use crate::cli::args::LimitsArgs;

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
        /// Seconds until what is left may be taken back.
        #[arg(long)]
        seconds: Option<u64>,
        /// The key that signs its vouchers, if that is another's: of an agent, what `agent key` prints.
        #[arg(long, value_name = "KEY")]
        voucher_key: Option<String>,
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
        #[arg(long, value_parser = amount, value_name = "AMOUNT", required_unless_present = "seconds")]
        amount: Option<u64>,
        /// Seconds from now that it is to last.
        #[arg(long)]
        seconds: Option<u64>,
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
    /// Print a voucher: what a request to the node that the channel pays carries as `voucher`. Whoever has it can spend it.
    Voucher {
        /// Its id.
        channel: String,
        /// All that is promised with it: what was promised before, and the price of the next answer.
        #[arg(long, value_parser = amount, value_name = "AMOUNT")]
        cumulative: u64,
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
    /// List the keys on the node, and the accounts that they sign for.
    List,
    /// Make a new one.
    Add {
        /// Its name.
        name: String,
        /// The account that it is to sign for, once that one's owners grant it; one of its own if not given.
        #[arg(long, value_name = "ADDRESS")]
        account: Option<String>,
    },
    /// Who speaks for an account: its owners, who can replace them, its sub-keys and what these may still spend.
    Show {
        /// Its address, or its name on the node.
        #[arg(default_value = "node")]
        account: String,
    },
    /// Let a key speak for an account within limits: what a program needs that spends your money.
    Grant(GrantArgs),
    /// End a sub-key, at once.
    Revoke {
        /// The sub-key: hex, or its name on the node.
        key: String,
        /// The owner's key; if not given, the one here of the account that the sub-key signs for, or the node's.
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
    },
    /// Replace an owner's key by a fresh one of the same name. The account's sub-keys end. This can't be undone.
    Rotate {
        /// Its name.
        #[arg(default_value = "node")]
        name: String,
        /// The account that can replace the owners from now on, should their keys be lost.
        #[arg(long, value_name = "ADDRESS")]
        guardian: Option<String>,
        /// How long the owners then have to object, such as `7d`.
        #[arg(long, value_parser = seconds, value_name = "TIME", requires = "guardian")]
        delay: Option<u64>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// As an account's guardian, name its next owners. They are after the account's delay, unless its owners object.
    Recover {
        /// Its address.
        account: String,
        /// The next owners, all of whom will sign: public keys, or names on the node.
        #[arg(long = "to", required = true, value_name = "KEY")]
        owners: Vec<String>,
        /// The guardian's key.
        #[arg(long, default_value = "node", value_name = "NAME")]
        guardian: String,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// As an owner, end the recovery that the guardian has begun.
    CancelRecovery {
        /// The owner's key.
        #[arg(default_value = "node")]
        name: String,
    },
}

/// `keys grant`.
#[derive(Debug, Args)]
pub(in crate::cli) struct GrantArgs {
    /// The sub-key: hex, or its name on the node.
    pub key: String,
    #[command(flatten)]
    pub limits: LimitsArgs,
    /// The owner's key; if not given, the one here of the account that the sub-key signs for, or the node's.
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
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
