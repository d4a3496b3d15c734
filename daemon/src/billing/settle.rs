//! Settling: everything answered since the last time, in one transaction.
//!
//! What has accrued is frozen first, durably; then statement and transaction are made from it, as often as needed.
//! A crash at any point leads back here with the same frozen epoch, and the ledger takes an epoch's number only once.
//! A channel that its payer closes meanwhile falls out; a transaction with its voucher can't succeed any more then.

use std::collections::BTreeMap;

use datanet_ledger::component::settlement::Carried;
use datanet_ledger::component::{channels, params, settlement};
use datanet_p2p::{Tag, TagKind};
use datanet_types::action::SettleEpoch;
use datanet_types::amount::display;
use datanet_types::epoch::EpochTotals;
use datanet_types::settled_receipt::MAX_ANSWERS;
use datanet_types::{Action, Amount, BlobHash, Digest, TxHash};

use super::channel::settle_margin;
use super::statement::{Closing, Paged, Statement};
use super::statements::Unread;
use super::{Billing, owed};
use crate::db::settling::Settling;
use crate::error::{Code, ServiceError, ServiceResult};

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

/// What is to be done for the next settlement.
enum Next {
    /// Nothing has accrued.
    Nothing,
    /// One that was sent before a crash, or given up too early, is on the ledger.
    Done(Settled),
    /// This is to be sent.
    Send(Settling),
}

impl Billing {
    /// Settles what has accrued, as much as one transaction takes; `None` if there is nothing.
    ///
    /// # Errors
    /// When the ledger refuses the transaction or it is in no block in time, the node's account has no key here
    /// ([`Code::UnknownKey`]), or the ledger, the blob store or the private store fails. What is frozen by then is sent
    /// again by the next call.
    pub async fn settle(&self) -> ServiceResult<Option<Settled>> {
        let _one_at_a_time = self.settling.lock().await;
        let settled = match self.freeze().await? {
            Next::Nothing => return Ok(None),
            Next::Done(settled) => settled,
            Next::Send(settling) => self.send_settlement(&settling).await?,
        };
        self.db.finish_settlement(settled.epoch)?;
        Ok(Some(settled))
    }

    /// Whether something has accrued on a channel that its payer may close soon, or is closing, and that takes no more questions; or under
    /// parameters that hold no more, so that its channel takes none either; or half as many answers as one epoch has.
    ///
    /// # Errors
    /// When the private store or the ledger cannot be read, or the ledger has no block yet.
    pub fn settling_is_urgent(&self) -> ServiceResult<bool> {
        if self.db.longest_accrual()? > MAX_ANSWERS / 2 {
            return Ok(true);
        }
        let mut owing = self.db.accruing()?;
        if let Some(settling) = self.db.settling()? {
            owing.extend(settling.shares.iter().map(|share| share.voucher.channel));
        }
        let reader = self.chain.reader()?;
        if self.db.accrued_before(params::versions::number(&reader)?)? {
            return Ok(true);
        }
        let soon = reader.block_seconds().saturating_add(settle_margin(&self.chain.params()?));
        for id in owing {
            let ends =
                |channel: channels::Channel| channel.is_open() && (channel.is_closing() || soon >= channel.expires_at);
            if channels::get(&reader, &id)?.is_some_and(ends) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn freeze(&self) -> ServiceResult<Next> {
        // No answer is charged meanwhile: what has accrued must agree with the vouchers.
        let _charging = self.charging.write().await;
        // One view for both: what is not on this ledger yet and names a channel closed there will never be on it.
        let reader = self.chain.reader()?;
        let last = settlement::get(&reader, &self.identity.node_key())?.map_or(0, |settled| settled.latest.epoch);
        let mut owing = self.db.accruing()?;
        if let Some(settling) = self.db.settling()? {
            if settling.epoch <= last {
                match settlement::epoch(&reader, &self.identity.node_key(), settling.epoch)? {
                    Some(done) => {
                        let (root, totals, statement) = (done.root, done.totals, done.statement);
                        return Ok(Next::Done(Settled { epoch: done.epoch, root, totals, statement, tx: None }));
                    }
                    // It was on the ledger so long ago that it is forgotten there, as everything of it is paid.
                    None => self.db.finish_settlement(settling.epoch)?,
                }
            } else {
                owing.extend(settling.shares.iter().map(|share| share.voucher.channel));
            }
        }
        let mut charged = BTreeMap::new();
        for id in owing {
            if let Some(channel) = channels::get(&reader, &id)?.filter(channels::Channel::is_open) {
                charged.insert(id, channel.charged);
            }
        }
        let cover = self.cover()?.unwrap_or(Amount::MAX);
        if let Some(settling) = self.db.begin_settlement(last.saturating_add(1), &charged, cover)? {
            return Ok(Next::Send(settling));
        }
        match self.db.unsettled_fees()? {
            0 => Ok(Next::Nothing),
            fees => Err(ServiceError::new(
                Code::Unsettled,
                format!(
                    "{} are to be settled, and the node's stake covers {} beside what is not final; raise it with `datanet stake AMOUNT` to {} at least, or wait until earlier epochs are final",
                    display(fees),
                    display(cover),
                    display(self.least_stake()?)
                ),
            )),
        }
    }

    async fn send_settlement(&self, settling: &Settling) -> ServiceResult<Settled> {
        let closing = self.closing(settling).await?;
        let carries = Some(closing.carries.map_or(0, |carried| carried.epoch));
        let statement = Statement::of(self.chain.id(), self.identity.node_key(), settling, closing);
        let overflow = |error| ServiceError::caused(Code::Statement, error);
        let (tree, receipts) = (statement.tree().map_err(overflow)?, statement.receipts_tree().map_err(overflow)?);
        let paged = statement.paged()?;
        let name = |page: Option<usize>| match page {
            Some(page) => TagKind::StatementPage.tag(format!("{}/{page}", settling.epoch)),
            None => TagKind::Statement.tag(settling.epoch),
        };
        let blob = self.keep_pages(paged, name).await?;
        let action = SettleEpoch {
            node: self.identity.node_key(),
            epoch: settling.epoch,
            root: tree.digest,
            totals: statement.totals,
            vouchers: settling.vouchers(),
            statement: blob,
            accounts: statement.accounts(),
            receipts: receipts.digest,
            params: settling.params(),
            carries,
            taken: settling.taken(),
        };
        let committed = self.chain.execute(&self.identity.own_account_key()?, Action::SettleEpoch(action)).await?;
        Ok(Settled {
            epoch: settling.epoch,
            root: tree.digest,
            totals: statement.totals,
            statement: blob,
            tx: Some(committed.hash),
        })
    }

    /// Nets what the node's epochs carry on with what has accrued.
    async fn closing(&self, settling: &Settling) -> ServiceResult<Closing> {
        let (carries, debts) = self.own_debts().await?;
        let netted = settling.nets().net(&debts);
        let lines = owed::netted(&self.chain.reader()?, &netted)?;
        Ok(Closing { carries, lines, debts: netted.debts })
    }

    /// Keeps a statement, all of it with one wait for the disk; the hash of its index.
    async fn keep_pages(&self, paged: Paged, name: impl Fn(Option<usize>) -> Tag) -> ServiceResult<BlobHash> {
        let (mut held, mut names) = (Vec::new(), Vec::new());
        let blobs = paged.pages.into_iter().enumerate().map(|(page, bytes)| (Some(page), bytes));
        for (page, bytes) in blobs.chain([(None, paged.index)]) {
            let blob = self.blobs.add_bytes(bytes).await?;
            names.push((name(page), BlobHash(blob.hash())));
            held.push(blob);
        }
        self.blobs.keep_all(&names).await?;
        names.last().map(|(_, index)| *index).ok_or_else(|| ServiceError::new(Code::Statement, "it has no index"))
    }

    /// Like [`Billing::settle`], when somebody asks for it.
    ///
    /// # Errors
    /// As [`Billing::settle`], and when there is nothing to settle ([`Code::NothingToSettle`]).
    pub async fn settle_now(&self) -> ServiceResult<Settled> {
        self.settle()
            .await?
            .ok_or_else(|| ServiceError::new(Code::NothingToSettle, "no paid answers since the last settlement"))
    }
}

/// Why the debts that the next epoch begins with cannot be read, and what helps: without them nothing can be settled, however often it is tried.
pub(super) fn without_debts(unread: Unread, carries: Option<&Carried>) -> ServiceError {
    let Unread { reason, missing, .. } = unread;
    let detail = match carries.filter(|_| missing) {
        Some(Carried { statement, .. }) => format!(
            "{reason}; put back a copy of this node's blobs that has statement {statement}, or serve on under a new node key: nothing is settled without it"
        ),
        None => reason,
    };
    ServiceError::new(Code::Statement, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_lost_his_debts_is_told_what_helps() {
        let carried = Carried { epoch: 7, statement: BlobHash([8; 32]) };
        let unread = |missing: bool| Unread { reason: "gone".to_owned(), remembered: false, bad: !missing, missing };
        let said = without_debts(unread(true), Some(&carried)).detail;
        assert!(said.starts_with("gone; put back a copy") && said.contains(&carried.statement.to_string()), "{said}");
        assert_eq!(without_debts(unread(false), Some(&carried)).detail, "gone");
    }
}
