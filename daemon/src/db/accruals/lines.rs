//! Reasons for pay: who earns, as what, by which answers, and how much.

use datanet_types::{Account, Amount, ChannelId, ContributionId, DatanetId, ModelId, Ppm};
use redb::WriteTransaction;

use crate::db::{failed, table};
use crate::error::ServiceResult;

/// Channel, then [`EarningKey`], to what has accrued on it.
const TABLE: table::Table = redb::TableDefinition::new("channel_accruals");

/// Why an account earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EarningRole {
    /// Its records carried the answer.
    Contributor,
    /// It is the model that answered, or the datanet that was asked where nobody owns the model: its owners earn.
    Owner,
    /// It is a model that the one that answered was made from, or a datanet that one of them was trained on: its owners earn.
    Lineage,
    /// It judged the contributions that carried the answer.
    Validator,
    /// It keeps the contributions that carried the answer, and had them judged.
    Storage,
    /// What nobody else is there to earn, for example the share of a model without an owner.
    Treasury,
}

/// By which answers an account earns. What one kind says of a contribution can't be added to what the other does: weights are of answers, and a
/// share is of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EarnedBy {
    /// By answers that pay each by itself: by passages and by spans, and whoever earns whatever carried an answer.
    Answers,
    /// By answers of a model that are netted over their epoch; of several, where a statement has more reasons than it lists.
    Netted(Option<ModelId>),
}

/// One line of what is owed: an account, why, and how much.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct EarningKey {
    /// Who earns.
    pub account: Account,
    /// As what.
    pub role: EarningRole,
    /// In which datanet.
    pub datanet: DatanetId,
    /// Through which contribution, for contributors, validators and keepers.
    pub contribution: Option<ContributionId>,
    /// By which answers.
    pub by: EarnedBy,
}

/// How much, over how many answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Earning {
    /// Base units.
    pub amount: Amount,
    /// Answers counted; of what was netted, all of the model's that the contribution moved.
    pub answers: u64,
    /// Sum of the contribution's weights in those answers; 0 where they were netted.
    pub weights: Ppm,
    /// The contribution's share of what all worth of the model left, and so of the fees; 0 where nothing was netted.
    pub share: Ppm,
    /// What was left of its worth over those answers, debts taken off, in base units times millionths; 0 where nothing was netted.
    pub left: u64,
}

/// A line with its key.
pub type EarningLine = (EarningKey, Earning);

/// Adds a line to a line of the same key.
pub(crate) fn add_line(sum: &mut Earning, more: &Earning) {
    sum.amount = sum.amount.saturating_add(more.amount);
    sum.answers = sum.answers.saturating_add(more.answers);
    sum.weights = sum.weights.saturating_add(more.weights);
    sum.share = sum.share.saturating_add(more.share);
    sum.left = sum.left.saturating_add(more.left);
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, TABLE)
}

/// A line as table key: the channel, then text, because JSON is what tables hold anyway.
fn table_key(channel: &ChannelId, key: &EarningKey) -> ServiceResult<Vec<u8>> {
    let text = serde_json::to_vec(key).map_err(failed)?;
    Ok([channel.0.as_slice(), &text].concat())
}

/// Adds these to what has accrued on a channel.
pub(super) fn put(tx: &WriteTransaction, channel: &ChannelId, lines: &[EarningLine]) -> ServiceResult<()> {
    for (key, more) in lines {
        let key = table_key(channel, key)?;
        let mut sum: Earning = table::get_in(tx, TABLE, &key)?.unwrap_or_default();
        add_line(&mut sum, more);
        table::put(tx, TABLE, &key, &sum)?;
    }
    Ok(())
}

/// Takes out what has accrued on a channel.
pub(super) fn take(tx: &WriteTransaction, channel: &[u8]) -> ServiceResult<Vec<EarningLine>> {
    let mut lines = Vec::new();
    for (key, earning) in table::first_in(tx, TABLE, channel, usize::MAX)? {
        table::remove(tx, TABLE, &key)?;
        let text = key.strip_prefix(channel).unwrap_or_default();
        lines.push((serde_json::from_slice(text).map_err(failed)?, earning));
    }
    Ok(lines)
}
