//! Held-out sets: what every judgement in a datanet compares with.
//!
//! Which set, the ledger says: a contribution has its number. Which records of it are asked follows from the seed that its committee was drawn from, which nobody
//! knows when the contribution is given: all judges of a round ask the same.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use datanet_data::Embedding;
use datanet_data::corpus::Record;
use datanet_data::judge::DuplicateIndex;
use datanet_ledger::component::datanets::{self, Datanet, HeldOut};
use datanet_ledger::state::{StateError, StateRead};
use datanet_types::record::Format;
use datanet_types::sample::sample;
use datanet_types::{BlobHash, DatanetId, Digest};
use tokio::sync::Mutex;

use super::{Batch, ReadOptions, Records};
use crate::error::{Code, ServiceError, ServiceResult};

/// Held-out records that samples are drawn from: all of a set, or of a larger one always the same so many.
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
    /// All of them, those that are not asked too: to find copies.
    pub index: Arc<DuplicateIndex>,
}

impl HeldOutSet {
    /// The records that judges ask whose committee was drawn from `seed`, at most `count`, with their embeddings.
    pub fn asked(&self, seed: &Digest, count: u32) -> Self {
        let records = &self.batch.records;
        let drawn = sample("datanet/held-out-sample/v1", seed, records.len() as u64, count.into());
        let places: Vec<usize> = drawn.into_iter().filter_map(|place| usize::try_from(place).ok()).collect();
        let batch = Batch {
            records: places.iter().filter_map(|place| records.get(*place).cloned()).collect(),
            total: self.batch.total,
            root: self.batch.root,
        };
        let embeddings = places.iter().filter_map(|place| self.embeddings.get(*place).cloned()).collect();
        Self { batch, embeddings, index: self.index.clone() }
    }
}

/// The blobs of all held-out sets that the ledger names.
///
/// # Errors
/// When the ledger cannot be read.
pub fn named_held_out<S: StateRead>(state: &S) -> Result<BTreeSet<BlobHash>, StateError> {
    let mut blobs = BTreeSet::new();
    for datanet in datanets::list(state, None, usize::MAX)? {
        for number in 0..=datanet.rotations {
            blobs.extend(datanets::held_out(state, &datanet, number)?.map(|set| set.blob));
        }
    }
    Ok(blobs)
}

/// Sets by datanet and number, used last last.
type Recent = VecDeque<((DatanetId, u32), Arc<HeldOutSet>)>;

/// Sets by datanet and number, used last last. A set that held and a datanet's schema never change; two datanets that name the same blob may read
/// other texts in it, so a set is never shared between them.
#[derive(Clone, Default)]
pub(super) struct HeldOutSets(Arc<Mutex<Recent>>);

impl Records {
    /// The held-out set of a datanet with this number, as the ledger names it.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read, or names no such set.
    pub fn held_out(&self, datanet: &Datanet, number: u32) -> ServiceResult<HeldOut> {
        Ok(datanets::expect_held_out(&self.chain.reader()?, datanet, number)?)
    }

    /// The number of the set that a contribution is judged with which is given now.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn held_out_now(&self, datanet: &Datanet) -> ServiceResult<u32> {
        let reader = self.chain.reader()?;
        Ok(datanets::held_out_now(&reader, datanet, reader.block_seconds())?)
    }

    /// A held-out set of a datanet, whose blob is here.
    ///
    /// # Errors
    /// When there is no such set, its blob is not here, its records are not good (`Code::BadRecords`), or they cannot be embedded.
    pub async fn held_out_set(&self, datanet: &Datanet, number: u32) -> ServiceResult<Arc<HeldOutSet>> {
        let blob = self.held_out(datanet, number)?.blob;
        let key = (datanet.id, number);
        let mut known = self.held_out.0.lock().await;
        let found = known.iter().position(|(one, _)| *one == key).and_then(|place| known.remove(place));
        let set = match found {
            Some((_, set)) => set,
            None => {
                let batch = self.read_held_out(datanet, blob).await?;
                let embeddings = self.embeddings(&blob, &batch.records).await?;
                Arc::new(self.indexed(batch, embeddings).await?)
            }
        };
        if known.len() >= MAX_SETS {
            known.pop_front();
        }
        known.push_back((key, set.clone()));
        Ok(set)
    }

    /// The records of a held-out set of a datanet, at most as many as judges draw from; its blob is fetched if it is not here.
    ///
    /// # Errors
    /// When there is no such set, nobody gives the blob (`Code::BlobUnavailable`), its records are not good (`Code::BadRecords`), or the blob
    /// store fails.
    pub async fn held_out_records(&self, datanet: &Datanet, number: u32) -> ServiceResult<Vec<Record>> {
        let HeldOut { blob, size, .. } = self.held_out(datanet, number)?;
        let _held = self.blobs.bring(&blob, Some(size), size, &[]).await?;
        Ok(self.read_held_out(datanet, blob).await?.records.into_iter().map(|(_, record)| record).collect())
    }

    async fn indexed(&self, batch: Batch, embeddings: Vec<Embedding>) -> ServiceResult<HeldOutSet> {
        let scripts = self.embedder.scripts().clone();
        let made = tokio::task::spawn_blocking(move || {
            let index = Arc::new(DuplicateIndex::of_held_out(&batch.records, &embeddings, scripts));
            HeldOutSet { batch, embeddings, index }
        });
        made.await.map_err(|error| ServiceError::caused(Code::BadHoldout, error))
    }

    async fn read_held_out(&self, datanet: &Datanet, blob: BlobHash) -> ServiceResult<Batch> {
        let options = ReadOptions::Sample { size: MAX_RECORDS, seed: 0 };
        Ok(self.read_blob(blob, Format::Jsonl, datanet.schema.clone(), options).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_data::corpus::{Limits, read_records};
    use datanet_types::schema::Schema;

    fn set(records: usize) -> HeldOutSet {
        let lines: String = (0..records).map(|n| format!("{{\"text\": \"a heron by the lake {n}\"}}\n")).collect();
        let mut schema = Schema::text_and_label(&[]);
        schema.fields.truncate(1);
        let read = read_records(Format::Jsonl, std::io::Cursor::new(lines), &schema, Limits::default()).unwrap();
        let records: Vec<(u64, Record)> = (0..).zip(read.map(Result::unwrap)).collect();
        let vector = |n: usize| Embedding::normalised(&[1.0, n as f32]).unwrap();
        let embeddings = (0..records.len()).map(vector).collect();
        let batch = Batch { total: records.len() as u64, records, root: Digest::ZERO };
        HeldOutSet { batch, embeddings, index: Arc::default() }
    }

    fn places(set: &HeldOutSet) -> Vec<u64> {
        set.batch.records.iter().map(|(place, _)| *place).collect()
    }

    #[test]
    fn all_judges_of_a_round_ask_the_same_records_and_those_of_another_round_others() {
        let set = set(500);
        let asked = set.asked(&Digest([1; 32]), 200);
        assert_eq!(places(&asked), places(&set.asked(&Digest([1; 32]), 200)));
        assert_ne!(places(&asked), places(&set.asked(&Digest([2; 32]), 200)));
        assert_eq!((asked.batch.records.len(), asked.embeddings.len()), (200, 200));
        for ((place, _), embedding) in asked.batch.records.iter().zip(&asked.embeddings) {
            assert_eq!(embedding.as_slice(), set.embeddings[usize::try_from(*place).unwrap()].as_slice());
        }
    }

    #[test]
    fn a_set_of_no_more_records_than_are_asked_is_asked_whole() {
        let set = set(9);
        assert_eq!(places(&set.asked(&Digest([1; 32]), 200)), (0..9).collect::<Vec<_>>());
    }
}
