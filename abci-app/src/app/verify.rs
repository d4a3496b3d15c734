//! All checks of a transaction that need no state, in parallel, and once for a transaction seen twice. What is remembered says nothing of
//! who may act for an account: that is looked up each time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use datanet_types::SignedTx;
use datanet_types::beacon::is_beacon_tx;
use datanet_types::tx::{TxError, TxHash, UnverifiedTx, VerifiedTx, tx_hash};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::{TxOutcome, lock};
use crate::code::{self, Code};
use crate::component::{self, ActionError};

/// Bytes of transactions whose verification is remembered; a decoded one takes about three times that.
const REMEMBERED_BYTES: usize = 16 * 1024 * 1024;
/// What an entry costs beside the transaction's bytes.
const ENTRY_BYTES: usize = 256;
/// Places in the queue that forgotten transactions may hold, beside as many as there are others.
const IDLE_PLACES: usize = 1024;

/// Why a transaction is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) log: String,
}

impl Refusal {
    pub(super) fn outcome(&self, hash: TxHash) -> TxOutcome {
        TxOutcome::refused(hash, self.code, self.log.clone())
    }
}

impl From<TxError> for Refusal {
    fn from(error: TxError) -> Self {
        let code = match &error {
            TxError::Codec(_) | TxError::NoAction | TxError::SignatureCount(_) | TxError::SignatureOrder => code::CODEC,
            TxError::WrongChain { .. } => code::WRONG_CHAIN,
            TxError::Signature(_) => code::SIGNATURE,
        };
        Self { code, log: error.to_string() }
    }
}

impl From<ActionError> for Refusal {
    fn from(error: ActionError) -> Self {
        let (code, log) = error.into_refusal();
        Self { code, log }
    }
}

/// A transaction after verification.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) hash: TxHash,
    pub(super) verified: Result<Arc<VerifiedTx>, Refusal>,
}

/// Verifies transactions and remembers those of the mempool.
#[derive(Debug, Default)]
pub(super) struct Verifier {
    known: Mutex<Known>,
}

/// Verified transactions, the oldest forgotten first.
#[derive(Debug, Default)]
struct Known {
    by_hash: BTreeMap<TxHash, (Arc<VerifiedTx>, usize)>,
    order: VecDeque<TxHash>,
    bytes: usize,
}

impl Verifier {
    pub(super) fn check(&self, bytes: &[u8], chain_id: &str) -> Checked {
        self.check_if(bytes, chain_id, |_| Ok(()))
    }

    /// The same, where `may` refuses before the signatures of a new transaction are verified what is not worth that.
    pub(super) fn check_if(
        &self,
        bytes: &[u8],
        chain_id: &str,
        may: impl FnOnce(&UnverifiedTx) -> Result<(), Refusal>,
    ) -> Checked {
        let hash = tx_hash(bytes);
        // The hash covers every byte, signature included, and the cache lives as long as one chain.
        let known = lock(&self.known).by_hash.get(&hash).map(|(tx, _)| Arc::clone(tx));
        Checked { hash, verified: known.map_or_else(|| verify(bytes, chain_id, may), Ok) }
    }

    /// All of a block's: what is known is looked up at once, and the rest verified in parallel.
    pub(super) fn check_all(&self, txs: &[Bytes], chain_id: &str) -> Vec<Checked> {
        let hashes: Vec<TxHash> = txs.iter().map(|bytes| tx_hash(bytes)).collect();
        let known: Vec<_> = {
            let known = lock(&self.known);
            hashes.iter().map(|hash| known.by_hash.get(hash).map(|(tx, _)| Arc::clone(tx))).collect()
        };
        let check = |((bytes, hash), known): ((&Bytes, &TxHash), &Option<_>)| {
            let verified = known.clone().map_or_else(|| verify(bytes, chain_id, |_| Ok(())), Ok);
            Checked { hash: *hash, verified }
        };
        if known.iter().all(Option::is_some) {
            return txs.iter().zip(&hashes).zip(&known).map(check).collect();
        }
        txs.par_iter().zip(&hashes).zip(&known).map(check).collect()
    }

    pub(super) fn remember(&self, tx: &Arc<VerifiedTx>, bytes: usize) {
        let weight = bytes.saturating_add(ENTRY_BYTES);
        let mut known = lock(&self.known);
        if known.by_hash.insert(tx.hash, (Arc::clone(tx), weight)).is_none() {
            known.order.push_back(tx.hash);
            known.bytes = known.bytes.saturating_add(weight);
        }
        while known.bytes > REMEMBERED_BYTES {
            let Some(oldest) = known.order.pop_front() else { break };
            known.remove(&oldest);
        }
    }

    pub(super) fn forget<'a>(&self, hashes: impl IntoIterator<Item = &'a TxHash>) {
        let mut known = lock(&self.known);
        for hash in hashes {
            known.remove(hash);
        }
        known.close_ranks();
    }
}

impl Known {
    fn remove(&mut self, hash: &TxHash) {
        if let Some((_, weight)) = self.by_hash.remove(hash) {
            self.bytes = self.bytes.saturating_sub(weight);
        }
    }

    /// Forgotten entries leave their place in the queue; those places are taken back once they are many, so that one
    /// transaction that stays does not let the queue grow behind it.
    fn close_ranks(&mut self) {
        if self.order.len() <= self.by_hash.len().saturating_mul(2).saturating_add(IDLE_PLACES) {
            return;
        }
        let mut seen = BTreeSet::new();
        self.order.retain(|hash| self.by_hash.contains_key(hash) && seen.insert(*hash));
    }
}

fn verify(
    bytes: &[u8],
    chain_id: &str,
    may: impl FnOnce(&UnverifiedTx) -> Result<(), Refusal>,
) -> Result<Arc<VerifiedTx>, Refusal> {
    if is_beacon_tx(bytes) {
        let log =
            "a beacon's proof is the first transaction of a block, put there by who proposes it; send a signed one";
        return Err(Refusal { code: code::BEACON, log: log.to_owned() });
    }
    let tx = SignedTx::read(bytes, chain_id)?;
    may(&tx)?;
    let tx = tx.verify()?;
    component::check_stateless(&tx)?;
    Ok(Arc::new(tx))
}

#[cfg(test)]
mod tests {
    use datanet_types::action::Transfer;
    use datanet_types::tx::TxBody;
    use datanet_types::{Action, Address, SigningKey};

    use super::*;

    #[test]
    fn a_transaction_that_stays_does_not_let_the_queue_grow_behind_it() {
        let (verifier, key) = (Verifier::default(), SigningKey::from_bytes(&[1; 32]));
        let tx = |nonce| {
            let action = Action::Transfer(Transfer { to: Address::ZERO, amount: 1 });
            let account = key.address();
            let body = TxBody {
                chain_id: "test".into(),
                expiry: 1,
                nonce,
                account,
                action: Some(action),
                ..TxBody::default()
            };
            verifier.check(&body.sign(&key).to_bytes(), "test").verified.unwrap()
        };
        verifier.remember(&tx(0), 1);
        let (other, mut hash) = (tx(1), [0; 32]);
        for n in 0..5_000u64 {
            hash[..8].copy_from_slice(&n.to_be_bytes());
            let other = Arc::new(VerifiedTx { hash: TxHash(hash), ..VerifiedTx::clone(&other) });
            verifier.remember(&other, 1);
            verifier.forget([&other.hash]);
        }
        let known = lock(&verifier.known);
        assert_eq!(known.by_hash.len(), 1);
        assert!(known.order.len() <= IDLE_PLACES + 3, "{}", known.order.len());
    }
}
