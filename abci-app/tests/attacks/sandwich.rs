//! Buying before somebody buys, and selling after: in one block, whoever orders it; and in the next, as far as the other one's limit lets the
//! price go.

use datanet_ledger::code;
use datanet_ledger::component::pools::curve::exchange;
use datanet_types::amount::DNT;

use super::market::{ATTACKER, MONEY, Market, POOLED, VICTIM};
use super::serving::verdict;

/// The victim buys for ten DNT and takes so many basis points less than it was quoted; the attacker buys for `first` before, and sells after: in
/// the same block or in the next. What the attacker gains, and what the victim gets less than was quoted, in shares.
fn sandwich(slippage_bps: u64, first: u64, in_one_block: bool) -> (i128, Option<u64>) {
    let mut market = Market::new();
    let quoted = exchange(10 * DNT, MONEY, POOLED, 30).unwrap();
    let least = quoted * (10_000 - slippage_bps) / 10_000;
    let before = market.money(ATTACKER);
    let shares = exchange(first, MONEY, POOLED, 30).unwrap();
    let sell = market.sell(shares, 0);
    let mut trades = vec![(ATTACKER, market.buy(first, 0)), (VICTIM, market.buy(10 * DNT, least))];
    if in_one_block {
        trades.push((ATTACKER, sell.clone()));
    }
    let outcomes = market.block(trades);
    let bought = outcomes[1].is_ok().then(|| market.held(VICTIM));
    assert!(bought.is_some() || outcomes[1].code == code::POOL_LIMIT, "{}", outcomes[1].log);
    assert!(bought.is_none_or(|bought| bought >= least), "the limit is kept");
    if !in_one_block {
        market.done(ATTACKER, sell);
    }
    assert_eq!(market.held(ATTACKER), 0, "all is sold");
    (market.money(ATTACKER) - before, bought.map(|bought| quoted - bought))
}

#[test]
fn in_one_block_it_brings_nothing_whatever_the_limit() {
    for (slippage, first) in [(50, DNT / 5), (50, 5 * DNT), (10_000, 5 * DNT), (10_000, 100 * DNT)] {
        let (gain, lost) = sandwich(slippage, first, true);
        println!("{slippage} basis points, {first} first: the victim has {lost:?} shares less than was quoted");
        verdict("a sandwich in one block", 0, gain, 0);
    }
}

#[test]
fn over_two_blocks_it_brings_no_more_than_the_limit_lets_the_victim_lose() {
    for first in [DNT / 10, DNT / 5, DNT, 5 * DNT] {
        let (gain, lost) = sandwich(50, first, false);
        // Half a percent of ten DNT, at most.
        println!("{first} first: the attacker gains {gain}, the victim has {lost:?} shares less than was quoted");
        assert!(gain <= i128::from(10 * DNT) / 200);
        assert!(lost.is_some() || gain <= 0, "a trade beyond its limit is none, and the attacker has paid fees");
    }
    // Who names no limit loses what the attacker likes, unless somebody else sells first: the command line always names one.
    let (gain, lost) = sandwich(10_000, 50 * DNT, false);
    println!("without a limit it brings {gain}, and the victim has {lost:?} shares less than was quoted");
    assert!(gain > 0);
}

#[test]
fn what_waits_beyond_its_deadline_is_not_traded_at_a_later_price() {
    let mut market = Market::new();
    let stale = market.buy(10 * DNT, 0);
    market.pass(601);
    market.refused(VICTIM, stale, code::POOL_DEADLINE);
}
