//! One index for each datanet: final contributions go in, searches and answers come out.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use datanet_config::Subscription;
use datanet_data::Embedding;
use datanet_data::retrieval::{
    DatanetIndex, Document, Hit, IndexConfig, IndexPool, Mode, PoolLimits, RetrievalError, SearchRequest, Snapshot,
};
use datanet_ledger::LedgerReader;
use datanet_ledger::component::contributions::{self, Contribution};
use datanet_ledger::component::datanets::{self, Datanet};
use datanet_types::receipt::MAX_MISSING;
use datanet_types::{ContributionId, DatanetId, ModelId};
use tokio::sync::watch;

use super::{Holes, ReadOptions, Records};
use crate::chain::Chain;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError, ServiceResult};

/// A record found.
#[derive(Debug, Clone)]
pub struct SearchHit {
    /// Its datanet.
    pub datanet: DatanetId,
    /// Contribution, record, score, text, label, snippet.
    pub hit: Hit,
}

/// Records of one contribution that are indexed at most: embedding is what costs, some hundred a second. All nodes
/// take the first ones, so that they index the same.
pub const MAX_INDEXED_RECORDS: u64 = 50_000;

/// Records embedded and added at a time.
const CHUNK: usize = 1_024;

/// How long a search or question waits for the index to take in what is new.
const PATIENCE: Duration = Duration::from_secs(2);
/// What became final so many blocks ago at most is new.
const FRESH_BLOCKS: u64 = 5;

/// Contributions read from the ledger at a time.
const PAGE: usize = 256;

/// What an answer rests on.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The contributions, and the height at which they are what is final.
    pub snapshot: Snapshot,
    /// Those final then that this node cannot have, ordered by id; the snapshot is without them.
    pub missing: Vec<ContributionId>,
}

/// The indexes of all datanets, opened as they are needed; clones share them.
#[derive(Clone)]
pub struct Indexes {
    chain: Chain,
    records: Records,
    embedder: Embedder,
    /// What cannot be had.
    holes: Holes,
    /// The datanets that a search over all looks at.
    followed: Subscription,
    /// Indexes on disk.
    folder: PathBuf,
    /// Those in use, and few others.
    pool: IndexPool,
    /// Contributions indexed since start: wakes those who wait for one.
    indexed: watch::Sender<u64>,
}

impl Indexes {
    /// Indexes in `folder`, which must exist.
    pub fn new(
        chain: Chain,
        records: Records,
        embedder: Embedder,
        holes: Holes,
        followed: Subscription,
        folder: PathBuf,
    ) -> Self {
        Self {
            chain,
            records,
            embedder,
            holes,
            followed,
            folder,
            pool: IndexPool::new(PoolLimits::default()),
            indexed: watch::Sender::new(0),
        }
    }

    /// The index of a datanet, opened or made. One of another model or damaged is made anew; the contributions worker fills
    /// it. Drop it before asking for another one: few are open at a time.
    ///
    /// # Errors
    /// When there is no embedding model ([`Code::NoModel`]), or the disk fails ([`Code::Index`]).
    pub async fn open(&self, datanet: &DatanetId) -> ServiceResult<DatanetIndex> {
        let model = self.embedder.info()?;
        let directory = self.folder.join(datanet.to_hex());
        let config = IndexConfig { directory, model: ModelId(model.id), dimensions: model.dimensions };
        self.pool.get(&config).await.map_err(|error| index_error(&error))
    }

    /// Puts a final contribution into its datanet's index.
    ///
    /// # Errors
    /// As [`Indexes::open`]; when the bytes are not here, its records are not good ([`Code::BadRecords`]), or they
    /// cannot be embedded.
    pub async fn add(&self, contribution: &Contribution, datanet: &Datanet) -> ServiceResult<()> {
        let index = self.open(&contribution.datanet).await?;
        if index.contains(&contribution.id) {
            return Ok(());
        }
        let options = ReadOptions::Page { offset: 0, limit: MAX_INDEXED_RECORDS };
        let batch = self.records.read(contribution, datanet, options).await?;
        let embeddings = self.records.embeddings(&contribution.blob, &batch.records).await?;
        let Some(mut upload) = index.begin(contribution.id).await.map_err(|error| index_error(&error))? else {
            return Ok(());
        };
        let records: Vec<_> = batch.records.iter().zip(&embeddings).collect();
        for chunk in records.chunks(CHUNK) {
            let documents = chunk.iter().map(|((record, content), embedding)| Document {
                contribution: contribution.id,
                record: *record,
                text: content.text().to_owned(),
                label: content.label().map(str::to_owned),
                embedding: (*embedding).clone(),
            });
            upload.push(documents.collect()).await.map_err(|error| index_error(&error))?;
        }
        upload.finish().await.map_err(|error| index_error(&error))?;
        self.indexed.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// The contributions final at `height`, in ledger order, those revoked later included.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn snapshot_at(&self, datanet: &DatanetId, height: u64) -> ServiceResult<Snapshot> {
        let finals = contributions::final_at(&self.chain.reader()?, datanet, height)?;
        Ok(Snapshot { height, contributions: finals.iter().map(|contribution| contribution.id).collect() })
    }

    /// The latest height at which everything final that can be had is in this node's index, and what is final then: what
    /// can be answered from now. What cannot be had ([`Holes`]) is left out and named.
    ///
    /// What has become final just now is waited for, a moment at most: whoever sees a contribution final may ask for it at
    /// once. A node that has much to catch up with answers from what it has.
    ///
    /// # Errors
    /// As [`Indexes::open`]; when an answer from now would have to rest on what was revoked since
    /// ([`Code::NotIndexed`]), or the ledger has no block yet or cannot be read.
    pub async fn snapshot(&self, datanet: &DatanetId) -> ServiceResult<Ground> {
        let index = self.open(datanet).await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut indexed = self.indexed.subscribe();
        loop {
            indexed.mark_unchanged();
            // One view for everything: a revocation must not come in between.
            let reader = self.chain.reader()?;
            let height = reader.height();
            let finals = finals(&reader, datanet, height)?;
            let missing = |contribution: &&Contribution| !index.contains(&contribution.id);
            let mut holes: Vec<&Contribution> =
                finals.iter().filter(missing).filter(|contribution| self.holes.contains(&contribution.id)).collect();
            holes.truncate(MAX_MISSING);
            let left_out: BTreeSet<ContributionId> = holes.iter().map(|contribution| contribution.id).collect();
            let waiting = finals.iter().filter(missing).find(|contribution| !left_out.contains(&contribution.id));
            let is_fresh = waiting.is_some_and(|waiting| waiting.final_height.saturating_add(FRESH_BLOCKS) >= height);
            if is_fresh && tokio::time::timeout_at(deadline, indexed.changed()).await.is_ok() {
                continue;
            }
            let height = waiting.map_or(height, |contribution| contribution.final_height.saturating_sub(1));
            if let Some(waiting) = waiting {
                refuse_height_before_revocation(&reader, datanet, height, waiting)?;
            }
            let then = |contribution: &&Contribution| contribution.final_height <= height;
            let complete = finals.iter().filter(then).filter(|contribution| !left_out.contains(&contribution.id));
            let contributions = complete.map(|contribution| contribution.id).collect();
            let missing: BTreeSet<ContributionId> =
                holes.into_iter().filter(then).map(|contribution| contribution.id).collect();
            let missing = missing.into_iter().collect();
            return Ok(Ground { snapshot: Snapshot { height, contributions }, missing });
        }
    }

    /// Takes a revoked contribution out of its datanet's index, texts and vectors too.
    ///
    /// # Errors
    /// When the index cannot be opened, changed or thrown away.
    pub async fn remove(&self, contribution: &Contribution) -> ServiceResult<()> {
        let directory = self.folder.join(contribution.datanet.to_hex());
        if !directory.exists() {
            return Ok(());
        }
        if self.embedder.info().is_err() {
            // Without its model an index can't be opened, only thrown away; it is made anew once the model is there.
            let removed = tokio::fs::remove_dir_all(&directory).await;
            return removed.map_err(|error| ServiceError::io("cannot remove an index", &error));
        }
        let index = self.open(&contribution.datanet).await?;
        index.remove(contribution.id).await.map_err(|error| index_error(&error))?;
        Ok(())
    }

    /// Searches one datanet, or all this node follows: then the best of each, by score.
    ///
    /// # Errors
    /// When an embedding is needed and there is no model ([`Code::NoModel`]), none of the datanets can be searched, or
    /// the ledger has no block yet or cannot be read.
    pub async fn search(
        &self,
        text: &str,
        datanet: Option<DatanetId>,
        mode: Mode,
        limit: usize,
    ) -> ServiceResult<Vec<SearchHit>> {
        let embedding = match mode {
            Mode::Text => None,
            Mode::Semantic | Mode::Hybrid => Some(self.embedder.embed_one(text).await?),
        };
        let wanted = match datanet {
            Some(datanet) => vec![datanet],
            None => datanets::list(&self.chain.reader()?, None, usize::MAX)?
                .into_iter()
                .map(|datanet| datanet.id)
                .filter(|id| self.followed.includes(id))
                .collect(),
        };
        let (mut hits, mut failed) = (Vec::new(), Vec::new());
        for datanet in &wanted {
            match self.search_one(text, datanet, embedding.clone(), mode, limit).await {
                Ok(found) => hits.extend(found.into_iter().map(|hit| SearchHit { datanet: *datanet, hit })),
                // One that can't be searched now, whatever was given to it, takes nothing from the others.
                Err(error) => {
                    tracing::debug!(%datanet, %error, "a datanet can't be searched");
                    failed.push(error);
                }
            }
        }
        if failed.len() == wanted.len() {
            failed.pop().map_or(Ok(()), Err)?;
        }
        hits.sort_by(|a, b| b.hit.score.total_cmp(&a.hit.score));
        hits.truncate(limit);
        Ok(hits)
    }

    async fn search_one(
        &self,
        text: &str,
        datanet: &DatanetId,
        embedding: Option<Embedding>,
        mode: Mode,
        limit: usize,
    ) -> ServiceResult<Vec<Hit>> {
        let snapshot = Some(self.snapshot(datanet).await?.snapshot);
        let request = SearchRequest { text: text.to_owned(), embedding, mode, limit, snapshot };
        self.open(datanet).await?.search(request).await.map_err(|error| index_error(&error))
    }
}

fn finals(reader: &LedgerReader, datanet: &DatanetId, height: u64) -> ServiceResult<Vec<Contribution>> {
    let mut finals: Vec<Contribution> = Vec::new();
    loop {
        let after = finals.last().map(|last| (last.final_height, last.seq));
        let page = contributions::final_in(reader, datanet, height, after, PAGE)?;
        if page.is_empty() {
            return Ok(finals);
        }
        finals.extend(page);
    }
}

/// An answer of an earlier height would have to rest on what was revoked since.
fn refuse_height_before_revocation(
    reader: &LedgerReader,
    datanet: &DatanetId,
    height: u64,
    waiting: &Contribution,
) -> ServiceResult<()> {
    let then = contributions::final_at(reader, datanet, height)?;
    if then.iter().all(|contribution| contribution.revoked_height == 0) {
        return Ok(());
    }
    Err(ServiceError::new(
        Code::NotIndexed,
        format!(
            "contribution {} became final at height {} and is not in the index yet, and answers from before that would rest on what was revoked since; try again in a moment: if it cannot be had, answers go on without it after a minute",
            waiting.id, waiting.final_height
        ),
    ))
}

/// A failure of an index.
pub fn index_error(error: &RetrievalError) -> ServiceError {
    match error {
        RetrievalError::Missing { .. } => {
            ServiceError::new(Code::NotIndexed, format!("{error}; try again in a moment"))
        }
        other => ServiceError::new(Code::Index, other.to_string()),
    }
}
