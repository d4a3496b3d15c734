//! Whose records moved an answer, by the model's own explainer.

use std::collections::BTreeMap;
use std::sync::Arc;

use datanet_training::attribution::answer::Explanation;
use datanet_types::ContributionId;
use datanet_types::receipt::{AskInput, Influence};
use datanet_types::split::split;

use super::{Answers, prompt};
use crate::error::ServiceResult;
use crate::models::explainer::Owners;
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

    /// What moved the tokens that were written after a prompt. Nothing, if the release has no table or none was written.
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
        let prompt = prompt::tokens(served, input).await?;
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

/// In parts per billion.
fn billionths(value: f32) -> i64 {
    (f64::from(value) * 1e9).round() as i64
}

/// What each contribution is worth for the answer, with its sign: its column's value; those who share one have it by
/// their records.
fn by_contribution(columns: &Owners, values: &[f32]) -> BTreeMap<ContributionId, i64> {
    let mut shares: BTreeMap<ContributionId, i64> = BTreeMap::new();
    for (owners, value) in columns.iter().zip(values) {
        let worth = billionths(*value);
        let records: Vec<u64> = owners.iter().map(|(_, records)| *records).collect();
        for ((owner, _), share) in owners.iter().zip(split(worth.unsigned_abs(), &records)) {
            let share = i64::try_from(share).unwrap_or(i64::MAX).saturating_mul(worth.signum());
            let sum = shares.entry(*owner).or_default();
            *sum = sum.saturating_add(share);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_columns_value_is_shared_by_records_with_its_sign() {
        let id = |n: u8| ContributionId([n; 32]);
        let groups = [vec![(id(1), 3), (id(2), 1)], vec![(id(2), 2)], vec![(id(3), 1)]];
        let shared = by_contribution(&groups, &[4e-9, 5e-9, -3e-9]);
        assert_eq!(shared, BTreeMap::from([(id(1), 3), (id(2), 6), (id(3), -3)]));
    }
}
