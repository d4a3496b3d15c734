//! Proposals with all they can hold, and votes with stake behind every validator.

use bytes::Bytes;
use datanet_types::Action;
use datanet_types::action::{
    Choice, MAX_REASON, MAX_TITLE, NewNumber, NewNumbers, Proposed, RetireAuthority, SubmitProposal, VoteProposal,
};

use super::Case;
use super::money::{AUTHORITY, EARNING};
use super::world::World;

/// As many as are voted on here, less the room that those measured need.
const OPEN: u32 = 16;
/// How many are put to the vote in the block that is measured.
const MORE: u32 = 12;

pub struct Votes;

/// With the longest words, and thirty parameters.
fn submit(world: &World, who: u32) -> Bytes {
    let names = [
        "audit_deposit",
        "audit_seconds",
        "bond_penalty_bps",
        "byte_fee",
        "challenge_seconds",
        "channel_max_seconds",
        "close_seconds",
        "commit_seconds",
        "datanet_deposit",
        "draw_delay",
        "fee_shares.contributors",
        "fee_shares.validators",
        "forget_seconds",
        "gas_price",
        "holdout_delay_seconds",
        "holdout_sample",
        "jail_seconds",
        "lineage_floor_bps",
        "liveness_window",
        "max_missed_bps",
        "min_fee",
        "quorum_bps",
        "reveal_seconds",
        "review_fee",
        "review_fee_per_mib",
        "serving_bond_bps",
        "state_byte_deposit",
        "storing_seconds",
        "verdict_challenge_seconds",
        "veto_bps",
    ];
    let present =
        serde_json::to_value(datanet_ledger::component::params::get(&world.ledger().reader()).unwrap()).unwrap();
    let number = |name: &&str| {
        let value = match name.split_once('.') {
            Some((group, within)) => present[group][within].as_u64(),
            None => present[*name].as_u64(),
        };
        // One that changes, so that something does.
        let value = value? + u64::from(*name == "min_fee");
        Some(NewNumber { name: (*name).to_owned(), value })
    };
    let numbers: Vec<NewNumber> = names.iter().filter_map(number).collect();
    assert!(numbers.len() > 25);
    let proposal = SubmitProposal {
        title: "t".repeat(MAX_TITLE),
        reason: "r".repeat(MAX_REASON),
        deposit: u64::MAX,
        proposed: Some(Proposed::Params(NewNumbers { numbers })),
    };
    world.sign(who, Action::SubmitProposal(proposal))
}

fn vote(world: &World, who: u32, proposal: u64, choice: Choice) -> Bytes {
    world.sign(who, Action::VoteProposal(VoteProposal { proposal, choice: choice as i32 }))
}

impl Votes {
    /// Those with stake behind each of the validators have voted on what is open.
    pub fn set_up(world: &mut World) -> Self {
        let txs: Vec<Bytes> = (0..OPEN).map(|n| submit(world, 100 + n)).collect();
        world.block(&txs);
        let votes = (0..4).flat_map(|n| (1..=u64::from(OPEN / 2)).map(move |number| (EARNING + n, number)));
        let txs: Vec<Bytes> = votes.map(|(who, number)| vote(world, who, number, Choice::Yes)).collect();
        world.block(&txs);
        Self
    }

    pub fn submit_proposal(&self, world: &World) -> Vec<Case> {
        vec![Case::done("30 parameters, 4 KiB of reasons", (0..MORE).map(|n| submit(world, 200 + n)).collect())]
    }

    pub fn vote_proposal(&self, world: &World) -> Vec<Case> {
        let half = u64::from(OPEN / 2);
        let each = |from: u64| (0..4).flat_map(move |n| (from..from + half).map(move |number| (EARNING + n, number)));
        let votes = |from: u64| each(from).map(|(who, number)| vote(world, who, number, Choice::No)).collect();
        vec![
            Case::done("with stake behind 64 validators", votes(half + 1)),
            Case::done("with that, another way", votes(1)),
        ]
    }

    pub fn retire_authority(&self, world: &World) -> Vec<Case> {
        let retire = world.sign(AUTHORITY, Action::RetireAuthority(RetireAuthority {}));
        vec![Case::done("and 32 payments with it", vec![retire])]
    }
}
