//! Thousands of trades and additions so small that rounding decides: all of it is the pool's.

use datanet_ledger::code;

use super::market::{ATTACKER, HOLDER, Market};
use super::serving::verdict;

#[test]
fn what_is_rounded_is_rounded_for_the_pool() {
    let mut market = Market::with(&serde_json::json!({ "min_fee": 0, "byte_fee": 0 }));
    market.done(HOLDER, market.give(ATTACKER, 50_000));
    // Fees of the chain are left out, so that rounding alone is seen.
    let (before, pool) = (market.wealth(ATTACKER), market.pool());
    for n in 1..40u64 {
        let buys = (0..5).map(|k| (ATTACKER, market.buy(n * 37 + k, 0))).collect();
        market.block(buys);
        let more = vec![(ATTACKER, market.add(n, n * 999)), (ATTACKER, market.sell(n % 3 + 1, 0))];
        market.block(more);
        let units = market.units(ATTACKER);
        if units > 1 {
            let halves = vec![(ATTACKER, market.remove(1)), (ATTACKER, market.remove(units / 2))];
            market.block(halves);
        }
    }
    let units = market.units(ATTACKER);
    if units > 0 {
        assert_eq!(market.send(ATTACKER, market.remove(units)).code, code::OK);
    }
    let after = market.pool();
    let root = |pool: &datanet_ledger::component::pools::Pool| {
        (u128::from(pool.shares) * u128::from(pool.amount)).isqrt() * 1_000_000 / u128::from(pool.units)
    };
    println!("a million units stand for {} before and {} after", root(&pool), root(&after));
    assert!(root(&after) >= root(&pool));
    verdict("rounding", before, market.wealth(ATTACKER), 0);
}
