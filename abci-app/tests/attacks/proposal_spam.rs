//! So many proposals that nobody can read them all, or that nobody else gets a place.

use datanet_ledger::code;
use datanet_ledger::component::governance::{self, MAX_LIVE, Status};
use datanet_types::action::{Choice, Proposed, Resolution};
use datanet_types::amount::DNT;

use super::serving::verdict;
use super::voting::{DEPOSIT, Network, VALIDATORS, propose, vote};

const ATTACKER: u8 = 4;
const OTHER: u8 = 5;

#[test]
fn each_four_proposals_cost_twice_as_much_and_what_is_vetoed_is_gone() {
    let mut network = Network::new();
    let before = i128::from(network.balance(ATTACKER));
    let spam = || propose(Proposed::Text(Resolution {}));
    let mut open = 0;
    while network.send(ATTACKER, spam()) == code::OK {
        open += 1;
    }
    let locked = before - i128::from(network.balance(ATTACKER));
    println!("{open} proposals lock {locked} of {before}, and then the money is gone");
    assert!(open < MAX_LIVE && locked > i128::from(900 * DNT), "{open} are open");
    // All places at the default deposit: 4 x 500 x (1 + 2 + ... + 128) DNT.
    let all: u64 = (0..MAX_LIVE as u32 / 4).map(|doubled| 4 * (DEPOSIT << doubled)).sum();
    println!("all places would take {} DNT here, {} DNT by default", all / DNT, all / DEPOSIT * 500);
    assert_eq!(all / DEPOSIT * 500, 510_000);
    // Who has something to say still has a place, at what it costs now, and has it back.
    let mine = network.balance(OTHER);
    network.done(OTHER, spam());
    let number = open as u64 + 1;
    println!("another's locks {} DNT until its vote is over", (mine - network.balance(OTHER)) / DNT);
    for number in 1..number {
        let txs: Vec<_> = VALIDATORS.iter().map(|who| network.sign(*who, vote(number, Choice::Veto))).collect();
        assert!(network.block(&txs).iter().all(|code| code.is_ok()));
    }
    assert_eq!(network.ended(1), Status::Vetoed);
    assert_eq!(network.ended(number), Status::NoQuorum);
    assert!(mine - network.balance(OTHER) < DNT / 100, "but for fees");
    assert_eq!(governance::live(&network.ledger.reader()).unwrap(), [0u64; 0]);
    let after = i128::from(network.balance(ATTACKER));
    assert!(before - after >= locked, "none of it came back");
    verdict("proposals without end", before, after, 0);
}
