//! All final records of a datanet, and its held-out set, as lines: for whoever takes them elsewhere.

use std::io;
use std::ops::ControlFlow;

use bytes::Bytes;
use datanet_data::corpus::{self, Limits, PROVENANCE, Record};
use datanet_ledger::component::contributions::Contribution;
use datanet_ledger::component::datanets::{Datanet, HeldOut};
use datanet_p2p::{HeldBlob, Share};
use datanet_types::merkle::MerkleAccumulator;
use datanet_types::record::{Format, record_root};
use datanet_types::schema::Schema;
use datanet_types::{BlobHash, DatanetId, Digest};
use tokio::sync::mpsc;

use super::Records;
use crate::error::{Code, ServiceError, ServiceResult};

/// Lines are sent in pieces of about this size.
const PIECE: usize = 64 << 10;

/// Where lines go.
pub type Lines = mpsc::Sender<io::Result<Bytes>>;

/// The final records of a datanet at one height: all of their bytes are here.
pub struct Export {
    /// The datanet.
    pub datanet: Datanet,
    /// The height.
    pub height: u64,
    /// The contributions, in the order in which they became final, each held so that nothing collects it.
    contributions: Vec<(Contribution, HeldBlob)>,
}

impl Export {
    /// Records in all of them.
    pub fn records(&self) -> u64 {
        self.contributions.iter().map(|(contribution, _)| contribution.records).fold(0, u64::saturating_add)
    }
}

impl Records {
    /// Gathers what is final in a datanet now; what is not here is fetched. What was revoked is not among it.
    ///
    /// # Errors
    /// When there is no such datanet ([`Code::UnknownDatanet`]), nobody gives a contribution's bytes
    /// ([`Code::BlobUnavailable`]), or the ledger or the blob store fails.
    pub async fn export(&self, datanet: &DatanetId) -> ServiceResult<Export> {
        let (height, datanet) = (self.chain.reader()?.height(), self.chain.datanet(datanet)?);
        let (members, _) = self.members(&self.data_snapshot(&datanet.id, None)?)?;
        let mut contributions = Vec::new();
        for contribution in members {
            let from = self.providers_of(&contribution)?;
            let share = Share::new(contribution.datanet.0, contribution.contributor.0);
            let size = contribution.size;
            let held = self.blobs.bring_for(share, &contribution.blob, Some(size), size, &from).await?;
            contributions.push((contribution, held));
        }
        Ok(Export { datanet, height, contributions })
    }

    /// Sends the records of an export, one canonical object a line; with where each is from if `with_origin`.
    ///
    /// # Errors
    /// When a contribution was revoked meanwhile ([`Code::Revoked`]), its records are not those of the ledger
    /// ([`Code::BadRecords`]), or its bytes cannot be read. Nobody listening any more is none.
    pub async fn send_export(&self, export: &Export, with_origin: bool, lines: &Lines) -> ServiceResult<()> {
        for (contribution, _) in &export.contributions {
            if self.chain.is_revoked(&contribution.id)? {
                let detail = format!("contribution {} was revoked meanwhile; export again", contribution.id);
                return Err(ServiceError::new(Code::Revoked, detail));
            }
            let from = with_origin.then(|| origin(contribution, &export.datanet));
            let format = Format::try_from(contribution.format).unwrap_or(Format::Jsonl);
            let root = self.send_blob(contribution.blob, format, &export.datanet.schema, from, lines).await?;
            match root {
                ControlFlow::Continue(root)
                    if record_root(&contribution.contributor, &root) == contribution.record_root => {}
                ControlFlow::Continue(_) => {
                    let detail = format!("the records of contribution {} are not those of the ledger", contribution.id);
                    return Err(ServiceError::new(Code::BadRecords, detail));
                }
                ControlFlow::Break(()) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Sends the held-out set of a datanet, whose blob is fetched if it is not here, one canonical object a line.
    ///
    /// # Errors
    /// When its records are not good ([`Code::BadRecords`]), or its bytes cannot be read.
    pub async fn send_held_out(&self, datanet: &Datanet, _held: HeldBlob, lines: &Lines) -> ServiceResult<()> {
        let blob = self.held_out(datanet, self.held_out_now(datanet)?)?.blob;
        self.send_blob(blob, Format::Jsonl, &datanet.schema, None, lines).await.map(drop)
    }

    /// Fetches the held-out set of a datanet if it is not here.
    ///
    /// # Errors
    /// When nobody gives it ([`Code::BlobUnavailable`]), or the blob store fails.
    pub async fn bring_held_out(&self, datanet: &Datanet) -> ServiceResult<HeldBlob> {
        let HeldOut { blob, size, .. } = self.held_out(datanet, self.held_out_now(datanet)?)?;
        self.blobs.bring(&blob, Some(size), size, &[]).await
    }

    /// The plain Merkle root of the records sent, or that nobody listens.
    async fn send_blob(
        &self,
        blob: BlobHash,
        format: Format,
        schema: &Schema,
        origin: Option<String>,
        lines: &Lines,
    ) -> ServiceResult<ControlFlow<(), Digest>> {
        let source = self.source(blob, format).await?;
        let (schema, lines) = (schema.clone(), lines.clone());
        let send = move || {
            let records = corpus::read_records(format, source, &schema, Limits::default())?;
            let (mut piece, mut root) = (Vec::with_capacity(PIECE + 1_024), MerkleAccumulator::default());
            for record in records {
                let record = record?;
                write_line(&mut piece, &record, root.count(), origin.as_deref());
                root.push(record.leaf());
                if piece.len() >= PIECE && lines.blocking_send(Ok(std::mem::take(&mut piece).into())).is_err() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let is_heard = piece.is_empty() || lines.blocking_send(Ok(piece.into())).is_ok();
            Ok(if is_heard { ControlFlow::Continue(root.root()) } else { ControlFlow::Break(()) })
        };
        let sent = tokio::task::spawn_blocking(send).await;
        let sent = sent.map_err(|error| ServiceError::new(Code::ReadRecords, error.to_string()))?;
        sent.map_err(|error: corpus::CorpusError| match error {
            corpus::CorpusError::Io(error) => ServiceError::io("cannot read the blob", &error),
            other => ServiceError::new(Code::BadRecords, other.to_string()),
        })
    }
}

/// What is said of each record of a contribution; its index and hash come behind.
fn origin(contribution: &Contribution, datanet: &Datanet) -> String {
    let (id, by) = (contribution.id, contribution.contributor);
    // Whoever signs a transaction himself may write anything there.
    let licence = serde_json::Value::from(datanet.licence.as_str());
    format!(
        "\"{PROVENANCE}contribution\":\"{id}\",\"{PROVENANCE}contributor\":\"{by}\",\"{PROVENANCE}licence\":{licence}"
    )
}

fn write_line(out: &mut Vec<u8>, record: &Record, index: u64, origin: Option<&str>) {
    let canonical = record.canonical();
    match origin {
        None => out.extend_from_slice(canonical.as_bytes()),
        Some(origin) => {
            // A record has a text, so that something stands before the comma.
            let body = canonical.strip_suffix('}').unwrap_or(canonical);
            let leaf = record.leaf();
            let more = format!(",{origin},\"{PROVENANCE}index\":{index},\"{PROVENANCE}hash\":\"{leaf}\"}}");
            out.extend_from_slice(body.as_bytes());
            out.extend_from_slice(more.as_bytes());
        }
    }
    out.push(b'\n');
}
