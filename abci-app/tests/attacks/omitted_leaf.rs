//! A node that leaves out of its tree somebody who earned. What the ledger can see of it, and what it can't.

use datanet_types::Action;

use super::serving::{ACCOMPLICE, FEES, PAYER, STRANGER, Serving, VICTIMS, claimable, good_claim, tree, verdict};

#[test]
fn leaving_somebody_out_gives_the_node_nothing() {
    let mut serving = Serving::new();
    let (earned, all) = (30_000, claimable(FEES));
    let before = serving.loot();
    // What the victim earned is called unearned: the treasury's.
    let rest = [(VICTIMS[1], all - earned)];
    let root = datanet_types::sum_tree::root(&tree(1, &rest)).unwrap();
    let treasury = serving.treasury();
    let epoch = serving.settle_as(PAYER, FEES, root.digest, 1, earned);
    assert_eq!(serving.left(epoch), all - earned);
    // Two transactions' fees go there too.
    assert_eq!(serving.treasury(), treasury + FEES / 20 + earned + 2_000);
    // Or the leaf says less than the epoch took in: then nobody can prove anything, and the money lies there.
    let short = serving.settle(PAYER, FEES, &rest);
    assert_eq!(
        serving.send(VICTIMS[1], Action::Claim(good_claim(short, &rest, 0))).code,
        datanet_ledger::code::CLAIM_PROOF
    );
    assert_eq!(serving.left(short), all);
    // The node's own share is its pay for the answers, whoever it names.
    let pay = 2 * i128::from(FEES / 5);
    verdict("omitted leaf", before, serving.loot() - pay, i128::from(earned + all));
}

/// OPEN: the ledger does not know who earned what, so a node may name itself in somebody's place. The statement, which
/// whoever holds the receipts can recompute, shows it; nothing takes the money back.
#[test]
fn a_node_that_names_itself_in_anothers_place_is_paid_which_is_open() {
    let mut serving = Serving::new();
    let (earned, all) = (30_000, claimable(FEES));
    let before = serving.loot();
    let stolen = [(ACCOMPLICE, earned), (VICTIMS[1], all - earned)];
    let epoch = serving.settle(PAYER, FEES, &stolen);
    serving.done(STRANGER, Action::Claim(good_claim(epoch, &stolen, 0)));
    let gain = serving.loot() - before - i128::from(FEES / 5) + 1_000;
    println!("omitted leaf, named itself: the attacker gained {gain}, and the victim lost as much");
    assert_eq!(gain, i128::from(earned), "what docs/threats.md says is open");
    // It reaches no further than the epoch in which it was earned.
    assert_eq!(serving.left(epoch), all - earned);
}
