//! A datanet on an agent's bench: its held-out set and its records with their vectors, had from the node over its interface, and judged by the very
//! function by which committees judge.

mod spots;
mod vectors;

use std::io::Cursor;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use datanet_api::contributions::{ContributionView, ListParams, PageParams};
use datanet_api::datanets::DatanetRecord;
use datanet_data::corpus::{Limits, Record, read_records};
use datanet_data::judge::{DuplicateIndex, JudgeInput, Judgement, judge};
use datanet_data::{Embedding, Scripts};
use datanet_types::ContributionId;
use datanet_types::record::Format;
use datanet_types::schema::Schema;
use futures::StreamExt;

use super::node::Node;

pub use spots::{Point, Spot, right, weak};
pub use vectors::Vectors;

/// Held-out records that are read: as many as judges draw from.
const MAX_HELD_OUT: usize = 2_000;
/// Records that are read, the latest contributions first: what an agent's machine bears.
const MAX_RECORDS: usize = 20_000;
/// Longest held-out set in bytes.
const MAX_BYTES: usize = 64 << 20;
/// Records of a page.
const PAGE: u64 = 1_000;

/// Records with their vectors.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Position and record.
    pub records: Vec<(u64, Record)>,
    /// One a record.
    pub vectors: Vec<Embedding>,
}

impl Batch {
    /// These records, with vectors from the node.
    ///
    /// # Errors
    /// When the node gives none.
    pub async fn of(node: &Node, vectors: &mut Vectors, records: Vec<(u64, Record)>) -> Result<Self> {
        let texts: Vec<&str> = records.iter().map(|(_, record)| record.text()).collect();
        let vectors = vectors.of(node, &texts).await?;
        Ok(Self { records, vectors })
    }

    /// As points of the space that its vectors lie in.
    pub fn points(&self) -> impl Iterator<Item = Point<'_>> {
        self.records
            .iter()
            .zip(&self.vectors)
            .map(|((_, record), vector)| Point { vector: vector.as_slice(), label: record.label() })
    }
}

/// See the module.
#[derive(Debug)]
pub struct Bench {
    /// The datanet.
    pub datanet: DatanetRecord,
    /// Its held-out set.
    pub held_out: Batch,
    /// Its contributions that were neither refused nor revoked, in their order.
    pub given: Vec<(ContributionId, u64, Batch)>,
    held_out_index: DuplicateIndex,
}

impl Bench {
    /// Sets a datanet up, with its contributions before the one of number `before`, or all.
    ///
    /// # Errors
    /// When the node does not give what is needed.
    pub async fn set_up(node: &Node, vectors: &mut Vectors, datanet: &str, before: Option<u64>) -> Result<Self> {
        let datanet = node.client.datanet(datanet).await?.record;
        let id = datanet.id.to_string();
        let held_out = held_out(node, &id, &datanet.schema).await?;
        let held_out = Batch::of(node, vectors, held_out).await?;
        let mut given = Vec::new();
        let mut room = MAX_RECORDS;
        let mut earlier: Vec<ContributionView> = contributions(node, &id).await?;
        earlier.retain(|view| {
            before.is_none_or(|before| view.seq < before) && !matches!(view.state.as_str(), "refused" | "revoked")
        });
        for view in earlier.iter().rev() {
            if room == 0 {
                break;
            }
            // What is not stored yet cannot be read by everybody: judges read it a moment later.
            let Ok(records) = records(node, &view.id, &datanet.schema, room).await else { continue };
            room = room.saturating_sub(records.len());
            given.push((view.id, view.seq, Batch::of(node, vectors, records).await?));
        }
        given.reverse();
        let held_out_index = DuplicateIndex::of_held_out(&held_out.records, &held_out.vectors, Scripts::all());
        Ok(Self { datanet, held_out, given, held_out_index })
    }

    /// Whether its records have labels.
    pub fn is_labelled(&self) -> bool {
        self.datanet.schema.label_field().is_some()
    }

    /// All records that it has.
    pub fn points(&self) -> Vec<Point<'_>> {
        self.given.iter().flat_map(|(_, _, batch)| batch.points()).collect()
    }

    /// Judges a batch as a committee does, on the whole of the held-out set.
    ///
    /// # Errors
    /// When the judging broke off.
    pub async fn judge(self: &Arc<Self>, id: ContributionId, batch: Arc<Batch>) -> Result<Judgement> {
        let bench = self.clone();
        let judged = tokio::task::spawn_blocking(move || {
            let mut corpus = DuplicateIndex::reading(Scripts::all());
            for (id, _, given) in &bench.given {
                corpus.add(*id, &given.records, &given.vectors);
            }
            judge(&JudgeInput {
                contribution: id,
                schema: &bench.datanet.schema,
                records: &batch.records,
                embeddings: &batch.vectors,
                holdout: &bench.held_out.records,
                holdout_embeddings: &bench.held_out.vectors,
                holdout_index: &bench.held_out_index,
                corpus: &corpus,
            })
        });
        judged.await.context("the judging broke off")
    }

    /// Which of these records repeat what is there, or a held-out record.
    ///
    /// # Errors
    /// When the comparing broke off.
    pub async fn repeats(self: &Arc<Self>, batch: Arc<Batch>) -> Result<Vec<bool>> {
        let bench = self.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let mut corpus = DuplicateIndex::reading(Scripts::all());
            for (id, _, given) in &bench.given {
                corpus.add(*id, &given.records, &given.vectors);
            }
            let id = ContributionId([0xff; 32]);
            let of = |index: &DuplicateIndex| index.check(id, &batch.records, &batch.vectors);
            of(&corpus).iter().zip(of(&bench.held_out_index)).map(|(a, b)| a.is_some() || b.is_some()).collect()
        });
        checked.await.context("the comparing broke off")
    }
}

/// All contributions of a datanet, in their order.
pub(super) async fn contributions(node: &Node, datanet: &str) -> Result<Vec<ContributionView>> {
    let mut params = ListParams { limit: Some(1_000), ..ListParams::default() };
    let mut all = Vec::new();
    loop {
        let page = node.client.contributions(datanet, &params).await?;
        all.extend(page.contributions);
        match page.next {
            Some(next) if params.after != Some(next) => params.after = Some(next),
            _ => return Ok(all),
        }
    }
}

async fn held_out(node: &Node, datanet: &str, schema: &Schema) -> Result<Vec<(u64, Record)>> {
    let mut pieces = std::pin::pin!(node.client.held_out_set(datanet).await?);
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend(piece?);
        ensure!(bytes.len() <= MAX_BYTES, "the held-out set has more than {MAX_BYTES} bytes");
    }
    parse(bytes, schema, MAX_HELD_OUT)
}

/// The records of a contribution, at most `most`.
pub(super) async fn records(
    node: &Node,
    id: &ContributionId,
    schema: &Schema,
    most: usize,
) -> Result<Vec<(u64, Record)>> {
    let mut lines = String::new();
    let (mut offset, most) = (0u64, most as u64);
    loop {
        let params = PageParams { offset: Some(offset), limit: Some(PAGE.min(most.saturating_sub(offset))) };
        let page = node.client.records(id, &params).await?;
        let count = page.records.len() as u64;
        for record in &page.records {
            lines.push_str(record.get());
            lines.push('\n');
        }
        offset = offset.saturating_add(count);
        if count == 0 || offset >= page.total.min(most) {
            break;
        }
    }
    parse(lines.into_bytes(), schema, usize::try_from(most).unwrap_or(usize::MAX))
}

fn parse(bytes: Vec<u8>, schema: &Schema, most: usize) -> Result<Vec<(u64, Record)>> {
    let records = read_records(Format::Jsonl, Cursor::new(bytes), schema, Limits::default())?;
    let numbered = (0u64..).zip(records.take(most)).map(|(place, record)| anyhow::Ok((place, record?)));
    numbered.collect()
}
