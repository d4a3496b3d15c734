//! What somebody wants to know of accounts: their leaves with proofs, why those are what they are, and the answers on a channel.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use datanet_ledger::component::settlement::Epoch;
use datanet_types::epoch::EpochLeaf;
use datanet_types::receipt::ReceiptHead;
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::sum_tree::SumProof;
use datanet_types::{Account, Amount, BlobHash};
use futures::{StreamExt, TryStreamExt, stream};

use super::memory::Piece;
use super::{PAGES_AT_ONCE, Statements, Unread, unread};
use crate::billing::statement::{Entry, Index};
use crate::db::accruals::EarningLine;

/// Pages of lines that are looked up in one statement at most, as many reasons as are shown of all: whoever settles writes as many for anybody as he
/// likes.
const MAX_LINE_PAGES: usize = 20;

/// What accounts are looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::billing) enum Purpose {
    /// To be paid: their leaves, where something is left.
    Claim,
    /// To know what they earned, and why.
    Explain,
}

/// A leaf with its proof.
pub(in crate::billing) type Proven = (Account, Amount, SumProof);

impl Statements {
    /// Whether reading what is wanted of it takes nobody else. A stranger who shows indexes and no pages must not come before those whose pages
    /// are here.
    pub(in crate::billing) async fn is_here(&self, epoch: &Epoch, accounts: &[Account], purpose: Purpose) -> bool {
        let is_known = self.known_index(epoch).is_some();
        if !is_known && !self.blobs.has(&epoch.statement).await.unwrap_or(false) {
            return false;
        }
        // Of what is known to be bad nobody is asked.
        let Ok(index) = self.index(epoch).await else { return true };
        for blob in wanted(&index, accounts, purpose) {
            let answers = self.known(epoch, Piece::Page(blob)).is_some()
                || self.remember(|memory| memory.has_page(&blob))
                || self.blobs.has(&blob).await.unwrap_or(false);
            if !answers {
                return false;
            }
        }
        true
    }

    /// The leaves of accounts, with proofs; of those that have none, nothing.
    pub(in crate::billing) async fn leaves(&self, epoch: &Epoch, accounts: &[Account]) -> Result<Vec<Proven>, Unread> {
        let index = self.index(epoch).await?;
        let numbers: BTreeSet<usize> = accounts.iter().filter_map(|account| index.leaf_page(account)).collect();
        let pages = self.pages::<EpochLeaf>(epoch, &index, numbers).await?;
        self.remember(|memory| memory.good(epoch));
        let accounts = accounts.to_vec();
        // A thousand hashes a page.
        let prove = move || -> Vec<Proven> {
            let one = |account: &Account| {
                let number = index.leaf_page(account)?;
                let (_, leaves) = pages.iter().find(|(page, _)| *page == number)?;
                index.prove(number, leaves, account).map(|(amount, proof)| (*account, amount, proof))
            };
            accounts.iter().filter_map(one).collect()
        };
        tokio::task::spawn_blocking(prove).await.map_err(|error| unread(&error))
    }

    /// Why accounts earned what their leaves say, in order; the first of it where there is more than anybody reads.
    pub(in crate::billing) async fn lines(
        &self,
        epoch: &Epoch,
        accounts: &[Account],
    ) -> Result<Vec<EarningLine>, Unread> {
        let index = self.index(epoch).await?;
        let pages = self.pages::<EarningLine>(epoch, &index, line_pages(&index, accounts)).await?;
        self.remember(|memory| memory.good(epoch));
        let of: BTreeSet<&Account> = accounts.iter().collect();
        let lines = pages.into_iter().flat_map(|(_, lines)| lines);
        Ok(lines.filter(|(key, _)| of.contains(&key.account)).collect())
    }

    /// The receipt that takes some of the same money as `given` and is another, with its proof.
    pub(in crate::billing) async fn contradiction(
        &self,
        epoch: &Epoch,
        given: &ReceiptHead,
    ) -> Result<Option<(SettledReceipt, SumProof)>, Unread> {
        let index = self.index(epoch).await?;
        let pages = self.pages::<SettledReceipt>(epoch, &index, index.receipt_pages(given)).await?;
        self.remember(|memory| memory.good(epoch));
        Ok(pages.iter().find_map(|(page, receipts)| index.contradiction(*page, receipts, given)))
    }

    /// Some pages, by number, a few at a time.
    async fn pages<E: Entry>(
        &self,
        epoch: &Epoch,
        index: &Arc<Index>,
        numbers: impl IntoIterator<Item = usize>,
    ) -> Result<Vec<(usize, Vec<E>)>, Unread> {
        let numbers: Vec<usize> = numbers.into_iter().collect();
        let one = |number| {
            let (statements, epoch, index) = (self.clone(), epoch.clone(), index.clone());
            async move { Ok::<_, Unread>((number, statements.page::<E>(&epoch, &index, number).await?)) }
        };
        stream::iter(numbers.into_iter().map(one)).buffered(PAGES_AT_ONCE).try_collect().await
    }

    /// One page, from memory, from here or from whoever should have it.
    async fn page<E: Entry>(&self, epoch: &Epoch, index: &Arc<Index>, number: usize) -> Result<Vec<E>, Unread> {
        let page = index.page::<E>(number).ok_or_else(|| unread(&"there is no such page"))?;
        if let Some(bytes) = self.remember(|memory| memory.page(&page.blob)) {
            return self.read_page(epoch, index, &page, bytes.to_vec()).await;
        }
        let _place = self.fetching.acquire().await.map_err(|error| unread(&error))?;
        let (bytes, _held) = self.bring_page::<E>(epoch, &page).await?;
        let kept = Bytes::from(bytes.clone());
        let read = self.read_page(epoch, index, &page, bytes).await?;
        self.remember(|memory| memory.put_page(page.blob, kept));
        Ok(read)
    }
}

/// The pages with lines of accounts that are looked up.
fn line_pages(index: &Index, accounts: &[Account]) -> BTreeSet<usize> {
    let all: BTreeSet<usize> = accounts.iter().flat_map(|account| index.line_pages(account)).collect();
    all.into_iter().take(MAX_LINE_PAGES).collect()
}

/// The pages that one wants of accounts.
fn wanted(index: &Index, accounts: &[Account], purpose: Purpose) -> BTreeSet<BlobHash> {
    let leaves = accounts.iter().filter_map(|account| index.page::<EpochLeaf>(index.leaf_page(account)?));
    let lines = line_pages(index, accounts).into_iter().filter_map(|number| index.page::<EarningLine>(number));
    leaves.chain(lines.filter(|_| purpose == Purpose::Explain)).map(|page| page.blob).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::statement::{Closing, Statement};
    use crate::db::accruals::{EarnedBy, Earning, EarningKey, EarningRole};
    use crate::db::settling::Settling;
    use datanet_types::epoch::{EpochTotals, FeeSplit};
    use datanet_types::{Address, ContributionId, DatanetId, NodeKey, Ppm};

    #[test]
    fn who_is_given_a_hundred_thousand_reasons_fetches_those_that_are_shown() {
        let account = Account::User(Address([5; 20]));
        let line = |n: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            let (role, contribution) = (EarningRole::Contributor, Some(ContributionId(id)));
            let key = EarningKey { account, role, datanet: DatanetId::ZERO, contribution, by: EarnedBy::Answers };
            (key, Earning { amount: u64::from(n == 0), answers: 1, weights: Ppm::ONE, ..Earning::default() })
        };
        let node = NodeKey([1; 32]);
        let totals =
            EpochTotals { split: FeeSplit { contributors: 1, ..FeeSplit::default() }, ..EpochTotals::default() };
        let statement = Statement {
            totals,
            leaves: vec![EpochLeaf { account, amount: 1 }],
            lines: (0..100_000).map(line).collect(),
            ..Statement::of("c", node, &Settling { epoch: 1, shares: vec![] }, Closing::default())
        };
        let root = statement.tree().unwrap().digest;
        let epoch = Epoch { node, epoch: 1, root, totals, accounts: 1, ..Epoch::default() };
        let index = Index::parse(&statement.paged().unwrap().index, "c", &epoch).unwrap();
        assert_eq!(index.line_pages(&account).len(), 98);
        assert_eq!(line_pages(&index, &[account]).len(), MAX_LINE_PAGES);
        assert_eq!(wanted(&index, &[account], Purpose::Explain).len(), MAX_LINE_PAGES + 1);
        assert_eq!(wanted(&index, &[account], Purpose::Claim).len(), 1);
    }
}
