//! A judge whose own validator proposes the block in which a committee is drawn, or the one before, by whose proof it is drawn: it tries orders
//! of transactions, stakes of its judge, and names of its other validators, until the committee is its own.

use std::collections::BTreeSet;

use bytes::Bytes;
use datanet_ledger::app::FinalizedBlock;
use datanet_ledger::component::staking;
use datanet_types::action::{Transfer, role};
use datanet_types::amount::DNT;
use datanet_types::staking::{Delegate, Undelegate};
use datanet_types::{Action, Amount, ContributionId};

use super::judging::{ATTACKER, Judging, register};
use crate::support::{address, proposed_by};

/// Whose validators propose, in turns.
const ATTACKERS: u8 = 7;
const HONEST: u8 = 8;
/// Orders that are tried.
const ORDERS: usize = 10_000;

/// A contribution was given in block 6. `first` proposes block 7, whose proof decides, and the other block 8, in which its committee is drawn.
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
fn whoever_proposes_the_block_whose_proof_decides_gets_one_committee_whatever_is_in_it() {
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
    let (mut committees, mut paid) = (BTreeSet::new(), Vec::new());
    for skips in [false, true] {
        let (mut chain, _) = given(ATTACKERS);
        let fees = payments(&mut chain);
        let before = earned(&chain, ATTACKERS);
        // Block 7 is the attacker's, unless nobody sees its proposal: then the next one's is decided.
        chain.decide(if skips { HONEST } else { ATTACKERS }, &fees);
        chain.ledger.commit().unwrap();
        committees.insert(drawn(&chain.decide(HONEST, &[])));
        paid.push(earned(&chain, ATTACKERS) - before);
    }
    println!(
        "beacon grinding: skipping a proposal gave {} other draw, not known beforehand, and cost {} base units of fees",
        committees.len() - 1,
        paid[0] - paid[1]
    );
    assert!(paid[1] == 0 && paid[0] > 0, "{paid:?}");
}

/// Those of the persons whose validators are the attacker's.
const NAMES: [u8; 3] = [6, ATTACKERS, 9];

/// A chain on which the engine says whose turn it was, before a block that is the attacker's: the one whose proof is drawn from, if it counts.
fn before_the_attackers_turn() -> (Judging, ContributionId) {
    let mut chain = Judging::proposed_in_turn_by(&[6, ATTACKERS, 9, HONEST, 1, 2, 3], 1);
    while chain.in_turn(1) != Some(ATTACKERS) {
        chain.block(&[]);
    }
    let id = chain.give([5; 32]);
    assert_eq!(chain.proposer(), Some(ATTACKERS));
    (chain, id)
}

/// Under which of its names the attacker proposes, and what is drawn in the block behind; what its validators have lost, and who was sent off.
fn named(name: u8) -> (String, Amount, Vec<u8>) {
    let (chain, _) = before_the_attackers_turn();
    let behind = |chain: &Judging| {
        let record = |who: &u8| staking::get(&chain.ledger.reader(), &proposed_by(*who).proposer).unwrap().unwrap();
        NAMES.map(|who| record(&who))
    };
    let before = behind(&chain);
    chain.decide(name, &[]);
    chain.ledger.commit().unwrap();
    let block = chain.block(&[]);
    let after = behind(&chain);
    let lost = before.iter().zip(&after).map(|(before, after)| before.tokens - after.tokens).sum();
    let off = NAMES.iter().zip(&after).filter(|(_, record)| record.jailed_until > 0).map(|(who, _)| *who).collect();
    (drawn(&block), lost, off)
}

#[test]
fn whoever_names_another_of_its_own_gains_no_draw_and_is_sent_off() {
    let (honest, lost, off) = named(ATTACKERS);
    assert_eq!((lost, off), (0, vec![]));
    let false_names: Vec<_> = NAMES.into_iter().filter(|who| *who != ATTACKERS).collect();
    let mut draws = BTreeSet::new();
    for name in &false_names {
        let (committee, lost, off) = named(*name);
        println!(
            "beacon grinding: under the false name of {name} it drew {committee}, and lost {lost} base units and its place"
        );
        assert!(lost > 0 && off == [*name], "{off:?}");
        draws.insert(committee);
    }
    assert_eq!(draws.len(), 1, "whatever it names, one value: {draws:?}, honestly {honest}");
}

/// What honest validators do when rounds fail, stakes move and blocks are proposed again costs none of them anything.
#[test]
fn nobody_honest_is_sent_off_whatever_rounds_and_powers_do() {
    let proposers = [6, ATTACKERS, 9, HONEST, 1, 2, 3];
    let mut chain = Judging::proposed_in_turn_by(&proposers, 2);
    for n in 0..150u64 {
        let next = staking::turns(&chain.ledger.reader()).unwrap().unwrap().upcoming();
        let round = u32::try_from((n * 7) % 5).unwrap().saturating_sub(2);
        let may = |who: &&u8| next.had_turn(&proposed_by(**who).proposer, round);
        let who = proposers.iter().filter(may).nth(n as usize % 2).or(proposers.iter().find(may)).copied().unwrap();
        let of = proposers[n as usize % proposers.len()];
        let amount = 1 + n % 3;
        let tx = match n % 4 {
            0 => vec![
                chain.sign(5, Action::Delegate(Delegate { validator: proposed_by(of).proposer, amount: amount * DNT })),
            ],
            1 => {
                vec![chain.sign(5, Action::Undelegate(Undelegate { validator: proposed_by(of).proposer, amount: DNT }))]
            }
            _ => Vec::new(),
        };
        let block = chain.decide(who, &tx);
        chain.ledger.commit().unwrap();
        assert!(block.events.iter().all(|event| event.kind != "staking.jailed"), "{n}: {:?}", block.events);
        chain.last_round = Some(round);
    }
    let active = staking::active(&chain.ledger.reader()).unwrap();
    assert_eq!(active.len(), proposers.len());
}
