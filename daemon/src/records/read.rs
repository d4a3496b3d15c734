//! Reading the records of a contribution out of its blob.

use datanet_data::corpus::{self, CorpusError, Limits, Record};
use datanet_ledger::component::contributions::Contribution;
use datanet_ledger::component::datanets::Datanet;
use datanet_p2p::{BlobReader, HeldBlob};
use datanet_types::merkle::MerkleAccumulator;
use datanet_types::record::{Format, record_root};
use datanet_types::schema::Schema;
use datanet_types::{BlobHash, Digest};
use tokio_util::io::SyncIoBridge;

use super::Records;
use crate::error::{Code, ServiceError, ServiceResult};

/// Which records to keep while reading; all are checked.
#[derive(Debug, Clone, Copy)]
pub enum ReadOptions {
    /// None: check only.
    Check,
    /// A page. Reading stops behind it, so the batch's total and root say nothing.
    Page {
        /// First record kept.
        offset: u64,
        /// Records kept at most.
        limit: u64,
    },
    /// About this many records, chosen evenly by a seed; all if there are fewer.
    Sample {
        /// Records kept.
        size: u64,
        /// Chooses them.
        seed: u64,
    },
}

impl ReadOptions {
    fn is_past(self, index: u64) -> bool {
        matches!(self, Self::Page { offset, limit } if index >= offset.saturating_add(limit))
    }
}

/// Records read from a blob.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Position and record, in order.
    pub records: Vec<(u64, Record)>,
    /// Records in the blob.
    pub total: u64,
    /// Plain Merkle root over all of them; see [`datanet_types::record::record_root`].
    pub root: Digest,
}

impl Batch {
    /// Whether the ledger has these records' root, as it is keyed by who gave them.
    pub fn has_root_of(&self, contribution: &Contribution) -> bool {
        record_root(&contribution.contributor, &self.root) == contribution.record_root
    }
}

/// Why a blob's records can't be read: the blob's fault or this node's.
#[derive(Debug)]
pub enum ReadError {
    /// The bytes are not what was announced.
    Content(CorpusError),
    /// This node failed.
    Node(ServiceError),
}

impl From<ReadError> for ServiceError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Content(error) => Self::new(Code::BadRecords, error.to_string()),
            ReadError::Node(error) => error,
        }
    }
}

impl Records {
    /// Reads a contribution's records from the local blob.
    ///
    /// # Errors
    /// As [`Records::read_blob`].
    pub async fn read(
        &self,
        contribution: &Contribution,
        datanet: &Datanet,
        options: ReadOptions,
    ) -> Result<Batch, ReadError> {
        let format = Format::try_from(contribution.format).unwrap_or(Format::Jsonl);
        self.read_blob(contribution.blob, format, datanet.schema.clone(), options).await
    }

    /// The plain Merkle root over a contribution's records, for its giver to tell when taking it back; none if its bytes are not
    /// here, or cannot be read, which must keep nobody from taking it back.
    pub async fn plain_root(&self, contribution: &Contribution, datanet: &Datanet) -> Option<Digest> {
        match self.read(contribution, datanet, ReadOptions::Check).await {
            Ok(batch) if batch.has_root_of(contribution) => Some(batch.root),
            Ok(_) => None,
            Err(error) => {
                let error = ServiceError::from(error);
                tracing::warn!(contribution = %contribution.id, %error, "taken back without the root of its records: nobody is kept from giving them");
                None
            }
        }
    }

    /// Reads the records of a local blob.
    ///
    /// # Errors
    /// [`ReadError::Content`] when the bytes are no records of that format and schema, [`ReadError::Node`] when they
    /// are not here or cannot be read.
    pub async fn read_blob(
        &self,
        blob: BlobHash,
        format: Format,
        schema: Schema,
        options: ReadOptions,
    ) -> Result<Batch, ReadError> {
        let source = self.source(blob, format).await.map_err(ReadError::Node)?;
        let read = tokio::task::spawn_blocking(move || {
            let records = corpus::read_records(format, source, &schema, Limits::default())?;
            collect(records, options)
        });
        let batch =
            read.await.map_err(|error| ReadError::Node(ServiceError::new(Code::ReadRecords, error.to_string())))?;
        batch.map_err(|error| match error {
            // The disk's fault, not the contributor's.
            CorpusError::Io(error) => ReadError::Node(ServiceError::io("cannot read the blob", &error)),
            other => ReadError::Content(other),
        })
    }

    /// The blob's bytes to read from. Only Parquet is read out of order: its bytes go through a file.
    pub(super) async fn source(&self, blob: BlobHash, format: Format) -> ServiceResult<Source> {
        let held = self.blobs.hold(&blob).await?;
        if format != Format::Parquet {
            return Ok(Source::Stream(Box::new(SyncIoBridge::new(self.blobs.reader(&blob))), held));
        }
        Ok(Source::File(self.blobs.export_file(&blob).await?))
    }
}

/// Where a blob's bytes come from.
pub(super) enum Source {
    /// The store, from beginning to end; the blob is held meanwhile.
    Stream(Box<SyncIoBridge<BlobReader>>, #[expect(dead_code, reason = "held, not read")] HeldBlob),
    /// A file of our own, which disappears when it is closed.
    File(std::fs::File),
}

impl std::io::Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Stream(stream, _) => stream.read(buffer),
            Self::File(file) => file.read(buffer),
        }
    }
}

impl std::io::Seek for Source {
    fn seek(&mut self, position: std::io::SeekFrom) -> std::io::Result<u64> {
        match self {
            Self::Stream(..) => Err(std::io::ErrorKind::NotSeekable.into()),
            Self::File(file) => file.seek(position),
        }
    }
}

fn collect(
    records: impl Iterator<Item = Result<Record, CorpusError>>,
    options: ReadOptions,
) -> Result<Batch, CorpusError> {
    let mut root = MerkleAccumulator::default();
    let mut kept = Keeper::new(options);
    for record in records {
        let record = record?;
        let index = root.count();
        if options.is_past(index) {
            break;
        }
        root.push(record.leaf());
        kept.offer(index, record);
    }
    Ok(Batch { records: kept.finish(), total: root.count(), root: root.root() })
}

/// Keeps what the options ask for, in bounded memory.
struct Keeper {
    options: ReadOptions,
    kept: Vec<(u64, Record)>,
    /// For samples: the rank of each kept record, highest first out.
    ranks: std::collections::BinaryHeap<(u64, u64)>,
}

impl Keeper {
    fn new(options: ReadOptions) -> Self {
        Self { options, kept: Vec::new(), ranks: std::collections::BinaryHeap::new() }
    }

    fn offer(&mut self, index: u64, record: Record) {
        match self.options {
            ReadOptions::Check => {}
            ReadOptions::Page { offset, .. } => {
                if index >= offset && !self.options.is_past(index) {
                    self.kept.push((index, record));
                }
            }
            ReadOptions::Sample { size, seed } => self.sample(index, record, size, seed),
        }
    }

    /// Keeps the `size` records with the smallest pseudo-random ranks.
    fn sample(&mut self, index: u64, record: Record, size: u64, seed: u64) {
        let rank = splitmix64(seed ^ splitmix64(index));
        if (self.ranks.len() as u64) < size {
            self.ranks.push((rank, index));
            self.kept.push((index, record));
        } else if self.ranks.peek().is_some_and(|(worst, _)| rank < *worst) {
            self.ranks.push((rank, index));
            self.kept.push((index, record));
            self.ranks.pop();
            // What lost its rank is dropped in batches: removing one at a time would be quadratic.
            if self.kept.len() as u64 > size.saturating_mul(2) {
                self.drop_losers();
            }
        }
    }

    fn drop_losers(&mut self) {
        let winners: std::collections::BTreeSet<u64> = self.ranks.iter().map(|(_, index)| *index).collect();
        self.kept.retain(|(index, _)| winners.contains(index));
    }

    fn finish(mut self) -> Vec<(u64, Record)> {
        if matches!(self.options, ReadOptions::Sample { .. }) {
            self.drop_losers();
        }
        self.kept
    }
}

/// Sebastiano Vigna's SplitMix64: a well-mixed 64-bit number from another.
fn splitmix64(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
