//! Answers computed again for whoever checks a receipt: from the release's blobs alone.

use datanet_inference::generate::Apart;
use datanet_inference::graph::quantise::Precision;
use datanet_ledger::component::models::Model;
use datanet_types::receipt::{AnswerRecord, AskOutput, Method};

use super::Answers;
use crate::error::{Code, ServiceError, ServiceResult};

/// An answer computed again.
pub(super) struct Again {
    /// What is found here.
    pub output: AskOutput,
    /// Of a text, how far what was claimed lies from it.
    pub apart: Option<Apart>,
    /// The numbers that the model computes in.
    pub precision: Precision,
}

impl Answers {
    /// What `model` answers to the record's input, with the influences or matches that its method gives; contributions that are revoked
    /// now are left out. Fetches and loads the model if it must. The same for the same input on every node, but for the
    /// last digits of its numbers: receipts are checked with it. A text is followed token by token, and how far it lies from what would be
    /// drawn here is told beside it.
    pub(super) async fn model_output(&self, model: &Model, record: &AnswerRecord) -> ServiceResult<Again> {
        let (input, method) = (&record.input, record.receipt.method());
        let served = self.models.in_memory(&model.id).await?;
        let precision = served.made.precision();
        if let Some(completion) = record.output.completion.as_ref().filter(|_| input.sampling.is_some()) {
            let (output, apart) = self.followed(&served, input, completion.tokens.clone(), method).await?;
            return Ok(Again { output, apart, precision });
        }
        if !input.classify || method != Method::Influence {
            let detail = "the receipt speaks of an answer that this kind of model does not give";
            return Err(ServiceError::new(Code::BadReceipt, detail));
        }
        let (output, ..) = self.classified(&served, &input.text, record.output.label.as_deref()).await?;
        Ok(Again { output, apart: None, precision })
    }
}
