//! Checking a receipt: what it says of itself, its place on the ledger, and the answer computed again from this
//! node's own blobs.
//!
//! What was revoked since the answer was given can't be computed again, and must not be: the bytes are gone. Then the
//! verdict is `unverifiable`, which says nothing against the node.

use datanet_api::receipts::{Check, Verification};
use datanet_data::retrieval::{Difference, RecomputeVerdict, TOLERANCE};
use datanet_inference::generate::Apart;
use datanet_ledger::LedgerReader;
use datanet_ledger::component::contributions::Contribution;
use datanet_ledger::component::params::versions;
use datanet_ledger::component::{contributions, datanets, models, nodes};
use datanet_types::amount::display;
use datanet_types::rate::Usage;
use datanet_types::receipt::{AnswerRecord, MAX_ANSWER_RECORD_BYTES, Method, Receipt};
use datanet_types::release::DataSnapshot;
use datanet_types::{BlobHash, DatanetId, ModelId, Ppm, ReceiptId};

use super::Answers;
use super::compare::{Comparison, compare, drawn_alike, drawn_otherwise};
use super::recompute::Again;
use crate::billing::terms::terms;
use crate::billing::{grounds, sale};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::records::index_error;

/// What a check by this name found: in words, why it holds or why not.
fn check(name: &str, result: Result<String, String>) -> Check {
    let ok = result.is_ok();
    Check { name: name.to_owned(), ok, detail: result.unwrap_or_else(|error| error) }
}

impl Answers {
    /// A receipt's record, from here or from whoever has it.
    ///
    /// # Errors
    /// When no node that is connected has it ([`Code::UnknownReceipt`]), or the blob store fails.
    pub async fn answer_record_bytes(&self, id: &ReceiptId) -> ServiceResult<Vec<u8>> {
        let (blob, limit) = (BlobHash(id.0), MAX_ANSWER_RECORD_BYTES as u64);
        let _held = self.blobs.bring(&blob, None, limit, &[]).await.map_err(|_| {
            let detail = format!(
                "no node that this one is connected to has receipt {id}; receipts are fetched from the node that answered, which must be reachable"
            );
            ServiceError::new(Code::UnknownReceipt, detail)
        })?;
        self.blobs.read(&blob, limit).await
    }

    /// The same, decoded.
    ///
    /// # Errors
    /// As [`Answers::answer_record_bytes`], and when the blob is no good receipt ([`Code::BadReceipt`]).
    pub async fn answer_record(&self, id: &ReceiptId) -> ServiceResult<AnswerRecord> {
        let bytes = self.answer_record_bytes(id).await?;
        AnswerRecord::verify(&bytes, self.chain.id())
            .map_err(|error| ServiceError::new(Code::BadReceipt, format!("{id} is no good receipt: {error}")))
    }

    /// Checks a record in full.
    ///
    /// # Errors
    /// When nothing can be said: this node is behind the receipt's height ([`Code::Behind`]), or what the answer rests
    /// on cannot be had here.
    pub async fn verify_record(&self, bytes: &[u8]) -> ServiceResult<Verification> {
        let record = match AnswerRecord::verify(bytes, self.chain.id()) {
            Ok(record) => record,
            Err(error) => return Ok(conclude(vec![check("signature and sums", Err(error.to_string()))], Ppm::ZERO)),
        };
        let said = "signature, hashes, weights and split are good".to_owned();
        let mut checks = vec![check("signature and sums", Ok(said))];
        checks.extend(self.ledger_checks(&record)?);
        if checks.iter().any(|check| !check.ok) {
            return Ok(conclude(checks, Ppm::ZERO));
        }
        let receipt = record.receipt.clone();
        let recomputed = match receipt.method() {
            Method::Composed => {
                let height = self.chain.height();
                match self.billing.sale_contradiction(&receipt, height).await? {
                    Some(what) => match self.billing.sale_is_old(&receipt).await? {
                        Some(old) => return Ok(unverifiable(checks, "suppliers", old)),
                        None => checks.push(check("suppliers", Err(what))),
                    },
                    None => checks.push(check("suppliers", Ok(suppliers(&receipt)))),
                }
                checks.push(check("answer", Ok(MADE.to_owned())));
                return Ok(conclude(checks, Ppm::ZERO));
            }
            Method::Training => {
                return match self.told_of_training(&record).await {
                    // It proves nothing of the steps: what follows from the manifest on the receipt has been checked.
                    Err(error) if error.code == Code::BlobUnavailable => {
                        Ok(unverifiable(checks, "training", error.detail))
                    }
                    told => {
                        checks.push(check("training", told?));
                        Ok(conclude(checks, Ppm::ZERO))
                    }
                };
            }
            Method::Retrieval => self.recompute_retrieval(record).await?,
            Method::Influence | Method::Span => {
                let (found, apart) = self.recompute_model(&record).await?;
                let alike = apart.filter(Apart::passes);
                checks.extend(alike.map(|apart| check("tokens", Ok(drawn_alike(&apart)))));
                found
            }
        };
        let (result, difference) = match recomputed {
            Recomputed::Same => (Ok("the same answer and weights, to the bit".to_owned()), Ppm::ZERO),
            Recomputed::Within(Ppm::ZERO) => (Ok("the same answer and weights, to rounding".to_owned()), Ppm(1)),
            Recomputed::Within(difference) => {
                let said = format!("the same answer; {difference} of the weight lie elsewhere");
                (Ok(said), difference)
            }
            Recomputed::Other(what) => (Err(what), Ppm::ZERO),
            Recomputed::Gone(what) => return Ok(unverifiable(checks, "answer", what)),
        };
        checks.push(check("answer", result));
        if checks.iter().all(|check| check.ok)
            && let Some(what) = self.left_out_but_here(&receipt).await?
        {
            checks.push(check("nothing left out", Ok(what.clone())));
            let concluded = conclude(checks, difference);
            return Ok(Verification { verdict: "incomplete".to_owned(), details: what, ..concluded });
        }
        Ok(conclude(checks, difference))
    }

    /// What an answer leaves out although this node has it, in words. The node that answered may really not have been able to
    /// have it, so this is no lie; whoever leaves out what everybody else has is seen all the same.
    async fn left_out_but_here(&self, receipt: &Receipt) -> ServiceResult<Option<String>> {
        if receipt.missing.is_empty() {
            return Ok(None);
        }
        let index = self.indexes.open(&receipt.datanet).await?;
        let here: Vec<String> =
            receipt.missing.iter().filter(|id| index.contains(id)).map(ToString::to_string).collect();
        let (all, count) = (receipt.missing.len(), here.len());
        Ok((count > 0).then(|| {
            format!("the answer leaves out {all} contributions that the node could not have; this node has {count} of them: {}", here.join(", "))
        }))
    }

    fn ledger_checks(&self, record: &AnswerRecord) -> ServiceResult<Vec<Check>> {
        let (reader, receipt) = (self.chain.reader()?, &record.receipt);
        let node = match nodes::get(&reader, &receipt.node)? {
            Some(node) => Ok(format!("node {} is registered", node.name)),
            None => Err(format!("node {} is not registered", receipt.node)),
        };
        let fee = fee_check(&reader, record)?;
        let shares = versions::version(&reader, receipt.params)?.map(|(version, _)| version.params.fee_shares);
        let split = match shares {
            Some(shares) if shares.split(receipt.fee) == receipt.split => {
                Ok("the split follows the fee shares".to_owned())
            }
            Some(_) => Err("the split does not follow the fee shares".to_owned()),
            None => Err(format!("version {} of the parameters is not known", receipt.params)),
        };
        let paid = contributors_check(&reader, receipt)?;
        let height = self.chain.height();
        let known = if receipt.height <= height {
            Ok(format!("height {} is known here", receipt.height))
        } else {
            return Err(ServiceError::new(
                Code::Behind,
                format!("the receipt is of height {}, this node is at {height}; try again in a moment", receipt.height),
            ));
        };
        Ok(vec![
            check("serving node", node),
            check("fee", fee),
            check("split", split),
            check("contributors", paid),
            check("height", known),
        ])
    }

    async fn recompute_retrieval(&self, mut record: AnswerRecord) -> ServiceResult<Recomputed> {
        let receipt = &record.receipt;
        let finals = contributions::final_at(&self.chain.reader()?, &receipt.datanet, receipt.height)?;
        let mut snapshot = self.indexes.snapshot_at(&receipt.datanet, receipt.height)?;
        if let Some(never) = receipt.missing.iter().find(|id| !snapshot.contributions.contains(id)) {
            let what = format!("contribution {never} is left out, and was not final at height {}", receipt.height);
            return Ok(Recomputed::Other(what));
        }
        snapshot.contributions.retain(|id| receipt.missing.binary_search(id).is_err());
        if let Some(gone) = finals.iter().find(|contribution| contribution.revoked_height > 0) {
            return Ok(if snapshot.root() == receipt.snapshot {
                Recomputed::Gone(revoked_since(gone))
            } else {
                Recomputed::Other(format!("another snapshot than that of height {}", receipt.height))
            });
        }
        let embedding = self.embedder.embed_answered(&record.input.text).await?;
        // A registered model was the one whose files it is of.
        if let Some(model) = models::get(&self.chain.reader()?, &record.receipt.model)? {
            record.receipt.model = ModelId(model.manifest.0);
        }
        let index = self.indexes.open(&record.receipt.datanet).await?;
        let verdict = index.recompute(record, snapshot, embedding).await.map_err(|error| index_error(&error))?;
        Ok(match verdict {
            RecomputeVerdict::Match => Recomputed::Same,
            RecomputeVerdict::Within { difference } => Recomputed::Within(difference),
            // What another model would have found nobody can say here.
            RecomputeVerdict::Mismatch { what: what @ Difference::Model { .. } } => Recomputed::Gone(what.to_string()),
            RecomputeVerdict::Mismatch { what } => Recomputed::Other(what.to_string()),
        })
    }

    /// A released model stays as it is when something behind it is revoked, so that its answers can be computed again;
    /// only what was revoked is named and paid no more. Beside what computing it again has given, of a text, how far its tokens lie from
    /// what is drawn here.
    async fn recompute_model(&self, record: &AnswerRecord) -> ServiceResult<(Recomputed, Option<Apart>)> {
        let receipt = &record.receipt;
        let model = self.chain.registered_model(&receipt.model)?;
        if receipt.height != model.registered_height || receipt.snapshot != DataSnapshot::digest_of(&model.snapshots) {
            let what = "height and snapshot are not those of the model on the ledger";
            return Ok((Recomputed::Other(what.to_owned()), None));
        }
        // Whose words were repeated depends on all that the model learnt, which is not here any more.
        if receipt.method() == Method::Span
            && let Some(id) = self.chain.revoked_since(&model)?
        {
            let what = format!("contribution {id} behind the model was revoked; its matches can't be found again");
            return Ok((Recomputed::Gone(what), None));
        }
        let Again { output, apart, precision } = match self.model_output(&model, record).await {
            Ok(found) => found,
            // It cannot have been given.
            Err(error) if error.code == Code::BadReceipt => return Ok((Recomputed::Other(error.detail), None)),
            Err(error) => return Err(error),
        };
        if let Some(what) = apart.as_ref().and_then(drawn_otherwise) {
            return Ok((Recomputed::Other(what), apart));
        }
        let found = match compare(&record.output, &output, precision, |id| self.chain.is_revoked(id))? {
            Comparison::Same if apart.is_some_and(|apart| apart.others > 0) => Recomputed::Within(Ppm::ZERO),
            Comparison::Same => Recomputed::Same,
            Comparison::Within(difference) => Recomputed::Within(difference),
            Comparison::Other(what) => Recomputed::Other(what),
        };
        Ok((found, apart))
    }
}

/// What computing an answer again has given.
enum Recomputed {
    Same,
    /// So much of the weight lies elsewhere, within the tolerance.
    Within(Ppm),
    /// Something else, in words.
    Other(String),
    /// It can't be computed any more, for this reason.
    Gone(String),
}

/// What is said of how an agent made its answer.
const MADE: &str = "what an agent makes of answers is its own and not computed again; those are, by their receipts";

/// What a good sale is made of, in words.
fn suppliers(receipt: &Receipt) -> String {
    let Some(sale) = &receipt.sale else { return String::new() };
    let ids: Vec<String> = sale.suppliers.iter().map(|one| one.receipt.to_string()).collect();
    match ids.as_slice() {
        [] => "made from nobody's answer".to_owned(),
        _ => format!("{} answers bought for this one, for {}: {}", ids.len(), display(sale.cost()), ids.join(", ")),
    }
}

fn revoked_since(contribution: &Contribution) -> String {
    let (id, height) = (contribution.id, contribution.revoked_height);
    format!("contribution {id} was revoked at height {height}, after this answer; it can't be computed again")
}

fn model_fee_check(reader: &LedgerReader, record: &AnswerRecord) -> ServiceResult<Result<String, String>> {
    let receipt = &record.receipt;
    let Some(model) = models::get(reader, &receipt.model)? else {
        return Ok(Err(format!("model {} is not on the ledger", receipt.model)));
    };
    let terms = terms(reader, &model)?;
    let datanet = terms.datanet.as_ref().map_or(DatanetId::ZERO, |datanet| datanet.id);
    Ok(if receipt.datanet != datanet {
        Err(format!("model {} is paid through datanet {datanet}, not {}", model.name, receipt.datanet))
    } else if let Some(why) = terms.wrong_fee(record) {
        Err(why)
    } else if let Some(Usage { rate, tokens, .. }) = receipt.usage {
        let (fee, answer, thousand) = (display(receipt.fee), display(rate.answer), display(rate.thousand));
        Ok(format!("{fee}: {answer} for the answer of {}, and {thousand} a thousand for {tokens} tokens", model.name))
    } else {
        Ok(format!("{}, the price of {}", display(receipt.fee), model.name))
    })
}

/// Prices, steps and data of a training, all of which follow from its manifest and the ledger.
fn training_fee_check(reader: &LedgerReader, record: &AnswerRecord) -> ServiceResult<Result<String, String>> {
    let receipt = &record.receipt;
    if let Some(why) = grounds::contradiction(reader, record, u64::MAX)? {
        return Ok(Err(why));
    }
    let Usage { rate, steps, .. } = receipt.usage.unwrap_or_default();
    let (fee, answer, step) = (display(receipt.fee), display(rate.answer), display(rate.step));
    Ok(Ok(format!(
        "{fee}: {answer} for the training, and {step} for each of {steps} steps, which are those of its job on its records"
    )))
}

fn fee_check(reader: &LedgerReader, record: &AnswerRecord) -> ServiceResult<Result<String, String>> {
    let receipt = &record.receipt;
    match receipt.method() {
        Method::Composed => {
            return Ok(match sale::of_sale(reader, receipt)? {
                Some(why) => Err(why),
                None => Ok(format!("{}, the agent's price", display(receipt.fee))),
            });
        }
        Method::Influence | Method::Span => return model_fee_check(reader, record),
        Method::Training => return training_fee_check(reader, record),
        Method::Retrieval => {}
    }
    Ok(match datanets::get(reader, &receipt.datanet)? {
        None => Err(format!("there is no datanet {}", receipt.datanet)),
        Some(datanet) if receipt.fee == datanet.price => Ok(format!("{}, the datanet's price", display(receipt.fee))),
        Some(_) if receipt.fee == 0 && receipt.credits.is_empty() => Ok("free, because nothing was found".to_owned()),
        Some(datanet) => Err(format!("{} were charged, the price is {}", display(receipt.fee), display(datanet.price))),
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

/// Nobody can tell by now, for this reason.
fn unverifiable(mut checks: Vec<Check>, of: &str, why: String) -> Verification {
    checks.push(check(of, Ok(why.clone())));
    Verification { verdict: "unverifiable".to_owned(), details: why, ..conclude(checks, Ppm::ZERO) }
}

fn conclude(checks: Vec<Check>, difference_ppm: Ppm) -> Verification {
    let failed: Vec<&str> = checks.iter().filter(|check| !check.ok).map(|check| check.detail.as_str()).collect();
    let details = failed.join("; ");
    let verdict = match (failed.is_empty(), difference_ppm) {
        (false, _) => "mismatch",
        (true, Ppm::ZERO) => "match",
        (true, _) => "within",
    };
    Verification { verdict: verdict.to_owned(), difference_ppm, tolerance_ppm: TOLERANCE, details, checks }
}
