//! Answering for pay: ask, charge, prove, settle, explain.
//!
//! - [`ask`]: question to answer to signed receipt.
//! - [`model`]: answers of released models.
//! - [`payment`]: vouchers, before and after.
//! - [`owed`]: who earns what from one answer.
//! - [`settle`]: an epoch in one transaction, and its public [`statement`].
//! - [`earnings`]: what an account earned, why, and how it gets it.
//! - [`verify`]: another node's receipt, checked and recomputed.

pub mod ask;
pub mod earnings;
pub mod model;
pub mod owed;
pub mod payment;
pub mod settle;
pub mod statement;
pub mod verify;

use std::sync::{Arc, RwLock};

use tokio::sync::Mutex;

use model::ModelAnswers;

/// What answering shares.
#[derive(Default)]
pub struct Serving {
    /// Held while an answer is charged, signed and recorded: receipts are numbered one after the other, and a voucher
    /// is judged against the one before it.
    charging: Mutex<()>,
    /// Held while an epoch is settled: one at a time.
    settling: Mutex<()>,
    /// Whoever runs released models.
    models: RwLock<Option<Arc<dyn ModelAnswers>>>,
}
