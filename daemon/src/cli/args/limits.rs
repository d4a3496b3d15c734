//! What a key may spend that speaks for an account, or runs an agent.

use clap::Args;

use crate::cli::amounts::{amount, seconds};

/// The limits of a sub-key.
#[derive(Debug, Args)]
pub(in crate::cli) struct LimitsArgs {
    /// What it may do, such as `transfer`, `open_channel`, `contribute`; several with commas.
    #[arg(long, required = true, value_delimiter = ',', value_name = "ACTION")]
    pub may: Vec<String>,
    /// With whom: an account's address, `node:KEY`, `datanet:ID` or `validator:ADDRESS`; with anybody if not given.
    #[arg(long, value_delimiter = ',', value_name = "WHOM")]
    pub with: Vec<String>,
    /// What it may spend in a period, fees included, such as `1DNT`.
    #[arg(long, value_parser = amount, value_name = "AMOUNT")]
    pub budget: u64,
    /// How long a period is, such as `1d`.
    #[arg(long, value_parser = seconds, default_value = "1d", value_name = "TIME")]
    pub per: u64,
    /// When it ends, from now on, such as `30d`.
    #[arg(long, value_parser = seconds, default_value = "30d", value_name = "TIME")]
    pub lasts: u64,
}
