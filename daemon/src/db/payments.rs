//! What became of each payment: held for a question, or spent on an answer; for as long as its answer can be had again.
//!
//! What follows from what is pure, and decided by whoever asks ([`crate::billing::machine`]); here it is looked up, decided and written in
//! one transaction.

use datanet_types::{Address, Amount, ChannelId, Digest, ReceiptId, TxHash};
use redb::{ReadableTableMetadata, WriteTransaction};

use super::{LocalStore, failed, table};
use crate::error::{Code, ServiceError, ServiceResult};

/// Payment to its [`Standing`].
const PAYMENTS: table::Table = redb::TableDefinition::new("payments");
/// When a payment was spent (seconds since 1970, big-endian), then its id: in which order answers lapse.
const SPENT: table::Table = redb::TableDefinition::new("payments_spent");

/// Answers that lapse with one that is paid, at most: more than one, so that a backlog goes.
const LAPSED_AT_ONCE: usize = 8;

/// A payment, whatever pays: whoever has not the payer's signature, or its key, names none of its payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct PaymentId(pub [u8; 32]);

impl PaymentId {
    /// That of a voucher: of its channel, up to an amount.
    pub fn of_voucher(channel: &ChannelId, cumulative: Amount) -> Self {
        Self::of("voucher", &[&channel.0, &cumulative.to_be_bytes()])
    }

    /// The one that an account calls by this name.
    pub fn of_account(account: &Address, name: &str) -> Self {
        Self::of("account", &[&account.0, name.as_bytes()])
    }

    /// That of a transfer on the ledger.
    pub fn of_transfer(hash: &TxHash) -> Self {
        Self::of("transfer", &[&hash.0])
    }

    /// No payment, but whatever an account pays by transfers: of which one is under way at a time.
    pub fn of_payer(account: &Address) -> Self {
        Self::of("payer", &[&account.0])
    }

    fn of(kind: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("datanet payment v1");
        for part in [kind.as_bytes()].iter().chain(parts) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// What is known of a payment; nothing is known of one that has not come yet, or whose answer has lapsed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is for one question, and nothing is paid yet.
    Held {
        /// Hash of what is asked.
        payload: Digest,
        /// Since when, in seconds since 1970.
        at: u64,
    },
    /// It has paid for an answer.
    Spent {
        /// Hash of what was asked.
        payload: Digest,
        /// The answer's receipt.
        receipt: ReceiptId,
    },
}

/// What becomes of a payment's standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It stays.
    Keep,
    /// It is this now.
    Put(Standing),
    /// It is as if the payment had never come.
    Forget,
}

/// A payment that is spent with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// Which.
    pub id: PaymentId,
    /// Hash of what was asked.
    pub payload: Digest,
    /// When, in seconds since 1970.
    pub at: u64,
    /// How long its answer can be had again, and how many answers of all payers together.
    pub lapse: Lapse,
}

/// When an answer can't be had again any more for the payment that paid for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lapse {
    /// Seconds after it was paid.
    pub seconds: u64,
    /// How many are remembered: with one more the oldest lapses.
    pub most: u64,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    [PAYMENTS, SPENT].into_iter().try_for_each(|name| table::create(tx, name))
}

fn spent_key(at: u64, id: &PaymentId) -> Vec<u8> {
    [at.to_be_bytes().as_slice(), &id.0].concat()
}

/// In the transaction that records the answer: the payment is spent on it, and on no other.
pub(super) fn spend(tx: &WriteTransaction, spending: &Spending, receipt: &ReceiptId) -> ServiceResult<()> {
    let Spending { id, payload, at, lapse } = spending;
    if let Some(Standing::Spent { receipt, .. }) = table::get_in(tx, PAYMENTS, &id.0)? {
        return Err(ServiceError::new(
            Code::StaleVoucher,
            format!("this payment has paid for another answer meanwhile, receipt {receipt}; ask again with the next"),
        ));
    }
    table::put(tx, PAYMENTS, &id.0, &Standing::Spent { payload: *payload, receipt: *receipt })?;
    table::put(tx, SPENT, &spent_key(*at, id), &())?;
    forget_lapsed(tx, *at, lapse)
}

/// The oldest go, as far as they are too old or too many.
fn forget_lapsed(tx: &WriteTransaction, now: u64, lapse: &Lapse) -> ServiceResult<()> {
    let count = tx.open_table(SPENT).map_err(failed)?.len().map_err(failed)?;
    let oldest: Vec<(Vec<u8>, ())> = table::first_in(tx, SPENT, &[], LAPSED_AT_ONCE)?;
    for (gone, (key, ())) in (0_u64..).zip(oldest) {
        let too_many = count.saturating_sub(gone) > lapse.most;
        if !too_many && spent_at(&key).saturating_add(lapse.seconds) >= now {
            break;
        }
        if let Some(id) = key.get(8..) {
            table::remove(tx, PAYMENTS, id)?;
        }
        table::remove(tx, SPENT, &key)?;
    }
    Ok(())
}

fn spent_at(key: &[u8]) -> u64 {
    key.first_chunk().map_or(0, |at| u64::from_be_bytes(*at))
}

impl LocalStore {
    /// What is known of a payment.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn payment(&self, id: &PaymentId) -> ServiceResult<Option<Standing>> {
        self.read(|tx| table::get(tx, PAYMENTS, &id.0))
    }

    /// Takes a step of a payment: `step` is told its standing, and says what that becomes. Durable when this returns, together with what
    /// others do meanwhile.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub async fn step_payment<T: Send + 'static>(
        &self,
        id: PaymentId,
        step: impl Fn(Option<&Standing>) -> (Change, T) + Send + 'static,
    ) -> ServiceResult<T> {
        self.commit(move |tx| {
            let (change, told) = step(table::get_in(tx, PAYMENTS, &id.0)?.as_ref());
            match change {
                Change::Keep => {}
                Change::Put(standing) => table::put(tx, PAYMENTS, &id.0, &standing)?,
                Change::Forget => table::remove(tx, PAYMENTS, &id.0)?,
            }
            Ok(told)
        })
        .await
    }

    /// Forgets holds of before `since`: nobody waits for their answers. For the start of a node.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn forget_holds(&self, since: u64) -> ServiceResult<usize> {
        self.write(|tx| {
            let all: Vec<(Vec<u8>, Standing)> = table::all_in(tx, PAYMENTS)?;
            let old = |standing: &Standing| matches!(standing, Standing::Held { at, .. } if *at < since);
            let old: Vec<_> = all.into_iter().filter(|(_, standing)| old(standing)).collect();
            old.iter().try_for_each(|(id, _)| table::remove(tx, PAYMENTS, id))?;
            Ok(old.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::accruals::tests::{charge, store};
    use super::*;
    use crate::db::accruals::Charge;

    const LAPSE: Lapse = Lapse { seconds: 100, most: 5 };

    fn spending(n: u8, at: u64) -> Spending {
        Spending { id: PaymentId([n; 32]), payload: Digest([n; 32]), at, lapse: LAPSE }
    }

    fn spend_all(store: &LocalStore, spendings: impl IntoIterator<Item = Spending>) {
        for spending in spendings {
            store.write(|tx| spend(tx, &spending, &ReceiptId([spending.id.0[0]; 32]))).unwrap();
        }
    }

    fn known(store: &LocalStore) -> Vec<u8> {
        (0..=255).filter(|n| store.payment(&PaymentId([*n; 32])).unwrap().is_some()).collect()
    }

    #[test]
    fn answers_lapse_by_age_and_by_number_and_the_oldest_first() {
        let (_dir, store) = store();
        spend_all(&store, (1..=5).map(|n| spending(n, 1_000 + u64::from(n))));
        assert_eq!(known(&store), [1, 2, 3, 4, 5]);
        spend_all(&store, [spending(6, 1_050)]);
        assert_eq!(known(&store), [2, 3, 4, 5, 6], "one too many");
        spend_all(&store, [spending(7, 1_104)]);
        assert_eq!(known(&store), [4, 5, 6, 7], "the third is too old, the second was one too many");
        let rows = store.read(|tx| Ok(table::all::<()>(tx, SPENT)?.len())).unwrap();
        assert_eq!(rows, 4);
    }

    #[test]
    fn whoever_fills_the_store_makes_no_more_of_it_than_there_may_be() {
        let (_dir, store) = store();
        spend_all(&store, (0..200).map(|n| spending(n, 1_000)));
        assert_eq!(known(&store).len(), 5);
    }

    #[tokio::test]
    async fn a_payment_that_is_spent_is_spent_once_and_with_its_answer_or_not_at_all() {
        let (_dir, store) = store();
        let spends = vec![spending(1, 1_000)];
        let one = Charge { spends: spends.clone(), ..charge(1, 100, 100) };
        store.record_answer(1, ReceiptId([1; 32]), one).await.unwrap();
        let other = Charge { spends, ..charge(2, 100, 100) };
        let error = store.record_answer(2, ReceiptId([2; 32]), other).await.unwrap_err();
        assert_eq!(error.code, Code::StaleVoucher, "{error}");
        assert_eq!((store.last_sequence().unwrap(), store.unsettled_fees().unwrap()), (1, 100));
        // A voucher that does not follow spends no payment.
        let stale = Charge { spends: vec![spending(3, 1_000)], ..charge(1, 100, 100) };
        assert!(store.record_answer(3, ReceiptId([3; 32]), stale).await.is_err());
        assert_eq!(known(&store), [1]);
    }

    #[tokio::test]
    async fn holds_outlive_a_restart_and_are_forgotten_once_they_are_old() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("local.redb");
        let store = LocalStore::open(&path).unwrap();
        for (n, at) in [(1, 1_000), (2, 2_000)] {
            let held = Standing::Held { payload: Digest([n; 32]), at };
            store.step_payment(PaymentId([n; 32]), move |_| (Change::Put(held.clone()), ())).await.unwrap();
        }
        spend_all(&store, [spending(3, 500)]);
        drop(store);
        // The tasks that wrote last may be about to let go of it.
        let store = loop {
            match LocalStore::open(&path) {
                Ok(store) => break store,
                Err(error) => assert!(error.detail.contains("lets go of it"), "{error}"),
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(
            store.payment(&PaymentId([1; 32])).unwrap(),
            Some(Standing::Held { payload: Digest([1; 32]), at: 1_000 })
        );
        assert_eq!(store.forget_holds(1_500).unwrap(), 1);
        assert_eq!(known(&store), [2, 3]);
        store.step_payment(PaymentId([2; 32]), |_| (Change::Forget, ())).await.unwrap();
        assert_eq!(known(&store), [3]);
    }

    #[test]
    fn payments_of_different_payers_have_nothing_in_common() {
        let (a, b) = (Address([1; 20]), Address([2; 20]));
        assert_ne!(PaymentId::of_account(&a, "x"), PaymentId::of_account(&b, "x"));
        assert_ne!(PaymentId::of_account(&a, "x"), PaymentId::of_account(&a, "y"));
        let channel = ChannelId([1; 32]);
        assert_ne!(PaymentId::of_voucher(&channel, 1), PaymentId::of_voucher(&channel, 2));
        assert_ne!(PaymentId::of_voucher(&channel, 1), PaymentId::of_voucher(&ChannelId([2; 32]), 1));
    }
}
