//! Leaves that say more than the epoch took in, in trees whose sums are made to hide it.

use datanet_ledger::code;
use datanet_types::sum_tree::{SumNode, SumProof, prove};
use datanet_types::{Amount, Digest};

use super::serving::{
    ACCOMPLICE, ATTACKER, FEES, PAYER, Serving, VICTIMS, claim, claimable, good_claim, tree, verdict,
};

/// What the attacker pays for its own answers each time, and what of it comes back by claims.
const OWN: Amount = 1_000;

/// The node above two, by the format's hashing, with whatever sum.
fn above(left: SumNode, right: SumNode, sum: Amount) -> SumNode {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[2]);
    for child in [left, right] {
        hasher.update(&child.digest.0).update(&child.sum.to_le_bytes());
    }
    SumNode { digest: Digest(*hasher.finalize().as_bytes()), sum }
}

#[test]
fn a_leaf_larger_than_its_epoch_cannot_be_proven_whatever_the_sums_say() {
    let mut serving = Serving::new();
    let earned = [(VICTIMS[0], 50_000), (VICTIMS[1], claimable(FEES) - 50_000)];
    let first = serving.settle(PAYER, FEES, &earned);
    let (before, total) = (serving.loot(), claimable(OWN));
    let refused = |serving: &mut Serving, epoch, amount, index, total, siblings| {
        let proof = SumProof { index, total, siblings };
        serving.refused(ACCOMPLICE, claim(ACCOMPLICE, epoch, amount, proof), code::CLAIM_PROOF);
    };

    // Larger than the total, alone.
    let alone = [(ACCOMPLICE, total + 1)];
    let epoch = serving.settle(ACCOMPLICE, OWN, &alone);
    serving.refused(ACCOMPLICE, good_claim(epoch, &alone, 0), code::CLAIM_PROOF);

    // With a sibling so large that 64 bits wrap around to the total.
    let huge = claimable(FEES);
    let wrap = total.wrapping_sub(huge);
    let leaves = tree(epoch + 1, &[(ACCOMPLICE, huge), (ATTACKER, wrap)]);
    let root = above(leaves[0], leaves[1], total);
    let epoch = serving.settle_as(ACCOMPLICE, OWN, root.digest, 2, 0);
    refused(&mut serving, epoch, huge, 0, 2, vec![leaves[1]]);
    refused(&mut serving, epoch, huge, 0, 2, vec![SumNode { sum: 0, ..leaves[1] }]);

    // Two leaves of the whole under an inner node that says it once, beside two of nothing.
    let leaves = tree(epoch + 1, &[(ACCOMPLICE, total), (ATTACKER, total), (ATTACKER, 0), (ATTACKER, 0)]);
    let (left, right) = (above(leaves[0], leaves[1], total), above(leaves[2], leaves[3], 0));
    let root = above(left, right, total);
    let epoch = serving.settle_as(ACCOMPLICE, OWN, root.digest, 4, 0);
    for sibling in [leaves[1], SumNode { sum: 0, ..leaves[1] }] {
        refused(&mut serving, epoch, total, 0, 4, vec![sibling, right]);
    }

    // A true leaf whose claim says more.
    let honest = [(ACCOMPLICE, total - 1), (ATTACKER, 1)];
    let epoch = serving.settle(ACCOMPLICE, OWN, &honest);
    let proof = prove(&tree(epoch, &honest), 0).unwrap().unwrap();
    refused(&mut serving, epoch, total, 0, 2, proof.siblings);

    let after = serving.loot();
    serving.all_claim(first, &earned);
    verdict("inflated leaf", before, after, 0);
}
