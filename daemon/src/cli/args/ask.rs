//! The commands that ask a datanet and look at receipts.

use clap::{Args, Subcommand};

/// `ask`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AskArgs {
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

/// `quote`.
#[derive(Debug, Args)]
pub(in crate::cli) struct QuoteArgs {
    /// The datanet's id or name.
    #[arg(required_unless_present = "model")]
    pub datanet: Option<String>,
    /// A deployed model's id or name instead.
    #[arg(long, conflicts_with = "datanet")]
    pub model: Option<String>,
}

/// `receipt`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ReceiptCommand {
    /// The latest receipts of this node.
    List,
    /// Show one, fetched from whoever has it.
    Show {
        /// Its id, or `latest` for the last that this node has issued.
        id: String,
    },
    /// Check one and recompute its answer from this node's own blobs.
    Verify {
        /// Its id, or `latest`.
        id: String,
    },
    /// Show on the ledger that its node settled another receipt for the same money: a reward for you, and the payers' money back.
    Prove {
        /// Its id, or `latest`.
        id: String,
        /// The account that is rewarded; the node's own if not given.
        #[arg(long)]
        account: Option<String>,
    },
}
