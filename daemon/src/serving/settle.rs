//! Settling: everything answered since the last time, in one transaction.
//!
//! What has accrued is frozen first, durably; then statement and transaction are made from it, as often as needed.
//! A crash at any point leads back here with the same frozen epoch, and the ledger takes an epoch's number only once.

use std::collections::BTreeMap;

use datanet_ledger::component::{channels, settlement};
use datanet_types::action::SettleEpoch;
use datanet_types::epoch::EpochTotals;
use datanet_types::{Action, Amount, BlobHash, ChannelId, Digest, TxHash};

use super::statement::Statement;
use crate::error::{ServiceError, ServiceResult};
use crate::local::accruals::Settling;
use crate::node::Core;

/// An epoch that is on the ledger.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Settled {
    /// Its number.
    pub epoch: u64,
    /// The root on the ledger.
    pub root: Digest,
    /// Its sums.
    pub totals: EpochTotals,
    /// The blob that says why.
    pub statement: BlobHash,
    /// The transaction.
    pub tx: Option<TxHash>,
}

impl Core {
    /// Settles what has accrued; `None` if there is nothing.
    pub async fn settle(&self) -> ServiceResult<Option<Settled>> {
        let _one_at_a_time = self.serving.settling.lock().await;
        let Some(settling) = self.freeze().await? else { return Ok(None) };
        // Sent before a crash, it may be on the ledger already.
        let settled = match settlement::epoch(&self.chain.reader()?, &self.node_key(), settling.epoch)? {
            Some(done) => {
                Settled { epoch: done.epoch, root: done.root, totals: done.totals, statement: done.statement, tx: None }
            }
            None => self.send_settlement(&settling).await?,
        };
        self.local.finish_settlement(settling.epoch)?;
        Ok(Some(settled))
    }

    async fn freeze(&self) -> ServiceResult<Option<Settling>> {
        // No answer is charged while the accruals are frozen.
        let _charging = self.serving.charging.lock().await;
        let reader = self.chain.reader()?;
        let last = settlement::get(&reader, &self.node_key())?.map_or(0, |settled| settled.latest.epoch);
        let epoch = last.saturating_add(1);
        let channels = channels::of_node(&reader, &self.node_key(), None, usize::MAX)?;
        let charged: BTreeMap<ChannelId, Amount> =
            channels.iter().map(|channel| (channel.id, channel.charged)).collect();
        self.local.begin_settlement(epoch, &charged)
    }

    async fn send_settlement(&self, settling: &Settling) -> ServiceResult<Settled> {
        let statement = Statement::of(self.chain.id(), self.node_key(), settling);
        let blob = self.keep_bytes(&format!("statement/{}", settling.epoch), statement.to_bytes()?).await?;
        let action = SettleEpoch {
            node: self.node_key(),
            epoch: settling.epoch,
            root: statement.root(),
            totals: settling.totals,
            vouchers: settling.vouchers.clone(),
            statement: blob,
        };
        let committed = self.chain.execute(&self.account_key()?, Action::SettleEpoch(action)).await?;
        Ok(Settled {
            epoch: settling.epoch,
            root: statement.root(),
            totals: settling.totals,
            statement: blob,
            tx: Some(committed.hash),
        })
    }

    /// Like [`Core::settle`], but nothing to settle is an error.
    pub async fn settle_now(&self) -> ServiceResult<Settled> {
        self.settle()
            .await?
            .ok_or_else(|| ServiceError::conflict("nothing-to-settle", "no paid answers since the last settlement"))
    }
}
