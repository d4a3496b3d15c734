//! The debts that a statement ends with, which an epoch begins with that carries them on.
//!
//! The ledger says which statement that is, by its hash. Its epoch may be forgotten there; the hash is enough to know that these are its pages, and
//! whether they are right was that epoch's affair while it could be challenged.

use datanet_ledger::component::settlement::{self, Carried};
use datanet_types::netting::Debt;
use datanet_types::{BlobHash, NodeKey};
use tokio::time::timeout;

use super::{PATIENCE, Statements, Unread, unread};
use crate::billing::statement::{Entry, Index, MAX_INDEX_BYTES, max_page_bytes};

impl Statements {
    /// The debts of a node's statement, ordered by model and contribution; none where an epoch carries none on.
    pub(in crate::billing) async fn debts(
        &self,
        node: &NodeKey,
        carries: Option<&Carried>,
    ) -> Result<Vec<Debt>, Unread> {
        let Some(carried) = carries else { return Ok(Vec::new()) };
        let bytes = self.named(node, carried, &carried.statement, MAX_INDEX_BYTES).await?;
        let bad = |reason: String| Unread {
            reason: format!("epoch {}, whose debts it begins with: {reason}", carried.epoch),
            remembered: false,
            bad: true,
            missing: false,
        };
        let index = Index::of_hash(&bytes, self.chain.id(), node, carried.epoch).map_err(bad)?;
        let mut debts = Vec::new();
        for number in 0..Debt::heads(&index).len() {
            let page = index.page::<Debt>(number).ok_or_else(|| unread(&"there is no such page"))?;
            let bytes = self.named(node, carried, &page.blob, max_page_bytes::<Debt>()).await?;
            debts.extend(index.read::<Debt>(number, &bytes).map_err(bad)?);
        }
        Ok(debts)
    }

    /// The debts of a statement of which index and pages are here; nothing where one of them is not, or is not good. Nobody is asked.
    pub(in crate::billing) async fn debts_here(&self, node: &NodeKey, of: &Carried) -> Option<Vec<Debt>> {
        let bytes = self.here(&of.statement, MAX_INDEX_BYTES).await?;
        let index = Index::of_hash(&bytes, self.chain.id(), node, of.epoch).ok()?;
        let mut debts = Vec::new();
        for number in 0..Debt::heads(&index).len() {
            let bytes = self.here(&index.page::<Debt>(number)?.blob, max_page_bytes::<Debt>()).await?;
            debts.extend(index.read::<Debt>(number, &bytes).ok()?);
        }
        Some(debts)
    }

    async fn here(&self, blob: &BlobHash, limit: u64) -> Option<Vec<u8>> {
        match self.blobs.has(blob).await {
            Ok(true) => self.blobs.read(blob, limit).await.ok(),
            _ => None,
        }
    }

    /// A blob of it, from here, from the node, or from who says that he keeps it.
    async fn named(&self, node: &NodeKey, of: &Carried, blob: &BlobHash, limit: u64) -> Result<Vec<u8>, Unread> {
        let missing = |reason: String| Unread {
            reason: format!("the debts that it begins with, of epoch {}, cannot be had: {reason}", of.epoch),
            remembered: false,
            bad: false,
            missing: true,
        };
        let kept = {
            let reader = self.chain.reader().map_err(|error| unread(&error))?;
            settlement::keepers(&reader, node, of.epoch).map_err(|error| unread(&error))?
        };
        let providers: Vec<NodeKey> =
            std::iter::once(*node).chain(kept.into_iter().map(|keeper| keeper.node)).collect();
        let fetched = timeout(PATIENCE, self.blobs.bring(blob, None, limit, &providers)).await;
        let late = |_| missing(format!("they did not come within {} s", PATIENCE.as_secs()));
        let _held = fetched.map_err(late)?.map_err(|error| missing(error.detail))?;
        self.blobs.read(blob, limit).await.map_err(|error| missing(error.detail))
    }
}
