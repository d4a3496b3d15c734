//! Money and shares for a pool that are no liquidity, so that its price moves, or a unit is worth more than it was bought for.

use datanet_ledger::code;
use datanet_ledger::component::pools;
use datanet_types::action::{Transfer, TransferShares};
use datanet_types::{Action, Address};

use super::market::{ATTACKER, Market, PAYER};
use super::serving::verdict;
use datanet_types::amount::DNT;

#[test]
fn nothing_but_trades_and_liquidity_reaches_a_pool() {
    let mut market = Market::new();
    let (before, pool) = (market.money(ATTACKER), market.pool());
    // The account has 32 bytes, and no field that names an account holds them; the first 20 are somebody else's.
    let account = pools::account(&market.asset);
    let short = Address::from_slice(&account.0[..20]).unwrap();
    assert!(account.to_string().parse::<Address>().is_err());
    market.done(ATTACKER, Action::Transfer(Transfer { to: short, amount: DNT }));
    market.done(ATTACKER, market.buy(DNT, 0));
    let after_buying = market.pool();
    let give = TransferShares { asset: market.some(), to: short, shares: market.held(ATTACKER) };
    market.done(ATTACKER, Action::TransferShares(give));
    // Income is no liquidity either.
    market.done(PAYER, market.pay(50 * DNT));
    market.pass(100_000);
    assert_eq!(market.pool().parts(), after_buying.parts());
    assert!(after_buying.amount == pool.amount + DNT && after_buying.units == pool.units);
    assert_eq!(market.send(ATTACKER, market.withdraw()).code, code::INCOME_NOTHING);
    verdict("donations to a pool", before, market.money(ATTACKER), 0);
}
