//! A node that leaves out of its tree somebody who earned: it gains nothing by that alone. Naming itself instead is [`super::false_epoch`].

use datanet_types::Action;

use super::serving::{FEES, PAYER, Serving, VICTIMS, claimable, good_claim, tree, verdict};

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
