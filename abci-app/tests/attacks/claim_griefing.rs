//! A stranger who claims for a victim, just before it does, one of the many epochs that the victim's transaction names.

use datanet_ledger::code;
use datanet_types::Action;

use super::serving::{FEES, PAYER, STRANGER, Serving, VICTIMS, claimable, good_claim, several, verdict};
use crate::support::{Chain, FEE};

#[test]
fn a_claim_of_many_epochs_goes_through_whatever_of_it_somebody_claims_first() {
    let mut serving = Serving::new();
    let earned = [(VICTIMS[0], 50_000), (VICTIMS[1], claimable(FEES) - 50_000)];
    let claims: Vec<_> = (1..=5)
        .map(|epoch| {
            assert_eq!(serving.settle(PAYER, FEES, &earned), epoch);
            good_claim(epoch, &earned, 0)
        })
        .collect();
    let (before, victim) = (i128::from(serving.chain.balance(STRANGER)), serving.chain.balance(VICTIMS[0]));
    let first = serving.sign(STRANGER, Action::Claim(claims[3].clone()));
    let all = serving.sign(VICTIMS[0], Action::Claim(several(&claims)));
    assert_eq!(Chain::codes(&serving.chain.run(&[first, all])), [code::OK, code::OK]);
    assert_eq!(serving.chain.balance(VICTIMS[0]), victim + 5 * 50_000 - FEE);
    let after = i128::from(serving.chain.balance(STRANGER));
    verdict("claim griefing", before, after, 0);
    assert_eq!(before - after, i128::from(FEE), "what it paid for a present");
}
