//! Buying before somebody buys, and selling after: as far as that one's limit lets the price go, and no farther.

use datanet_ledger::code;
use datanet_ledger::component::pools::curve::exchange;
use datanet_types::amount::DNT;

use super::market::{ATTACKER, MONEY, Market, POOLED, VICTIM};
use super::serving::verdict;

/// The victim buys for ten DNT and takes so many basis points less than it was quoted; the attacker's gain, and the victim's loss in shares.
fn sandwich(slippage_bps: u64, first: u64) -> (i128, Option<u64>) {
    let mut market = Market::new();
    let quoted = exchange(10 * DNT, MONEY, POOLED, 30).unwrap();
    let least = quoted * (10_000 - slippage_bps) / 10_000;
    let before = market.money(ATTACKER);
    let trades = vec![(ATTACKER, market.buy(first, 0)), (VICTIM, market.buy(10 * DNT, least))];
    let outcomes = market.block(trades);
    let bought = outcomes[1].is_ok().then(|| market.held(VICTIM));
    assert!(bought.is_some() || outcomes[1].code == code::POOL_LIMIT, "{}", outcomes[1].log);
    let shares = market.held(ATTACKER);
    market.done(ATTACKER, market.sell(shares, 0));
    assert!(bought.is_none_or(|bought| bought >= least), "the limit is kept");
    (market.money(ATTACKER) - before, bought.map(|bought| quoted - bought))
}

#[test]
fn within_a_limit_of_half_a_percent_it_costs_more_than_it_brings() {
    for first in [DNT / 2, DNT, 5 * DNT, 50 * DNT] {
        let (gain, lost) = sandwich(50, first);
        println!("first {first}: the attacker gains {gain}, the victim loses {lost:?} shares");
        verdict("a sandwich within half a percent", 0, gain, 0);
    }
    // Who names no limit is robbed on every such market: that is why the command line always names one.
    let (gain, lost) = sandwich(10_000, 50 * DNT);
    println!("without a limit it brings {gain}, and costs the victim {lost:?} shares");
    assert!(gain > 0);
}

#[test]
fn what_waits_beyond_its_deadline_is_not_traded_at_a_later_price() {
    let mut market = Market::new();
    let stale = market.buy(10 * DNT, 0);
    market.pass(601);
    market.refused(VICTIM, stale, code::POOL_DEADLINE);
}
