//! A node whose next epoch promises to itself what others earned in the one before and have not claimed.

use datanet_ledger::code;
use datanet_types::Action;
use datanet_types::sum_tree::prove;

use super::serving::{
    ACCOMPLICE, ATTACKER, FEES, PAYER, Serving, VICTIMS, claim, claimable, good_claim, tree, verdict,
};

#[test]
fn the_next_epoch_touches_nothing_that_was_earned_in_the_former() {
    let mut serving = Serving::new();
    let earned = [(VICTIMS[0], 50_000), (VICTIMS[1], claimable(FEES) - 50_000)];
    let first = serving.settle(PAYER, FEES, &earned);
    let before = serving.loot();

    // A tree that promises the former epoch's money on top of its own can't prove anything.
    let own = claimable(1_000);
    let greedy = [(ACCOMPLICE, claimable(FEES) + own)];
    let second = serving.settle(ACCOMPLICE, 1_000, &greedy);
    serving.refused(ACCOMPLICE, good_claim(second, &greedy, 0), code::CLAIM_PROOF);
    // One that sums to its own money proves that, and nothing in another epoch.
    let modest = [(ACCOMPLICE, own)];
    let third = serving.settle(ACCOMPLICE, 1_000, &modest);
    let proof = prove(&tree(third, &modest), 0).unwrap().unwrap();
    serving.refused(ACCOMPLICE, claim(ACCOMPLICE, first, own, proof.clone()), code::CLAIM_PROOF);
    let as_first = prove(&tree(first, &greedy), 0).unwrap().unwrap();
    serving.refused(ATTACKER, claim(ACCOMPLICE, first, greedy[0].1, as_first), code::CLAIM_PROOF);
    serving.done(ACCOMPLICE, Action::Claim(claim(ACCOMPLICE, third, own, proof)));

    assert_eq!(serving.left(first), claimable(FEES));
    let after = serving.loot();
    serving.all_claim(first, &earned);
    verdict("forged epoch", before, after, 0);
}
