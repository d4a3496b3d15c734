//! The commands about datanets, contributions and search.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use datanet_types::record::Format;

use crate::cli::amounts::amount;
use crate::cli::files::path;

/// `datanet`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DatanetCommand {
    /// Open a datanet.
    Create(Box<CreateDatanetArgs>),
    /// List all datanets.
    List,
    /// Show one.
    Show {
        /// Its id or name.
        datanet: String,
    },
    /// Contributions that harmed more than they helped, by this node's answers, and which of them the next training leaves out.
    Debts {
        /// Its id or name.
        datanet: String,
        /// Releases in a row by which one must owe before it is left out.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=20))]
        releases: u8,
    },
    /// End one of which nothing stayed: its deposit comes back, and its name is free for others.
    Close {
        /// Its id or name.
        datanet: String,
        /// It is meant; don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// Announce its next held-out set: what is given after the chain's delay is judged with it.
    RotateHoldout {
        /// Its id or name.
        datanet: String,
        /// The set, JSONL in the datanet's schema.
        #[arg(value_parser = path())]
        file: PathBuf,
    },
}

/// `datanet create`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateDatanetArgs {
    /// 1 to 64 of `a-z 0-9 -`.
    pub name: String,
    /// The held-out set, JSONL: what usefulness is measured on.
    #[arg(long, value_name = "FILE", value_parser = path(), required_unless_present = "from")]
    pub holdout: Option<PathBuf>,
    /// A Hugging Face data set folder: licence, columns, classes and description are taken from its card, and its split
    /// `test` (else `validation`) is the held-out set. Other options come before what the card says.
    #[arg(long, value_name = "FOLDER", value_parser = path())]
    pub from: Option<PathBuf>,
    /// Which of the folder's configurations.
    #[arg(long, value_name = "NAME", requires = "from")]
    pub config: Option<String>,
    /// Which of the folder's splits is the held-out set.
    #[arg(long, value_name = "SPLIT", requires = "from", conflicts_with = "holdout")]
    pub holdout_split: Option<String>,
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// The labels records may have; without any, and without --schema, records have text only.
    #[arg(long, value_delimiter = ',')]
    pub labels: Vec<String>,
    /// The whole schema as JSON, instead of --labels.
    #[arg(long, value_name = "FILE", value_parser = path(), conflicts_with = "labels")]
    pub schema: Option<PathBuf>,
    /// For people.
    #[arg(long)]
    pub description: Option<String>,
    /// SPDX expression of the records' licence; CC-BY-4.0 if neither this nor a card says.
    #[arg(long)]
    pub licence: Option<String>,
    /// What an answer costs: an amount such as `0.001DNT`.
    #[arg(long, default_value = "0.001DNT", value_parser = amount, value_name = "AMOUNT")]
    pub price: u64,
    /// What a model made of it takes at least for a thousand tokens of text, beside the price of the answer: an amount such as `0.002DNT`.
    #[arg(long, default_value = "0DNT", value_parser = amount, value_name = "AMOUNT")]
    pub token_price: u64,
    /// What a node takes at least for each step of a training on it that is bought, beside the price of an answer: an amount such as `0.0005DNT`.
    #[arg(long, default_value = "0DNT", value_parser = amount, value_name = "AMOUNT")]
    pub step_price: u64,
    /// Lowest combined score accepted, in basis points.
    #[arg(long, default_value_t = 5_000)]
    pub accept_threshold: u32,
    /// Validators drawn for each contribution; 3 if not given, fewer where the network has fewer.
    #[arg(long)]
    pub committee_size: Option<u32>,
    /// Storage attestations that have a contribution judged; 2 if not given, 1 where this node is alone.
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
    /// A .jsonl, .csv, .tsv, .parquet, .md or .txt file, also with .gz; a Hugging Face data set folder; or - for standard
    /// input.
    #[arg(value_parser = path())]
    pub file: PathBuf,
    /// What the file or standard input is, whatever its name.
    #[arg(long)]
    pub format: Option<FormatArg>,
    /// Which of a folder's configurations.
    #[arg(long, value_name = "NAME")]
    pub config: Option<String>,
    /// Which of a folder's splits; `train` if not given.
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// Under which licence the data is given, where its card says another than the datanet's.
    #[arg(long, value_name = "SPDX")]
    pub licence: Option<String>,
    /// Contribute nothing: read everything, and say all that is wrong, what would be given, and what it would cost.
    #[arg(long)]
    pub dry_run: bool,
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

/// Which columns are which fields.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct ColumnArgs {
    /// The column that a field is in, where they are not called the same: `--map text=sentence`. For several fields, several
    /// times.
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub map: Vec<String>,
    /// A column to leave out, or '*' for whatever is no field. For several columns, several times.
    #[arg(long, value_name = "COLUMN")]
    pub ignore: Vec<String>,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FormatArg {
    /// One JSON object a line.
    Jsonl,
    /// CSV with a header, also with tabs, semicolons or bars.
    Csv,
    /// Parquet.
    Parquet,
    /// Markdown, a record a paragraph.
    Markdown,
    /// Plain text, a record a paragraph.
    Text,
}

impl FormatArg {
    /// The format.
    pub(in crate::cli) fn format(self) -> Format {
        match self {
            Self::Jsonl => Format::Jsonl,
            Self::Csv => Format::Csv,
            Self::Parquet => Format::Parquet,
            Self::Markdown => Format::Markdown,
            Self::Text => Format::Text,
        }
    }
}

/// `export`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// The datanet's id or name.
    pub datanet: String,
    /// The file to write, or the folder with --format hf.
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub to: PathBuf,
    /// How; told by the path's end if not given.
    #[arg(long)]
    pub format: Option<ExportFormat>,
    /// Replace what is there.
    #[arg(long)]
    pub overwrite: bool,
    /// Leave out where each record is from: the columns that begin with `_datanet_`.
    #[arg(long)]
    pub no_provenance: bool,
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    /// One JSON object a line.
    Jsonl,
    /// CSV with a header.
    Csv,
    /// Parquet.
    Parquet,
    /// A Hugging Face data set folder: Parquet, a card, Croissant, and the held-out set as the split `test`.
    Hf,
}

/// `contributions`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ContributionsArgs {
    /// A datanet's id or name, or a contribution's id.
    pub id: String,
    /// `storing`, `judging`, `refused`, `final` or `revoked`.
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
    /// Challenge its verdict, for a deposit: a second committee judges it anew, and that is final.
    Challenge {
        /// Its id.
        id: String,
        /// The account that puts up the deposit: a key's name. The node's if not given.
        #[arg(long)]
        account: Option<String>,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
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
