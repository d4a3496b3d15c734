//! Reputation that is bought: of oneself by accounts made for it, in rings, again and again with one payment, with money that goes back, and by dust. What a
//! unit of it costs is printed: never less than the treasury's part of what was paid.

use datanet_ledger::code;
use datanet_types::action::{Finding, RateSeller, SetKeys, Transfer};
use datanet_types::epoch::FeeShares;
use datanet_types::{Action, Amount};

use super::serving::{FEES, PAYER, Serving, VICTIMS, claimable, node as served};
use super::trading::Trading;
use crate::support::{FEE, address, key};

const SELLER: u8 = 1;
/// What a payment of the attacker's is.
const PAID: Amount = 10_000_000;

/// What the treasury has of so many fees at least.
fn cut(fees: Amount) -> Amount {
    FeeShares::STANDARD.split(fees).treasury
}

/// Says what a unit of reputation cost.
fn price(attack: &str, lost: Amount, counted: Amount) {
    let ppm = u128::from(lost) * 1_000_000 / u128::from(counted.max(1));
    println!("{attack}: {counted} base units of reputation for {lost}: {ppm} millionths a unit");
}

/// Accounts that nobody ties together, each of which pays once; the money goes to the next by a plain transfer. All that anybody earns is the
/// attacker's.
#[test]
fn accounts_made_for_it_cost_the_treasurys_part_of_each_unit() {
    let mut trading = Trading::new(&[SELLER]);
    let all = [SELLER, 2, 3, 4, 5];
    let before = trading.money(&all);
    for payer in 2..=5 {
        trading.praise(payer, SELLER, PAID, SELLER);
        trading.done(SELLER, Action::Transfer(Transfer { to: address(payer), amount: PAID * 9 / 10 }));
    }
    let (record, lost) = (trading.record(SELLER), before - trading.money(&all));
    price("accounts made for it", lost, record.counted);
    assert_eq!(record.counted, 4 * PAID, "what nobody can see is not discounted");
    assert!(lost >= 4 * cut(PAID), "it cost {lost}, less than the treasury's part");
}

/// Three who pay in a ring: the first lap is money that was brought, the others are the same again.
#[test]
fn a_ring_of_three_counts_no_lap_but_the_first() {
    let ring = [1, 2, 3];
    let mut trading = Trading::new(&ring);
    let before = trading.money(&ring);
    let mut counted = Vec::new();
    for lap in 0..4 {
        for (at, payer) in ring.into_iter().enumerate() {
            let seller = ring[(at + 1) % 3];
            trading.praise(payer, seller, PAID, seller);
        }
        counted.push(ring.map(|who| trading.record(who).counted).iter().sum::<Amount>());
        println!("lap {lap}: {} of {} count", counted[lap], 3 * PAID * (lap as Amount + 1));
    }
    let lost = before - trading.money(&ring);
    price("a ring of three, four laps", lost, counted[3]);
    assert!(counted[0] <= 2 * PAID, "the last of the first lap sees that it is one");
    assert_eq!(counted[3], counted[0], "later laps count nothing");
    assert!(lost >= 12 * cut(PAID));
    for who in ring {
        let record = trading.record(who);
        assert_eq!(record.rated, record.counted + record.circular, "and what does not count is told");
        assert_eq!(record.rated, 4 * PAID);
    }
}

/// Two who pay each other, each with honest trade of its own beside, which hides nothing.
#[test]
fn what_two_pay_each_other_is_netted_whatever_else_they_trade() {
    let mut trading = Trading::new(&[1, 2, 3]);
    // 1 buys of 3, and 5 buys of 2: ten times as much as the two pay each other.
    trading.praise(1, 3, 10 * PAID, 4);
    trading.praise(5, 2, 10 * PAID, 4);
    let (first, second) = (trading.pay(1, 2, PAID, 2), trading.pay(2, 1, PAID, 1));
    let before = (trading.record(1).counted, trading.record(2).counted);
    assert!(trading.rate(1, 2, first, 10_000).is_ok());
    assert!(trading.rate(2, 1, second, 10_000).is_ok());
    assert_eq!((trading.record(1).counted, trading.record(2).counted), before);
    assert_eq!((trading.record(1).circular, trading.record(2).circular), (PAID, PAID));
    println!("two who pay each other: {} paid, nothing counts", 2 * PAID);
}

#[test]
fn other_keys_are_no_other_payer() {
    let mut trading = Trading::new(&[SELLER]);
    let epoch = trading.pay(2, SELLER, PAID, SELLER);
    assert!(trading.rate(2, SELLER, epoch, 10_000).is_ok());
    let owners = vec![key(50).public_key()];
    trading.done(2, Action::SetKeys(SetKeys { owners, threshold: 1, recovery: None }));
    // Signed with the new key for the same account.
    let rate = Action::RateSeller(RateSeller { node: super::trading::node(SELLER), epoch, score_bps: 10_000 });
    let body = crate::support::body(rate.clone(), trading.chain.next() + 99, 77);
    let tx = crate::support::signed_for(2, &[50], &body);
    let outcome = trading.chain.run(&[tx]).outcomes.remove(0);
    println!("refused: {}", outcome.log);
    assert_eq!(outcome.code, code::RATING_NONE);
    assert_eq!(trading.send(3, rate).code, code::RATING_NONE, "nor is anybody else");
    assert_eq!(trading.record(SELLER).ratings, 1);
}

/// An epoch that was false is void, and its money goes back: nothing can be said by it, before or after.
#[test]
fn money_that_goes_back_says_nothing() {
    let mut serving = Serving::audited(1_000);
    let epoch = serving.settle(PAYER, FEES, &[(VICTIMS[0], claimable(FEES))]);
    let rate = Action::RateSeller(RateSeller { node: served(), epoch, score_bps: 10_000 });
    assert_eq!(serving.send(PAYER, rate.clone()).code, code::RATING_NONE, "not yet");
    serving.audit(super::serving::STRANGER, epoch, |_| Finding::False);
    assert_eq!(serving.status(epoch), datanet_ledger::component::settlement::Status::Void);
    assert_eq!(serving.send(PAYER, rate).code, code::RATING_NONE);
}

/// Many small payments by which a competitor is called bad, against one of ordinary size.
#[test]
fn dust_weighs_what_it_is() {
    let mut trading = Trading::new(&[SELLER]);
    trading.praise(2, SELLER, PAID, 9);
    let before = trading.chain.balance(3);
    let dust = 1_000;
    for _ in 0..30 {
        let epoch = trading.pay(3, SELLER, dust, 9);
        assert!(trading.rate(3, SELLER, epoch, 0).is_ok());
    }
    let (record, cost) = (trading.record(SELLER), before - trading.chain.balance(3));
    let score = record.score_bps().unwrap();
    println!("thirty payments of {dust} at the worst score, for {cost}: the score is {score} of 10000");
    assert!(score >= 9_970, "{score}");
    assert!(cost >= 30 * (dust + 2 * FEE), "each took a channel and a rating");
}
