//! What answers cost and who earns it: charge, prove, settle, claim.
//!
//! - [`payment`]: vouchers, before and after; `charge`: an answer numbered, signed, recorded.
//! - [`terms`]: what an answer of a released model costs; [`owed`]: who earns what from one answer.
//! - [`settle`]: an epoch in one transaction, and its public [`statement`].
//! - [`earnings`]: what an account earned, why, and how it gets it.

mod charge;
pub mod earnings;
pub mod owed;
pub mod payment;
pub mod settle;
pub mod statement;
pub mod terms;

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::db::LocalStore;
use crate::keyring::{Identity, Keyring};

/// Charges answers and settles what they earn; clones share its locks.
#[derive(Clone)]
pub struct Billing {
    chain: Chain,
    blobs: BlobStore,
    db: LocalStore,
    identity: Identity,
    keyring: Keyring,
    /// Held while an answer is charged, signed and recorded: receipts are numbered one after the other, and a voucher
    /// is judged against the one before it.
    charging: Arc<Mutex<()>>,
    /// Held while an epoch is settled: one at a time.
    settling: Arc<Mutex<()>>,
}

impl Billing {
    /// Bills in the name of `identity`; claims are paid for by the keys in `keyring`.
    pub fn new(chain: Chain, blobs: BlobStore, db: LocalStore, identity: Identity, keyring: Keyring) -> Self {
        Self { chain, blobs, db, identity, keyring, charging: Arc::default(), settling: Arc::default() }
    }
}
