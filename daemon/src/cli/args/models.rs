//! The commands about training, models and what they answer.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use datanet_api::models::ExportFormat;

use super::amount;
use crate::cli::files::path;

/// `train`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(in crate::cli) struct TrainArgs {
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
pub(in crate::cli) enum TrainCommand {
    /// Train a released model again from its data, or a part of it, and compare.
    Verify {
        /// A model's id or name, or a job's id.
        what: String,
        /// Only so many stretches between checkpoints, drawn at random.
        #[arg(long, value_name = "COUNT")]
        stretches: Option<usize>,
    },
    /// Have a node train an adapter on a datanet for you, paid by its steps from a channel of yours, and register it as your model.
    Buy(BuyArgs),
    /// Follow a training that was ordered, and register what came of it.
    Take {
        /// The order's id, as `train buy` said it.
        id: String,
        /// The node that trains: the address of its public face; this node if not given.
        #[arg(long, value_name = "URL")]
        at: Option<String>,
        /// The account that will own the model; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
}

/// `train buy`.
#[derive(Debug, Args)]
pub(in crate::cli) struct BuyArgs {
    /// The datanet's id or name.
    pub datanet: String,
    /// The job: a TOML or JSON file with `base`, `task`, `[lora]`, `[recipe]`, `[attribution]`.
    #[arg(long, value_parser = path())]
    pub file: PathBuf,
    /// The node that trains: the address of its public face; this node if not given.
    #[arg(long, value_name = "URL")]
    pub at: Option<String>,
    /// The channel that pays, from an account of this node to the node that trains.
    #[arg(long, required_unless_present = "price")]
    pub channel: Option<String>,
    /// What the voucher promises in all, if it is another sum than what was promised before and the price.
    #[arg(long, value_parser = amount, value_name = "AMOUNT")]
    pub cumulative: Option<u64>,
    /// What it may cost; if the node wants more, nothing is signed and nothing is ordered.
    #[arg(long, value_parser = amount, value_name = "AMOUNT")]
    pub most: Option<u64>,
    /// The account whose channel pays and that will own the model; the node's own if not given.
    #[arg(long)]
    pub account: Option<String>,
    /// Only so many entries of the datanet's history, in ledger order.
    #[arg(long)]
    pub count: Option<u64>,
    /// The model's name.
    #[arg(long)]
    pub name: Option<String>,
    /// Say what it costs, and order nothing.
    #[arg(long)]
    pub price: bool,
    /// Return once it is ordered.
    #[arg(long, conflicts_with = "price")]
    pub detach: bool,
}

/// `jobs`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum JobsCommand {
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
pub(in crate::cli) enum ModelCommand {
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
    /// Write a released model into a new folder, for those who have no node.
    Export(ModelExportArgs),
    /// Fetch a released model and check it, without serving it.
    Pull {
        /// Its id, or its name on the ledger.
        model: String,
    },
    /// Let go of a model's files on this node. Refused while it is deployed or a job needs it.
    Rm {
        /// Its id, or its name on the ledger.
        model: String,
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
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
        /// Don't ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Let the model that answered to a name before answer again.
    Rollback {
        /// The name.
        name: String,
    },
}

/// `model export`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ModelExportArgs {
    /// Its id, or its name on the ledger.
    pub model: String,
    /// The folder to make; one that is there is refused.
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub to: PathBuf,
    /// The form.
    #[arg(long, value_enum, default_value_t = Form::Peft)]
    pub format: Form,
}

/// A form of a model for others.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum Form {
    /// An adapter's folder, as PEFT loads it.
    Peft,
    /// One ONNX file with the base, the adapter and the head; a node takes a classifier's or an embedding model's back.
    Onnx,
    /// ONNX Runtime's file of an adapter, and the graph that takes it.
    OnnxAdapter,
    /// A whole model's folder, as Transformers loads it: of a decoder that was trained from nothing.
    Transformers,
}

impl From<Form> for ExportFormat {
    fn from(form: Form) -> Self {
        match form {
            Form::Peft => Self::Peft,
            Form::Onnx => Self::Onnx,
            Form::OnnxAdapter => Self::OnnxAdapter,
            Form::Transformers => Self::Transformers,
        }
    }
}

/// `classify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ClassifyArgs {
    /// The model's name or id.
    pub model: String,
    /// The passages.
    #[arg(required_unless_present = "file")]
    pub texts: Vec<String>,
    /// Classify the texts of a .jsonl, .csv, .tsv or .txt file instead; `-` is standard input. A row for each is printed as
    /// it is there, also for those that are refused.
    #[arg(long, value_name = "FILE", value_parser = path(), conflicts_with_all = ["texts", "explain", "counterfactual"])]
    pub file: Option<PathBuf>,
    /// What the file holds, where its name does not say; `txt`, one text a line, for standard input.
    #[arg(long, value_enum, requires = "file")]
    pub from: Option<TextsFrom>,
    /// The field or column with the text.
    #[arg(long, default_value = "text", requires = "file")]
    pub field: String,
    /// How rows are printed.
    #[arg(long, value_enum, default_value_t = RowsAs::Jsonl, requires = "file")]
    pub format: RowsAs,
    /// Texts that are asked about at the same time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=32), requires = "file")]
    pub concurrency: u8,
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

/// What a file of texts holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TextsFrom {
    /// A JSON object or text a line.
    Jsonl,
    /// A table with commas, whose first line names the columns.
    Csv,
    /// The same with tabs.
    Tsv,
    /// A text a line.
    Txt,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RowsAs {
    /// A JSON object a line.
    Jsonl,
    /// A table with commas.
    Csv,
}

/// `complete`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompleteArgs {
    /// The model's name or id.
    pub model: String,
    /// The text to continue.
    pub prompt: String,
    #[command(flatten)]
    pub how: DrawArgs,
}

/// `chat`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ChatArgs {
    /// The model's name or id.
    pub model: String,
    /// What to say; without it each line of standard input is a turn of a conversation.
    pub prompt: Option<String>,
    /// What the model is told before the conversation.
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    #[command(flatten)]
    pub how: DrawArgs,
}

/// How an answer is drawn and paid.
#[derive(Debug, Args)]
pub(in crate::cli) struct DrawArgs {
    /// Most tokens to write; 128 if not given, fewer where the model has room for fewer.
    #[arg(long)]
    pub max_tokens: Option<u32>,
    /// 0 takes the likeliest token, up to 2.
    #[arg(long)]
    pub temperature: Option<f64>,
    /// The same seed draws the same text.
    #[arg(long)]
    pub seed: Option<i64>,
    /// Hold the answer to the JSON Schema in this file.
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub json_schema: Option<PathBuf>,
    /// Hold the answer to some JSON object.
    #[arg(long, conflicts_with = "json_schema")]
    pub json_object: bool,
    /// The account that pays, through its open channel with this node.
    #[arg(long)]
    pub account: Option<String>,
}
