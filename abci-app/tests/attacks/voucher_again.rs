//! One voucher, redeemed again once there is more money on its channel.

use datanet_ledger::code;
use datanet_types::Action;
use datanet_types::action::TopUpChannel;
use datanet_types::voucher::SignedVoucher;

use super::serving::{ATTACKER, FEES, PAYER, Serving, VICTIMS, claimable, good_claim, verdict};
use crate::support::{CHAIN, key};

#[test]
fn a_top_up_makes_no_voucher_good_a_second_time() {
    let mut serving = Serving::new();
    let channel = serving.channel(PAYER, FEES);
    let before = serving.loot();
    serving.redeem(PAYER, channel, 0, FEES);
    let after_one = serving.loot();
    for amount in [1, FEES, 10 * FEES] {
        serving.done(PAYER, Action::TopUpChannel(TopUpChannel { channel, amount, expires_at: 0 }));
        for charged in [0, FEES / 2] {
            // The same voucher, as if less had been charged.
            let again = serving.redeeming(PAYER, channel, charged, FEES);
            let outcome = serving.send(ATTACKER, Action::SettleEpoch(again));
            assert_eq!(outcome.code, code::VOUCHER, "{}", outcome.log);
        }
        // An amount that the payer has not signed.
        let mut more = serving.redeeming(PAYER, channel, FEES, FEES + 500);
        more.vouchers[0].signature = serving.redeeming(PAYER, channel, 0, FEES).vouchers[0].signature;
        assert_eq!(serving.send(ATTACKER, Action::SettleEpoch(more)).code, code::VOUCHER);
    }
    let earned = [(VICTIMS[0], claimable(FEES))];
    serving.done(VICTIMS[0], Action::Claim(good_claim(1, &earned, 0)));
    println!("the node's honest share of one epoch is {}", after_one - before);
    verdict("a voucher again", after_one, serving.loot(), 0);
}

#[test]
fn a_node_takes_no_more_than_was_promised_by_taking_it_in_parts() {
    let mut serving = Serving::new();
    let channel = serving.channel(PAYER, 10 * FEES);
    serving.redeem(PAYER, channel, 0, FEES);
    let after_one = serving.loot();
    // The payer has promised three times as much, ahead; some of it is used.
    let part = |serving: &Serving, charged, upto| {
        let mut settle = serving.redeeming(PAYER, channel, charged, upto);
        settle.vouchers = vec![SignedVoucher::sign(CHAIN, channel, 3 * FEES, &key(PAYER))];
        settle.taken = vec![upto];
        settle
    };
    let tried = [
        (part(&serving, FEES, 3 * FEES + 500), code::VOUCHER, "more than was promised"),
        (part(&serving, 0, FEES), code::VOUCHER, "what was taken before"),
        (part(&serving, 0, 2 * FEES), code::EPOCH_INVALID, "what was taken before, and some more"),
    ];
    for (settle, code, what) in tried {
        let outcome = serving.send(ATTACKER, Action::SettleEpoch(settle));
        println!("refused: {what}: {}", outcome.log);
        assert_eq!(outcome.code, code, "{what}: {}", outcome.log);
    }
    verdict("a voucher in parts", after_one, serving.loot(), 0);
    let used = part(&serving, FEES, 2 * FEES);
    serving.done(ATTACKER, Action::SettleEpoch(used));
}
