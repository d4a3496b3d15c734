//! What of the parameters the consensus engine goes by too: it is given to it with the genesis, and again when it changes.

use super::{Params, at, versions};
use crate::code;
use crate::component::error::ensure;
use crate::component::{ActionError, BlockContext};
use crate::state::{StateError, StateRead};

/// Slowest pace of a chain that is well, in seconds a block: evidence counts until it is too old in blocks as well.
pub const SLOWEST_BLOCK: u64 = 5;
/// Largest evidence that a block holds, in bytes; none is larger than a block.
const MAX_EVIDENCE_BYTES: u64 = 1024 * 1024;
/// Smallest and largest block, in bytes: the latter is CometBFT's own bound.
const BLOCK_BYTES: std::ops::RangeInclusive<u64> = 64 * 1024..=100 * 1024 * 1024;

/// The engine's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineParams {
    /// Largest block, in bytes.
    pub max_block_bytes: u64,
    /// Most gas in a block; none where the engine does not count it.
    pub max_block_gas: Option<u64>,
    /// Blocks for which evidence counts.
    pub evidence_blocks: u64,
    /// Seconds for which it does.
    pub evidence_seconds: u64,
    /// Largest evidence in a block, in bytes.
    pub max_evidence_bytes: u64,
    /// Types of keys that validators may have.
    pub key_types: Vec<String>,
    /// The height from which votes are extended; 0 for never.
    pub vote_extensions_from: u64,
    /// The version of the ledger's rules.
    pub app_version: u64,
}

impl EngineParams {
    /// What follows from the chain's parameters.
    pub fn of(params: &Params) -> Self {
        Self {
            max_block_bytes: params.max_block_bytes,
            max_block_gas: None,
            evidence_blocks: params.evidence_blocks,
            evidence_seconds: params.evidence_seconds,
            max_evidence_bytes: params.max_block_bytes.min(MAX_EVIDENCE_BYTES),
            key_types: vec!["ed25519".to_owned()],
            vote_extensions_from: 0,
            app_version: params.app_version,
        }
    }

    /// The same as `consensus_params` of CometBFT's genesis: 64-bit integers are strings, durations are nanoseconds.
    pub fn to_comet(&self) -> serde_json::Value {
        serde_json::json!({
            "block": {
                "max_bytes": self.max_block_bytes.to_string(),
                "max_gas": self.max_block_gas.map_or_else(|| "-1".to_owned(), |gas| gas.to_string()),
            },
            "evidence": {
                "max_age_num_blocks": self.evidence_blocks.to_string(),
                "max_age_duration": u128::from(self.evidence_seconds).saturating_mul(1_000_000_000).to_string(),
                "max_bytes": self.max_evidence_bytes.to_string(),
            },
            "validator": { "pub_key_types": self.key_types },
            "version": { "app": self.app_version.to_string() },
            "abci": { "vote_extensions_enable_height": self.vote_extensions_from.to_string() },
        })
    }

    /// The first that differs from `other`'s: its name in CometBFT's genesis, with both.
    pub fn differs(&self, other: &Self) -> Option<String> {
        let gas = |gas: Option<u64>| gas.map_or_else(|| "-1".to_owned(), |gas| gas.to_string());
        let all = [
            ("block.max_bytes", self.max_block_bytes.to_string(), other.max_block_bytes.to_string()),
            ("block.max_gas", gas(self.max_block_gas), gas(other.max_block_gas)),
            ("evidence.max_age_num_blocks", self.evidence_blocks.to_string(), other.evidence_blocks.to_string()),
            (
                "evidence.max_age_duration",
                format!("{} s", self.evidence_seconds),
                format!("{} s", other.evidence_seconds),
            ),
            ("evidence.max_bytes", self.max_evidence_bytes.to_string(), other.max_evidence_bytes.to_string()),
            ("validator.pub_key_types", self.key_types.join(", "), other.key_types.join(", ")),
            (
                "abci.vote_extensions_enable_height",
                self.vote_extensions_from.to_string(),
                other.vote_extensions_from.to_string(),
            ),
            ("version.app", self.app_version.to_string(), other.app_version.to_string()),
        ];
        let (name, ours, theirs) = all.into_iter().find(|(_, ours, theirs)| ours != theirs)?;
        Some(format!("consensus_params.{name} is {theirs}, and app_state.params make it {ours}"))
    }
}

/// What of the parameters must fit what the engine does.
pub(super) fn check(params: &Params) -> Result<(), ActionError> {
    let check = |good: bool, what: &str| ensure(good, code::GENESIS, || format!("genesis params: {what}"));
    check(BLOCK_BYTES.contains(&params.max_block_bytes), "max_block_bytes must be from 65536 to 104857600")?;
    check(params.evidence_blocks >= 1 && params.evidence_seconds >= 1, "evidence must count for a block and a second")?;
    check(
        params.evidence_seconds < params.unbonding_seconds,
        "unbonding_seconds must be more than evidence_seconds: whoever signed two histories would have left with the stake",
    )?;
    let at_slowest = params.evidence_blocks.saturating_mul(SLOWEST_BLOCK);
    check(
        at_slowest <= params.unbonding_seconds,
        "unbonding_seconds must not be less than evidence_blocks at five seconds a block: evidence counts until it is too old in both",
    )?;
    check(params.app_version >= 1, "app_version must be at least 1")
}

/// What the engine is told after a block: only where the parameters have changed in it.
pub(in crate::component) fn update<S: StateRead>(
    state: &S,
    block: &BlockContext,
) -> Result<Option<EngineParams>, StateError> {
    let present = versions::present(state)?;
    if present.number == 0 || present.from != block.height {
        return Ok(None);
    }
    let (before, after) = (at(state, block.height.saturating_sub(1))?, present.params);
    let (before, after) = (EngineParams::of(&before), EngineParams::of(&after));
    Ok((before != after).then_some(after))
}
