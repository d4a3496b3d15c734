//! The commands about shares and pools. An asset is `datanet:NAME` or `model:NAME`, or an id in the name's place.

use clap::{Args, Subcommand};

use crate::cli::amounts::amount;

/// `shares`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SharesCommand {
    /// Divide what a datanet or a model earns into shares, once and for good. All of them are its owner's first.
    Issue {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        /// How many there are to be, for ever: from 100 to 10^15.
        supply: u64,
        /// The owning account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// List all datanets and models with shares, or what an account holds.
    List {
        /// Its address, or its name on the node.
        #[arg(long)]
        account: Option<String>,
    },
    /// Show the shares of one, and who holds them.
    Show {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
    },
    /// Give shares to another account. What they have earned until then stays the giver's.
    Transfer {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        /// How many.
        shares: u64,
        /// Who receives: an address, or the name of an account on the node.
        #[arg(long)]
        to: String,
        /// The giving account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Have nodes pay what they owe a datanet or a model: to its owner, or to the holders of its shares.
    Claim {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        /// The account that pays the fees; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
    /// Pay out what an account's shares, and its part of their pool, have earned.
    Withdraw {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        /// The account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
    /// Pay the holders of shares.
    Pay {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        /// How much, such as `1.5DNT`.
        #[arg(value_parser = amount)]
        amount: u64,
        /// The paying account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
}

/// `pool`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PoolCommand {
    /// List all pools.
    List,
    /// Show one.
    Show {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
    },
    /// Open the pool of an asset's shares: what is put in makes its first price.
    Create {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        /// Shares put in.
        #[arg(long)]
        shares: u64,
        /// Money put in, such as `10DNT`.
        #[arg(long, value_parser = amount)]
        amount: u64,
        #[command(flatten)]
        meant: Meant,
    },
    /// Put shares and money into a pool, in the proportion in which they are there.
    Add {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        /// Most shares that it may take.
        #[arg(long)]
        shares: u64,
        /// Most money that it may take, such as `10DNT`.
        #[arg(long, value_parser = amount)]
        amount: u64,
        #[command(flatten)]
        slippage: Slippage,
        #[command(flatten)]
        meant: Meant,
    },
    /// Take shares and money out of a pool.
    Remove {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        /// Units given up; `datanet shares list --account NAME` shows how many there are.
        #[arg(long)]
        units: u64,
        #[command(flatten)]
        slippage: Slippage,
        #[command(flatten)]
        meant: Meant,
    },
    /// Buy shares for money, or sell shares for money.
    Swap {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        #[command(flatten)]
        side: Side,
        #[command(flatten)]
        slippage: Slippage,
        #[command(flatten)]
        meant: Meant,
    },
    /// What a trade would bring now.
    Quote {
        /// Such as `datanet:docs` or `model:tuned`.
        asset: String,
        #[command(flatten)]
        side: Side,
    },
}

/// Which way.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Side {
    /// Buy shares for so much, such as `1.5DNT`.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    pub buy: Option<u64>,
    /// Sell so many shares.
    #[arg(long, value_name = "SHARES")]
    pub sell: Option<u64>,
}

/// How far a price may move.
#[derive(Debug, Args)]
pub(in crate::cli) struct Slippage {
    /// By how much less than now it may bring, in basis points: 100 are one percent.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub slippage_bps: u64,
    /// Seconds within which it must happen.
    #[arg(long, default_value_t = 120)]
    pub seconds: u64,
}

/// In whose name, and whether it is meant.
#[derive(Debug, Args)]
pub(in crate::cli) struct Meant {
    /// The account; the node's own if not given.
    #[arg(long)]
    pub account: Option<String>,
    /// Don't ask whether it is meant.
    #[arg(long)]
    pub yes: bool,
}
