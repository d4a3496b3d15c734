//! `token`.

use std::str::FromStr;

use clap::{Args, Subcommand};
use datanet_api::tokens::{Period, Scope, TokenLimit};

use crate::cli::amounts::{amount, seconds};

/// `token`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TokenCommand {
    /// Make one. Its secret is printed, and never again.
    Create(NewTokenArgs),
    /// List them, and what is left of their limits.
    List,
    /// End one, at once and for good.
    Revoke {
        /// Its id or its name.
        token: String,
    },
    /// What was done with them and refused to them, the latest first.
    Log {
        /// How many entries.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Only what is older than the entry of this number.
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
}

/// `token create`.
#[derive(Debug, Args)]
pub(in crate::cli) struct NewTokenArgs {
    /// What to call it; as its scopes and a number, if not given.
    pub name: Option<String>,
    /// What it is good for: `read`, `search`, `ask`, `contribute`, `train`, `spend` or `admin`; several with commas.
    #[arg(long = "scope", required = true, value_delimiter = ',', value_parser = Scope::from_str, value_name = "SCOPE")]
    pub scopes: Vec<Scope>,
    /// The accounts in whose name it acts, by address or name on the node; several with commas. With one, that one pays for whoever names
    /// nobody. All, if not given.
    #[arg(long = "account", value_delimiter = ',', value_name = "ACCOUNT")]
    pub accounts: Vec<String>,
    /// The most that it may spend, fees included: `5DNT/day`, `/hour` or `/week`, by the clock in UTC, or `5DNT` in all.
    #[arg(long, value_parser = limit, value_name = "AMOUNT/PERIOD")]
    pub limit: Option<TokenLimit>,
    /// When it ends, from now on, such as `30d`; never by itself, if not given.
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    pub expires: Option<u64>,
}

/// A limit as it is typed.
fn limit(typed: &str) -> Result<TokenLimit, String> {
    let (of, period) = match typed.split_once('/') {
        None => (typed, Period::Total),
        Some((of, "hour")) => (of, Period::Hour),
        Some((of, "day")) => (of, Period::Day),
        Some((of, "week")) => (of, Period::Week),
        Some((_, other)) => {
            return Err(format!(
                "a limit is for an hour, a day or a week, not for {other:?}; write 5DNT/day, or 5DNT in all"
            ));
        }
    };
    Ok(TokenLimit { amount: amount(of)?, period })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_an_amount_and_perhaps_a_period() {
        assert_eq!(limit("5DNT/day").unwrap(), TokenLimit { amount: 5_000_000, period: Period::Day });
        assert_eq!(limit("0.5DNT/hour").unwrap(), TokenLimit { amount: 500_000, period: Period::Hour });
        assert_eq!(limit("5DNT").unwrap().period, Period::Total);
        for (wrong, says) in [("5DNT/month", "5DNT/day"), ("5/day", "write 5DNT"), ("", "write an amount")] {
            let told = limit(wrong).unwrap_err();
            assert!(told.contains(says), "{told}");
        }
    }
}
