//! Validators: they join and leave, earn and lose, and the engine is told.

use datanet_types::amount::DNT;
use datanet_types::staking::{CreateValidator, Delegate, Redelegate, Undelegate, Unjail, WithdrawRewards};
use datanet_types::{BeaconKey, BeaconProof, BeaconSecret, ConsensusAddress, ConsensusKey, SigningKey};

use super::Chain;
use super::harness::{BALANCE, CHAIN, address, genesis};
use crate::code;
use crate::component::staking::{self, GenesisValidator, Validator};
use crate::component::{ConsensusInfo, Genesis, Misbehaviour, Params, Vote, accounts, init_genesis};
use crate::state::{ChangeLog, MemoryState};

const FEE: u64 = 1_000;
/// What stands behind each of the first validators.
pub(super) const FIRST: u64 = 100 * DNT;

fn secret(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n.wrapping_add(201); 32])
}

pub(super) fn key(n: u8) -> ConsensusKey {
    secret(n).consensus_key()
}

fn beacon(n: u8) -> BeaconSecret {
    BeaconSecret::from_bytes(&[n; 32])
}

pub(super) fn validator(n: u8) -> ConsensusAddress {
    key(n).address()
}

pub(super) fn params() -> Params {
    Params {
        min_validator_stake: 10 * DNT,
        unbonding_seconds: 64,
        evidence_seconds: 42,
        evidence_blocks: 8,
        liveness_window: 10,
        jail_seconds: 5,
        max_validators: 5,
        ..Params::default()
    }
}

pub(super) fn with_validators(count: u8, params: Params) -> Genesis {
    let first = |n| GenesisValidator {
        key: key(n),
        beacon_key: beacon(n).key(),
        operator: address(n),
        stake: FIRST,
        commission_bps: 1_000,
        name: format!("validator {n}"),
    };
    Genesis { validators: (0..count).map(first).collect(), ..genesis(params) }
}

/// Where persons 0 to 3 validate.
pub(super) fn four() -> Chain {
    Chain::from_genesis(&with_validators(4, params()))
}

pub(super) fn create(n: u8, amount: u64) -> CreateValidator {
    let proof = secret(n).sign(&CreateValidator::sign_bytes(CHAIN, &address(n), &key(n)));
    CreateValidator {
        key: key(n),
        proof,
        amount,
        commission_bps: 0,
        name: format!("validator {n}"),
        beacon_key: beacon(n).key(),
        beacon_proof: beacon(n).prove(&CreateValidator::beacon_input(CHAIN, &address(n), &key(n))),
    }
}

pub(super) fn delegate(n: u8, amount: u64) -> Delegate {
    Delegate { validator: validator(n), amount }
}

pub(super) fn undelegate(n: u8, amount: u64) -> Undelegate {
    Undelegate { validator: validator(n), amount }
}

fn redelegate(from: u8, to: u8, amount: u64) -> Redelegate {
    Redelegate { from: validator(from), to: validator(to), amount }
}

/// The votes of the first four, less those of `missing`.
pub(super) fn voted(missing: &[u8]) -> ConsensusInfo {
    let vote = |n| Vote { validator: validator(n), power: 100, signed: !missing.contains(&n) };
    ConsensusInfo { last_commit: (0..4).map(vote).collect(), ..ConsensusInfo::default() }
}

fn proposed_by(n: u8) -> ConsensusInfo {
    ConsensusInfo { proposer: validator(n), ..ConsensusInfo::default() }
}

/// Two votes of validator `n` for one height.
pub(super) fn caught(n: u8, height: u64) -> ConsensusInfo {
    let misbehaviour = vec![Misbehaviour { validator: validator(n), height, time_seconds: 1_700_000_000 }];
    ConsensusInfo { misbehaviour, ..ConsensusInfo::default() }
}

fn record(chain: &Chain, n: u8) -> Validator {
    staking::get(&chain.state, &validator(n)).unwrap().unwrap()
}

fn told(chain: &Chain) -> Vec<(ConsensusKey, u64)> {
    chain.updates.iter().map(|update| (update.key, update.power)).collect()
}

/// What person `n`'s stake on validator `of` is worth.
fn stake(chain: &Chain, n: u8, of: u8) -> u64 {
    let held = staking::delegation(&chain.state, &validator(of), &address(n)).unwrap();
    staking::worth(&record(chain, of), held.shares)
}

#[test]
fn the_first_validators_are_those_of_the_genesis() {
    let chain = four();
    let mut expected: Vec<_> = (0..4).map(|n| (key(n), 100)).collect();
    expected.sort_by_key(|(key, _)| key.address());
    assert_eq!(told(&chain), expected);
    assert_eq!(chain.balance(address(0)), BALANCE - FIRST);
    chain.check_supply();
}

#[test]
fn a_genesis_that_contradicts_itself_is_refused() {
    let refused = |change: &dyn Fn(&mut GenesisValidator), words: &str| {
        let mut genesis = with_validators(2, params());
        change(&mut genesis.validators[1]);
        let error = init_genesis(&mut ChangeLog::new(&MemoryState::default()), &genesis, CHAIN).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(&|validator| validator.key = key(0), "key of another");
    refused(&|validator| validator.operator = address(0), "operator of another");
    refused(&|validator| validator.beacon_key = BeaconKey::ZERO, "could not propose");
    refused(&|validator| validator.stake = 1, "min_validator_stake");
    refused(&|validator| validator.stake = BALANCE + 1, "send it");
    refused(&|validator| validator.commission_bps = 10_001, "10000");
    refused(&|validator| validator.name.clear(), "1 to 64 bytes");
}

#[test]
fn a_fifth_joins_and_a_first_leaves() {
    let mut chain = four();
    chain.act(4, create(4, 60 * DNT));
    chain.next();
    assert_eq!(told(&chain), [(key(4), 60)]);
    chain.act(0, undelegate(0, FIRST));
    chain.next();
    assert_eq!(told(&chain), [(key(0), 0)]);
    chain.next();
    assert_eq!(told(&chain), []);
    assert_eq!(staking::active(&chain.state).unwrap().len(), 4);
}

#[test]
fn only_who_has_most_behind_them_take_part() {
    let mut chain = Chain::from_genesis(&with_validators(5, params()));
    chain.act(5, create(5, 99 * DNT));
    chain.next();
    assert_eq!(told(&chain), [], "five is the most, and it is the sixth");
    chain.act(6, delegate(5, 2 * DNT));
    chain.next();
    assert!(matches!(told(&chain)[..], [(_, 0), (_, 66)]), "one goes, and one comes, as far as a third allows");
    chain.next();
    assert_eq!(told(&chain), [(key(5), 101)]);
}

#[test]
fn no_block_changes_more_than_a_third_of_all_power() {
    let mut chain = four();
    for n in 4..8 {
        chain.act(n, delegate(n - 4, 100 * DNT));
    }
    let power = |chain: &Chain| staking::active(&chain.state).unwrap().iter().map(|active| active.power).sum::<u64>();
    let mut steps = Vec::new();
    while {
        steps.push(power(&chain));
        chain.next();
        !told(&chain).is_empty()
    } {}
    assert_eq!(steps, [400, 533, 710, 800], "a third more each time, the last of them in part");
    assert!(staking::active(&chain.state).unwrap().iter().all(|active| active.power == 200));
}

#[test]
fn the_last_validator_stays_whatever_happens() {
    let mut chain = Chain::from_genesis(&with_validators(1, params()));
    chain.act(0, undelegate(0, FIRST));
    chain.next();
    assert_eq!(told(&chain), []);
    chain.act(1, create(1, 20 * DNT));
    while staking::active(&chain.state).unwrap() != [staking::Active { key: key(1), power: 20 }] {
        chain.next();
        let there = staking::active(&chain.state).unwrap();
        assert!(!there.is_empty() && chain.block.height < 30, "now the first can go, in steps");
    }
}

#[test]
fn a_proposers_fees_are_shared_by_stake_less_the_commission() {
    let mut chain = four();
    chain.act(5, delegate(0, 300 * DNT));
    chain.next_with(proposed_by(0));
    let operator = chain.balance(address(0));
    chain.act(6, delegate(1, DNT));
    chain.act(7, delegate(1, DNT));
    chain.next();
    // Of two fees half is the proposer's; a tenth of that is its commission, and three quarters of the rest the delegator's.
    assert_eq!(chain.balance(address(0)), operator + 100);
    let earned = |chain: &Chain, n| staking::earned(&chain.state, &record(chain, 0), &address(n)).unwrap();
    assert_eq!((earned(&chain, 5), earned(&chain, 0)), (674, 224), "rounded down, 900 in all");
    let before = chain.balance(address(5));
    chain.act(5, WithdrawRewards { validators: vec![validator(0)] });
    assert_eq!(chain.balance(address(5)), before - FEE + 674);
    assert_eq!(earned(&chain, 5), 0);
    chain.refused(5, undelegate(0, 1), code::DELEGATION, "or all");
    chain.act(5, undelegate(0, DNT));
    chain.next();
}

#[test]
fn what_is_taken_back_arrives_after_the_unbonding_time() {
    let mut chain = four();
    chain.act(5, delegate(0, 50 * DNT));
    let before = chain.balance(address(5));
    chain.act(5, undelegate(0, 20 * DNT));
    assert_eq!(stake(&chain, 5, 0), 30 * DNT);
    let leaving = |chain: &Chain| staking::unbonding(&chain.state, &address(5), 9).unwrap();
    assert_eq!(leaving(&chain)[0].amount, 20 * DNT);
    assert_eq!(leaving(&chain)[0].arrives, chain.block.time_seconds as u64 + 64);
    for _ in 0..64 {
        chain.next();
        assert_eq!(chain.balance(address(5)), before - FEE);
    }
    let events = chain.next();
    assert!(events.iter().any(|event| event.kind == "staking.released"), "{events:?}");
    assert_eq!(chain.balance(address(5)), before - FEE + 20 * DNT);
    assert_eq!(leaving(&chain), []);
}

#[test]
fn who_signs_two_histories_loses_a_twentieth_of_all_that_stood_behind_it_wherever_that_is_now() {
    let mut chain = four();
    chain.act(5, delegate(0, 100 * DNT));
    chain.act(6, delegate(0, 100 * DNT));
    chain.act(7, delegate(0, 100 * DNT));
    let when = chain.block.height;
    chain.next();
    chain.act(5, undelegate(0, 100 * DNT));
    chain.act(6, redelegate(0, 1, 100 * DNT));
    let treasury = chain.treasury();
    chain.next_with(caught(0, when));
    assert_eq!(chain.treasury(), treasury + 20 * DNT, "a twentieth of 400 DNT");
    assert_eq!((stake(&chain, 0, 0), stake(&chain, 7, 0), stake(&chain, 6, 1)), (95 * DNT, 95 * DNT, 95 * DNT));
    chain.next();
    assert_eq!(told(&chain)[0], (key(0), 0));
    // Once and for all.
    chain.next_with(caught(0, when));
    chain.next();
    assert_eq!(stake(&chain, 7, 0), 95 * DNT);
    chain.refused(8, delegate(0, DNT), code::VALIDATOR_TOMBSTONED, "never comes back");
    chain.refused(0, Unjail { validator: validator(0) }, code::VALIDATOR_TOMBSTONED, "never comes back");
    chain.refused(0, create(0, 20 * DNT), code::VALIDATOR_TAKEN, "exists already");
    chain.act(7, undelegate(0, u64::MAX));
    let before = chain.balance(address(5));
    chain.skip_to(chain.block.height + 70);
    assert_eq!(chain.balance(address(5)), before + 95 * DNT, "what was on its way has paid too");
    assert_eq!(stake(&chain, 1, 1), FIRST, "nobody else's stake has paid");
}

#[test]
fn what_left_before_the_misdeed_does_not_pay_for_it() {
    let mut chain = four();
    chain.act(5, delegate(0, 100 * DNT));
    chain.act(5, undelegate(0, 100 * DNT));
    chain.skip_to(chain.block.height + 20);
    let when = chain.block.height + 81;
    let before = chain.balance(address(5));
    chain.next_with(caught(0, when));
    chain.skip_to(chain.block.height + 70);
    assert_eq!(chain.balance(address(5)), before + 100 * DNT);
}

#[test]
fn moved_stake_works_at_once_and_stays_until_it_answers_for_its_former_validator_no_more() {
    let mut chain = four();
    chain.act(5, delegate(0, 100 * DNT));
    chain.act(5, redelegate(0, 1, 60 * DNT));
    assert_eq!((stake(&chain, 5, 0), stake(&chain, 5, 1)), (40 * DNT, 60 * DNT));
    chain.refused(5, redelegate(1, 2, 10 * DNT), code::DELEGATION, "answer for that");
    chain.refused(5, undelegate(1, 10 * DNT), code::DELEGATION, "answer for that");
    chain.act(5, delegate(1, 5 * DNT));
    chain.act(5, undelegate(1, 20 * DNT));
    assert_eq!(stake(&chain, 5, 1), 60 * DNT, "what was not moved there is free");
    chain.skip_to(chain.block.height + 66);
    chain.act(5, undelegate(1, 60 * DNT));
    chain.refused(5, redelegate(0, 0, DNT), code::REDELEGATION, "already");
}

#[test]
fn a_validator_that_is_away_is_sent_off_and_comes_back() {
    let mut chain = four();
    chain.skip_to(10);
    for _ in 0..5 {
        chain.next_with(voted(&[2]));
    }
    chain.skip_to(20);
    assert_eq!(record(&chain, 2).jailed_until, 0, "five of ten is not more than half");
    for _ in 0..6 {
        chain.next_with(voted(&[2]));
    }
    assert_eq!(staking::missed(&chain.state, &validator(2)).unwrap(), 6);
    chain.skip_to(30);
    assert_eq!(record(&chain, 2).jailed_until, chain.block.time_seconds as u64 + 5);
    assert_eq!(record(&chain, 2).tokens, FIRST - FIRST / 10_000);
    chain.next();
    assert_eq!(told(&chain), [(key(2), 0)]);
    chain.refused(2, Unjail { validator: validator(2) }, code::VALIDATOR_JAIL, "4 more seconds");
    chain.refused(3, Unjail { validator: validator(2) }, code::VALIDATOR_FOREIGN, "operates");
    chain.skip_to(36);
    chain.act(2, Unjail { validator: validator(2) });
    chain.next();
    assert_eq!(told(&chain), [(key(2), 99)], "99.99 DNT");
    chain.refused(2, Unjail { validator: validator(2) }, code::VALIDATOR_JAIL, "not in jail");
}

#[test]
fn votes_of_who_is_no_validator_are_not_counted() {
    let mut chain = four();
    chain.act(3, undelegate(3, FIRST));
    chain.next();
    chain.next_with(voted(&[3]));
    assert_eq!(staking::missed(&chain.state, &validator(3)).unwrap(), 0);
}

#[test]
fn bad_validators_and_stakes_are_refused() {
    let mut chain = four();
    let copied = CreateValidator { proof: create(4, 20 * DNT).proof, ..create(5, 20 * DNT) };
    chain.refused_before_it_pays(5, copied, code::VALIDATOR_PROOF, "make it with that key");
    // Nor with a beacon key that is somebody else's, or none.
    let (proof, key) = (create(4, 20 * DNT).beacon_proof, beacon(4).key());
    for (beacon_key, beacon_proof) in [(key, proof), (key, BeaconProof::ZERO), (BeaconKey::ZERO, BeaconProof::ZERO)] {
        let copied = CreateValidator { beacon_key, beacon_proof, ..create(5, 20 * DNT) };
        chain.refused_before_it_pays(5, copied, code::VALIDATOR_PROOF, "the beacon proof is not");
    }
    chain.refused(4, create(4, 10 * DNT - 1), code::VALIDATOR_STAKE, "at least 10 DNT");
    chain.refused(4, create(4, 2_000 * DNT), code::FUNDS, "send it");
    let named = |name: &str| CreateValidator { name: name.into(), ..create(4, 20 * DNT) };
    chain.refused(4, named(""), code::VALIDATOR_INVALID, "1 to 64");
    chain.refused(
        4,
        CreateValidator { commission_bps: 10_001, ..named("x") },
        code::VALIDATOR_INVALID,
        "at most 10000",
    );
    chain.refused(0, create_for(0, 9), code::VALIDATOR_TAKEN, "operates a validator already");
    chain.refused(5, delegate(9, DNT), code::VALIDATOR_UNKNOWN, "no validator");
    chain.refused_before_it_pays(5, delegate(0, DNT - 1), code::DELEGATION, "at least 1 DNT");
    chain.refused(5, undelegate(0, DNT), code::DELEGATION, "no stake");
    chain.refused(0, undelegate(0, 0), code::DELEGATION, "say how much");
    let none = WithdrawRewards { validators: vec![] };
    chain.refused_before_it_pays(5, none, code::DELEGATION, "ascending");
    let twice = WithdrawRewards { validators: vec![validator(0); 2] };
    chain.refused_before_it_pays(5, twice, code::DELEGATION, "ascending");
    assert_eq!(chain.balance(accounts::fees()), 8 * FEE);
}

/// Key `n` under operator `operator`.
fn create_for(operator: u8, n: u8) -> CreateValidator {
    let proof = secret(n).sign(&CreateValidator::sign_bytes(CHAIN, &address(operator), &key(n)));
    let beacon_proof = beacon(n).prove(&CreateValidator::beacon_input(CHAIN, &address(operator), &key(n)));
    CreateValidator { key: key(n), proof, beacon_proof, ..create(n, 20 * DNT) }
}

/// A part of a batch that is worth nothing would outlive the batch, and stop the chain.
#[test]
fn nothing_is_taken_back_that_is_worth_nothing() {
    let mut chain = four();
    // Any validator that was ever slashed, here validator 1 for being away.
    chain.skip_to(10);
    for _ in 0..6 {
        chain.next_with(voted(&[1]));
    }
    chain.skip_to(20);
    chain.skip_to(26);
    chain.act(1, Unjail { validator: validator(1) });
    assert!(record(&chain, 1).tokens < record(&chain, 1).shares);
    // Whose ticket is paid first?
    let (first, second) = if address(5).to_string() < address(6).to_string() { (5, 6) } else { (6, 5) };
    chain.act(first, delegate(1, 2 * DNT));
    chain.act(second, delegate(0, 2 * DNT));
    chain.act(second, redelegate(0, 1, DNT));
    chain.act(second, delegate(1, 3 * DNT));
    let held = staking::delegation(&chain.state, &validator(1), &address(second)).unwrap();
    let free = held.shares - held.moved;
    // Sell down to one share.
    let all = staking::worth(&record(&chain, 1), free - 1);
    chain.act(second, undelegate(1, all));
    for _ in 0..3 {
        chain.next();
    }
    chain.act(first, undelegate(1, DNT));
    chain.refused(first, undelegate(1, 1), code::DELEGATION, "or all");
    chain.act(second, undelegate(1, 1));
    chain.skip_to(chain.block.height + 80);
}

/// The engine counts on a validator until two blocks after it was told: it has power in the block after its stake has left.
#[test]
fn stake_that_leaves_a_block_before_the_misdeed_pays() {
    let mut chain = four();
    chain.act(0, undelegate(0, FIRST));
    let before = chain.balance(address(0));
    chain.next();
    assert_eq!(told(&chain), [(key(0), 0)], "told at the end of block h: still votes in block h + 1");
    // It signs twice at this height, h + 1.
    let when = chain.block.height;
    chain.next();
    chain.next_with(caught(0, when));
    chain.skip_to(chain.block.height + 70);
    assert_eq!(chain.balance(address(0)), before + FIRST - FIRST / 20, "it has paid");
}

/// A change of more than a third waits for ever while smaller ones come before it.
#[test]
fn no_power_stays_without_stake_behind_smaller_changes() {
    let mut chain = four();
    let mut order = [0u8, 1, 2, 3];
    order.sort_by_key(|n| validator(*n));
    let (low, high) = (order[0], order[3]);
    chain.act(8, delegate(high, 400 * DNT));
    for _ in 0..12 {
        chain.next();
    }
    let power = |chain: &Chain| {
        staking::active(&chain.state).unwrap().into_iter().find(|active| active.key == key(high)).unwrap().power
    };
    assert_eq!(power(&chain), 500);
    chain.act(8, undelegate(high, 400 * DNT));
    chain.act(high, undelegate(high, 90 * DNT));
    for n in 0..70u32 {
        chain.act(9 + (n % 2) as u8, delegate(low, DNT));
        chain.next();
    }
    assert!(chain.balance(address(8)) > BALANCE - DNT, "the stake is home");
    assert_eq!(power(&chain), 10, "and so the power is gone");
}

/// Honest people take back what a whole slash has left: nothing.
#[test]
fn a_slash_of_nearly_everything_stops_nothing() {
    let mut chain = Chain::from_genesis(&with_validators(4, Params { equivocation_slash_bps: 9_999, ..params() }));
    chain.act(5, delegate(0, 2 * DNT));
    chain.act(6, delegate(0, 2 * DNT));
    chain.next_with(caught(0, 1));
    chain.act(5, undelegate(0, DNT));
    chain.act(6, undelegate(0, DNT));
    assert_eq!(stake(&chain, 6, 0), 0);
    chain.skip_to(chain.block.height + 80);
}

/// Who leaves before the window ends pays nothing for being away.
#[test]
fn who_leaves_before_the_window_ends_pays_for_being_away() {
    let mut chain = four();
    chain.skip_to(10);
    for _ in 0..9 {
        chain.next_with(voted(&[2]));
    }
    let treasury = chain.treasury();
    chain.act(2, undelegate(2, FIRST - 10 * DNT));
    chain.skip_to(100);
    assert_eq!(chain.treasury() - treasury - FEE, FIRST / 10_000);
}

/// A sub-key of a budget of 1 DNT moves all that its account has staked.
#[test]
fn a_sub_key_moves_no_more_stake_than_it_may_spend() {
    use datanet_types::action::{Action, ActionKind, ActionSet, GrantKey};
    let mut chain = four();
    chain.act(5, delegate(0, 500 * DNT));
    let actions: ActionSet = [ActionKind::Redelegate].into_iter().collect();
    chain.act(
        5,
        GrantKey {
            key: super::harness::key(6).public_key(),
            actions: actions.0,
            counterparties: vec![],
            budget: DNT,
            period_seconds: 3_600,
            expires: 1_800_000_000,
        },
    );
    let action = Action::Redelegate(redelegate(0, 1, 500 * DNT));
    let tx = chain.tx_body(6, |body| datanet_types::TxBody { account: address(5), ..body }, action, 77_777);
    let refused = chain.run(&tx).unwrap_err();
    assert!(matches!(refused, crate::component::ActionError::Refused { code: code::GRANT_LIMITS, .. }), "{refused}");
    assert_eq!(stake(&chain, 5, 1), 0);
}
