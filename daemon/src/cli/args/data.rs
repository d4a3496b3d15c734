//! The commands about datanets, contributions and search.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::amounts::amount;
use crate::cli::files::path;

/// `datanet`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DatanetCommand {
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
pub(in crate::cli) struct CreateDatanetArgs {
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
    /// What an answer costs: an amount such as `0.001DNT`.
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
    /// Smallest bond: an amount such as `0.5DNT`.
    #[arg(long, default_value = "0DNT", value_parser = amount, value_name = "AMOUNT")]
    pub min_bond: u64,
    /// The account that opens it.
    #[arg(long)]
    pub account: Option<String>,
}

/// `contribute`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ContributeArgs {
    /// The datanet's id or name.
    pub datanet: String,
    /// A .jsonl, .csv, .tsv, .parquet, .md or .txt file.
    #[arg(value_parser = path())]
    pub file: PathBuf,
    /// The account that contributes and is paid.
    #[arg(long)]
    pub account: Option<String>,
    /// What to lock until the verdict: an amount such as `0.5DNT`; the datanet's minimum if not given.
    #[arg(long, value_parser = amount, value_name = "AMOUNT")]
    pub bond: Option<u64>,
    /// Return once it is on the ledger, without waiting for the verdict.
    #[arg(long)]
    pub no_wait: bool,
}

/// `contributions`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ContributionsArgs {
    /// A datanet's id or name, or a contribution's id.
    pub id: String,
    /// `judging`, `accepted`, `refused`, `final` or `revoked`.
    #[arg(long)]
    pub state: Option<String>,
}

/// `contribution`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ContributionCommand {
    /// Show it with its judges' reasons.
    Show {
        /// Its id.
        id: String,
    },
    /// What became of its records: which help, which harm, which are copies or badly written.
    Report {
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
pub(in crate::cli) struct SearchArgs {
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
