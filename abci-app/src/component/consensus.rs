//! What the consensus engine says of its validators with a block, and what it is told.

use datanet_types::{ConsensusAddress, ConsensusKey};

/// Who made a block, who signed the one before, and who was caught.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsensusInfo {
    /// Who this block names as its proposer; zeros where an engine has no validators.
    pub proposer: ConsensusAddress,
    /// The round in which the block before was decided.
    pub last_round: u32,
    /// The votes for the block before, of all who could vote, in the engine's order; none where the engine begins with this block.
    pub last_commit: Vec<Vote>,
    /// What was proven against validators.
    pub misbehaviour: Vec<Misbehaviour>,
}

/// Whether a validator voted for the block before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// Who.
    pub validator: ConsensusAddress,
    /// Its power at that height.
    pub power: u64,
    /// Whether it signed anything for that height in time, for the block or for none: who did was there.
    pub signed: bool,
}

/// Two signatures of one validator that contradict each other: the engine has verified them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misbehaviour {
    /// Who.
    pub validator: ConsensusAddress,
    /// The height that it is about.
    pub height: u64,
    /// When that was, in seconds since 1970.
    pub time_seconds: i64,
}

/// A validator's new power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidatorUpdate {
    /// Which.
    pub key: ConsensusKey,
    /// Its power from the block after the next on; 0 takes it out.
    pub power: u64,
}
