//! The first provider of a pool makes it tiny, and a unit of it dear, so that what the next one puts in is rounded away to him.

use datanet_ledger::code;
use datanet_ledger::component::pools::LOCKED_UNITS;
use datanet_types::Action;
use datanet_types::action::CreatePool;
use datanet_types::amount::DNT;

use super::market::{ATTACKER, Market, OWNER, VICTIM};
use super::serving::verdict;

#[test]
fn who_comes_second_loses_no_more_than_a_thousandth_by_rounding() {
    let mut market = Market::issued(&serde_json::json!({}));
    market.done(OWNER, market.give(ATTACKER, 500_000));
    market.done(OWNER, market.give(VICTIM, 100_000));
    let create = |market: &Market, shares, amount| CreatePool { asset: market.some(), shares, amount };
    for (shares, amount) in [(1, 1), (1_000, 1_000), (1, 3_999_999)] {
        let tiny = Action::CreatePool(create(&market, shares, amount));
        assert_eq!(market.send(ATTACKER, tiny).code, code::POOL_INVALID, "half of it would be nobody's, or more");
    }
    let before = market.wealth(ATTACKER);
    // The smallest there is: 2,000 units, half of them nobody's.
    let smallest = Action::CreatePool(create(&market, 2_000, 2_000));
    market.done(ATTACKER, smallest);
    assert_eq!((market.units(ATTACKER), market.pool().units), (1_000, 2 * LOCKED_UNITS));
    // What would make a unit dear is paid into the pool by trades, of which half of the gain is nobody's.
    market.done(ATTACKER, market.buy(2_000 * 1_000, 0));
    market.done(ATTACKER, market.sell(400_000, 0));
    let (pool, victim) = (market.pool(), market.wealth(VICTIM));
    let (shares, money) = (market.held(VICTIM), market.chain.balance(VICTIM));
    market.done(VICTIM, market.add(100_000, 100 * DNT));
    let units = market.units(VICTIM);
    assert!(units > 0);
    market.done(VICTIM, market.remove(units));
    let lost = (shares - market.held(VICTIM), money - market.chain.balance(VICTIM));
    let put_in = units * pool.shares / pool.units;
    println!(
        "of {put_in} shares put in, {} are gone by rounding, and {} base units, fees and deposits included",
        lost.0, lost.1
    );
    assert!(lost.0 <= 1 + put_in / 1_000);
    assert!(victim - market.wealth(VICTIM) < 100_000);
    let units = market.units(ATTACKER);
    market.done(ATTACKER, market.remove(units));
    let _ = market.send(ATTACKER, market.withdraw());
    verdict("a tiny pool with dear units", before, market.wealth(ATTACKER), victim - market.wealth(VICTIM));
}
