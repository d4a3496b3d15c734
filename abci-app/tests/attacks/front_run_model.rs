//! A model's registration is read before it is in a block, and copied with a better place: whoever has the id is paid for each of its
//! answers.

use datanet_ledger::code;
use datanet_ledger::component::models;
use datanet_types::action::RegisterModel;
use datanet_types::{Action, Digest};

use super::serving::verdict;
use crate::support::{BALANCE, Chain, FEE, address, body, signed};

const ATTACKER: u8 = 1;
const VICTIM: u8 = 2;

#[test]
fn a_copied_registration_is_of_another_model() {
    let chain = Chain::new();
    let action = RegisterModel {
        manifest: Digest([7; 32]),
        name: "birds".into(),
        licence: "MIT".into(),
        release: true,
        ..RegisterModel::default()
    };
    let mine = action.id(&address(VICTIM));
    // It comes first in the block, and also before it.
    let early = signed(ATTACKER, &body(Action::RegisterModel(action.clone()), 100, 1));
    assert_eq!(Chain::codes(&chain.run(&[early])), [code::OK]);
    let copy = signed(ATTACKER, &body(Action::RegisterModel(action.clone()), 100, 2));
    let given = signed(VICTIM, &body(Action::RegisterModel(action.clone()), 100, 1));
    assert_eq!(Chain::codes(&chain.run(&[copy, given])), [code::MODEL_TAKEN, code::OK]);

    let reader = chain.ledger.reader();
    let model = models::get(&reader, &mine).unwrap().unwrap();
    assert_eq!((model.owner, model.manifest), (address(VICTIM), action.manifest));
    // What the attacker has is a model that nobody asked for: the id says whose it is.
    let copied = models::get(&reader, &action.id(&address(ATTACKER))).unwrap().unwrap();
    assert_ne!(copied.id, mine);
    // Each has paid for a record, and the attacker for two transactions.
    let (attacker, victim) = (BALANCE - chain.balance(ATTACKER), BALANCE - chain.balance(VICTIM));
    verdict("a copied model", BALANCE.into(), chain.balance(ATTACKER).into(), 0);
    assert_eq!(attacker, victim + FEE);
}
