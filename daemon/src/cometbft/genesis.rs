//! `genesis.json`: the block before the first, the same bytes on every node.

use datanet_ledger::component::{EngineParams, Params};
use serde_json::{Value, json};

use super::keys::{address_hex, public_json};

/// One validator at genesis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CometValidator {
    /// Its ed25519 public key.
    pub public_key: [u8; 32],
    /// Its voting power, above zero.
    pub power: u64,
    /// A name for people.
    pub name: String,
}

/// What a chain starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct CometGenesis {
    /// The chain's id, at most 50 bytes.
    pub chain_id: String,
    /// The time of the genesis in seconds since 1970. One in the future makes CometBFT wait for it.
    pub genesis_time: u64,
    /// The first validators. May be empty: the application then names them in `InitChain`.
    pub validators: Vec<CometValidator>,
    /// What the application gets in `InitChain`.
    pub app_state: Value,
    /// What it goes by, as the application has it too.
    pub engine: EngineParams,
    /// Height of the first block.
    pub initial_height: u64,
    /// The application's hash before it; empty where the application says it in `InitChain`.
    pub app_hash: String,
}

impl CometGenesis {
    /// A genesis with the usual limits, as they follow from the ledger's usual parameters.
    pub fn new(
        chain_id: impl Into<String>,
        genesis_time: u64,
        validators: Vec<CometValidator>,
        app_state: Value,
    ) -> Self {
        Self {
            chain_id: chain_id.into(),
            genesis_time,
            validators,
            app_state,
            engine: EngineParams::of(&Params::default()),
            initial_height: 1,
            app_hash: String::new(),
        }
    }

    /// CometBFT's JSON: 64-bit integers are strings, durations are nanoseconds.
    pub fn to_json(&self) -> Value {
        json!({
            "genesis_time": rfc3339(self.genesis_time),
            "chain_id": self.chain_id,
            "initial_height": self.initial_height.to_string(),
            "consensus_params": self.engine.to_comet(),
            "validators": self.validators.iter().map(validator_json).collect::<Vec<_>>(),
            "app_hash": self.app_hash,
            "app_state": self.app_state,
        })
    }
}

fn validator_json(validator: &CometValidator) -> Value {
    json!({
        "address": address_hex(&validator.public_key),
        "pub_key": public_json(&validator.public_key),
        "power": validator.power.to_string(),
        "name": validator.name,
    })
}

/// Seconds since 1970 as `2026-11-21T09:30:00Z`. Days to a date as in Howard Hinnant's `civil_from_days`, whose year
/// begins in March so that leap days come last.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_cometbft_reads_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(11_017 * 86_400), "2000-03-01T00:00:00Z");
        assert_eq!(rfc3339(20_786 * 86_400), "2026-11-29T00:00:00Z");
        assert_eq!(rfc3339(1_763_717_405), "2025-11-21T09:30:05Z");
        assert_eq!(rfc3339(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(rfc3339(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn integers_are_strings_and_the_address_follows_from_the_key() {
        let validator = CometValidator { public_key: [7; 32], power: 10, name: "one".into() };
        let json = CometGenesis::new("chain", 0, vec![validator], json!({"a": 1})).to_json();
        assert_eq!(json["validators"][0]["power"], "10");
        assert_eq!(json["validators"][0]["address"], address_hex(&[7; 32]));
        assert_eq!(json["consensus_params"]["evidence"]["max_age_duration"], "172800000000000");
        assert_eq!(json["app_state"]["a"], 1);
    }
}
