//! A judge whose own validator proposes the block in which a committee is drawn, or the one before: it tries orders of transactions,
//! and stakes of its judge, until the committee is its own.

use std::collections::BTreeSet;

use bytes::Bytes;
use datanet_ledger::app::FinalizedBlock;
use datanet_ledger::component::staking;
use datanet_types::action::{Transfer, role};
use datanet_types::amount::DNT;
use datanet_types::{Action, Amount, ContributionId};

use super::judging::{ATTACKER, Judging, register};
use crate::support::{address, proposed_by};

/// Whose validators propose, in turns.
const ATTACKERS: u8 = 7;
const HONEST: u8 = 8;
/// Orders that are tried.
const ORDERS: usize = 10_000;

/// A contribution was given in block 6. `first` proposes block 7, and the other block 8, in which its committee is drawn.
fn given(first: u8) -> (Judging, ContributionId) {
    let second = if first == HONEST { ATTACKERS } else { HONEST };
    let mut chain = Judging::proposed_by(&[first, second], 1);
    let id = chain.give([5; 32]);
    assert_eq!((chain.ledger.info().height, chain.proposer()), (6, Some(first)));
    (chain, id)
}

/// Transactions of a block that the attacker may put into any order.
fn payments(chain: &mut Judging) -> Vec<Bytes> {
    let pay = |amount| Action::Transfer(Transfer { to: address(9), amount });
    (1..9).map(|amount| chain.sign(ATTACKER, pay(amount))).collect()
}

/// Another order for each number below 8!.
fn order(txs: &[Bytes], mut number: usize) -> Vec<Bytes> {
    let (mut left, mut ordered) = (txs.to_vec(), Vec::new());
    while !left.is_empty() {
        let at = number % left.len();
        number /= left.len();
        ordered.push(left.remove(at));
    }
    ordered
}

/// The committee that a block draws.
fn drawn(block: &FinalizedBlock) -> String {
    let event = block.events.iter().find(|event| event.kind == "validation.drawn").unwrap();
    event.get("committee").unwrap().to_owned()
}

/// What person `n`'s validator has earned of fees for its operator.
fn earned(chain: &Judging, n: u8) -> Amount {
    let state = chain.ledger.reader();
    let validator = staking::get(&state, &proposed_by(n).proposer).unwrap().unwrap();
    staking::earned(&state, &validator, &address(n)).unwrap()
}

#[test]
fn whoever_proposes_the_drawing_block_gets_one_committee_whatever_is_in_it() {
    let (mut chain, id) = given(HONEST);
    chain.block(&[]);
    let before = chain.loot();
    let txs = payments(&mut chain);
    for tx in &txs {
        // Verified once, as by everybody who has it in its mempool.
        assert!(chain.ledger.check_tx(tx, false).unwrap().is_ok());
    }
    let committees: BTreeSet<String> =
        (0..ORDERS).map(|number| drawn(&chain.decide(ATTACKERS, &order(&txs, number)))).collect();
    assert_eq!(committees.len(), 1, "{committees:?}");
    // Nor does it help to make its judge's stake another in that very block.
    for more in 1..100 {
        let tx = chain.sign(ATTACKER, register(ATTACKER, role::VALIDATOR | role::STORAGE, (100 + more) * DNT));
        let block = chain.decide(ATTACKERS, &[tx]);
        assert!(block.outcomes[0].is_ok() && committees.contains(&drawn(&block)), "{more}");
    }
    chain.block(&[]);
    println!(
        "beacon grinding: 1 committee of {ORDERS} orders of transactions and 99 stakes, {} of its 3 seats for a tenth of the \
         stake; {} base units won",
        chain.seats(&id, ATTACKER),
        i128::from(chain.loot()) - i128::from(before)
    );
    assert!(chain.loot() <= before);
}

#[test]
fn whoever_proposes_the_block_before_does_not_know_what_it_does() {
    let committees: BTreeSet<String> = (0..20)
        .map(|number| {
            let (mut chain, _) = given(ATTACKERS);
            let txs = payments(&mut chain);
            chain.block(&order(&txs, number * 100));
            drawn(&chain.decide(HONEST, &[]))
        })
        .collect();
    assert_eq!(committees.len(), 1, "{committees:?}");
}

#[test]
fn a_proposal_that_is_skipped_is_one_other_draw_and_costs_its_fees() {
    let (mut other, mut paid) = (0, Vec::new());
    for skips in [false, true] {
        let (mut chain, _) = given(HONEST);
        chain.block(&[]);
        let fees = payments(&mut chain);
        let before = earned(&chain, ATTACKERS);
        // Block 8 is the attacker's, unless nobody sees its proposal: then the next one's is decided.
        let own = drawn(&chain.decide(ATTACKERS, &fees));
        if skips {
            let block = chain.decide(HONEST, &fees);
            other = usize::from(drawn(&block) != own);
        } else {
            chain.decide(ATTACKERS, &fees);
        }
        chain.ledger.commit().unwrap();
        paid.push(earned(&chain, ATTACKERS) - before);
    }
    println!(
        "beacon grinding: skipping a proposal gave {other} other draw, not known beforehand, and cost {} base units of fees",
        paid[0] - paid[1]
    );
    assert!(other <= 1 && paid[1] == 0 && paid[0] > 0, "{paid:?}");
}
