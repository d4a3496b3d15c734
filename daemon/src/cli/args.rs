//! The command line's grammar and its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::amounts::amount;
use super::files::path;

/// Contribute data, have it judged, train and serve on it, and be paid for what it helped with.
///
/// For the id of a datanet, contribution, model, job, receipt or channel its first six characters or more are enough if
/// no other begins so. An amount is `1.5DNT`, or a number of base units, of which a million are one DNT.
#[derive(Debug, Parser)]
#[command(name = "datanet", version, propagate_version = true)]
pub(super) struct Cli {
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
pub(super) enum Command {
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
    /// Give a file of records to a datanet and follow it until its verdict.
    Contribute(ContributeArgs),
    /// List a datanet's contributions, or show one with its judges' reasons.
    Contributions(ContributionsArgs),
    /// Show or take back one contribution.
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
    /// Show, verify and recompute receipts.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Train a model on datanets, as a job file says, and follow it.
    Train(TrainArgs),
    /// List, show, follow and cancel training jobs.
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// List, show, deploy and roll back models.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Have passages classified by a deployed model.
    Classify(ClassifyArgs),
    /// Have a deployed model continue a text.
    Complete(CompleteArgs),
    /// Say something to a deployed model.
    Chat(CompleteArgs),
    /// Whose records moved an answer, and which most.
    Attribute {
        /// The receipt's id.
        receipt: String,
    },
    /// Open, list and close payment channels.
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Settle what this node's answers have earned, now.
    Settle,
    /// Account keys on the node.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// An account's balance, stake and reputation.
    Account {
        /// Its address, or its name on the node.
        #[arg(default_value = "node")]
        account: String,
    },
    /// Send money.
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
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// `setup`.
#[derive(Debug, Args)]
pub(super) struct SetupArgs {
    /// Read and compare every byte of what is cached.
    #[arg(long)]
    pub verify: bool,
}

/// `init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// A name for people.
    #[arg(long, default_value = "node")]
    pub name: String,
    /// The genesis file of the network to join; without one the node starts a network of its own.
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub genesis: Option<PathBuf>,
    /// Id of the network of its own.
    #[arg(long, default_value = "datanet-own", conflicts_with = "genesis")]
    pub chain_id: String,
    /// Make a node that other machines can reach: it listens on all interfaces, on ports that stay, and announces HOST,
    /// an address or a name; without one, the address by which this machine reaches others.
    #[arg(long, value_name = "HOST", num_args = 0..=1, default_missing_value = "")]
    pub public: Option<String>,
    /// Any configuration key: `--set api.listen=127.0.0.1:0`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// `start`.
#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// Any configuration key: `--set api.listen=127.0.0.1:0`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// `dev`.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Any configuration key.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// `datanet`.
#[derive(Debug, Subcommand)]
pub(super) enum DatanetCommand {
    /// Open a datanet.
    Create(CreateDatanetArgs),
    /// List all datanets.
    List,
    /// Show one.
    Show {
        /// Its id or name.
        datanet: String,
    },
}

/// `datanet create`.
#[derive(Debug, Args)]
pub(super) struct CreateDatanetArgs {
    /// 1 to 64 of `a-z 0-9 -`.
    pub name: String,
    /// The held-out set, JSONL: what usefulness is measured on.
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub holdout: PathBuf,
    /// The labels records may have; without any, and without --schema, records have text only.
    #[arg(long, value_delimiter = ',')]
    pub labels: Vec<String>,
    /// The whole schema as JSON, instead of --labels.
    #[arg(long, value_name = "FILE", value_parser = path(), conflicts_with = "labels")]
    pub schema: Option<PathBuf>,
    /// For people.
    #[arg(long, default_value = "")]
    pub description: String,
    /// SPDX expression of the records' licence.
    #[arg(long, default_value = "CC-BY-4.0")]
    pub licence: String,
    /// What an answer costs: an amount such as `0.001DNT`, or base units.
    #[arg(long, default_value = "0.001DNT", value_parser = amount, value_name = "AMOUNT")]
    pub price: u64,
    /// Lowest combined score accepted, in basis points.
    #[arg(long, default_value_t = 5_000)]
    pub accept_threshold: u32,
    /// Validators drawn for each contribution; 3 if not given, fewer where the network has fewer.
    #[arg(long)]
    pub committee_size: Option<u32>,
    /// Storage attestations that make a contribution final; 2 if not given, 1 where this node is alone.
    #[arg(long)]
    pub storage_quorum: Option<u32>,
    /// Smallest bond: an amount such as `0.5DNT`, or base units.
    #[arg(long, default_value = "0DNT", value_parser = amount, value_name = "AMOUNT")]
    pub min_bond: u64,
    /// The account that opens it.
    #[arg(long)]
    pub account: Option<String>,
}

/// `contribute`.
#[derive(Debug, Args)]
pub(super) struct ContributeArgs {
    /// The datanet's id or name.
    pub datanet: String,
    /// A .jsonl, .csv, .tsv, .parquet, .md or .txt file.
    #[arg(value_parser = path())]
    pub file: PathBuf,
    /// The account that contributes and is paid.
    #[arg(long)]
    pub account: Option<String>,
    /// What to lock until the verdict: an amount such as `0.5DNT`, or base units; the datanet's minimum if not given.
    #[arg(long, value_parser = amount, value_name = "AMOUNT")]
    pub bond: Option<u64>,
    /// Return once it is on the ledger, without waiting for the verdict.
    #[arg(long)]
    pub no_wait: bool,
}

/// `contributions`.
#[derive(Debug, Args)]
pub(super) struct ContributionsArgs {
    /// A datanet's id or name, or a contribution's id.
    pub id: String,
    /// `judging`, `accepted`, `refused`, `final` or `revoked`.
    #[arg(long)]
    pub state: Option<String>,
}

/// `contribution`.
#[derive(Debug, Subcommand)]
pub(super) enum ContributionCommand {
    /// Show it with its judges' reasons.
    Show {
        /// Its id.
        id: String,
    },
    /// Take it back: it is served, trained on and paid no more, nodes drop its bytes, and models trained on it are flagged.
    /// This can't be undone.
    Revoke {
        /// Its id.
        id: String,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
}

/// `search`.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// Words or a sentence.
    pub query: String,
    /// Id or name; all if not given.
    #[arg(long)]
    pub datanet: Option<String>,
    /// `text`, `semantic` or `hybrid`.
    #[arg(long, default_value = "hybrid")]
    pub mode: String,
    /// At most this many.
    #[arg(long, default_value_t = 10)]
    pub limit: usize,
}

/// `ask`.
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// The datanet's id or name.
    pub datanet: String,
    /// The question, or with --classify the passage.
    pub text: String,
    /// Give the passage a label instead of answering a question.
    #[arg(long)]
    pub classify: bool,
    /// Passages the answer rests on.
    #[arg(long)]
    pub neighbours: Option<u32>,
    /// The account that pays, through its open channel with this node.
    #[arg(long)]
    pub account: Option<String>,
}

/// `receipt`.
#[derive(Debug, Subcommand)]
pub(super) enum ReceiptCommand {
    /// The latest receipts of this node.
    List,
    /// Show one, fetched from whoever has it.
    Show {
        /// Its id.
        id: String,
    },
    /// Check one and recompute its answer from this node's own blobs.
    Verify {
        /// Its id.
        id: String,
    },
}

/// `channel`.
#[derive(Debug, Subcommand)]
pub(super) enum ChannelCommand {
    /// Lock a deposit from which a node is paid.
    Open {
        /// The paying account.
        #[arg(long)]
        account: String,
        /// An amount such as `1.5DNT`, or base units.
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
    /// Take back what is left in an expired channel. This can't be undone.
    Close {
        /// Its id.
        channel: String,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
}

/// `keys`.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
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
pub(super) struct TransferArgs {
    /// Who receives: an address, or a name on the node.
    pub to: String,
    /// An amount such as `1.5DNT`, or base units.
    #[arg(value_parser = amount)]
    pub amount: u64,
    /// Who pays.
    #[arg(long, default_value = "node")]
    pub from: String,
}

/// `train`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct TrainArgs {
    /// Check what others have trained.
    #[command(subcommand)]
    pub command: Option<TrainCommand>,
    /// The job: a TOML or JSON file with `base`, `task`, `[lora]`, `[recipe]`, `[data]`, `[attribution]`.
    #[arg(required = true, value_parser = path())]
    pub file: Option<PathBuf>,
    /// Names or ids of the datanets, instead of the file's `data.datanets`.
    #[arg(long = "datanet", value_name = "DATANET")]
    pub datanets: Vec<String>,
    /// The model's name.
    #[arg(long)]
    pub name: Option<String>,
    /// The account that will own the model.
    #[arg(long)]
    pub account: Option<String>,
    /// SPDX expression of the model's licence; the first datanet's if not given.
    #[arg(long)]
    pub licence: Option<String>,
    /// Return once the node has taken the job.
    #[arg(long)]
    pub detach: bool,
}

/// `train verify`.
#[derive(Debug, Subcommand)]
pub(super) enum TrainCommand {
    /// Train a released model again from its data, or a part of it, and compare.
    Verify {
        /// A model's id or name, or a job's id.
        what: String,
        /// Only so many stretches between checkpoints, drawn at random.
        #[arg(long, value_name = "COUNT")]
        stretches: Option<usize>,
    },
}

/// `jobs`.
#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// List all, newest first.
    List,
    /// Show one.
    Show {
        /// Its id, or its name if no other job has it.
        id: String,
    },
    /// Watch one until it is over.
    Follow {
        /// Its id, or its name if no other job has it.
        id: String,
    },
    /// End one. This can't be undone.
    Cancel {
        /// Its id, or its name if no other job has it.
        id: String,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
}

/// `model`.
#[derive(Debug, Subcommand)]
pub(super) enum ModelCommand {
    /// List the models on the ledger and those deployed here.
    List {
        /// Only those deployed here.
        #[arg(long)]
        deployed: bool,
    },
    /// Show one with its files, data, evaluation and lineage.
    Show {
        /// Its id, or a name that leads to it.
        model: String,
    },
    /// Put up a classifier or embedding model that was exported to ONNX, as it is.
    Import {
        /// The name of its folder in the node's models folder, with `model.onnx` and `tokenizer.json`.
        folder: String,
        /// The model's name.
        #[arg(long)]
        name: String,
        /// SPDX expression of the model's licence; `LicenseRef-unstated` if not given.
        #[arg(long)]
        licence: Option<String>,
        /// The account that will own it; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
    /// Fetch a released model, check it, and serve it.
    Deploy {
        /// Its id, or its name on the ledger.
        model: String,
        /// The name that leads to it; the release's own if not given.
        #[arg(long)]
        name: Option<String>,
    },
    /// Take a name away, and its model with its last name; by its id, a model with all its names.
    Undeploy {
        /// A name that leads to it, or its id.
        model: String,
    },
    /// Let the model that answered to a name before answer again.
    Rollback {
        /// The name.
        name: String,
    },
}

/// `classify`.
#[derive(Debug, Args)]
pub(super) struct ClassifyArgs {
    /// The model's name or id.
    pub model: String,
    /// The passages.
    #[arg(required = true)]
    pub texts: Vec<String>,
    /// Tell what each contribution did to the answer.
    #[arg(long)]
    pub explain: bool,
    /// Tell what the answer would have been without each contributor.
    #[arg(long)]
    pub counterfactual: bool,
    /// The account that pays, through its open channel with this node.
    #[arg(long)]
    pub account: Option<String>,
}

/// `complete` and `chat`.
#[derive(Debug, Args)]
pub(super) struct CompleteArgs {
    /// The model's name or id.
    pub model: String,
    /// The text to continue, or what to say.
    pub prompt: String,
    /// Most tokens to write; 128 if not given, fewer where the model has room for fewer.
    #[arg(long)]
    pub max_tokens: Option<u32>,
    /// 0 takes the likeliest token, up to 2.
    #[arg(long)]
    pub temperature: Option<f64>,
    /// The same seed draws the same text.
    #[arg(long)]
    pub seed: Option<i64>,
    /// The account that pays, through its open channel with this node.
    #[arg(long)]
    pub account: Option<String>,
}
