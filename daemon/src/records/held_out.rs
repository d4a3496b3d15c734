//! Held-out sets: what every judgement in a datanet compares with.

use std::collections::VecDeque;
use std::sync::Arc;

use datanet_data::Embedding;
use datanet_data::corpus::Record;
use datanet_ledger::component::datanets::Datanet;
use datanet_types::DatanetId;
use datanet_types::record::Format;
use tokio::sync::Mutex;

use super::{Batch, ReadOptions, Records};
use crate::error::ServiceResult;

/// Held-out records used at most.
const MAX_RECORDS: u64 = 2_000;

/// Sets in memory at most, some megabytes each; beyond, the one used longest ago is read again when it is wanted.
const MAX_SETS: usize = 32;

/// A held-out set with its embeddings.
#[derive(Debug)]
pub struct HeldOutSet {
    /// Its records, read by the datanet's schema.
    pub batch: Batch,
    /// Their embeddings, in that order.
    pub embeddings: Vec<Embedding>,
}

/// Sets by datanet, used last last.
type Recent = VecDeque<(DatanetId, Arc<HeldOutSet>)>;

/// Sets by datanet, used last last. A datanet's blob and schema never change; two datanets that name the same blob may read
/// other texts in it, so a set is never shared between them.
#[derive(Clone, Default)]
pub(super) struct HeldOutSets(Arc<Mutex<Recent>>);

impl Records {
    /// The held-out set of a datanet, whose blob is here.
    ///
    /// # Errors
    /// When the blob is not here, its records are not good (`Code::BadRecords`), or they cannot be embedded.
    pub async fn held_out_set(&self, datanet: &Datanet) -> ServiceResult<Arc<HeldOutSet>> {
        let mut known = self.held_out.0.lock().await;
        let found = known.iter().position(|(id, _)| *id == datanet.id).and_then(|place| known.remove(place));
        let set = match found {
            Some((_, set)) => set,
            None => {
                let batch = self.read_held_out(datanet).await?;
                let embeddings = self.embeddings(&datanet.holdout, &batch.records).await?;
                Arc::new(HeldOutSet { batch, embeddings })
            }
        };
        if known.len() >= MAX_SETS {
            known.pop_front();
        }
        known.push_back((datanet.id, set.clone()));
        Ok(set)
    }

    /// The records of a datanet's held-out set, at most as many as judges use; its blob is fetched if it is not here.
    ///
    /// # Errors
    /// When nobody gives the blob (`Code::BlobUnavailable`), its records are not good (`Code::BadRecords`), or the blob
    /// store fails.
    pub async fn held_out_records(&self, datanet: &Datanet) -> ServiceResult<Vec<Record>> {
        let _held = self.blobs.bring(&datanet.holdout, Some(datanet.holdout_size), datanet.holdout_size, &[]).await?;
        Ok(self.read_held_out(datanet).await?.records.into_iter().map(|(_, record)| record).collect())
    }

    async fn read_held_out(&self, datanet: &Datanet) -> ServiceResult<Batch> {
        let options = ReadOptions::Sample { size: MAX_RECORDS, seed: 0 };
        Ok(self.read_blob(datanet.holdout, Format::Jsonl, datanet.schema.clone(), options).await?)
    }
}
