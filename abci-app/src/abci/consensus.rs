//! What ABCI says of validators, in the ledger's words.
//!
//! The proposer is asked with votes of one type, everybody else with votes of another. Both must read the same, or the
//! proposer would execute its own block twice.

use datanet_types::ConsensusAddress;
use tendermint_proto::v0_38::abci::{CommitInfo, Misbehavior, RequestPrepareProposal, Validator, VoteInfo};
use tendermint_proto::v0_38::types::{BlockIdFlag, ConsensusParams};

use super::service::{height, seconds};
use crate::component::{ConsensusInfo, EngineParams, Misbehaviour, Vote};

/// Of a block that we propose.
pub(super) fn proposed(request: &RequestPrepareProposal) -> ConsensusInfo {
    let commit = request.local_last_commit.as_ref().map(|commit| CommitInfo {
        round: commit.round,
        votes: commit
            .votes
            .iter()
            .map(|vote| VoteInfo { validator: vote.validator.clone(), block_id_flag: vote.block_id_flag })
            .collect(),
    });
    info(&request.proposer_address, commit.as_ref(), &request.misbehavior)
}

/// Of a block that somebody proposed, or that is decided.
pub(super) fn info(proposer: &[u8], commit: Option<&CommitInfo>, misbehaviour: &[Misbehavior]) -> ConsensusInfo {
    ConsensusInfo {
        proposer: address(proposer),
        last_round: commit.map_or(0, |commit| u32::try_from(commit.round).unwrap_or(0)),
        last_commit: commit.map(|commit| commit.votes.iter().map(vote).collect()).unwrap_or_default(),
        misbehaviour: misbehaviour.iter().map(caught).collect(),
    }
}

/// The engine's own parameters, as its genesis has them. What is left out is as zero, which none of ours is but what we do not use.
pub(super) fn params(params: &ConsensusParams) -> EngineParams {
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let block = params.block.unwrap_or_default();
    let evidence = params.evidence.unwrap_or_default();
    let age = evidence.max_age_duration.as_ref().map_or(0, |age| number(age.seconds));
    EngineParams {
        max_block_bytes: number(block.max_bytes),
        max_block_gas: u64::try_from(block.max_gas).ok(),
        evidence_blocks: number(evidence.max_age_num_blocks),
        evidence_seconds: age,
        max_evidence_bytes: number(evidence.max_bytes),
        key_types: params.validator.as_ref().map(|validator| validator.pub_key_types.clone()).unwrap_or_default(),
        vote_extensions_from: params.abci.map_or(0, |abci| number(abci.vote_extensions_enable_height)),
        app_version: params.version.map_or(0, |version| version.app),
    }
}

fn vote(vote: &VoteInfo) -> Vote {
    let power = vote.validator.as_ref().map_or(0, |validator| u64::try_from(validator.power).unwrap_or(0));
    let signed = matches!(vote.block_id_flag(), BlockIdFlag::Commit | BlockIdFlag::Nil);
    Vote { validator: of(vote.validator.as_ref()), power, signed }
}

fn caught(evidence: &Misbehavior) -> Misbehaviour {
    Misbehaviour {
        validator: of(evidence.validator.as_ref()),
        height: height(evidence.height),
        time_seconds: seconds(evidence.time.as_ref()),
    }
}

fn of(validator: Option<&Validator>) -> ConsensusAddress {
    validator.map_or(ConsensusAddress::ZERO, |validator| address(&validator.address))
}

/// Zeros if it is none of 20 bytes, which CometBFT's are.
fn address(bytes: &[u8]) -> ConsensusAddress {
    ConsensusAddress::from_slice(bytes).unwrap_or_default()
}
