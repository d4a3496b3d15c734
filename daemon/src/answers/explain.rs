//! Whose records moved an answer, by the model's own explainer.

use std::sync::Arc;

use datanet_training::attribution::answer::Explanation;
use datanet_types::receipt::{AskInput, Influence};

use super::{Answers, prompt};
use crate::error::ServiceResult;
use crate::models::explainer::{Owners, billionths, by_contribution};
use crate::models::served::ServedModel;

/// What moved an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Moved {
    /// What each contribution did, revoked ones left out.
    pub influence: Vec<Influence>,
    /// What each training record did, where the release tells.
    pub records: Option<Vec<f32>>,
}

impl Answers {
    /// What moved the answer `label` of a classifier. Nothing, if the release has no table.
    pub(super) async fn explain_label(
        &self,
        served: &Arc<ServedModel>,
        text: &str,
        label: usize,
    ) -> ServiceResult<Moved> {
        let Some(explainer) = self.models.explainer(served).await? else { return Ok(Moved::default()) };
        self.moved(served, explainer.owners(), explainer.label(text, label).await?)
    }

    /// What moved the tokens that were written after a prompt. Nothing, if the release has no table or none was written; refused, if the model has no room
    /// for them.
    pub(super) async fn explain_written(
        &self,
        served: &Arc<ServedModel>,
        input: &AskInput,
        written: &[u32],
    ) -> ServiceResult<Moved> {
        if written.is_empty() {
            return Ok(Moved::default());
        }
        let Some(explainer) = self.models.explainer(served).await? else { return Ok(Moved::default()) };
        let prompt = prompt::tokens(served, input, written.len()).await?;
        self.moved(served, explainer.owners(), explainer.written(prompt, written.to_vec()).await?)
    }

    /// The probabilities that the model would have given without each of its columns; `None` if the release has no table.
    pub(super) async fn without_each(
        &self,
        served: &Arc<ServedModel>,
        text: &str,
    ) -> ServiceResult<Option<Vec<Vec<f32>>>> {
        let Some(explainer) = self.models.explainer(served).await? else { return Ok(None) };
        explainer.without(text).await.map(Some)
    }

    fn moved(&self, served: &ServedModel, owners: &Owners, explanation: Explanation) -> ServiceResult<Moved> {
        let revoked = self.chain.revoked_of(&served.release)?;
        let values: Vec<i64> = explanation.values.iter().map(|value| billionths(*value)).collect();
        let worth = by_contribution(owners, &explanation.pay);
        let influence = served.release.spread(&values, &worth, |id| revoked.contains(id));
        Ok(Moved { influence, records: explanation.records })
    }
}
