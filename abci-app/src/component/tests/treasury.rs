//! What the chain's authority spends.

use datanet_types::action::{CancelSpend, SpendTreasury, Transfer};
use datanet_types::amount::DNT;
use datanet_types::{Action, Amount, Digest, TxBody};

use super::Chain;
use super::changing_params::{AUTHORITY, chain_of};
use super::harness::{BALANCE, address};
use crate::code;
use crate::component::treasury::{self, MAX_OPEN, spend_account};
use crate::component::{Params, accounts};

const DELAY: u64 = 100;
const PERIOD: u64 = 1_000;

/// A chain whose treasury has 100 DNT, a tenth of which may be spent in a period.
fn chain() -> Chain {
    let params = Params { treasury_period_seconds: PERIOD, treasury_period_bps: 1_000, ..Params::default() };
    let mut chain = chain_of(params);
    // Nobody can send it anything, but tips end there.
    let tipped = |body| TxBody { tip: 100 * DNT - 1_000, fee: u64::MAX, ..body };
    let tx = chain.tx_body(1, tipped, Action::Transfer(Transfer { to: address(2), amount: 1 }), 1_000_000);
    chain.run(&tx).unwrap();
    chain.next();
    chain
}

fn spend(amount: Amount) -> SpendTreasury {
    SpendTreasury { to: address(9), amount, reason: Digest([1; 32]) }
}

#[test]
fn a_payment_is_announced_seen_and_then_made() {
    let mut chain = chain();
    let events = chain.act(AUTHORITY, spend(4 * DNT));
    assert_eq!(events[0].kind, "treasury.announced");
    assert_eq!(chain.balance(spend_account(1)), 4 * DNT);
    assert_eq!(chain.balance(accounts::treasury()), 96 * DNT);
    let open = treasury::spends(&chain.state).unwrap();
    assert_eq!((open.len(), open[0].number, open[0].amount, open[0].to), (1, 1, 4 * DNT, address(9)));
    chain.pass(DELAY - 1);
    assert_eq!(chain.balance(address(9)), BALANCE);
    let events = chain.next();
    assert!(events.iter().any(|event| event.kind == "treasury.paid"));
    assert_eq!(chain.balance(address(9)), BALANCE + 4 * DNT);
    assert_eq!(treasury::spends(&chain.state).unwrap(), []);
    assert!(chain.state.0.keys().all(|key| !key.starts_with("derived/treasury/")));
}

#[test]
fn a_payment_that_is_cancelled_goes_back_and_does_not_count() {
    let mut chain = chain();
    chain.act(AUTHORITY, spend(10 * DNT));
    chain.refused(AUTHORITY, spend(1), code::SPEND_BOUND, "0 DNT of 10 DNT");
    chain.act(AUTHORITY, CancelSpend { spend: 1 });
    chain.refused(AUTHORITY, CancelSpend { spend: 1 }, code::SPEND_UNKNOWN, "no payment 1");
    assert_eq!(chain.balance(accounts::treasury()), 100 * DNT);
    chain.act(AUTHORITY, spend(10 * DNT));
    chain.pass(DELAY);
    assert_eq!(chain.balance(address(9)), BALANCE + 10 * DNT);
}

#[test]
fn the_next_period_begins_with_the_next_payment_and_a_cancelled_one_of_the_last_gives_it_nothing() {
    let mut chain = chain();
    chain.act(AUTHORITY, spend(6 * DNT));
    chain.pass(DELAY);
    chain.pass(PERIOD - DELAY - 50);
    chain.act(AUTHORITY, spend(4 * DNT));
    chain.pass(60);
    let treasury = chain.balance(accounts::treasury());
    chain.act(AUTHORITY, CancelSpend { spend: 2 });
    let most = (treasury + 4 * DNT) / 10;
    chain.refused(AUTHORITY, spend(most + 1), code::SPEND_BOUND, "more than is left of this period");
    chain.act(AUTHORITY, spend(most));
    chain.refused(AUTHORITY, spend(1), code::SPEND_BOUND, "0 DNT of");
}

#[test]
fn bad_payments_are_refused_and_so_is_everybody_else() {
    let mut chain = chain();
    chain.refused_before_it_pays(AUTHORITY, spend(0), code::SPEND_INVALID, "amount is 0");
    let silent = SpendTreasury { reason: Digest::ZERO, ..spend(1) };
    chain.refused_before_it_pays(AUTHORITY, silent, code::SPEND_INVALID, "SHA-256 of the text");
    chain.refused(1, spend(1), code::AUTHORITY, "not this chain's authority");
    chain.refused(1, CancelSpend { spend: 1 }, code::AUTHORITY, "not this chain's authority");
    for _ in 0..MAX_OPEN {
        chain.act(AUTHORITY, spend(1));
    }
    chain.refused(AUTHORITY, spend(1), code::SPEND_BOUND, "as many as may be");
    chain.pass(DELAY);
    assert_eq!(chain.balance(address(9)), BALANCE + MAX_OPEN as u64);
}
