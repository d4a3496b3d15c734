//! The command line's grammar and its help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::amounts::amount;
use super::files::path;

mod agent;
mod ask;
mod data;
mod limits;
mod models;
mod money;
mod node;
#[cfg(test)]
mod pasted;
mod proposal;
mod sellers;
mod shares;
mod staking;
mod tokens;
mod treasury;

pub(super) use agent::{AgentCommand, AgentKeyArgs, LedgerAgentCommand, ProgramCommand, RegisterArgs, UpdateArgs};
pub(super) use ask::{AskArgs, QuoteArgs, ReceiptCommand};
pub(super) use data::{
    ColumnArgs, ContributeArgs, ContributionCommand, ContributionsArgs, CreateDatanetArgs, DatanetCommand, ExportArgs,
    ExportFormat, FormatArg, SearchArgs,
};
pub(super) use limits::LimitsArgs;
pub(super) use models::{
    BuyArgs, ChatArgs, ClassifyArgs, CompleteArgs, DrawArgs, JobsCommand, ModelCommand, ModelExportArgs, RowsAs,
    TextsFrom, TrainArgs, TrainCommand,
};
pub(super) use money::{ChannelCommand, EpochCommand, GrantArgs, KeysCommand, TransferArgs};
pub(super) use node::{DevArgs, InitArgs, SetupArgs, StartArgs};
pub(super) use proposal::{ProposalCommand, SubmitCommand, UpgradeCommand, VoteArg, WordsArgs};
pub(super) use sellers::SellersCommand;
pub(super) use shares::{Meant, PoolCommand, SharesCommand, Side, Slippage};
pub(super) use staking::{StakeArgs, ValidatorCommand};
pub(super) use tokens::{NewTokenArgs, TokenCommand};
pub(super) use treasury::{LedgerCommand, ParamsCommand, TreasuryCommand};

/// Contribute data, have it judged, train and serve on it, and be paid for what it helped with.
///
/// For the id of a datanet, contribution, model, job, receipt or channel its first six characters or more are enough if
/// no other begins so. An amount is `1.5DNT`, or `1500000base`: a million base units are one DNT, and JSON counts in them.
#[derive(Debug, Parser)]
#[command(name = "datanet", version, propagate_version = true)]
pub(in crate::cli) struct Cli {
    /// The node's folder; if not given, what DATANET_HOME says, else `~/.datanet`.
    #[arg(long, global = true, value_name = "DIR", value_parser = path())]
    pub home: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Bring CometBFT, ONNX Runtime and the embedding model into the per-user cache.
    Setup(SetupArgs),
    /// Make a node's home: keys, token, configuration, genesis.
    Init(InitArgs),
    /// Run the node until Ctrl-C.
    Start(StartArgs),
    /// Run one node alone, without CometBFT, for a first look.
    Dev(DevArgs),
    /// The running node at a glance.
    Status,
    /// The peers connected now.
    Peers,
    /// What became of a transaction.
    Tx {
        /// Its hash.
        hash: String,
    },
    /// Open, list and show datanets.
    #[command(subcommand)]
    Datanet(DatanetCommand),
    /// Give records to a datanet and follow them until their verdict.
    Contribute(ContributeArgs),
    /// Take all final records of a datanet out, each with where it is from.
    Export(ExportArgs),
    /// List a datanet's contributions, or show one with its judges' reasons.
    Contributions(ContributionsArgs),
    /// Show, explain or take back one contribution.
    #[command(subcommand)]
    Contribution(ContributionCommand),
    /// Search records.
    Search(SearchArgs),
    /// Embed texts.
    Embed {
        /// The model's name or id: a deployed one; the node's own if not given.
        #[arg(long)]
        model: Option<String>,
        /// The texts.
        #[arg(required = true)]
        texts: Vec<String>,
    },
    /// Ask a datanet, or have a passage classified.
    Ask(AskArgs),
    /// What an answer costs, in the node's signed word, good for five minutes.
    Quote(QuoteArgs),
    /// Show, verify and recompute receipts.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Train a model on datanets, as a job file says, and follow it.
    Train(TrainArgs),
    /// List, show, follow and cancel training jobs.
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// List, show, fetch, deploy, export and roll back models.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Have passages, or the texts of a file, classified by a deployed model.
    Classify(ClassifyArgs),
    /// Have a deployed model continue a text.
    Complete(CompleteArgs),
    /// Say something to a deployed model, or hold a conversation with it.
    Chat(ChatArgs),
    /// Whose records moved an answer, and which most.
    Attribute {
        /// The receipt's id, or `latest` for the last that this node has issued.
        receipt: String,
    },
    /// Open, list and close payment channels.
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Settle what this node's answers have earned, now.
    Settle,
    /// List, check and challenge what nodes have settled.
    #[command(subcommand)]
    Epoch(EpochCommand),
    /// List, create and stake on the validators that order blocks.
    #[command(subcommand)]
    Validator(ValidatorCommand),
    /// Issue, list, give away and be paid by shares in what a datanet, a model or an agent earns.
    #[command(subcommand)]
    Shares(SharesCommand),
    /// What those who paid say of sellers, and saying it.
    #[command(subcommand)]
    Sellers(SellersCommand),
    /// Trade shares, and provide the pools in which they are traded.
    #[command(subcommand)]
    Pool(PoolCommand),
    /// The chain's treasury, and payments out of it.
    #[command(subcommand)]
    Treasury(TreasuryCommand),
    /// The chain's parameters, and changes of them.
    #[command(subcommand)]
    Params(ParamsCommand),
    /// Put changes of the chain to the vote, and vote on them.
    #[command(subcommand)]
    Proposal(ProposalCommand),
    /// The rules that come, and the program that knows them.
    #[command(subcommand)]
    Upgrade(UpgradeCommand),
    /// The whole ledger in one file, and a home made from it.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Account keys on the node.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// API keys for programs: what they may do on this node, in whose name, and for how much.
    #[command(subcommand)]
    Token(TokenCommand),
    /// An account's balance, stake and reputation.
    Account {
        /// Its address, or its name on the node.
        #[arg(default_value = "node")]
        account: String,
    },
    /// Change what this node's account has at stake: more is locked at once, what is taken back comes after the unbonding time.
    Stake {
        /// All that is to be at stake, such as `250DNT`.
        #[arg(value_parser = amount)]
        amount: u64,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Send money. This can't be undone.
    Transfer(TransferArgs),
    /// What an account earned, and why.
    Earnings {
        /// Its address, or its name on the node.
        #[arg(default_value = "node")]
        account: String,
    },
    /// Have an account paid what it earned.
    Claim {
        /// Its address, or its name on the node.
        #[arg(default_value = "node")]
        account: String,
    },
    /// Agents: accounts on the ledger that programs spend from within limits, and programs here that buy, give and judge for you.
    ///
    /// On the ledger, by a running node: `list`, `show`, `register`, `update`, `grant`, `revoke`, `fund` and `retire` take an agent's id. Programs on
    /// this machine: `new`, `run`, `status`, `stop`, `log` and `key` take the file of a spec. A program works as any account that its token acts for, a
    /// registered agent's or another.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Let a program that speaks the Model Context Protocol on standard input and output use the running node: a bridge to its /mcp.
    Mcp,
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}
