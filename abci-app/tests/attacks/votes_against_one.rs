//! All stake against one account: what the many can vote to be done to somebody.

use datanet_ledger::code;
use datanet_ledger::component::governance::Status;
use datanet_ledger::component::{accounts, params};
use datanet_types::action::{Choice, NewNumber, NewNumbers, Payment, Proposed, Resolution, SubmitProposal};
use datanet_types::amount::DNT;
use datanet_types::{Action, SignedTx};

use super::serving::verdict;
use super::voting::{Network, VALIDATORS, propose, vote};
use crate::support::{CHAIN, address, key};

const VICTIM: u8 = 7;
/// Speaks for all of the stake.
const ATTACKER: u8 = 1;

fn number(name: &str, value: u64) -> Proposed {
    Proposed::Params(NewNumbers { numbers: vec![NewNumber { name: name.to_owned(), value }] })
}

#[test]
fn all_the_stake_there_is_takes_nothing_from_an_account_that_it_names() {
    let mut network = Network::new();
    let (victim, before) = (network.balance(VICTIM), i128::from(network.balance(ATTACKER)));
    // Its address among the parameters: there is none that it would fit into, and no name for it.
    let named = address(VICTIM).to_string();
    for name in [named.as_str(), "accounts", "authority", "treasury", "proposal_deposit.dn1"] {
        assert_eq!(network.send(ATTACKER, propose(number(name, 1))), code::PROPOSAL_INVALID);
    }
    // Money of the treasury's goes out, never into it, and within a period's bound.
    let everything = Proposed::Spend(Payment { to: address(ATTACKER), amount: 1_000 * DNT });
    assert_eq!(network.send(ATTACKER, propose(everything)), code::PROPOSAL_INVALID);
    // Of the bytes of a proposal nothing else is read: a field that is not known makes it no transaction.
    let signed = network.sign(ATTACKER, propose(Proposed::Text(Resolution {})));
    let tx = SignedTx::verify(&signed, CHAIN).unwrap();
    let mut bytes = prost::Message::encode_to_vec(&tx.body);
    bytes.extend_from_slice(&[0xfa, 0x07, 1, 1]);
    let forged = SignedTx { body: bytes, signatures: Vec::new() }.signed_by(&key(ATTACKER)).to_bytes();
    assert_eq!(network.ledger.check_tx(&forged, false).unwrap().code, code::CODEC);
    // Words say what they like, and do nothing.
    let action = Action::SubmitProposal(SubmitProposal {
        title: format!("take all from {named}"),
        reason: "because".into(),
        deposit: u64::MAX,
        proposed: Some(Proposed::Text(Resolution {})),
    });
    network.done(ATTACKER, action);
    for who in VALIDATORS {
        network.done(who, vote(1, Choice::Yes));
    }
    assert_eq!(network.ended(1), Status::Done);
    // The dearest that numbers can be made is the same for everybody, and has a bound.
    assert_eq!(network.send(ATTACKER, propose(number("min_fee", 1_000 * DNT))), code::PROPOSAL_INVALID);
    network.done(ATTACKER, propose(number("min_fee", DNT)));
    for who in VALIDATORS {
        network.done(who, vote(2, Choice::Yes));
    }
    network.ended(2);
    assert_eq!(network.carried(2), Status::Done);
    assert_eq!(params::get(&network.ledger.reader()).unwrap().min_fee, DNT);
    assert_eq!(network.balance(VICTIM), victim, "nothing was taken");
    assert_eq!(accounts::name(&network.ledger.reader(), &address(VICTIM)).unwrap(), None);
    verdict("everybody against one", before, i128::from(network.balance(ATTACKER)), 0);
}
