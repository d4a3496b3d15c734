//! What answers cost and who earns it: charge, prove, settle, claim.
//!
//! - [`payment`]: vouchers, before and after; `charge`: an answer numbered, signed, recorded.
//! - [`terms`]: what an answer of a released model costs; [`owed`]: who earns what from one answer.
//! - [`settle`]: an epoch in one transaction, and its public [`statement`].
//! - [`earnings`]: what an account earned, and why; [`claim`]: how it gets it. Both read what other nodes state:
//!   `sources`, whom to ask, and `statements`, what they say.

mod charge;
pub mod claim;
pub mod earnings;
pub mod owed;
pub mod payment;
pub mod settle;
mod sources;
pub mod statement;
mod statements;
pub mod terms;

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::db::LocalStore;
use crate::keyring::{Identity, Keyring};
use statements::Statements;

/// Charges answers and settles what they earn; clones share its locks.
#[derive(Clone)]
pub struct Billing {
    chain: Chain,
    blobs: BlobStore,
    db: LocalStore,
    identity: Identity,
    keyring: Keyring,
    statements: Statements,
    /// Held while an answer is charged, signed and recorded: receipts are numbered one after the other, and a voucher
    /// is judged against the one before it.
    charging: Arc<Mutex<()>>,
    /// Held while an epoch is settled: one at a time.
    settling: Arc<Mutex<()>>,
}

impl Billing {
    /// Bills in the name of `identity`; claims are paid for by the keys in `keyring`.
    pub fn new(chain: Chain, blobs: BlobStore, db: LocalStore, identity: Identity, keyring: Keyring) -> Self {
        let statements = Statements::new(chain.clone(), blobs.clone());
        let (charging, settling) = (Arc::default(), Arc::default());
        Self { chain, blobs, db, identity, keyring, statements, charging, settling }
    }
}
