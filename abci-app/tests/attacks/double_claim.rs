//! One leaf, claimed again: in one transaction, in two, and at another place of the tree.

use datanet_ledger::code;
use datanet_types::Action;
use datanet_types::sum_tree::{SumProof, root};

use super::serving::{ACCOMPLICE, FEES, PAYER, Serving, VICTIMS, claim, claimable, good_claim, several, tree, verdict};

#[test]
fn a_leaf_is_paid_once_at_one_place() {
    let mut serving = Serving::new();
    // The accomplice really earned something, as the last of three.
    let own = 20_000;
    let earned = [(VICTIMS[0], 50_000), (VICTIMS[1], claimable(FEES) - 50_000 - own), (ACCOMPLICE, own)];
    let epoch = serving.settle(PAYER, FEES, &earned);
    let good = good_claim(epoch, &earned, 2);
    let before = serving.loot();

    let tx = serving.sign(ACCOMPLICE, Action::Claim(several(&[good.clone(), good.clone()])));
    assert_eq!(serving.chain.ledger.check_tx(&tx, false).unwrap().code, code::CLAIM_ITEMS, "twice in one");
    serving.done(ACCOMPLICE, Action::Claim(good.clone()));
    serving.refused(ACCOMPLICE, good, code::CLAIM_NOTHING);
    // The last of three leaves hangs below the root, where the second of two would.
    let pair = tree(epoch, &earned);
    let proof = SumProof { index: 1, total: 2, siblings: vec![root(&pair[..2]).unwrap()] };
    assert!(proof.verify(pair[2], &root(&pair).unwrap()), "without the number of leaves it would be good");
    serving.refused(ACCOMPLICE, claim(ACCOMPLICE, epoch, own, proof), code::CLAIM_PROOF);

    let after = serving.loot() - i128::from(own);
    for (index, victim) in VICTIMS.into_iter().enumerate() {
        serving.done(victim, Action::Claim(good_claim(epoch, &earned, index)));
    }
    assert_eq!(serving.left(epoch), 0);
    verdict("double claim", before, after, 0);
}
