//! An answer explained: which contributions moved it, and which of their records most, quoted.

use std::sync::Arc;

use datanet_api::attributions::{Ablation, Attributed, Part, Quote};
use datanet_data::corpus::Record;
use datanet_data::retrieval::{self, Question};
use datanet_ledger::component::contributions::Status;
use datanet_training::attribution::{GAUSS_NEWTON, REPLAY, title};
use datanet_types::receipt::{AnswerRecord, Method};
use datanet_types::release::Origin;
use datanet_types::{ContributionId, Ppm, ReceiptId};

use super::Answers;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::gate::judged;
use crate::models::release::RecordsFile;
use crate::models::served::ServedModel;
use crate::records::{ReadOptions, index_error};

/// Records quoted of each kind at most.
const QUOTED: usize = 5;

impl Answers {
    /// Answers again without each contribution that the answer credits.
    async fn asked_again(&self, record: &AnswerRecord) -> ServiceResult<Vec<Ablation>> {
        let receipt = &record.receipt;
        let mut snapshot = self.indexes.snapshot_at(&receipt.datanet, receipt.height)?;
        snapshot.contributions.retain(|id| receipt.missing.binary_search(id).is_err());
        if snapshot.root() != receipt.snapshot {
            let detail = format!("another snapshot than that of height {}", receipt.height);
            return Err(ServiceError::new(Code::OtherSnapshot, detail));
        }
        let embedding = self.embedder.embed_answered(&record.input.text).await?;
        let index = self.indexes.open(&receipt.datanet).await?;
        let question = Question { input: record.input.clone(), embedding, snapshot };
        let without = index.ablate(question).await.map_err(|error| index_error(&error))?;
        Ok(without.into_iter().map(ablation).collect())
    }

    /// Explains the answer that a receipt is of.
    ///
    /// # Errors
    /// When no node that is connected has the receipt ([`Code::UnknownReceipt`]), it is no good one
    /// ([`Code::BadReceipt`]), or its model or a record that it rests on cannot be brought or read.
    pub async fn attribution(&self, id: &ReceiptId) -> ServiceResult<Attributed> {
        let record = self.answer_record(id).await?;
        let method = record.receipt.method();
        let (mut gate, mut shown, mut harmful, mut without) = (None, Some(method), Vec::new(), Vec::new());
        let mut imported = false;
        let helpful = match method {
            Method::Retrieval => {
                without = self.asked_again(&record).await.unwrap_or_else(|error| {
                    tracing::debug!(%error, receipt = %id, "an answer cannot be asked for again");
                    Vec::new()
                });
                self.passages(&record).await?
            }
            Method::Span => self.matches(&record).await?,
            Method::Composed | Method::Training => Vec::new(),
            Method::Influence => {
                let served = self.models.in_memory(&record.receipt.model).await?;
                shown = shown.filter(|_| served.is_attributed());
                imported = served.release.origin() == Origin::Imported;
                gate = served.release.attribution.clone().map(judged);
                let (helpful, harmed) = self.quoted(&served, &record).await?;
                harmful = harmed;
                helpful
            }
        };
        let answer = words_of(&record, &helpful);
        let (method, proves) = words(shown);
        let proves = match (imported, &gate) {
            (true, _) => IMPORTED.to_owned(),
            (false, Some(gate)) if shown == Some(Method::Influence) => {
                format!("{proves}, found by {}", by(&gate.figures.method))
            }
            (false, _) => proves.to_owned(),
        };
        Ok(Attributed {
            receipt: *id,
            tainted: self.chain.model_on_ledger(&record.receipt.model)?.is_some_and(|model| model.tainted),
            method: method.to_owned(),
            proves,
            gate,
            contributions: parts(&record),
            without,
            helpful,
            harmful,
            input: record.input.text,
            answer,
        })
    }

    /// The training records that moved the answer most, for it and against it.
    async fn quoted(
        &self,
        served: &Arc<ServedModel>,
        record: &AnswerRecord,
    ) -> ServiceResult<(Vec<Quote>, Vec<Quote>)> {
        let moved = match record.input.classify {
            true => self.classified(served, &record.input.text, record.output.label.as_deref()).await?.1,
            false => {
                let written = record.output.completion.as_ref().map(|completion| completion.tokens.as_slice());
                self.explain_written(served, &record.input, written.unwrap_or_default()).await?
            }
        };
        let Some(values) = moved.records else { return Ok((Vec::new(), Vec::new())) };
        let records = RecordsFile::read(&served.folder)?;
        let mut order: Vec<(usize, f32)> = values.into_iter().enumerate().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        let helpful: Vec<_> = order.iter().copied().take(QUOTED).filter(|(_, value)| *value > 0.0).collect();
        let harmful: Vec<_> = order.iter().rev().copied().take(QUOTED).filter(|(_, value)| *value < 0.0).collect();
        Ok((self.quotes(&records, &helpful).await?, self.quotes(&records, &harmful).await?))
    }

    async fn quotes(&self, records: &RecordsFile, chosen: &[(usize, f32)]) -> ServiceResult<Vec<Quote>> {
        let mut quotes = Vec::new();
        for (example, value) in chosen {
            let Some((_, position)) = records.records.get(*example) else { continue };
            let Some(contribution) = records.contribution(*example) else { continue };
            let value = (f64::from(*value) * 1e9).round() as i64;
            quotes.extend(self.quote(&contribution, *position, value).await?);
        }
        Ok(quotes)
    }

    /// A record's own words; nothing of what was taken back.
    async fn quote(&self, id: &ContributionId, position: u64, value: i64) -> ServiceResult<Option<Quote>> {
        let content = self.record_of(id, position).await?;
        Ok(content.map(|content| Quote {
            contribution: *id,
            record: position,
            value,
            label: content.label().map(str::to_owned),
            text: content.text().to_owned(),
        }))
    }

    /// A record, brought if it is not here; none of what was taken back.
    pub(super) async fn record_of(&self, id: &ContributionId, position: u64) -> ServiceResult<Option<Record>> {
        let (contribution, datanet) = self.chain.contribution_and_datanet(id)?;
        if contribution.status() == Status::Revoked {
            return Ok(None);
        }
        let from = [contribution.origin];
        let _held = self.blobs.bring(&contribution.blob, Some(contribution.size), contribution.size, &from).await?;
        let page = ReadOptions::Page { offset: position, limit: 1 };
        let batch = self.records.read(&contribution, &datanet, page).await?;
        Ok(batch.records.into_iter().next().map(|(_, content)| content))
    }

    /// The passages that an answer rests on most.
    async fn passages(&self, record: &AnswerRecord) -> ServiceResult<Vec<Quote>> {
        let mut quotes = Vec::new();
        for passage in record.output.passages.iter().take(QUOTED) {
            let weight = i64::try_from(passage.weight.0).unwrap_or(i64::MAX);
            quotes.extend(self.quote(&passage.contribution, passage.record, weight).await?);
        }
        Ok(quotes)
    }

    /// The records that a written answer repeats.
    async fn matches(&self, record: &AnswerRecord) -> ServiceResult<Vec<Quote>> {
        let mut quotes = Vec::new();
        for span in &record.output.spans {
            let value = i64::try_from(span.weight.0).unwrap_or(i64::MAX);
            quotes.extend(self.quote(&span.contribution, span.record, value).await?);
        }
        Ok(quotes)
    }
}

fn ablation(found: retrieval::Ablation) -> Ablation {
    let retrieval::Ablation { contribution, weight, effect, label, answer_changed } = found;
    Ablation { contribution, weight, effect, label, answer_changed }
}

/// The answer in words: its own, or those of the best passage where they are still there.
fn words_of(record: &AnswerRecord, passages: &[Quote]) -> String {
    match record.output.answer.as_str() {
        "" => passages.first().map(|quote| quote.text.clone()).unwrap_or_default(),
        own => own.to_owned(),
    }
}

/// Credits with the values behind them, and the contributions that harmed, which have no credit.
fn parts(record: &AnswerRecord) -> Vec<Part> {
    let credits = &record.receipt.credits;
    let credit = |id: &ContributionId| credits.iter().find(|credit| credit.contribution == *id);
    let mut parts: Vec<Part> = match record.receipt.method() {
        Method::Influence => {
            let influence = record.output.influence.iter();
            let part = influence.map(|influence| Part {
                contribution: influence.contribution,
                contributor: credit(&influence.contribution).map(|credit| credit.contributor),
                value: Some(influence.value),
                worth: Some(influence.worth),
                weight: credit(&influence.contribution).map_or(Ppm::ZERO, |credit| credit.weight),
            });
            part.collect()
        }
        Method::Retrieval | Method::Span | Method::Composed | Method::Training => {
            let part = credits.iter().map(|credit| Part {
                contribution: credit.contribution,
                contributor: Some(credit.contributor),
                value: None,
                worth: None,
                weight: credit.weight,
            });
            part.collect()
        }
    };
    parts.sort_by_key(|part| (std::cmp::Reverse(part.value), std::cmp::Reverse(part.weight), part.contribution));
    parts
}

/// What is said of the answers of a model that was put up as it is.
const IMPORTED: &str = "not attributed: the model was put up as it is, so nothing says what it was trained on, and no contribution is paid for this answer";

/// How a release found its influence.
fn by(method: &str) -> String {
    let how = match method {
        REPLAY => ", which is carried along through every step of the training",
        GAUSS_NEWTON => ", which looks at the end of the training alone",
        _ => "",
    };
    format!("{}{how}", title(method))
}

/// A method's name, and what it proves; `None` where an answer is attributed to nobody.
fn words(method: Option<Method>) -> (&'static str, &'static str) {
    let proves = match method {
        None => {
            "not attributed: the model was trained without influence (attribution.method = \"none\"), so nothing says whose records moved this answer, and no contribution is paid for it"
        }
        Some(Method::Retrieval) => {
            "the answer rests on the quoted passages, by retrieval weight; it says nothing of what trained the model that finds them"
        }
        Some(Method::Influence) => {
            "to first order, how the answer's loss would change had the model been trained without a contribution; the release's gate says how well that agrees with real retraining"
        }
        Some(Method::Composed) => {
            "an agent made the answer from answers that it bought: each of its suppliers' receipts says whose data carried that"
        }
        Some(Method::Training) => {
            "what was bought is the training of a model: each contribution is paid by how many of its records were learnt from, whatever they did"
        }
        Some(Method::Span) => "the answer repeats these stretches word for word; a match, not influence",
    };
    (method.map_or("none", name), proves)
}

/// A method's name as receipts have it.
pub fn name(method: Method) -> &'static str {
    match method {
        Method::Retrieval => "retrieval",
        Method::Influence => "influence",
        Method::Span => "span",
        Method::Composed => "composed",
        Method::Training => "training",
    }
}

#[cfg(test)]
mod tests {
    use datanet_types::Address;
    use datanet_types::receipt::{AskOutput, Credit, Influence, Receipt};

    use super::*;

    #[test]
    fn what_harmed_is_shown_without_pay_and_last() {
        let id = |n| ContributionId([n; 32]);
        let credit = Credit { contribution: id(1), contributor: Address([1; 20]), weight: Ppm::ONE };
        let influence = vec![
            Influence { contribution: id(1), value: 5, worth: 6 },
            Influence { contribution: id(2), value: -7, worth: -8 },
        ];
        let record = AnswerRecord {
            receipt: Receipt { method: Method::Influence as i32, credits: vec![credit], ..Receipt::default() },
            output: AskOutput { influence, ..AskOutput::default() },
            ..AnswerRecord::default()
        };
        let shown: Vec<_> = parts(&record).into_iter().map(|part| (part.value, part.worth, part.weight)).collect();
        assert_eq!(shown, [(Some(5), Some(6), Ppm::ONE), (Some(-7), Some(-8), Ppm::ZERO)]);
    }
}
