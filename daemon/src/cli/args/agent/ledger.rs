//! The commands about agents on the ledger.

use clap::{Args, Subcommand};

use crate::cli::amounts::{amount, seconds};
use crate::cli::args::LimitsArgs;

/// `agent`, of the ledger.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LedgerAgentCommand {
    /// Ledger: list all agents, or those of an account.
    List {
        /// Its address, or its name on the node.
        #[arg(long)]
        owner: Option<String>,
    },
    /// Ledger: show one, whose it is, what it may spend, what it is made from.
    Show {
        /// Its id.
        agent: String,
    },
    /// Ledger: make an account that no key of its own controls, and that programs spend from within limits.
    Register(RegisterArgs),
    /// Ledger: say anew what one is made from and may spend; what is not given stays.
    Update(UpdateArgs),
    /// Ledger: let a key run one, within limits of its own and within what all of them may spend together.
    Grant(AgentKeyArgs),
    /// Ledger: end a key that runs one, at once.
    Revoke {
        /// Its id.
        agent: String,
        /// The key: hex, or its name on the node.
        key: String,
        /// The owner's key; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
    /// Ledger: give one money, a plain transfer to its account.
    Fund {
        /// Its id.
        agent: String,
        /// How much, such as `5DNT`.
        #[arg(value_parser = amount)]
        amount: u64,
        /// The paying account.
        #[arg(long, default_value = "node")]
        account: String,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Ledger: end one for good; its money goes to its owner, and no key spends anything of it again.
    Retire {
        /// Its id.
        agent: String,
        /// The owner's key; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
}

/// `agent register`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RegisterArgs {
    /// A name for people; an account gives it once.
    pub name: String,
    /// The file that says what it is and does, or that blob's hash.
    #[arg(long, value_name = "FILE")]
    pub card: String,
    /// What it is made from and what of its earnings that has, such as `model:ID=2500` (basis points); several with commas.
    #[arg(long, value_delimiter = ',', value_name = "ASSET=BPS")]
    pub made_from: Vec<String>,
    /// What all its keys together may spend in a period, fees included, such as `1DNT`.
    #[arg(long, value_parser = amount, value_name = "AMOUNT")]
    pub budget: u64,
    /// How long a period is, such as `1d`.
    #[arg(long, value_parser = seconds, default_value = "1d", value_name = "TIME")]
    pub per: u64,
    /// What it is given now, such as `5DNT`.
    #[arg(long, value_parser = amount, default_value = "0", value_name = "AMOUNT")]
    pub funds: u64,
    /// The owning account; the node's own if not given.
    #[arg(long)]
    pub account: Option<String>,
    /// Don't ask whether it is meant.
    #[arg(long)]
    pub yes: bool,
}

/// `agent update`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UpdateArgs {
    /// Its id.
    pub agent: String,
    /// The file that says what it is and does, or that blob's hash.
    #[arg(long, value_name = "FILE")]
    pub card: Option<String>,
    /// All that it is made from, such as `model:ID=2500` (basis points); several with commas, and `''` for nothing.
    #[arg(long, value_delimiter = ',', value_name = "ASSET=BPS")]
    pub made_from: Option<Vec<String>>,
    /// What all its keys together may spend in a period, such as `1DNT`.
    #[arg(long, value_parser = amount, value_name = "AMOUNT")]
    pub budget: Option<u64>,
    /// How long a period is, such as `1d`.
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    pub per: Option<u64>,
    /// End all its keys, at once.
    #[arg(long)]
    pub end_keys: bool,
    /// The owning account; the node's own if not given.
    #[arg(long)]
    pub account: Option<String>,
}

/// `agent grant`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AgentKeyArgs {
    /// Its id.
    pub agent: String,
    /// The key: hex, or the name of one on the node that signs for the agent's account.
    pub key: String,
    #[command(flatten)]
    pub limits: LimitsArgs,
    /// The owner's key; the node's own if not given.
    #[arg(long)]
    pub account: Option<String>,
}
