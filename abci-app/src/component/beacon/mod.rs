//! The beacon: a value that each block moves on, from which committees are drawn.
//!
//! A block that a validator of the ledger proposes begins with its proof of what its random function gives for the value before
//! ([`datanet_types::beacon`]). It has one output, so that whoever proposes can choose between two things: to show it, or to let the
//! next one propose and lose the block's fees. A block that nobody known proposes (of an engine of one, or of a chain whose genesis names
//! no validators) moves the beacon on by app hash and hash of the block before: who makes that one can try many.
//!
//! The block moves it before all else, and committees are drawn before its first transaction ([`super::begin_block`]): what
//! its proposer puts into it comes too late to change what they are drawn from.

pub mod state_key;

use datanet_types::beacon::{BeaconInput, BeaconOutput};
use datanet_types::id::tagged_hash;
use datanet_types::{BeaconKey, BeaconProof, BeaconSecret, Digest};

use super::{BlockContext, staking};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its value from this block on.
    pub value: Digest,
    /// What is wrong with the block's proof: no honest node votes for such a block. Were it decided all the same, it moves the beacon on
    /// as a block that nobody known proposes, so that what is drawn next is still not known to all.
    pub fault: Option<String>,
}

/// The beacon after the last block.
///
/// # Errors
/// When the store cannot be read.
pub fn value<S: StateRead>(state: &S, chain_id: &str) -> Result<Digest, StateError> {
    let first = || Digest(tagged_hash("datanet/beacon-first/v1", &[chain_id.as_bytes()]));
    Ok(state.get(&state_key::value())?.unwrap_or_else(first))
}

/// Where `block` moves the beacon, if it begins with `proof`.
///
/// # Errors
/// When the store cannot be read.
pub fn step<S: StateRead>(state: &S, block: &BlockContext, proof: Option<&BeaconProof>) -> Result<Step, StateError> {
    let before = value(state, &block.chain_id)?;
    Ok(match proven(key(state, block)?, block, &before, proof) {
        Ok(Some(output)) => Step { value: output.moves(&before), fault: None },
        Ok(None) => Step { value: hashed(block, &before), fault: None },
        Err(fault) => Step { value: hashed(block, &before), fault: Some(fault) },
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
    let input = BeaconInput::of_block(&block.chain_id, block.height, &value(state, &block.chain_id)?);
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

/// Keeps the block's value for the next.
pub(super) fn keep<S: StateWrite>(state: &mut S, block: &BlockContext) {
    state.put(state_key::value(), &block.beacon);
}
