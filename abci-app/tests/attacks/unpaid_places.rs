//! A proposer that fills its block with what pays nothing: transactions of accounts without money, or from before.

use datanet_ledger::app::Verdict;
use datanet_ledger::code;

use crate::support::{BALANCE, Chain, FEE, transfer};

#[test]
fn a_block_with_a_place_that_is_not_paid_for_gets_no_vote() {
    let chain = Chain::new();
    let old = transfer(1, 2, 5, 1);
    chain.run(std::slice::from_ref(&old));
    let good = transfer(1, 2, 5, 2);
    let poor = transfer(77, 1, 1, 1);
    // The second spends what the first has left for its fee.
    let (all, too_late) = (transfer(3, 1, BALANCE - FEE, 1), transfer(3, 1, 1, 2));
    for junk in [vec![old], vec![poor], vec![good.clone(), good.clone()], vec![all, too_late]] {
        let Verdict::Reject(reason) = chain.process(&junk) else { panic!("{} transactions", junk.len()) };
        assert!(reason.contains("does not pay"), "{reason}");
    }
    assert_eq!(chain.process(std::slice::from_ref(&good)), Verdict::Accept);
    // More than a third of the votes is a stranger's: what is decided all the same is executed alike everywhere.
    let twice = [good.clone(), good];
    assert_eq!(Chain::codes(&chain.run(&twice)), [code::OK, code::REPLAYED]);
}
