//! Shares bought from the pool just before an income, withdrawn, and sold just after it, in one block: what others held for all the time is to
//! be the attacker's.

use super::market::{ATTACKER, HOLDER, Market, PAYER};
use super::serving::verdict;
use datanet_ledger::code;
use datanet_types::amount::DNT;

/// What the attacker makes where income takes so many seconds to be divided, and waits for `held` of them.
fn snatch(income_seconds: u64, held: u64) -> i128 {
    let mut market = Market::with(&serde_json::json!({ "income_seconds": income_seconds }));
    let before = market.money(ATTACKER);
    // Half of the pool's shares.
    market.done(ATTACKER, market.buy(200 * DNT, 0));
    market.done(PAYER, market.pay(100 * DNT));
    if held > 0 {
        market.pass(held);
    }
    let shares = market.held(ATTACKER);
    let withdraw = market.withdraw();
    let _ = market.send(ATTACKER, withdraw);
    market.done(ATTACKER, market.sell(shares, 0));
    let withdraw = market.withdraw();
    let _ = market.send(ATTACKER, withdraw);
    market.money(ATTACKER) - before
}

#[test]
fn who_holds_for_a_moment_has_a_moments_part_of_an_income() {
    let at_once = snatch(0, 0);
    println!("were income divided at once, it would bring {at_once}");
    assert!(at_once > 0, "this is why it is not");
    let within_a_day = snatch(86_400, 0);
    verdict("income snatched from a pool", 0, within_a_day, 0);
    verdict("the same, held for an hour", 0, snatch(86_400, 3_600), 0);
}

#[test]
fn liquidity_added_just_before_an_income_earns_no_more_than_its_shares_would() {
    let mut market = Market::with(&serde_json::json!({ "income_seconds": 0 }));
    market.done(HOLDER, market.give(ATTACKER, 150_000));
    market.done(ATTACKER, market.add(150_000, 150 * DNT));
    let priced = market.pool().parts();
    market.done(PAYER, market.pay(100 * DNT));
    let (attacker, holder) = (market.owed(ATTACKER), market.owed(HOLDER));
    println!("150,000 shares in the pool earn {attacker}, as many outside {holder}");
    // But for what falls to the units that are nobody's, which the providers share.
    assert!(attacker <= holder + holder / 5_000);
    let units = market.units(ATTACKER);
    let after = market.pool();
    market.done(ATTACKER, market.remove(units));
    market.done(ATTACKER, market.withdraw());
    assert_eq!(after.parts(), priced, "income is in no price");
    assert!(market.held(ATTACKER) <= 150_000);
}

#[test]
fn dust_paid_in_every_block_holds_nobodys_income_up() {
    let mut market = Market::with(&serde_json::json!({ "income_seconds": 1_000 }));
    market.done(PAYER, market.pay(100 * DNT));
    let before = market.money(ATTACKER);
    for _ in 0..100 {
        market.done(ATTACKER, market.pay(1));
        market.chain.idle += 9;
    }
    let owed = market.owed(HOLDER);
    println!("after the time it takes, with dust in between, {owed} of 30 DNT are there");
    assert!(owed > 29 * DNT);
    assert_eq!(market.send(HOLDER, market.withdraw()).code, code::OK);
    verdict("dust against income", before, market.money(ATTACKER), 0);
}
