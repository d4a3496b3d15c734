//! An epoch is paid once others keep its statement, and void where too few do.

use datanet_types::ChannelId;
use datanet_types::action::{AttestStatement, ChallengeEpoch, Finding, SettleEpoch, role};
use datanet_types::amount::DNT;
use datanet_types::epoch::EpochLeaf;

use super::Chain;
use super::harness::{BALANCE, STAKE, address, genesis, node, register, reveal_finding};
use super::life_of_a_channel::{claim, leaves, open, settle, voucher};
use crate::code;
use crate::component::audits::{self, Phase};
use crate::component::settlement::{self, Epoch, Status, bond, escrow, keeping};
use crate::component::{Genesis, Params, nodes};

const FEES: u64 = 1_000_000;
/// The least stake of a storage node.
const MIN: u64 = 10 * DNT;
/// What a transaction costs here.
const TX: u64 = 1_000;
const FEE: u64 = 2_000;
/// Seconds for a challenge, and after it for those who keep it.
const CHALLENGE: u64 = 40;
const LATER: u64 = 30;

fn params() -> Params {
    Params {
        gas_price: 0,
        challenge_seconds: CHALLENGE,
        statement_seconds: LATER,
        audit_seconds: 5,
        audit_deposit: 2 * DNT,
        ..Params::default()
    }
}

/// Person 0 serves; 1, 2 and 3 judge; so many from 5 on keep data.
fn world(keepers: u8) -> Chain {
    let mut chain = Chain::from_genesis(&Genesis { params: params(), ..genesis(Params::default()) });
    chain.act(0, register(0, role::SERVING, STAKE));
    for n in 1..4 {
        chain.act(n, register(n, role::VALIDATOR, STAKE));
    }
    for n in 5..5 + keepers {
        chain.act(n, register(n, role::STORAGE, MIN));
    }
    chain
}

/// Person 12 paid, person 11 earned.
fn settled(chain: &mut Chain) -> Vec<EpochLeaf> {
    let channel = open(chain, 12);
    let leaves = leaves(&[(11, FEES / 4 * 3)]);
    chain.act(0, settle(1, FEES, &leaves, vec![voucher(12, channel, FEES)]));
    leaves
}

fn attest(n: u8) -> AttestStatement {
    AttestStatement { node: node(n), serving: node(0), epoch: 1 }
}

fn epoch(chain: &Chain) -> Epoch {
    settlement::epoch(&chain.state, &node(0), 1).unwrap().unwrap()
}

fn put_up(chain: &Chain) -> u64 {
    chain.balance(keeping::fees_account(&node(0), 1))
}

fn stake(chain: &Chain, n: u8) -> u64 {
    nodes::of_account(&chain.state, &address(n)).unwrap().unwrap().stake
}

/// Person 9 doubts it, and everybody with a seat finds the same.
fn audited(chain: &mut Chain, finding: Finding) {
    chain.act(9, ChallengeEpoch { node: node(0), epoch: 1, suspects: Vec::new() });
    let audit = |chain: &Chain| audits::get(&chain.state, &node(0), 1).unwrap().unwrap();
    while audit(chain).phase() == Phase::Draw {
        chain.next();
    }
    let committee = audit(chain).committee;
    let seated: Vec<u8> = (1..4).filter(|n| committee.iter().any(|one| one.account == address(*n))).collect();
    for n in &seated {
        chain.act(*n, chain.commit_finding(*n, 1, finding));
    }
    for n in &seated {
        chain.act(*n, reveal_finding(*n, 1, finding));
    }
    chain.next();
}

#[test]
fn an_epoch_is_final_at_its_time_where_enough_keep_its_statement_and_they_are_paid_then() {
    let mut chain = world(3);
    let leaves = settled(&mut chain);
    let before = chain.balance(address(0));
    assert_eq!((epoch(&chain).quorum, epoch(&chain).attest_by), (2, chain.now() + CHALLENGE + LATER));
    assert_eq!(put_up(&chain), 2 * FEE);
    chain.act(5, attest(5));
    chain.act(6, attest(6));
    let kept: Vec<_> = settlement::keepers(&chain.state, &node(0), 1).unwrap().iter().map(|one| one.account).collect();
    assert_eq!(kept, [address(5), address(6)]);
    chain.refused(7, attest(7), code::STATEMENT_CLOSED, "it wants no more");
    chain.refused(11, claim(1, &leaves, 0), code::CLAIM_EPOCH, "can still be challenged");
    chain.skip_until(epoch(&chain).final_at);
    assert_eq!((epoch(&chain).status(), chain.balance(address(5))), (Status::Open, BALANCE - MIN - 2 * TX));
    chain.next();
    assert_eq!(epoch(&chain).status(), Status::Final);
    for n in [5, 6] {
        assert_eq!(chain.balance(address(n)), BALANCE - MIN - 2 * TX + FEE);
    }
    assert_eq!((put_up(&chain), chain.balance(address(0))), (0, before + FEES * 15 / 100));
    chain.act(11, claim(1, &leaves, 0));
    chain.refused(7, attest(7), code::STATEMENT_CLOSED, "is final");
}

#[test]
fn an_epoch_whose_time_is_over_is_final_with_the_last_word() {
    let mut chain = world(2);
    let leaves = settled(&mut chain);
    chain.act(5, attest(5));
    chain.skip_until(epoch(&chain).attest_by);
    assert_eq!((epoch(&chain).status(), epoch(&chain).attestations), (Status::Open, 1));
    chain.refused(11, claim(1, &leaves, 0), code::CLAIM_EPOCH, "waits for the words of 1 more");
    chain.refused(5, attest(5), code::STATEMENT_ATTESTED, "once is enough");
    chain.act(6, attest(6));
    let events = chain.next();
    assert!(events.iter().any(|event| event.kind == "epoch.final"), "{events:?}");
    chain.act(11, claim(1, &leaves, 0));
}

#[test]
fn an_epoch_that_too_few_keep_in_time_is_void_and_everybody_has_his_own_back() {
    let mut chain = world(2);
    let (payer, operator) = (chain.balance(address(12)), chain.balance(address(0)));
    let leaves = settled(&mut chain);
    chain.act(5, attest(5));
    chain.skip_until(epoch(&chain).attest_by);
    assert_eq!(bond::locked(&chain.state, &node(0)).unwrap(), 2 * FEES);
    // The first block behind the deadline comes late.
    chain.block.time_seconds += 5;
    chain.refused(6, attest(6), code::STATEMENT_CLOSED, "was to be attested until");
    let events = chain.next();
    assert!(events.iter().any(|event| event.kind == "epoch.void"), "{events:?}");
    let void = epoch(&chain);
    assert_eq!((void.status(), void.unkept), (Status::Void, true));
    assert_eq!(chain.balance(address(0)), operator - TX, "what was put up is back, and nothing was earned");
    assert_eq!((put_up(&chain), chain.balance(escrow::account(&node(0), 1))), (0, 0));
    assert_eq!(chain.balance(address(12)), payer - TX - (10 * DNT - FEES), "the rest is in his channel");
    assert_eq!((bond::locked(&chain.state, &node(0)).unwrap(), stake(&chain, 0)), (0, STAKE));
    assert_eq!(chain.balance(address(5)), BALANCE - MIN - 2 * TX, "a word that came to nothing is not paid");
    chain.refused(11, claim(1, &leaves, 0), code::CLAIM_EPOCH, "nobody could show it");
    chain.refused(6, attest(6), code::STATEMENT_CLOSED, "is void");
    chain.pass(Params::default().forget_seconds);
    chain.next();
    assert!(settlement::keepers(&chain.state, &node(0), 1).unwrap().is_empty(), "and forgotten");
    chain.refused(6, attest(6), code::STATEMENT_UNKNOWN, "forgotten");
}

#[test]
fn where_nobody_else_keeps_data_nobody_has_to() {
    let mut chain = world(0);
    // The node's own does not count.
    chain.act(0, register(0, role::SERVING | role::STORAGE, STAKE));
    let leaves = settled(&mut chain);
    let settled = epoch(&chain);
    assert_eq!((settled.quorum, settled.attest_by, put_up(&chain)), (0, 0, 0));
    chain.refused(0, attest(0), code::STATEMENT_CLOSED, "has the 0 words");
    chain.skip_until(settled.final_at + 1);
    assert_eq!(epoch(&chain).status(), Status::Final);
    chain.act(11, claim(1, &leaves, 0));
}

#[test]
fn only_a_staked_storage_node_of_another_account_has_a_word() {
    let mut chain = world(1);
    chain.act(0, register(0, role::SERVING | role::STORAGE, STAKE));
    settled(&mut chain);
    assert_eq!(epoch(&chain).quorum, 1, "one of another account");
    chain.refused(0, attest(0), code::STATEMENT_OWN, "of the same account");
    chain.refused(1, attest(1), code::NODE_ROLE, "a storage node");
    chain.refused(6, attest(5), code::NODE_ACCOUNT, "belongs to account");
    chain.refused(5, AttestStatement { epoch: 2, ..attest(5) }, code::STATEMENT_UNKNOWN, "not settled");
    chain.refused(5, AttestStatement { serving: node(9), ..attest(5) }, code::STATEMENT_UNKNOWN, "not settled");
    chain.act(5, attest(5));
}

#[test]
fn a_node_that_has_nothing_to_put_up_does_not_settle() {
    let mut chain = world(2);
    let all = chain.balance(address(0)) - 2 * TX - 2 * FEE + 1;
    chain.act(0, datanet_types::action::Transfer { to: address(15), amount: all });
    let channel = open(&mut chain, 12);
    let leaves = leaves(&[(11, FEES / 4 * 3)]);
    chain.refused(0, settle(1, FEES, &leaves, vec![voucher(12, channel, FEES)]), code::FUNDS, "");
}

#[test]
fn an_epoch_may_be_attested_while_it_is_audited_and_has_its_time_afterwards() {
    let mut chain = world(2);
    let leaves = settled(&mut chain);
    chain.skip_until(epoch(&chain).attest_by - 2);
    chain.act(9, ChallengeEpoch { node: node(0), epoch: 1, suspects: Vec::new() });
    // Nobody on the committee says anything, and it takes longer than there was time.
    while epoch(&chain).status() == Status::Audited {
        chain.next();
        if chain.now() > epoch(&chain).attest_by && epoch(&chain).attestations == 0 {
            chain.act(5, attest(5));
        }
    }
    let held = epoch(&chain);
    assert_eq!((held.attestations, held.attest_by), (1, held.final_at));
    chain.act(6, attest(6));
    chain.skip_until(held.final_at + 1);
    assert_eq!(epoch(&chain).status(), Status::Final);
    chain.act(11, claim(1, &leaves, 0));
}

#[test]
fn those_who_attested_what_is_nowhere_are_fined_and_not_paid() {
    let mut chain = world(2);
    settled(&mut chain);
    chain.act(5, attest(5));
    chain.act(6, attest(6));
    // One runs from it: what it takes back is not home yet.
    chain.act(6, register(6, role::SERVING, 0));
    let (serving, treasury) = (stake(&chain, 0), chain.treasury());
    audited(&mut chain, Finding::Missing);
    let lost = serving - stake(&chain, 0);
    let each = MIN / 2;
    assert_eq!(lost, 4 * DNT + 2 * each, "twice a deposit, and as much as both of them");
    assert_eq!((stake(&chain, 5), nodes::fined(&chain.state, &address(6)).unwrap()), (MIN - each, each));
    assert_eq!((epoch(&chain).status(), epoch(&chain).unkept, put_up(&chain)), (Status::Void, false, 0));
    assert_eq!(chain.balance(address(5)), BALANCE - MIN - 2 * TX);
    assert!(chain.treasury() >= treasury + 3 * each, "the treasury has it, as far as it is there");
    chain.pass(params().unbonding_seconds);
    chain.next();
    assert_eq!(chain.balance(address(6)), BALANCE - each - 3 * TX, "the rest came home");
}

#[test]
fn those_who_keep_the_statement_of_an_epoch_whose_receipts_are_nowhere_have_done_nothing_wrong() {
    for finding in [Finding::Unavailable, Finding::False] {
        let mut chain = world(2);
        settled(&mut chain);
        chain.act(5, attest(5));
        chain.act(6, attest(6));
        audited(&mut chain, finding);
        assert_eq!((epoch(&chain).status(), stake(&chain, 5), stake(&chain, 6)), (Status::Void, MIN, MIN));
    }
}

/// Epoch `number` of person 0's node, all of whose money is of one channel.
fn following(channel: ChannelId, number: u64, carries: Option<u64>) -> SettleEpoch {
    let vouchers = vec![voucher(12, channel, number * FEES)];
    SettleEpoch { carries, ..settle(number, FEES, &leaves(&[(11, FEES / 4 * 3)]), vouchers) }
}

#[test]
fn an_epoch_carries_the_debts_of_the_newest_that_was_not_void() {
    let mut chain = world(2);
    let channel = open(&mut chain, 12);
    let carried = |chain: &Chain, number| {
        let epoch = settlement::epoch(&chain.state, &node(0), number).unwrap().unwrap();
        epoch.carries.map(|carried| carried.epoch)
    };
    let next = |number, carries| following(channel, number, carries);
    chain.refused(0, next(1, Some(1)), code::EPOCH_ORDER, "it is those of epoch 0");
    chain.act(0, next(1, Some(0)));
    assert_eq!(carried(&chain, 1), None, "a first epoch has no debts");
    chain.refused(0, next(2, Some(0)), code::EPOCH_ORDER, "it is those of epoch 1");
    chain.act(0, next(2, Some(1)));
    assert_eq!(carried(&chain, 2), Some(1));
    // The first is kept, the second is not.
    chain.act(5, attest(5));
    chain.act(6, attest(6));
    chain.skip_until(settlement::epoch(&chain.state, &node(0), 2).unwrap().unwrap().attest_by);
    chain.next();
    let second = settlement::epoch(&chain.state, &node(0), 2).unwrap().unwrap();
    assert_eq!((epoch(&chain).status(), second.status()), (Status::Final, Status::Void));
    // What it charged was paid back: its voucher's money is charged by the channel all the same.
    chain.refused(0, next(3, Some(2)), code::EPOCH_ORDER, "it is those of epoch 1");
    chain.act(0, next(3, Some(1)));
    assert_eq!(carried(&chain, 3), Some(1), "a void epoch's debts are those that it began with");
}

#[test]
fn nothing_is_carried_on_from_a_void_epoch_in_whichever_order_they_fall() {
    for order in [[1, 2, 3], [3, 2, 1], [2, 1, 3], [1, 3, 2]] {
        let mut chain = world(0);
        let channel = open(&mut chain, 12);
        for number in 1..=3 {
            chain.act(0, following(channel, number, Some(number - 1)));
        }
        for number in order {
            let mut epoch = settlement::epoch(&chain.state, &node(0), number).unwrap().unwrap();
            let block = chain.block.clone();
            settlement::void(&mut chain.state, &block, &mut epoch, &params()).unwrap();
        }
        chain.refused(0, following(channel, 4, Some(1)), code::EPOCH_ORDER, "it is those of epoch 0");
        chain.act(0, following(channel, 4, Some(0)));
        let carried = settlement::get(&chain.state, &node(0)).unwrap().unwrap().carried();
        assert_eq!(carried.map(|carried| carried.epoch), Some(4), "{order:?}");
    }
}
