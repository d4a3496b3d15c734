//! One index for each datanet: final contributions go in, searches and answers come out.

use std::time::Duration;

use datanet_inference::retrieval::{DatanetIndex, Document, Hit, IndexConfig, RetrievalError, SearchRequest, Snapshot};
use datanet_ledger::LedgerReader;
use datanet_ledger::component::contributions::{self, Contribution};
use datanet_ledger::component::datanets;
use datanet_types::{DatanetId, ModelId};

pub use datanet_inference::retrieval::Mode;

use super::ReadOptions;
use crate::error::{ServiceError, ServiceResult};
use crate::node::Core;

/// How to search: by words, by meaning, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SearchMode {
    /// By words: BM25.
    Text,
    /// By meaning: embeddings.
    Semantic,
    /// Both, fused by rank.
    #[default]
    Hybrid,
}

impl From<SearchMode> for Mode {
    fn from(mode: SearchMode) -> Self {
        match mode {
            SearchMode::Text => Self::Text,
            SearchMode::Semantic => Self::Semantic,
            SearchMode::Hybrid => Self::Hybrid,
        }
    }
}

/// A record found.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SearchHit {
    /// Its datanet.
    #[schema(value_type = String)]
    pub datanet: DatanetId,
    /// Contribution, record, score, text, label, snippet.
    #[serde(flatten)]
    #[schema(value_type = Object)]
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

impl Core {
    /// The index of a datanet, opened or made. One of another model or damaged is made anew; the steward fills it. Drop it
    /// before asking for another one: few are open at a time.
    pub async fn index(&self, datanet: &DatanetId) -> ServiceResult<DatanetIndex> {
        let model = self.models.info()?;
        let directory = self.library.index_dir.join(datanet.to_hex());
        let config = IndexConfig { directory, model: ModelId(model.id), dimensions: model.dimensions };
        self.library.indexes.get(&config).await.map_err(|error| index_error(&error))
    }

    /// Puts a final contribution into its datanet's index.
    pub async fn index_contribution(&self, contribution: &Contribution) -> ServiceResult<()> {
        let index = self.index(&contribution.datanet).await?;
        if index.contains(&contribution.id) {
            return Ok(());
        }
        let (_, datanet) = self.contribution_and_datanet(&contribution.id)?;
        let options = ReadOptions::Page { offset: 0, limit: MAX_INDEXED_RECORDS };
        let batch = self.read_contribution(contribution, &datanet, options).await?;
        let embeddings = self.embeddings(&contribution.blob, &batch).await?;
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
        self.library.indexed.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// The contributions final at `height`, in ledger order, those revoked later included.
    pub fn snapshot_at(&self, datanet: &DatanetId, height: u64) -> ServiceResult<Snapshot> {
        let finals = contributions::final_at(&self.chain.reader()?, datanet, height)?;
        Ok(Snapshot { height, contributions: finals.iter().map(|contribution| contribution.id).collect() })
    }

    /// The latest height at which everything final is in this node's index, and what is final then: what can be
    /// answered from, completely, now.
    ///
    /// What has become final just now is waited for, a moment at most: whoever sees a contribution final may ask for it at
    /// once. A node that has much to catch up with answers from what it has.
    pub async fn indexed_snapshot(&self, datanet: &DatanetId) -> ServiceResult<Snapshot> {
        let index = self.index(datanet).await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut indexed = self.library.indexed.subscribe();
        loop {
            indexed.mark_unchanged();
            // One view for everything: a revocation must not come in between.
            let reader = self.chain.reader()?;
            let height = reader.height();
            let finals = finals(&reader, datanet, height)?;
            let missing = finals.iter().find(|contribution| !index.contains(&contribution.id));
            let is_fresh = missing.is_some_and(|missing| missing.final_height.saturating_add(FRESH_BLOCKS) >= height);
            if is_fresh && tokio::time::timeout_at(deadline, indexed.changed()).await.is_ok() {
                continue;
            }
            let height = missing.map_or(height, |contribution| contribution.final_height.saturating_sub(1));
            if height < reader.height() {
                refuse_height_before_revocation(&reader, datanet, height)?;
            }
            let complete = finals.iter().filter(|contribution| contribution.final_height <= height);
            return Ok(Snapshot { height, contributions: complete.map(|contribution| contribution.id).collect() });
        }
    }

    /// Takes a revoked contribution out of its datanet's index, texts and vectors too.
    pub async fn unindex_contribution(&self, contribution: &Contribution) -> ServiceResult<()> {
        let directory = self.library.index_dir.join(contribution.datanet.to_hex());
        if !directory.exists() {
            return Ok(());
        }
        if self.models.info().is_err() {
            // Without its model an index can't be opened, only thrown away; it is made anew once the model is there.
            let removed = tokio::fs::remove_dir_all(&directory).await;
            return removed.map_err(|error| ServiceError::io("cannot remove an index", &error));
        }
        let index = self.index(&contribution.datanet).await?;
        index.remove(contribution.id).await.map_err(|error| index_error(&error))?;
        Ok(())
    }

    /// Searches one datanet, or all this node follows: then the best of each, by score.
    pub async fn search(
        &self,
        text: &str,
        datanet: Option<DatanetId>,
        mode: SearchMode,
        limit: usize,
    ) -> ServiceResult<Vec<SearchHit>> {
        let embedding = match mode {
            SearchMode::Text => None,
            SearchMode::Semantic | SearchMode::Hybrid => Some(self.embed_one(text).await?),
        };
        let wanted = match datanet {
            Some(datanet) => vec![datanet],
            None => datanets::list(&self.chain.reader()?, None, usize::MAX)?
                .into_iter()
                .map(|datanet| datanet.id)
                .filter(|id| self.config.datanets.subscribe.includes(id))
                .collect(),
        };
        let mut hits = Vec::new();
        for datanet in wanted {
            let request = SearchRequest {
                text: text.to_owned(),
                embedding: embedding.clone(),
                mode: mode.into(),
                limit,
                snapshot: Some(self.indexed_snapshot(&datanet).await?),
            };
            let found = self.index(&datanet).await?.search(request).await.map_err(|error| index_error(&error))?;
            hits.extend(found.into_iter().map(|hit| SearchHit { datanet, hit }));
        }
        hits.sort_by(|a, b| b.hit.score.total_cmp(&a.hit.score));
        hits.truncate(limit);
        Ok(hits)
    }

    /// The embedding of one text of a caller who waits.
    pub async fn embed_one(&self, text: &str) -> ServiceResult<datanet_inference::engine::Embedding> {
        let mut embeddings = self.models.embed(vec![text.to_owned()]).await?;
        embeddings.pop().ok_or_else(|| ServiceError::internal("model-failed", "the model gave no embedding"))
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
fn refuse_height_before_revocation(reader: &LedgerReader, datanet: &DatanetId, height: u64) -> ServiceResult<()> {
    let then = contributions::final_at(reader, datanet, height)?;
    if then.iter().all(|contribution| contribution.revoked_height == 0) {
        return Ok(());
    }
    Err(ServiceError::unavailable(
        "not-indexed",
        "something was revoked, and what became final before that is not in the index yet; try again in a moment",
    ))
}

/// A failure of an index.
pub fn index_error(error: &RetrievalError) -> ServiceError {
    match error {
        RetrievalError::Missing { .. } => {
            ServiceError::unavailable("not-indexed", format!("{error}; try again in a moment"))
        }
        other => ServiceError::internal("index", other.to_string()),
    }
}
