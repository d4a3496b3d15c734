//! A contribution's transaction is read before it is in a block, and copied by somebody who has none of the bytes, for a place
//! before it.

use datanet_ledger::code;
use datanet_ledger::component::contributions::Status;
use datanet_types::action::Contribute;
use datanet_types::record::record_root;
use datanet_types::{Action, Digest, Scores};

use super::judging::{ACCOMPLICE, ATTACKER, BOND, HONEST, Judging, contribute, keep};
use super::serving::verdict;
use crate::support::{CHAIN, FEE, address};

const VICTIM: u8 = 7;

#[test]
fn a_copied_transaction_loses_half_its_bond_and_keeps_nobody_from_being_judged_by_himself() {
    // One draw of three seats in a few dozen is the attacker's: not what is tried here.
    assert!((0..9).any(try_it));
}

/// `false` where most seats happen to be the attacker's.
fn try_it(salt: u8) -> bool {
    let mut chain = Judging::new(salt);
    let plain = Digest([77; 32]);
    // The victim alone has the records, and can make the root for his account.
    let mine = Contribute { record_root: record_root(&address(VICTIM), &plain), ..contribute([7; 32]) };
    // All that is public of it is copied; the bytes are given to nobody before it is in a block.
    let copy = mine.clone();
    let (theirs, his) = (copy.id(CHAIN, &address(ACCOMPLICE), 0), mine.id(CHAIN, &address(VICTIM), 0));
    let (before, had) = (chain.loot(), chain.balance(address(VICTIM)));
    let given = chain.sign(VICTIM, Action::Contribute(mine));
    let first = chain.sign(ACCOMPLICE, Action::Contribute(copy));
    // Honest nodes keep what has the root of who gave it; the copy needs a node that says so without the bytes.
    let kept = [chain.sign(ATTACKER, keep(ATTACKER, &theirs)), chain.sign(HONEST[0], keep(HONEST[0], &his))];
    let outcomes = chain.block(&[&[first, given][..], &kept].concat()).outcomes;
    assert!(outcomes.iter().all(|outcome| outcome.code == code::OK), "{outcomes:?}");
    chain.block(&[]);
    chain.block(&[]);
    if [theirs, his].iter().any(|id| chain.seats(id, ATTACKER) > 1) {
        return false;
    }
    for id in [theirs, his] {
        let honest = chain.honest(&id, &plain);
        // Where it sits it says the contrary.
        let lie = if id == theirs { Scores::from_array([9_000; 4]) } else { Scores::default() };
        chain.judge(&id, |who| Some(Some(if who == ATTACKER { lie } else { honest })));
    }
    let (theirs, his) = (chain.contribution(&theirs), chain.contribution(&his));
    assert!(theirs.seq < his.seq, "the copy came first");
    assert_eq!((theirs.status(), his.status()), (Status::Refused, Status::Final));
    // The review fee is what giving takes; the bond comes home with the verdict.
    let lost = had - chain.balance(address(VICTIM)) - chain.bond(&his.id) - his.review_fee - FEE;
    assert_eq!(lost, 0);
    verdict("a copied contribution", before.into(), chain.loot().into(), lost.into());
    assert!(before - chain.loot() >= BOND / 2);
    true
}
