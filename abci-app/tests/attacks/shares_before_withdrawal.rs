//! Income taken twice: shares handed on just before it is withdrawn, or just after, to the next of the attacker's names; withdrawn twice in a
//! block; and by who never held any.

use datanet_ledger::code;
use datanet_types::amount::DNT;

use super::market::{ATTACKER, HOLDER, Market, PAYER, VICTIM};
use super::serving::verdict;

/// The attacker's other names.
const NAMES: [u8; 3] = [6, 7, 8];

#[test]
fn income_is_paid_once_whoever_the_shares_go_to() {
    let mut market = Market::with(&serde_json::json!({ "income_seconds": 0, "min_fee": 0, "byte_fee": 0 }));
    market.done(HOLDER, market.give(ATTACKER, 100_000));
    let all = |market: &Market| [ATTACKER, 6, 7, 8].into_iter().map(|who| market.money(who)).sum::<i128>();
    let before = all(&market);
    market.done(PAYER, market.pay(10 * DNT));
    market.pass(1);
    let fair = i128::from(market.owed(ATTACKER));
    let mut from = ATTACKER;
    for to in NAMES {
        let chain = vec![
            (from, market.give(to, 100_000)),
            (to, market.withdraw()),
            (from, market.withdraw()),
            (from, market.withdraw()),
        ];
        let codes: Vec<_> = market.block(chain).into_iter().map(|outcome| outcome.code).collect();
        let first = if from == ATTACKER { code::OK } else { code::INCOME_NOTHING };
        assert_eq!(codes, [code::OK, code::INCOME_NOTHING, first, code::INCOME_NOTHING]);
        from = to;
    }
    let after = all(&market);
    println!("a tenth of 10 DNT is {fair}; under four names it was {}", after - before);
    verdict("income under four names", before + fair, after, 0);
    assert!(market.owed(HOLDER) >= 2 * DNT - 2, "the others have theirs");
    market.refused(VICTIM, market.withdraw(), code::INCOME_NOTHING);
}

#[test]
fn shares_that_are_sold_take_no_income_along_that_they_earned_before() {
    let mut market = Market::with(&serde_json::json!({ "income_seconds": 0 }));
    market.done(PAYER, market.pay(10 * DNT));
    market.done(HOLDER, market.sell(100_000, 0));
    let owed = market.owed(HOLDER);
    assert!(owed >= 3 * DNT - 1, "the seller keeps what three tenths have earned: {owed}");
    market.done(ATTACKER, market.buy(10 * DNT, 0));
    assert_eq!(market.owed(ATTACKER), 0);
}
