//! The beacon: a value that each block moves on, from which committees are drawn.
//!
//! A block that a validator of the ledger proposes begins with its proof of what its random function gives for the value before
//! ([`datanet_types::beacon`]). It has one output, so that whoever proposes can choose between two things: to show it, or to let the
//! next one propose and lose the block's fees. A block that nobody known proposes (of an engine of one, or of a chain whose genesis names
//! no validators) moves the beacon on by app hash and hash of the block before: who makes that one can try many.
//!
//! The engine does not check that it was the turn of the validator that a block names: somebody who has several could name whichever
//! draws best. That shows in the next block, which says in which round this one was decided ([`staking::had_turn`]). So what a
//! block proves counts from the next one on:
//!
//! ```text
//!   block h     proof of who it names ──► value h, if it was its turn
//!   block h + 1 round of h: it was ──► committees are drawn from value h, before the first transaction ([`super::begin_block`])
//!                           it was not ──► the proof does not count, and its maker is sent off
//! ```

pub mod state_key;

use datanet_types::beacon::{BeaconInput, BeaconOutput};
use datanet_types::id::tagged_hash;
use datanet_types::{BeaconKey, BeaconProof, BeaconSecret, ConsensusAddress, Digest};

use super::{BlockContext, ConsensusInfo, staking};
use crate::state::{StateError, StateRead, StateWrite};

/// The random function of this node's validator. Its key may be kept elsewhere.
pub trait BeaconSigner: std::fmt::Debug + Send + Sync {
    /// The public key.
    fn key(&self) -> BeaconKey;

    /// Proves what the function gives for `input`.
    fn prove(&self, input: &BeaconInput) -> BeaconProof;
}

impl BeaconSigner for BeaconSecret {
    fn key(&self) -> BeaconKey {
        BeaconSecret::key(self)
    }

    fn prove(&self, input: &BeaconInput) -> BeaconProof {
        BeaconSecret::prove(self, input)
    }
}

/// Where a block moves the beacon.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Moved {
    /// Its value before the block, which counts for good: what the block's committees are drawn from, and what it proves by.
    #[prost(message, required, tag = "1")]
    pub before: Digest,
    /// Its value after the block, once it is known that it was the turn of who proved it.
    #[prost(message, required, tag = "2")]
    pub after: Digest,
    /// Who proved it.
    #[prost(message, optional, tag = "3")]
    pub by: Option<ConsensusAddress>,
}

/// A block's step of the beacon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// From where to where.
    pub moved: Moved,
    /// What is wrong with the block's proof: no honest node votes for such a block. Were it decided all the same, it moves the beacon on
    /// as a block that nobody known proposes, so that what is drawn next is still not known to all.
    pub fault: Option<String>,
}

fn last<S: StateRead>(state: &S) -> Result<Option<Moved>, StateError> {
    state.get(&state_key::value())
}

/// The beacon after the last block, if that was proposed by whose turn it was.
///
/// # Errors
/// When the store cannot be read.
pub fn value<S: StateRead>(state: &S, chain_id: &str) -> Result<Digest, StateError> {
    let first = || Digest(tagged_hash("datanet/beacon-first/v1", &[chain_id.as_bytes()]));
    Ok(last(state)?.map_or_else(first, |last| last.after))
}

/// Who proved the last block when it was another's turn: `next`, what the engine says with the block behind it, says in which round it
/// was decided.
///
/// # Errors
/// When the store cannot be read.
pub fn misnamed<S: StateRead>(state: &S, next: &ConsensusInfo) -> Result<Option<ConsensusAddress>, StateError> {
    let by = last(state)?.and_then(|last| last.by);
    Ok(match by {
        Some(by) if !staking::had_turn(state, next, &by)? => Some(by),
        _ => None,
    })
}

/// The beacon before the next block, with which the engine says `next`. What somebody proved when it was another's turn does not count: whoever proposes under several names would have
/// as many draws. The beacon moves on by itself then, which is one value, and known to all.
///
/// # Errors
/// When the store cannot be read.
pub fn before<S: StateRead>(state: &S, chain_id: &str, next: &ConsensusInfo) -> Result<Digest, StateError> {
    match last(state)? {
        Some(last) if misnamed(state, next)?.is_some() => {
            Ok(Digest(tagged_hash("datanet/beacon-misnamed/v1", &[&last.before.0])))
        }
        _ => value(state, chain_id),
    }
}

/// Where `block` moves the beacon, if it begins with `proof`.
///
/// # Errors
/// When the store cannot be read.
pub fn step<S: StateRead>(state: &S, block: &BlockContext, proof: Option<&BeaconProof>) -> Result<Step, StateError> {
    let before = before(state, &block.chain_id, &block.consensus)?;
    let hashed = || Moved { before, after: hashed(block, &before), by: None };
    Ok(match proven(key(state, block)?, block, &before, proof) {
        Ok(Some(output)) => {
            let moved = Moved { before, after: output.moves(&before), by: Some(block.consensus.proposer) };
            Step { moved, fault: None }
        }
        Ok(None) => Step { moved: hashed(), fault: None },
        Err(fault) => Step { moved: hashed(), fault: Some(fault) },
    })
}

/// What the block's proof proves; nothing, if it needs none.
fn proven(
    key: Option<BeaconKey>,
    block: &BlockContext,
    before: &Digest,
    proof: Option<&BeaconProof>,
) -> Result<Option<BeaconOutput>, String> {
    let proposer = block.consensus.proposer;
    match (key, proof) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(format!("the block begins with a proof, but its proposer {proposer} is no validator of the ledger's"))
        }
        (Some(_), None) => {
            Err(format!("the block does not begin with the proof of its proposer, validator {proposer}"))
        }
        (Some(key), Some(proof)) => {
            let output = key.verify(&BeaconInput::of_block(&block.chain_id, block.height, before), proof);
            output.map(Some).ok_or_else(|| format!("the block's proof is not that of beacon key {key} for this block"))
        }
    }
}

/// The proof with which we begin `block`, which we propose; none if it needs none. The inner error says why we cannot.
///
/// # Errors
/// When the store cannot be read.
pub fn prove<S: StateRead>(
    state: &S,
    block: &BlockContext,
    signer: Option<&dyn BeaconSigner>,
) -> Result<Result<Option<BeaconProof>, String>, StateError> {
    let Some(wanted) = key(state, block)? else { return Ok(Ok(None)) };
    let own = signer.map(BeaconSigner::key);
    let Some(signer) = signer.filter(|_| own == Some(wanted)) else {
        let own = own.map_or_else(|| "none".to_owned(), |key| format!("beacon key {key}"));
        let validator = block.consensus.proposer;
        return Ok(Err(format!(
            "validator {validator} has registered beacon key {wanted}, and this node has {own}; restore the file `beacon-key` \
             of this home from a backup"
        )));
    };
    let input =
        BeaconInput::of_block(&block.chain_id, block.height, &before(state, &block.chain_id, &block.consensus)?);
    Ok(Ok(Some(signer.prove(&input))))
}

/// The beacon key of who proposes the block, if the ledger knows it.
fn key<S: StateRead>(state: &S, block: &BlockContext) -> Result<Option<BeaconKey>, StateError> {
    Ok(staking::get(state, &block.consensus.proposer)?.map(|validator| validator.beacon_key))
}

/// Where a block without a proof moves the beacon.
fn hashed(block: &BlockContext, before: &Digest) -> Digest {
    Digest(tagged_hash("datanet/beacon-hashed/v1", &[&before.0, &block.app_hash, &block.last_block_hash]))
}

/// Keeps the block's step for the next.
pub(super) fn keep<S: StateWrite>(state: &mut S, block: &BlockContext) {
    state.put(state_key::value(), &block.moved);
}
