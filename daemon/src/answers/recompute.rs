//! Answers computed again for whoever checks a receipt: from the release's blobs alone.

use datanet_ledger::component::models::Model;
use datanet_types::receipt::{AskInput, AskOutput, Method};

use super::Answers;
use crate::error::{Code, ServiceError, ServiceResult};

impl Answers {
    /// What `model` answers to `input`, with the influences or matches that `method` gives; contributions that are revoked
    /// now are left out. Fetches and loads the model if it must. The same for the same input on every node, but for the
    /// last digits of its numbers: receipts are checked with it.
    pub(super) async fn model_output(
        &self,
        model: &Model,
        input: &AskInput,
        method: Method,
    ) -> ServiceResult<AskOutput> {
        let served = self.models.in_memory(&model.id).await?;
        if input.sampling.is_some() {
            return self.completed(&served, input, method).await;
        }
        if !input.classify || method != Method::Influence {
            let detail = "the receipt speaks of an answer that this kind of model does not give";
            return Err(ServiceError::new(Code::BadReceipt, detail));
        }
        Ok(self.classified(&served, &input.text).await?.0)
    }
}
