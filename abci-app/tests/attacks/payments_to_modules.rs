//! Money for an escrow, and orders in its name: the accounts that the rules alone move are out of every transaction's reach.

use datanet_ledger::code;
use datanet_ledger::component::accounts;
use datanet_types::action::Transfer;
use datanet_types::{Action, Address, SignedTx};
use prost::Message;

use super::serving::verdict;
use crate::support::{CHAIN, Chain, FEE, GAS, MOST, address, body, key, signed};

/// An address, of any length.
#[derive(Clone, PartialEq, Message)]
struct Account {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
}

/// A transaction's body as somebody writes it who sees no need for addresses to be of 20 bytes.
#[derive(Clone, PartialEq, Message)]
struct Body {
    #[prost(string, tag = "1")]
    chain_id: String,
    #[prost(uint64, tag = "2")]
    expiry: u64,
    #[prost(uint64, tag = "3")]
    fee: u64,
    #[prost(fixed64, tag = "4")]
    nonce: u64,
    #[prost(message, required, tag = "5")]
    account: Account,
    #[prost(uint64, tag = "6")]
    gas_limit: u64,
    #[prost(message, required, tag = "10")]
    transfer: Payment,
}

#[derive(Clone, PartialEq, Message)]
struct Payment {
    #[prost(message, required, tag = "1")]
    to: Account,
    #[prost(uint64, tag = "2")]
    amount: u64,
}

/// Person 1 signs it.
fn forged(to: &[u8], account: &[u8]) -> Vec<u8> {
    let [to, account] = [to, account].map(|bytes| Account { bytes: bytes.to_vec() });
    let (expiry, nonce, transfer) = (100, 7, Payment { to, amount: 5 });
    let (chain_id, gas_limit) = (CHAIN.into(), GAS);
    let body = Body { chain_id, expiry, fee: MOST, nonce, account, gas_limit, transfer };
    SignedTx { body: body.encode_to_vec(), signatures: Vec::new() }.signed_by(&key(1)).to_bytes()
}

#[test]
fn nobody_pays_an_account_of_the_rules_or_orders_in_its_name() {
    let chain = Chain::new();
    chain.run(&[]);
    let treasury = || accounts::balance(&chain.ledger.reader(), accounts::treasury()).unwrap();
    let before = (i128::from(chain.balance(1)), treasury());
    let (one, two, module) = (address(1), address(2), accounts::treasury());
    assert!(chain.ledger.check_tx(&forged(&two.0, &one.0), false).unwrap().is_ok(), "the form is right");
    let to_treasury = forged(&module.0, &one.0);
    let from_treasury = forged(&one.0, &module.0);
    let between = forged(&accounts::fees().0, &module.0);
    for tx in [to_treasury, from_treasury, between] {
        let refused = chain.ledger.check_tx(&tx, false).unwrap();
        assert_eq!(refused.code, code::CODEC, "{}", refused.log);
    }
    assert_eq!((i128::from(chain.balance(1)), treasury()), before);
    // Its first 20 bytes are a user's account like any other, which nobody has the key of.
    let short = Address::from_slice(&module.0[..20]).unwrap();
    let tx = signed(1, &body(Action::Transfer(Transfer { to: short, amount: 5 }), 100, 8));
    assert_eq!(Chain::codes(&chain.run(&[tx])), [code::OK]);
    assert_eq!(treasury(), before.1 + FEE, "the fee and no more");
    verdict("payments to modules", before.0, i128::from(chain.balance(1)), 0);
}
