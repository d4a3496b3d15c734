//! What a new network starts from: the same file on every node.

use std::collections::BTreeSet;
use std::path::Path;

use datanet_types::Address;
use datanet_types::amount::Amount;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, read_text};

/// CometBFT's limit.
const MAX_CHAIN_ID: usize = 50;

/// An account that exists from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Its address.
    pub address: Address,
    /// What it owns, in base units.
    pub balance: Amount,
}

/// A new network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisConfig {
    /// The network's id: 1 to 50 lower-case letters, digits and hyphens. It is part of everything that is signed.
    pub chain_id: String,
    /// The time of the genesis in seconds since 1970.
    pub genesis_time: u64,
    /// The first accounts. Together they own the whole supply.
    pub accounts: Vec<GenesisAccount>,
    /// The rest of what the ledger starts from: its parameters. The ledger owns this type and checks it.
    #[serde(default)]
    pub app_state: serde_json::Value,
}

impl GenesisConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, is not such a file, or its values cannot be.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        let origin = path.display().to_string();
        let genesis: Self = serde_json::from_str(&text)
            .map_err(|error| ConfigError::Syntax { origin: origin.clone(), detail: error.to_string() })?;
        genesis.check(&origin)?;
        Ok(genesis)
    }

    /// Checks and writes it.
    ///
    /// # Errors
    /// When its values cannot be, or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ConfigError> {
        self.check("the genesis")?;
        std::fs::write(path, format!("{:#}\n", serde_json::json!(self)))
            .map_err(|source| ConfigError::Write { path: path.to_path_buf(), source })
    }

    /// The sum of all balances; `None` if it does not fit, which [`GenesisConfig::read`] refuses.
    pub fn supply(&self) -> Option<Amount> {
        self.accounts.iter().try_fold(0, |sum: Amount, account| sum.checked_add(account.balance))
    }

    fn check(&self, origin: &str) -> Result<(), ConfigError> {
        let wrong = |key: &str, value: String, allowed: &str| ConfigError::Value {
            key: key.to_owned(),
            value,
            origin: origin.to_owned(),
            allowed: allowed.to_owned(),
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=MAX_CHAIN_ID).contains(&self.chain_id.len()) || !self.chain_id.chars().all(plain) {
            let allowed = "write 1 to 50 lower-case letters, digits and hyphens";
            return Err(wrong("chain_id", self.chain_id.clone(), allowed));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.accounts.iter().find(|account| !seen.insert(account.address)) {
            return Err(wrong("accounts", twice.address.to_string(), "write each address once"));
        }
        if self.supply().is_none() {
            let allowed = "write balances whose sum is below 2^64";
            return Err(wrong("accounts", "the sum of the balances".to_owned(), allowed));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn genesis(balances: &[Amount]) -> GenesisConfig {
        let account = |(n, balance): (usize, &Amount)| GenesisAccount {
            address: Address([u8::try_from(n).unwrap(); 20]),
            balance: *balance,
        };
        GenesisConfig {
            chain_id: "datanet-local".into(),
            genesis_time: 1_763_717_405,
            accounts: balances.iter().enumerate().map(account).collect(),
            app_state: serde_json::json!({"params": {"fee": 1}}),
        }
    }

    #[test]
    fn a_genesis_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("genesis.json");
        let genesis = genesis(&[1, 2]);
        genesis.write(&path).unwrap();
        assert_eq!(GenesisConfig::read(&path).unwrap(), genesis);
        assert_eq!(genesis.supply(), Some(3));
    }

    #[test]
    fn a_supply_that_overflows_is_refused() {
        let error = genesis(&[u64::MAX, 1]).check("x").unwrap_err().to_string();
        assert!(error.contains("accounts") && error.contains("2^64"), "{error}");
    }

    #[test]
    fn an_account_named_twice_or_a_strange_chain_id_is_refused() {
        let mut twice = genesis(&[1, 2]);
        twice.accounts[1].address = twice.accounts[0].address;
        assert!(twice.check("x").unwrap_err().to_string().contains("once"));
        for id in ["", "Upper", "with space", &"x".repeat(51)] {
            let mut genesis = genesis(&[1]);
            genesis.chain_id = id.to_owned();
            assert!(genesis.check("x").unwrap_err().to_string().contains("chain_id"), "{id}");
        }
    }
}
