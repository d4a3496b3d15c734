//! Very many voters, so that the block in which they are counted takes long.

use std::cell::Cell;

use bytes::Bytes;
use datanet_ledger::LedgerReader;
use datanet_ledger::component::{governance, params};
use datanet_ledger::state::{StateError, StateRead};
use datanet_types::action::{Choice, Transfer};
use datanet_types::amount::DNT;
use datanet_types::{Action, TxBody};

use super::serving::verdict;
use super::voting::{Network, VALIDATORS, behind, dearer, propose, vote};
use crate::support::{CHAIN, MOST, key};

const ATTACKER: u8 = 4;
/// Accounts of the attacker's, each with the least stake.
const VOTERS: u8 = 100;

/// Counts the values that are read.
struct Counting<'a>(&'a LedgerReader, Cell<u64>);

impl StateRead for Counting<'_> {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.1.set(self.1.get() + 1);
        self.0.get_raw(key)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let found = self.0.scan(prefix, after, limit)?;
        self.1.set(self.1.get() + found.len() as u64 + 1);
        Ok(found)
    }
}

fn reads(network: &Network) -> u64 {
    let reader = network.ledger.reader();
    let params = params::get(&reader).unwrap();
    let counting = Counting(&reader, Cell::new(0));
    governance::count(&counting, &params, 1).unwrap();
    counting.1.get()
}

#[test]
fn counting_takes_no_longer_for_a_hundred_voters_than_for_one() {
    let mut network = Network::new();
    let before = i128::from(network.balance(ATTACKER));
    network.done(ATTACKER, propose(dearer()));
    network.done(1, vote(1, Choice::No));
    let few = reads(&network);
    let mut nonce = 1_000_000;
    let mut cast: Vec<Bytes> = Vec::new();
    let mut given: Vec<Bytes> = Vec::new();
    // Seeds of which no other account here is made.
    for seed in 100..100 + VOTERS {
        let voter = key(seed);
        let to = voter.address();
        given.push(network.sign(ATTACKER, Action::Transfer(Transfer { to, amount: 2 * DNT })));
        let delegate = datanet_types::staking::Delegate { validator: behind(seed % 3 + 1), amount: DNT };
        for action in [Action::Delegate(delegate), vote(1, Choice::Yes)] {
            nonce += 1;
            let (chain_id, expiry, fee, account) = (CHAIN.into(), network.ledger.info().height + 5, MOST, to);
            let (gas_limit, action) = (20_000_000, Some(action));
            let body = TxBody { chain_id, expiry, fee, nonce, account, gas_limit, tip: 0, action };
            cast.push(body.sign(&voter).to_bytes().into());
        }
    }
    for txs in [given, cast] {
        assert!(network.block(&txs).iter().all(|code| code.is_ok()));
    }
    assert_eq!(network.tally(1).yes, u64::from(VOTERS) * DNT);
    let many = reads(&network);
    println!("{few} values are read for one voter, {many} for {VOTERS} more");
    assert!(many <= few + VALIDATORS.len() as u64, "a tally reads validators, not voters");
    verdict("very many voters", before, i128::from(network.balance(ATTACKER)), 0);
}
