//! `sellers`.

use clap::Subcommand;

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
