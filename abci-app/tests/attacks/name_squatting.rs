//! Names that are taken so that nobody else has them, and a datanet that is closed for its deposit while others' data is in it.

use bytes::Bytes;
use datanet_ledger::code::{self, Code};
use datanet_ledger::component::datanets::{self, deposit_account};
use datanet_ledger::state::StateRead;
use datanet_types::action::{CloseDatanet, CreateDatanet};
use datanet_types::amount::{DNT, display};
use datanet_types::{Action, Amount, DatanetId, Scores};

use super::judging::{ACCOMPLICE, CREATOR, Judging, create_datanet};
use crate::support::{CHAIN, Chain, address, body, genesis_with, signed};

const SQUATTER: u8 = 1;
const VICTIM: u8 = 2;
/// So many are tried; what they cost goes as their number.
const TRIED: u64 = 400;
const NAMES: u64 = 10_000;
/// What the squatter owns to begin with.
const FORTUNE: Amount = 1_000_000 * DNT;

fn rich() -> Vec<u8> {
    let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_with(&serde_json::json!({}))).unwrap();
    for person in genesis["accounts"].as_array_mut().unwrap() {
        person["balance"] = FORTUNE.into();
    }
    serde_json::to_vec(&genesis).unwrap()
}

fn named(name: &str) -> CreateDatanet {
    CreateDatanet { name: name.to_owned(), description: String::new(), ..create_datanet() }
}

fn id(who: u8, name: &str) -> DatanetId {
    DatanetId::derive(CHAIN, &address(who), name)
}

fn words() -> impl Iterator<Item = String> {
    (0..TRIED).map(|n| format!("word-{n:05}"))
}

struct Street {
    chain: Chain,
    nonce: u64,
}

impl Street {
    fn new() -> Self {
        let chain = Chain::empty();
        chain.init_with(&rich());
        chain.run(&[]);
        Self { chain, nonce: 0 }
    }

    fn all(&mut self, who: u8, actions: impl Iterator<Item = Action>) -> Vec<Code> {
        let txs: Vec<Bytes> = actions
            .map(|action| {
                self.nonce += 1;
                signed(who, &body(action, 900, self.nonce))
            })
            .collect();
        Chain::codes(&self.chain.run(&txs))
    }

    /// Bytes of state under the datanets' own keys.
    fn bytes(&self) -> u64 {
        let reader = self.chain.ledger.reader();
        let sizes = ["datanets/", "derived/datanets/"].map(|prefix| {
            let all = reader.scan(prefix, None, usize::MAX).unwrap();
            all.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>()
        });
        sizes.iter().sum()
    }
}

#[test]
fn names_that_nobody_uses_lock_money_for_as_long_as_they_are_kept_from_others() {
    let mut street = Street::new();
    let empty = street.bytes();
    let taken = street.all(SQUATTER, words().map(|word| Action::CreateDatanet(named(&word))));
    assert!(taken.iter().all(|code| *code == code::OK));
    let (left, state) = (street.chain.balance(SQUATTER), (street.bytes() - empty) / TRIED);
    let fees = TRIED * 1_000;
    let locked = (FORTUNE - left - fees) / TRIED;
    println!(
        "name squatting: {NAMES} names of {state} bytes of state each lock {} for as long as they are kept, where they cost {} once and for ever",
        display(locked * NAMES),
        display(1_000 * NAMES),
    );
    // A hundred times the least stake of who orders blocks.
    assert!(locked * NAMES >= 100_000 * DNT, "{locked}");
    // Short ones, which are wanted most, are dearer.
    let before = street.chain.balance(SQUATTER);
    assert_eq!(street.all(SQUATTER, ["ai"].map(|word| Action::CreateDatanet(named(word))).into_iter()), [code::OK]);
    let short = before - street.chain.balance(SQUATTER);
    println!("a name of two letters locks {}", display(short));
    assert!(short > 7 * locked);

    // The money comes home only with the name, and what an id leaves for good is paid for.
    let back =
        street.all(SQUATTER, words().map(|word| Action::CloseDatanet(CloseDatanet { datanet: id(SQUATTER, &word) })));
    assert!(back.iter().all(|code| *code == code::OK));
    let reader = street.chain.ledger.reader();
    assert_eq!(datanets::list(&reader, None, usize::MAX).unwrap().len(), 1);
    let (now, marks) = (street.chain.balance(SQUATTER), (street.bytes() - empty) / TRIED);
    let cost = FORTUNE - short - now;
    println!("given up, each has cost {} in all, for {marks} bytes that stay", display(cost / TRIED));
    assert!(cost > TRIED * 2 * 1_000 + TRIED * marks * 100, "what stays is not paid for: {cost}");
    let taken = street.all(VICTIM, ["word-00007"].map(|word| Action::CreateDatanet(named(word))).into_iter());
    assert_eq!(taken, [code::OK], "the name is free for others");
    let again = street.all(SQUATTER, ["word-00008"].map(|word| Action::CreateDatanet(named(word))).into_iter());
    assert_eq!(again, [code::DATANET_CLOSED], "an id is not given twice");
}

#[test]
fn a_datanet_does_not_close_under_others_data() {
    let mut judging = Judging::new(1);
    let datanet = id(CREATOR, "docs");
    let close = || Action::CloseDatanet(CloseDatanet { datanet });
    let before = judging.balance(address(CREATOR));
    // While it is judged, and once it is final.
    let given = judging.give_to_three(1);
    assert_eq!(judging.send(CREATOR, close()).0, code::DATANET_IN_USE);
    judging.judge(&given, |_| Some(Some(Scores::from_array([9_000; 4]))));
    let (code, log) = judging.send(CREATOR, close());
    println!("closing under others' data: {log}");
    assert_eq!(code, code::DATANET_IN_USE);
    assert_eq!(judging.send(ACCOMPLICE, close()).0, code::DATANET_FOREIGN);
    let after = judging.balance(address(CREATOR));
    println!("the creator has paid {} base units of fees", before - after);
    assert_eq!(judging.bond(&given), 0, "its giver has it back");
    assert!(judging.balance(deposit_account(&datanet)) >= 20 * DNT);
}
