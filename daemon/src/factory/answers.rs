//! Answers computed again for whoever checks a receipt: from the release's blobs alone.

use datanet_ledger::component::models::Model;
use datanet_types::receipt::{AskInput, AskOutput, Method};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::{ServiceError, ServiceResult};
use crate::node::Core;
use crate::serving::model::ModelAnswers;

/// The factory as serving sees it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FactoryAnswers;

impl ModelAnswers for FactoryAnswers {
    fn output<'a>(
        &'a self,
        core: &'a Core,
        model: &'a Model,
        input: &'a AskInput,
        method: Method,
    ) -> BoxFuture<'a, ServiceResult<AskOutput>> {
        async move {
            let served = core.model_in_memory(&model.id).await?;
            if input.sampling.is_some() {
                return core.completed(&served, input, method).await;
            }
            if !input.classify || method != Method::Influence {
                let detail = "the receipt speaks of an answer that this kind of model does not give";
                return Err(ServiceError::unprocessable("bad-receipt", detail));
            }
            Ok(core.classified(&served, &input.text).await?.0)
        }
        .boxed()
    }
}
