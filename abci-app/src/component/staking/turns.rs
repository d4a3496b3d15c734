//! Following whose turn it is to propose: the engine checks that the proposer named in a block is a validator, and not that it was its
//! turn. The round in which a block was decided stands in the next one, with who could vote and with how much power.
//!
//! ```text
//!   block h ends:   the engine is told changes(h), for height h + 2
//!   block h begins: set(h) = set(h - 1), changed by changes(h - 2), a step on
//!                   block h - 1 was decided in round r: its name is false if it was nobody's turn of that name in rounds 0 to r of set(h - 1)
//! ```
//!
//! All of it follows from blocks, so that whoever replays them counts the same. An engine that begins anew, at genesis or behind an import,
//! says no votes with its first block, and counts from its set.

use datanet_types::ConsensusAddress;

use super::rotation::{Change, Rotation};
use super::{active, state_key};
use crate::component::{BlockContext, ConsensusInfo, ValidatorUpdate};
use crate::state::{StateError, StateRead, StateWrite};

/// The engine's count. It moves in every block, and is no part of the tree.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Turns {
    /// Of the last block's height.
    #[prost(message, required, tag = "1")]
    pub now: Rotation,
    /// What changes from the next height on.
    #[prost(message, repeated, tag = "2")]
    next: Vec<Change>,
    /// What changes from the one after that on.
    #[prost(message, repeated, tag = "3")]
    then: Vec<Change>,
}

impl Turns {
    /// Of the next height.
    pub fn upcoming(&self) -> Rotation {
        let mut upcoming = self.now.clone();
        upcoming.change(&self.next);
        upcoming.advance();
        upcoming
    }
}

/// The count at the last block; none where the ledger knows of no validators.
///
/// # Errors
/// When the store cannot be read.
pub fn turns<S: StateRead>(state: &S) -> Result<Option<Turns>, StateError> {
    state.get(&state_key::turns())
}

/// Whether the last block, which named `validator` as its proposer, may have been its to propose; `next` is what the engine says with the block
/// behind it. An engine that has other validators than the ledger tells it cannot be followed, and is believed.
///
/// # Errors
/// When the store cannot be read.
pub fn had_turn<S: StateRead>(
    state: &S,
    next: &ConsensusInfo,
    validator: &ConsensusAddress,
) -> Result<bool, StateError> {
    let Some(Turns { now, .. }) = turns(state)? else { return Ok(true) };
    let votes = next.last_commit.iter().map(|vote| (vote.validator, vote.power));
    Ok(!now.is_of(votes) || now.had_turn(validator, next.last_round))
}

/// A height on.
pub(in crate::component) fn begin_block<S: StateWrite>(state: &mut S, block: &BlockContext) -> Result<(), StateError> {
    let turns = if block.consensus.last_commit.is_empty() {
        let active = active(state)?;
        let set: Vec<Change> = active.iter().map(|one| Change::new(one.key.address(), one.power)).collect();
        (!set.is_empty()).then(|| Turns { now: Rotation::begin(&set), ..Turns::default() })
    } else {
        turns(state)?.map(|turns| Turns { now: turns.upcoming(), next: turns.then, then: Vec::new() })
    };
    if let Some(turns) = turns {
        state.put(state_key::turns(), &turns);
    }
    Ok(())
}

/// What the engine is told with this block.
pub(in crate::component) fn told<S: StateWrite>(state: &mut S, updates: &[ValidatorUpdate]) -> Result<(), StateError> {
    if updates.is_empty() {
        return Ok(());
    }
    let Some(turns) = turns(state)? else { return Ok(()) };
    let then = updates.iter().map(|update| Change::new(update.key.address(), update.power)).collect();
    state.put(state_key::turns(), &Turns { then, ..turns });
    Ok(())
}
