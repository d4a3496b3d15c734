//! What a written answer repeats word for word of the data behind the model.

use std::sync::Arc;

use datanet_data::judge::RecordRef;
use datanet_types::Ppm;
use datanet_types::receipt::{AskOutput, Credit, SpanMatch, span_weights};

use super::Answers;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::corpus::Corpus;
use crate::models::served::ServedModel;
use crate::records::TrainingRecord;

impl Answers {
    /// The stretches that an answer has word for word from the data behind the model, with weights that sum to the whole.
    /// What was taken back is not named.
    pub(super) async fn spans(&self, served: &Arc<ServedModel>, answer: &str) -> ServiceResult<Vec<SpanMatch>> {
        let corpus = served.corpus.get_or_try_init(async || self.corpus(served).await).await?.clone();
        let text = answer.to_owned();
        let found = tokio::task::spawn_blocking(move || corpus.matches(&text)).await;
        let mut found = found.map_err(|error| ServiceError::caused(Code::Spans, error))?;
        let revoked = self.chain.revoked_of(&served.release)?;
        found.retain(|(span, _)| !revoked.contains(&span.contribution));
        let parts: Vec<u64> = found.iter().map(|(_, credit)| (credit * 1e6).round() as u64).collect();
        let weights = Ppm::split(&parts);
        Ok(found.into_iter().zip(weights).map(|((span, _), weight)| SpanMatch { weight, ..span }).collect())
    }

    /// Who is paid for these matches.
    pub(super) fn span_credits(&self, output: &AskOutput) -> ServiceResult<Vec<Credit>> {
        let credit = |(contribution, weight)| {
            let contributor = self.chain.contribution_and_datanet(&contribution)?.0.contributor;
            Ok(Credit { contribution, contributor, weight })
        };
        span_weights(&output.spans).into_iter().map(credit).collect()
    }

    async fn corpus(&self, served: &Arc<ServedModel>) -> ServiceResult<Arc<Corpus>> {
        let (mut records, out) = (Vec::new(), served.made.without());
        for snapshot in &served.release.snapshots {
            let limit = served.made.max_records();
            let data = self.records.training_records_telling(snapshot, limit, &out, &mut || {}).await?;
            let at = |record: &TrainingRecord| RecordRef { contribution: record.contribution, record: record.index };
            // It can't repeat what it has not learnt.
            let learnt = data.records.into_iter().filter(|record| !out.contains(&record.contribution));
            records.extend(learnt.map(|record| (at(&record), record.record)));
        }
        let built = tokio::task::spawn_blocking(move || Corpus::build(records)).await;
        built.map_err(|error| ServiceError::caused(Code::Spans, error))?.map(Arc::new)
    }
}
