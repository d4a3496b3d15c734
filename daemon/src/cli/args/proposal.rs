//! The commands about proposals, votes and upgrades.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use datanet_ledger::component::Component;

use crate::cli::amounts::amount;
use crate::cli::files::path;

/// `proposal`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ProposalCommand {
    /// Put something to the vote. A deposit is locked until the vote is over; it goes back unless the proposal is vetoed.
    #[command(subcommand)]
    Submit(SubmitCommand),
    /// Those that are voted on or wait, and those that are over and not forgotten.
    List,
    /// Show one, with what stake says of it.
    Show {
        /// Its number.
        number: u64,
    },
    /// Vote on one, with all stake that the account has behind validators. Said again, it takes the place of the vote before.
    Vote {
        /// Its number.
        number: u64,
        /// What.
        choice: VoteArg,
        /// Who votes: an account on this node; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
    /// What putting something to the vote locks as things stand.
    Deposit,
}

/// What is voted.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum VoteArg {
    /// For it.
    Yes,
    /// Against it.
    No,
    /// Neither, but it counts for the quorum.
    Abstain,
    /// Against it, and against its having been put to the vote: enough of these take its deposit.
    Veto,
}

/// `proposal submit`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SubmitCommand {
    /// Words, which do nothing by themselves.
    Text {
        #[command(flatten)]
        words: WordsArgs,
    },
    /// Other parameters.
    Params {
        /// What changes, such as `min_fee=2000` or `fee_shares.node=1400`.
        #[arg(required = true, value_name = "NAME=NUMBER")]
        changes: Vec<String>,
        #[command(flatten)]
        words: WordsArgs,
    },
    /// A payment out of the treasury.
    Spend {
        /// Who is paid: an address, or a name on the node.
        to: String,
        /// How much, such as `250DNT`.
        #[arg(value_parser = amount)]
        amount: u64,
        #[command(flatten)]
        words: WordsArgs,
    },
    /// Other rules from a height on, and the programs that know them.
    Upgrade {
        /// The version of the rules, one more than the present.
        rules: u64,
        /// The first height at which they hold.
        height: u64,
        /// SHA-256 of the program for a platform, such as `x86_64-linux=5e…`; again for each.
        #[arg(long, value_name = "PLATFORM=SHA256")]
        binary: Vec<String>,
        #[command(flatten)]
        words: WordsArgs,
    },
    /// The end of the chain's authority.
    RetireAuthority {
        #[command(flatten)]
        words: WordsArgs,
    },
    /// That a component of the ledger runs again which stands still (`datanet status`).
    Reset {
        /// Which, such as `channels`.
        component: Component,
        #[command(flatten)]
        words: WordsArgs,
    },
}

/// What every proposal has.
#[derive(Debug, Args)]
pub(in crate::cli) struct WordsArgs {
    /// What it is called.
    #[arg(long)]
    pub title: String,
    /// Why.
    #[arg(long)]
    pub reason: String,
    /// Who proposes, and locks the deposit: an account on this node; the node's own if not given.
    #[arg(long)]
    pub account: Option<String>,
    /// Don't ask whether it is meant.
    #[arg(long)]
    pub yes: bool,
}

/// `upgrade`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UpgradeCommand {
    /// The version of the rules, and the one that comes.
    Show,
    /// Keep a program ready that knows the rules that come: its SHA-256 must be one that was voted. `datanet start` takes it when the height has come.
    Stage {
        /// The program.
        #[arg(value_parser = path())]
        file: PathBuf,
    },
}
