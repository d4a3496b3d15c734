//! What must be right around a node before it opens anything: each check looks, changes nothing, and says what to do.
//!
//! - [`environment`]: variables of ours are text.
//! - [`home`]: the folder is this user's to read or to write, and `init` has made it.
//! - [`named`]: folders and accounts that the configuration names are there.
//! - [`open_files`]: the system lets a node open what it needs; the one check that mends, by raising its own limit.
//! - [`stores`]: a home that was used has not lost its ledger or its private store.

pub mod home;
pub mod named;
pub mod open_files;
pub mod stores;

use anyhow::Result;

/// Variables of ours are text; others' may be what they like.
///
/// # Errors
/// When one is not UTF-8: which.
pub fn environment() -> Result<()> {
    Ok(datanet_config::check_variables(std::env::vars_os())?)
}
