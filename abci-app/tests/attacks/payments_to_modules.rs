//! Money for an escrow, and orders in its name: the accounts that the rules alone move are out of every transaction's reach.

use datanet_ledger::code;
use datanet_ledger::component::accounts;
use datanet_types::action::Transfer;
use datanet_types::{Action, Address, ModuleAddress, SignedTx};
use prost::Message;

use super::serving::verdict;
use crate::support::{CHAIN, Chain, FEE, address, body, key, signed};

/// A transaction's body as somebody writes it who sees no need for addresses to be of 20 bytes.
#[derive(Clone, PartialEq, Message)]
struct Body<To: Message + Default + Clone + PartialEq, From: Message + Default + Clone + PartialEq> {
    #[prost(string, tag = "1")]
    chain_id: String,
    #[prost(uint64, tag = "2")]
    expiry: u64,
    #[prost(uint64, tag = "3")]
    fee: u64,
    #[prost(fixed64, tag = "4")]
    nonce: u64,
    #[prost(message, required, tag = "5")]
    account: From,
    #[prost(message, required, tag = "10")]
    transfer: Payment<To>,
}

#[derive(Clone, PartialEq, Message)]
struct Payment<To: Message + Default + Clone + PartialEq> {
    #[prost(message, required, tag = "1")]
    to: To,
    #[prost(uint64, tag = "2")]
    amount: u64,
}

/// Person 1 signs it.
fn forged<To, From>(to: To, account: From) -> Vec<u8>
where
    To: Message + Default + Clone + PartialEq,
    From: Message + Default + Clone + PartialEq,
{
    let (expiry, nonce) = (100, 7);
    let transfer = Payment { to, amount: 5 };
    let body = Body { chain_id: CHAIN.into(), expiry, fee: FEE, nonce, account, transfer };
    SignedTx { body: body.encode_to_vec(), signatures: Vec::new() }.signed_by(&key(1)).to_bytes()
}

#[test]
fn nobody_pays_an_account_of_the_rules_or_orders_in_its_name() {
    let chain = Chain::new();
    let treasury = || accounts::balance(&chain.ledger.reader(), &accounts::treasury()).unwrap();
    let before = (i128::from(chain.balance(1)), treasury());
    assert!(chain.ledger.check_tx(&forged(address(2), address(1)), false).unwrap().is_ok(), "the form is right");
    let to_treasury = forged(accounts::treasury(), address(1));
    let from_treasury = forged(address(1), accounts::treasury());
    let between = forged(accounts::fees(), ModuleAddress::of("bond", &[&[1; 32]]));
    for tx in [to_treasury, from_treasury, between] {
        let refused = chain.ledger.check_tx(&tx, false).unwrap();
        assert_eq!(refused.code, code::CODEC, "{}", refused.log);
    }
    assert_eq!((i128::from(chain.balance(1)), treasury()), before);
    // Its first 20 bytes are a user's account like any other, which nobody has the key of.
    let short = Address::from_slice(&accounts::treasury().0[..20]).unwrap();
    let tx = signed(1, &body(Action::Transfer(Transfer { to: short, amount: 5 }), 100, 8));
    assert_eq!(Chain::codes(&chain.run(&[tx])), [code::OK]);
    assert_eq!(treasury(), before.1 + FEE, "the fee and no more");
    verdict("payments to modules", before.0, i128::from(chain.balance(1)), 0);
}
