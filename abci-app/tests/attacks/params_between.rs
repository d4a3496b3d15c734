//! Parameters that change between accrual and settlement: a serving node, or the authority itself, would have what was earned divided as it
//! suits them.

use datanet_ledger::code;
use datanet_ledger::component::params::{self, versions};
use datanet_types::action::{SetParams, SettleEpoch};
use datanet_types::epoch::{EpochTotals, FeeShares};
use datanet_types::sum_tree::root;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Digest};

use super::serving::{ATTACKER, FEES, PAYER, Serving, VICTIMS, claimable, tree, verdict};
use crate::support::{CHAIN, FEE, key};

/// Nearly everything for the node.
const GREEDY: FeeShares = FeeShares {
    node: 9_400,
    owner: 100,
    contributors: 100,
    validators: 100,
    treasury: 100,
    lineage: 100,
    storage: 100,
};

fn greedy() -> String {
    let shares = serde_json::to_value(GREEDY).unwrap();
    serde_json::json!({ "fee_shares": shares, "min_fee": 1_000 }).to_string()
}

/// The attacker is the chain's authority as well, and gives its node nearly everything.
#[test]
fn what_was_earned_is_divided_as_it_was_when_it_was_earned() {
    let mut serving = Serving::with_authority(ATTACKER);
    let channel = serving.channel(PAYER, 10 * FEES);
    let before = serving.loot();
    serving.done(ATTACKER, Action::SetParams(SetParams { changes: greedy() }));
    serving.chain.pass(10);
    assert_eq!(params::get(&serving.chain.ledger.reader()).unwrap().fee_shares, GREEDY);

    // The answers were given before. The same money by the shares of now:
    let split = GREEDY.split(FEES);
    let totals = EpochTotals { answers: 1, fees: FEES, split, unearned: split.claimable() };
    let voucher = SignedVoucher::sign(CHAIN, channel, FEES, &key(PAYER));
    let settle = |params| SettleEpoch { params, ..serving_settlement(&serving, totals, voucher.clone()) };
    let (old, new) = (settle(0), settle(1));
    let refused = serving.send(ATTACKER, Action::SettleEpoch(old));
    println!("refused: {}", refused.log);
    assert_eq!(refused.code, code::EPOCH_INVALID);
    // Under the version of now the ledger takes it, and every auditor sees that the receipts, which the node has signed, name another version:
    // the epoch is false, and the bond answers for it as for every false epoch (`false_epoch`). What the victims earned is what an honest
    // settlement gives them, whatever came between.
    assert_eq!(new.params, versions::number(&serving.chain.ledger.reader()).unwrap());
    let earned = [(VICTIMS[0], 50_000), (VICTIMS[1], claimable(FEES) - 50_000)];
    let epoch = serving.settle_on(channel, PAYER, FEES, &earned);
    serving.all_claim(epoch, &earned);
    let honest = i128::from(FeeShares::STANDARD.split(FEES).node) - i128::from(FEE) * 3;
    verdict("parameters between", before + honest, serving.loot(), 0);
}

/// A node goes on under shares that suited it better, with a payer of its own who opens a new channel.
#[test]
fn an_old_version_ends_with_the_channels_of_its_time() {
    let mut serving = Serving::with_authority(ATTACKER);
    serving.done(ATTACKER, Action::SetParams(SetParams { changes: greedy() }));
    serving.chain.pass(10);
    let before = serving.loot();
    let channel = serving.channel(ATTACKER, FEES);
    let settle = serving.redeeming(ATTACKER, channel, 0, FEES);
    let refused = serving.send(ATTACKER, Action::SettleEpoch(settle));
    println!("refused: {}", refused.log);
    assert_eq!(refused.code, code::EPOCH_PARAMS);
    verdict("an old version for new channels", before, serving.loot(), 0);
}

fn serving_settlement(serving: &Serving, totals: EpochTotals, voucher: SignedVoucher) -> SettleEpoch {
    serving.settlement(totals, voucher, Digest::ZERO, 0)
}

/// Nothing that is to be claimed has leaves to be claimed by.
#[test]
fn a_root_of_one_version_is_none_of_another() {
    let leaves = [(VICTIMS[0], claimable(FEES))];
    let sum = root(&tree(1, &leaves)).unwrap().sum;
    assert!(sum > GREEDY.split(FEES).claimable(), "the sums differ, so that no tree serves both");
}
