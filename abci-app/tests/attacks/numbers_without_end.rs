//! The chain's authority, or whoever has its key, makes numbers so large that others never get what is theirs.

use datanet_ledger::app::Block;
use datanet_ledger::code;
use datanet_ledger::component::{ConsensusInfo, Vote, accounts, settlement, staking};
use datanet_types::Action;
use datanet_types::action::{SetParams, role};

use super::serving::{self, ATTACKER, FEES, PAYER, Serving, VICTIMS, claimable};
use crate::support::{BALANCE, Chain, address, body, genesis_of_validators, signed, validator};

fn set(serving: &mut Serving, changes: &str) -> code::Code {
    let outcome = serving.send(ATTACKER, Action::SetParams(SetParams { changes: changes.to_owned() }));
    println!("{changes}: {} {}", outcome.code, outcome.log);
    outcome.code
}

/// A chain of four validators after its first block; person 9 is its authority.
fn four_validators() -> Chain {
    let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_of_validators(&[1, 2, 3, 4])).unwrap();
    genesis["authority"] = serde_json::json!(address(9));
    genesis["params"]["authority_delay_seconds"] = 10.into();
    let chain = Chain::empty();
    let app_state = serde_json::to_vec(&genesis).unwrap();
    chain.init_with(&app_state);
    chain.run(&[]);
    chain
}

#[test]
fn it_tells_the_engine_nothing_that_it_cannot_read() {
    let mut serving = Serving::with_authority(ATTACKER);
    let changes = r#"{"unbonding_seconds": 18446744073709551615, "evidence_seconds": 10000000000, "evidence_blocks": 18446744073709551615}"#;
    assert_eq!(set(&mut serving, changes), code::PARAMS_INVALID);
    for changes in [r#"{"evidence_seconds": 10000000000}"#, r#"{"evidence_blocks": 18446744073709551615}"#] {
        assert_eq!(set(&mut serving, changes), code::PARAMS_INVALID);
    }
    serving.chain.idle += 10;
    assert_eq!(serving.chain.run(&[]).engine, None);
}

#[test]
fn it_keeps_nobody_from_being_paid_some_day() {
    let mut serving = Serving::with_authority(ATTACKER);
    serving.register(ATTACKER, 100, role::SERVING, serving::STAKE);
    let channel = serving.channel(PAYER, 10 * FEES);
    assert_eq!(set(&mut serving, r#"{"challenge_seconds": 18446744073709551615}"#), code::PARAMS_INVALID);
    // A month is the most.
    assert_eq!(set(&mut serving, r#"{"challenge_seconds": 2592000}"#), code::OK);
    serving.chain.pass(10);
    let earned = [(VICTIMS[0], claimable(FEES))];
    let epoch = serving.settle_on(channel, PAYER, FEES, &earned);
    serving.chain.pass(31 * 24 * 3_600);
    println!("a month later the epoch is {:?}", serving.status(epoch));
    assert_eq!(serving.status(epoch), settlement::Status::Final);
}

#[test]
fn it_sends_nobody_off_who_orders_blocks_by_one_change() {
    let mut chain = four_validators();
    for (nonce, changes) in
        [r#"{"min_validator_stake": 18446744073709551615}"#, r#"{"max_validators": 1}"#].into_iter().enumerate()
    {
        let action = Action::SetParams(SetParams { changes: changes.to_owned() });
        let done = chain.run(&[signed(9, &body(action, 50, nonce as u64))]);
        println!("{changes}: {}", done.outcomes[0].log);
        assert_eq!(Chain::codes(&done), [code::PARAMS_INVALID]);
    }
    chain.idle += 10;
    for _ in 0..10 {
        chain.run(&[]);
    }
    assert_eq!(staking::active(&chain.ledger.reader()).unwrap().len(), 4);
}

#[test]
fn it_takes_no_more_than_a_hundredth_for_a_missed_vote() {
    let mut chain = four_validators();
    let all = [
        (r#"{"unbonding_seconds": 315360000}"#, code::PARAMS_INVALID),
        (r#"{"liveness_window": 1, "max_missed_bps": 0, "downtime_slash_bps": 10000}"#, code::PARAMS_INVALID),
        (r#"{"liveness_window": 1, "max_missed_bps": 0, "downtime_slash_bps": 100}"#, code::OK),
    ];
    for (nonce, (changes, code)) in all.into_iter().enumerate() {
        let action = Action::SetParams(SetParams { changes: changes.to_owned() });
        assert_eq!(Chain::codes(&chain.run(&[signed(9, &body(action, 50, nonce as u64))])), [code], "{changes}");
        chain.idle += 10;
        chain.run(&[]);
    }
    let treasury = |chain: &Chain| accounts::balance(&chain.ledger.reader(), accounts::treasury()).unwrap();
    let before = treasury(&chain);
    // One vote that did not come in time.
    let vote = |n| Vote { validator: validator(n).address(), power: 500, signed: n != 2 };
    let consensus = ConsensusInfo { last_commit: (1..5).map(vote).collect(), ..ConsensusInfo::default() };
    let block = Block { consensus: &consensus, ..chain.block(&[]) };
    chain.ledger.finalize_block(&block).unwrap();
    chain.ledger.commit().unwrap();
    let taken = treasury(&chain) - before;
    println!("one missed vote: validator 2 and its delegators lose {taken} base units of {}", BALANCE / 2);
    assert!((1..=BALANCE / 200).contains(&taken), "{taken}");
}
