//! The commands about agents, and about what is said of sellers.

use clap::{Args, Subcommand};

use crate::cli::amounts::{amount, seconds};

/// `agents`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AgentsCommand {
    /// List all agents, or those of an account.
    List {
        /// Its address, or its name on the node.
        #[arg(long)]
        owner: Option<String>,
    },
    /// Show one: whose it is, what it may spend, what it is made from.
    Show {
        /// Its id.
        agent: String,
    },
    /// Make an account that no key of its own controls, and that programs spend from within limits.
    Register(RegisterArgs),
    /// Say anew what one is made from and may spend; what is not given stays.
    Update(UpdateArgs),
    /// Let a key run one, within limits of its own and within what all of them may spend together.
    Grant {
        /// Its id.
        agent: String,
        #[command(flatten)]
        limits: LimitsArgs,
    },
    /// End a key that runs one, at once.
    Revoke {
        /// Its id.
        agent: String,
        /// The key: hex, or its name on the node.
        key: String,
        /// The owner's key; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
    /// Give one money: a plain transfer to its account.
    Fund {
        /// Its id.
        agent: String,
        /// How much, such as `5DNT`.
        #[arg(value_parser = amount)]
        amount: u64,
        /// The paying account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// End one for good: its money goes to its owner, and no key spends anything of it again.
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

/// `agents register`.
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

/// `agents update`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UpdateArgs {
    /// Its id.
    pub agent: String,
    /// The file that says what it is and does, or that blob's hash.
    #[arg(long, value_name = "FILE")]
    pub card: Option<String>,
    /// All that it is made from, such as `model:ID=2500` (basis points); several with commas.
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

/// What a key may that runs an agent.
#[derive(Debug, Args)]
pub(in crate::cli) struct LimitsArgs {
    /// The key: hex, or the name of one on the node that signs for the agent's account.
    pub key: String,
    /// What it may do, such as `transfer`, `open_channel`, `contribute`; several with commas.
    #[arg(long, required = true, value_delimiter = ',', value_name = "ACTION")]
    pub may: Vec<String>,
    /// With whom: an account's address, `node:KEY`, `datanet:ID` or `validator:ADDRESS`; with anybody if not given.
    #[arg(long, value_delimiter = ',', value_name = "WHOM")]
    pub with: Vec<String>,
    /// What it may spend in a period, fees included, such as `1DNT`.
    #[arg(long, value_parser = amount, value_name = "AMOUNT")]
    pub budget: u64,
    /// How long a period is, such as `1d`.
    #[arg(long, value_parser = seconds, default_value = "1d", value_name = "TIME")]
    pub per: u64,
    /// When it ends, from now on, such as `30d`.
    #[arg(long, value_parser = seconds, default_value = "30d", value_name = "TIME")]
    pub lasts: u64,
    /// The owner's key; the node's own if not given.
    #[arg(long)]
    pub account: Option<String>,
}

/// `sellers`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SellersCommand {
    /// List who was paid for answers lately, and what those who paid say.
    List,
    /// Show one: how good it is said to be, by how much money, and what of that counts.
    Show {
        /// The account of a serving node: its address, or its name on the node.
        account: String,
    },
    /// List what an account has paid for and may still rate.
    Open {
        /// Its address, or its name on the node.
        #[arg(default_value = "node")]
        account: String,
    },
    /// Say how good what a serving node sold was, once for each of its epochs that was paid for.
    Rate {
        /// The epoch, as `sellers open` names it: NODE/NUMBER.
        epoch: String,
        /// How good it was, from 0 to 100.
        #[arg(value_parser = clap::value_parser!(u32).range(0..=100))]
        percent: u32,
        /// The account that paid; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
}
