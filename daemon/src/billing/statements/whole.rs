//! All of a statement, for those who keep it and those who audit it.

use std::sync::Arc;
use std::time::Instant;

use datanet_ledger::component::settlement::Epoch;
use datanet_p2p::HeldBlob;
use datanet_types::epoch::EpochLeaf;
use datanet_types::netting::Debt;
use datanet_types::settled_receipt::SettledReceipt;
use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::memory::Piece;
use super::{BYTES_A_SECOND, PAGES_AT_ONCE, PATIENCE, Statements, Unread, unread};
use crate::billing::statement::{Entry, Explained, Index, MAX_INDEX_BYTES};
use crate::db::accruals::EarningLine;

/// A statement of which every page was held against index and roots. Lines are not in it: they were compared with the leaves as they came.
pub(in crate::billing) struct Whole {
    /// What it is in pages of.
    pub index: Arc<Index>,
    /// What accounts earned, ordered by account.
    pub leaves: Vec<EpochLeaf>,
    /// Its answers, ordered by channel and amount.
    pub receipts: Vec<SettledReceipt>,
    /// What it leaves to the next, ordered by model and contribution.
    pub debts: Vec<Debt>,
    /// Index and pages, which the collector leaves alone as long as this lives.
    _held: Vec<HeldBlob>,
}

impl Statements {
    /// All of an epoch's statement. What is wrong with it names the page.
    pub(in crate::billing) async fn whole(&self, epoch: &Epoch) -> Result<Whole, Unread> {
        let index = self.index(epoch).await?;
        if let Some(unread) = self.known(epoch, Piece::Whole) {
            return Err(unread);
        }
        let _turn = self.wholes.acquire().await.map_err(|error| unread(&error))?;
        let patience = PATIENCE.saturating_add(std::time::Duration::from_secs(index.total_bytes() / BYTES_A_SECOND));
        // One that comes drop by drop must not keep others from their turn.
        let Ok(read) = timeout(patience, self.all(epoch, &index)).await else {
            let (pages, seconds) = (index.pages().count(), patience.as_secs());
            let reason = format!("its {pages} pages did not come within {seconds} s");
            self.remember(|memory| memory.unreachable(epoch, Piece::Whole, &reason, Instant::now()));
            return Err(Unread { reason, remembered: false, bad: false, missing: true });
        };
        let whole = read?;
        self.remember(|memory| {
            memory.had(epoch, Piece::Whole);
            memory.good(epoch);
        });
        Ok(whole)
    }

    async fn all(&self, epoch: &Epoch, index: &Arc<Index>) -> Result<Whole, Unread> {
        let held = self.bring(epoch, &epoch.statement, None, MAX_INDEX_BYTES).await;
        let (_, held) = held.map_err(|error| self.not_had(epoch, Piece::Index, &error, error.detail.clone()))?;
        let (mut held, mut leaves, mut receipts) = (vec![held], Vec::new(), Vec::new());
        self.each::<EpochLeaf>(epoch, index, &mut held, |page| {
            leaves.extend(page);
            Ok(())
        })
        .await?;
        let mut explained = Explained::new(&leaves);
        self.each::<EarningLine>(epoch, index, &mut held, |page| explained.add(&page)).await?;
        explained.finish().map_err(|reason| self.bad(epoch, Piece::Whole, reason))?;
        self.each::<SettledReceipt>(epoch, index, &mut held, |page| {
            receipts.extend(page);
            Ok(())
        })
        .await?;
        let mut debts = Vec::new();
        self.each::<Debt>(epoch, index, &mut held, |page| {
            debts.extend(page);
            Ok(())
        })
        .await?;
        Ok(Whole { index: index.clone(), leaves, receipts, debts, _held: held })
    }

    /// Reads all pages of a part in order, a few at a time; ends with the first that is not good.
    async fn each<E: Entry>(
        &self,
        epoch: &Epoch,
        index: &Arc<Index>,
        held: &mut Vec<HeldBlob>,
        mut take: impl FnMut(Vec<E>) -> Result<(), String> + Send,
    ) -> Result<(), Unread> {
        let one = |number| {
            let (statements, epoch, index) = (self.clone(), epoch.clone(), index.clone());
            async move {
                let page = index.page::<E>(number).ok_or_else(|| unread(&"there is no such page"))?;
                let (bytes, held) = statements.bring_page::<E>(&epoch, &page).await?;
                Ok::<_, Unread>((statements.read_page::<E>(&epoch, &index, &page, bytes).await?, held))
            }
        };
        let pages = stream::iter((0..E::heads(index).len()).map(one)).buffered(PAGES_AT_ONCE);
        let mut pages = std::pin::pin!(pages);
        while let Some(page) = pages.next().await {
            let (page, hold) = page?;
            held.push(hold);
            take(page).map_err(|reason| self.bad(epoch, Piece::Whole, reason))?;
        }
        Ok(())
    }
}
