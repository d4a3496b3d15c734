//! One voucher, redeemed again once there is more money on its channel.

use datanet_ledger::code;
use datanet_types::Action;
use datanet_types::action::TopUpChannel;

use super::serving::{ATTACKER, FEES, PAYER, Serving, VICTIMS, claimable, good_claim, verdict};

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
