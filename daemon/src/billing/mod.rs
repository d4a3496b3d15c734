//! What answers cost and who earns it: quote, hold, capture, prove, settle, claim.
//!
//! - [`purchase`]: an answer bought, from its payment to its record; [`machine`]: what a payment can do; [`quote`]: what is asked for it.
//! - [`price`]: what an answer may cost, and [`stands`]: what a voucher must say for that.
//! - [`transfer`]: payments that bring a transaction; [`exchange`]: payments that come beside a request.
//! - [`payment`]: what pays; `hold`: what makes it good, and `bought`: what it has bought before; `channel`: what a channel has.
//! - [`reservation`]: that it pays once; `charge`: an answer numbered, signed, recorded.
//! - [`terms`]: what an answer of a released model costs; [`training`]: what a training does; [`owed`]: who earns what from one answer.
//! - [`settle`]: an epoch in one transaction, and its public [`statement`]; `closing`: the end of a channel.
//! - [`sale`]: what an agent sold, and whether it has what it is made of from where it says.
//! - [`repeat`]: an epoch made again from its receipts, as an auditor does.
//! - [`earnings`]: what an account earned, and why; [`claim`]: how it gets it. Both read what other nodes state:
//!   `sources`, whom to ask, and `statements`, what they say. `debts`: what contributions owe.

mod bought;
mod channel;
mod charge;
pub mod claim;
mod closing;
mod cover;
mod debts;
pub mod earnings;
pub mod exchange;
pub mod grounds;
mod hold;
pub mod machine;
pub mod owed;
mod payees;
pub mod payment;
pub mod price;
pub mod purchase;
pub mod quote;
pub mod repeat;
pub mod reservation;
pub mod sale;
pub mod settle;
mod sources;
pub mod stands;
pub mod statement;
mod statements;
pub mod terms;
pub mod training;
pub mod transfer;
pub mod witness;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datanet_types::rate::Rate;
use tokio::sync::{Mutex, RwLock};

use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::db::{LocalStore, now};
use crate::error::ServiceResult;
use crate::keyring::{Identity, Keyring};
use crate::lanes::Lanes;
use cover::Promises;
use reservation::Reservations;
use statements::Statements;

/// Charges answers and settles what they earn; clones share its locks.
#[derive(Clone)]
pub struct Billing {
    chain: Chain,
    blobs: BlobStore,
    db: LocalStore,
    identity: Identity,
    keyring: Keyring,
    /// Whose name pays where a caller names nobody.
    payer: Option<String>,
    /// The account that takes transfers for answers, and buys for them.
    till: Option<String>,
    /// What it takes for text, where the ledger asks less.
    own_rate: Rate,
    statements: Statements,
    /// What of each channel is spoken for.
    reservations: Reservations,
    /// What answers that are under way will cost.
    promises: Promises,
    /// Held for a channel while an answer is charged on it: each voucher follows the one before.
    channels: Lanes,
    /// Shared by answers that are being charged; held alone while a settlement is frozen, which must see all of each.
    charging: Arc<RwLock<()>>,
    /// The number of the latest receipt.
    sequence: Arc<AtomicU64>,
    /// Held for an account while it is claimed for: of two at once the second would pay a fee for nothing.
    claiming: Lanes,
    /// Held while an epoch is settled: one at a time.
    settling: Arc<Mutex<()>>,
}

impl Billing {
    /// Bills in the name of `identity`; claims are paid for by the keys in `keyring`.
    ///
    /// # Errors
    /// Where the private store does not read.
    pub fn new(
        chain: Chain,
        blobs: BlobStore,
        db: LocalStore,
        identity: Identity,
        keyring: Keyring,
    ) -> ServiceResult<Self> {
        let sequence = Arc::new(AtomicU64::new(db.last_sequence()?));
        db.forget_holds(now().saturating_sub(machine::HOLD_SECONDS))?;
        let statements = Statements::new(chain.clone(), blobs.clone());
        let (reservations, charging, settling) = (Reservations::default(), Arc::default(), Arc::default());
        let (channels, claiming) = (Lanes::default(), Lanes::default());
        Ok(Self {
            chain,
            blobs,
            db,
            identity,
            keyring,
            payer: None,
            till: None,
            own_rate: Rate::default(),
            statements,
            reservations,
            promises: Promises::default(),
            channels,
            charging,
            sequence,
            claiming,
            settling,
        })
    }

    /// The same, with the account that pays for callers who name nobody; an empty name is none.
    #[must_use]
    pub fn paid_by(self, payer: &str) -> Self {
        Self { payer: Some(payer.to_owned()).filter(|payer| !payer.is_empty()), ..self }
    }

    /// The same, with the prices that this node takes for text where the ledger asks less.
    #[must_use]
    pub fn at_rate(self, own_rate: Rate) -> Self {
        Self { own_rate, ..self }
    }
}
