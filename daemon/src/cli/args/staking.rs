//! The commands about validators.

use clap::{Args, Subcommand};

use crate::cli::amounts::amount;

/// `validator`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ValidatorCommand {
    /// List all validators, those with most behind them first.
    List,
    /// Show one.
    Show {
        /// Its name or address.
        validator: String,
    },
    /// Have this node order blocks: its consensus key becomes a validator.
    Create {
        /// The first stake, such as `1000DNT`.
        #[arg(value_parser = amount)]
        amount: u64,
        /// Share of its delegators' rewards that the operator keeps, in basis points. It can't be changed later.
        #[arg(long, default_value_t = 0)]
        commission_bps: u32,
        /// A name for people; the node's if not given.
        #[arg(long)]
        name: Option<String>,
        /// The operating account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Stake on a validator: part of what it earns, and of what it is slashed.
    Delegate(StakeArgs),
    /// Take stake back. It arrives after the chain's unbonding time.
    Undelegate(StakeArgs),
    /// Move stake to another validator at once. It answers for both, and stays there, until the unbonding time is over.
    Redelegate {
        #[command(flatten)]
        stake: StakeArgs,
        /// The validator that it goes to.
        #[arg(long)]
        to: String,
    },
    /// What an account has staked, what that has earned, and what is on its way back.
    Delegations {
        /// Its address, or its name on the node.
        #[arg(default_value = "node")]
        account: String,
    },
    /// Have an account paid what its stakes have earned.
    Withdraw {
        /// Its address, or its name on the node.
        #[arg(default_value = "node")]
        account: String,
    },
    /// Bring a validator back that was away too often, once its time in jail is over.
    Unjail {
        /// Its name or address.
        validator: String,
        /// The operating account; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
}

/// `validator delegate`, `undelegate` and `redelegate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct StakeArgs {
    /// The validator's name or address.
    pub validator: String,
    /// An amount such as `100DNT`.
    #[arg(value_parser = amount)]
    pub amount: u64,
    /// Whose stake it is: an account on this node; the node's own if not given.
    #[arg(long)]
    pub account: Option<String>,
    /// Don't ask whether it is meant.
    #[arg(long)]
    pub yes: bool,
}
