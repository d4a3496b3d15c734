//! The transactions of both sides: signed transfers, and pairs of `kvstore` that weigh as much.

use anyhow::{Result, ensure};
use bytes::Bytes;
use datanet_ledger::component::GenesisAccount;
use datanet_types::action::Transfer;
use datanet_types::tx::MAX_TTL;
use datanet_types::{Action, Address, SigningKey, TxBody};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::chain::{Application, CHAIN};
use crate::bench::nobody;

/// Accounts with money, among which it moves.
const ACCOUNTS: usize = 10_000;
/// Those of them that send.
const SENDERS: usize = 1_000;
/// Base units of each.
const BALANCE: u64 = 1_000_000_000;
const FEE: u64 = 2_000;
const GAS: u64 = 300_000;

/// People with money.
pub(super) struct People {
    senders: Vec<SigningKey>,
}

impl People {
    pub(super) fn new() -> Self {
        Self { senders: (0..SENDERS).map(|n| SigningKey::from_bytes(&seed(n))).collect() }
    }

    fn address(&self, n: usize) -> Address {
        self.senders.get(n).map_or_else(|| nobody(n as u64), SigningKey::address)
    }

    /// What all of them begin with.
    pub(super) fn accounts(&self) -> Vec<GenesisAccount> {
        (0..ACCOUNTS).map(|n| GenesisAccount { address: self.address(n), balance: BALANCE, name: None }).collect()
    }

    /// So many different transactions for a chain at `height`, all made beforehand.
    pub(super) fn txs(&self, application: Application, count: usize, height: u64) -> Result<Vec<Bytes>> {
        let mut dice = StdRng::seed_from_u64(count as u64);
        let transfers = (0..count).map(|n| self.transfer(n, height, &mut dice));
        match application {
            Application::Ledger => Ok(transfers.collect()),
            Application::Kvstore => transfers.enumerate().map(|(n, like)| pair(n, like.len())).collect(),
        }
    }

    fn transfer(&self, n: usize, height: u64, dice: &mut StdRng) -> Bytes {
        let from = n % self.senders.len();
        let sender = &self.senders[from];
        // Anybody else.
        let to = self.address((from + dice.random_range(1..ACCOUNTS)) % ACCOUNTS);
        let body = TxBody {
            chain_id: CHAIN.to_owned(),
            expiry: height + MAX_TTL / 2,
            fee: FEE,
            nonce: n as u64,
            account: sender.address(),
            gas_limit: GAS,
            tip: 0,
            action: Some(Action::Transfer(Transfer { to, amount: 1 })),
        };
        body.sign(sender).to_bytes().into()
    }
}

/// A key that is like no other, and a value that fills up to `bytes`.
fn pair(n: usize, bytes: usize) -> Result<Bytes> {
    let pair = format!("{n:016x}={:x<1$}", "", bytes.saturating_sub(17));
    ensure!(pair.len() == bytes, "a transfer of {bytes} bytes is too short for a pair");
    Ok(pair.into())
}

fn seed(n: usize) -> [u8; 32] {
    *blake3::hash(&n.to_le_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn both_sides_get_transactions_of_the_same_weight_and_no_two_are_the_same() {
        let people = People::new();
        let [ours, theirs] = [Application::Ledger, Application::Kvstore].map(|of| people.txs(of, 2_000, 1).unwrap());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours.len(), theirs.len());
            assert!(theirs.iter().filter(|byte| **byte == b'=').count() == 1 && !theirs.contains(&b':'));
        }
        for txs in [ours, theirs] {
            assert_eq!(txs.iter().collect::<BTreeSet<_>>().len(), txs.len());
        }
    }
}
