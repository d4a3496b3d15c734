//! Checking a receipt: what it says of itself, its place on the ledger, and the answer computed again from this
//! node's own blobs.

use datanet_inference::retrieval::{TOLERANCE_PPM, Verdict};
use datanet_ledger::LedgerReader;
use datanet_ledger::component::{contributions, datanets, nodes};
use datanet_types::receipt::{AnswerRecord, MAX_ANSWER_RECORD_BYTES, Receipt};
use datanet_types::{BlobHash, ReceiptId};

use crate::error::{ServiceError, ServiceResult};
use crate::library::index_error;
use crate::node::Core;

/// What checking found.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Verification {
    /// `match` (equal to the bit), `within` (the tolerance) or `mismatch`.
    pub verdict: &'static str,
    /// Weight that lies elsewhere, in parts per million.
    pub difference_ppm: u64,
    /// How much may.
    pub tolerance_ppm: u64,
    /// What does not hold; empty if everything does.
    pub details: String,
    /// Each check.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// In words.
    pub detail: String,
}

impl Check {
    fn of(name: &'static str, result: Result<String, String>) -> Self {
        let ok = result.is_ok();
        Self { name, ok, detail: result.unwrap_or_else(|error| error) }
    }
}

impl Core {
    /// A receipt's record, from here or from whoever has it.
    pub async fn answer_record_bytes(&self, id: &ReceiptId) -> ServiceResult<Vec<u8>> {
        let (blob, limit) = (BlobHash(id.0), MAX_ANSWER_RECORD_BYTES as u64);
        self.bring_blob(&blob, None, limit, &[]).await.map_err(|error| {
            ServiceError::not_found("unknown-receipt", format!("no node that this one knows has receipt {id}: {error}"))
        })?;
        self.read_bytes(&blob, limit).await
    }

    /// The same, decoded; a blob that is no good receipt is an error.
    pub async fn answer_record(&self, id: &ReceiptId) -> ServiceResult<AnswerRecord> {
        let bytes = self.answer_record_bytes(id).await?;
        AnswerRecord::verify(&bytes, self.chain.id())
            .map_err(|error| ServiceError::unprocessable("bad-receipt", format!("{id} is no good receipt: {error}")))
    }

    /// Checks a record in full. An error means that nothing can be said, for example because blobs are missing here.
    pub async fn verify_record(&self, bytes: &[u8]) -> ServiceResult<Verification> {
        let record = match AnswerRecord::verify(bytes, self.chain.id()) {
            Ok(record) => record,
            Err(error) => return Ok(conclude(vec![Check::of("signature and sums", Err(error.to_string()))], 0)),
        };
        let said = "signature, hashes, weights and split are good".to_owned();
        let mut checks = vec![Check::of("signature and sums", Ok(said))];
        checks.extend(self.ledger_checks(&record.receipt)?);
        if checks.iter().any(|check| !check.ok) {
            return Ok(conclude(checks, 0));
        }
        let (check, difference) = self.recompute(record).await?;
        checks.push(check);
        Ok(conclude(checks, difference))
    }

    fn ledger_checks(&self, receipt: &Receipt) -> ServiceResult<Vec<Check>> {
        let reader = self.chain.reader()?;
        let node = match nodes::get(&reader, &receipt.node)? {
            Some(node) => Ok(format!("node {} is registered", node.name)),
            None => Err(format!("node {} is not registered", receipt.node)),
        };
        let fee = fee_check(&reader, receipt)?;
        let split = if self.chain.params()?.fee_shares.split(receipt.fee) == receipt.split {
            Ok("the split follows the fee shares".to_owned())
        } else {
            Err("the split does not follow the fee shares".to_owned())
        };
        let paid = contributors_check(&reader, receipt)?;
        let height = self.chain.height();
        let known = if receipt.height <= height {
            Ok(format!("height {} is known here", receipt.height))
        } else {
            return Err(ServiceError::unavailable(
                "behind",
                format!("the receipt is of height {}, this node is at {height}; try again in a moment", receipt.height),
            ));
        };
        Ok(vec![
            Check::of("serving node", node),
            Check::of("fee", fee),
            Check::of("split", split),
            Check::of("contributors", paid),
            Check::of("height", known),
        ])
    }

    async fn recompute(&self, record: AnswerRecord) -> ServiceResult<(Check, u64)> {
        let datanet = record.receipt.datanet;
        let snapshot = self.snapshot_at(&datanet, record.receipt.height)?;
        let embedding = self.embed_one(&record.input.text).await?;
        let index = self.index(&datanet).await?;
        let verdict = index.recompute(record, snapshot, embedding).await.map_err(|error| index_error(&error))?;
        Ok(match verdict {
            Verdict::Match => (Check::of("answer", Ok("the same answer and weights, to the bit".to_owned())), 0),
            Verdict::Within { difference_ppm } => {
                let said = format!("the same answer; {difference_ppm} parts per million of the weight lie elsewhere");
                (Check::of("answer", Ok(said)), difference_ppm)
            }
            Verdict::Mismatch { what } => (Check::of("answer", Err(what.to_string())), 0),
        })
    }
}

fn fee_check(reader: &LedgerReader, receipt: &Receipt) -> ServiceResult<Result<String, String>> {
    Ok(match datanets::get(reader, &receipt.datanet)? {
        None => Err(format!("there is no datanet {}", receipt.datanet)),
        Some(datanet) if receipt.fee == datanet.price => Ok(format!("{} base units, the datanet's price", receipt.fee)),
        Some(_) if receipt.fee == 0 && receipt.credits.is_empty() => Ok("free, because nothing was found".to_owned()),
        Some(datanet) => Err(format!("{} base units were charged, the price is {}", receipt.fee, datanet.price)),
    })
}

fn contributors_check(reader: &LedgerReader, receipt: &Receipt) -> ServiceResult<Result<String, String>> {
    for credit in &receipt.credits {
        let contribution = contributions::get(reader, &credit.contribution)?;
        if contribution.is_none_or(|contribution| contribution.contributor != credit.contributor) {
            return Ok(Err(format!("contribution {} was not given by {}", credit.contribution, credit.contributor)));
        }
    }
    Ok(Ok(format!("{} contributions, each paid to who gave it", receipt.credits.len())))
}

fn conclude(checks: Vec<Check>, difference_ppm: u64) -> Verification {
    let failed: Vec<&str> = checks.iter().filter(|check| !check.ok).map(|check| check.detail.as_str()).collect();
    let verdict = match (failed.is_empty(), difference_ppm) {
        (false, _) => "mismatch",
        (true, 0) => "match",
        (true, _) => "within",
    };
    Verification { verdict, difference_ppm, tolerance_ppm: TOLERANCE_PPM, details: failed.join("; "), checks }
}
