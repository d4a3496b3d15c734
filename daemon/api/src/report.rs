//! What became of a contribution's records, for whoever gave them.

use datanet_types::{Address, ContributionId, ModelId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is known of a contribution's records: by the judges, by answers and by audits; and what is not, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContributionReport {
    /// The contribution.
    #[schema(value_type = String)]
    pub id: ContributionId,
    /// Who gave it.
    #[schema(value_type = String)]
    pub contributor: Address,
    /// `storing`, `judging`, `final`, `refused` or `revoked`.
    pub state: String,
    /// Records in it.
    pub records: u64,
    /// Of these, the ones that the judge looked at; of a large contribution a sample.
    pub judged: u64,
    /// Which of them help to answer the held-out questions, and which harm; absent where that was not measured.
    pub value: Option<RecordValues>,
    /// Whose records they repeat, whoever is repeated most first.
    pub copies: Vec<Copies>,
    /// What is wrong with how they are written, the most frequent first; a record may have several flaws.
    pub flaws: Vec<Flaws>,
    /// Records with something against them, the most serious first.
    pub named: Vec<NamedRecord>,
    /// Whether there are more of them.
    pub named_is_cut: bool,
    /// What they did for the answers of this node.
    pub answers: InAnswers,
    /// What models lost that were trained again without the contributor, here.
    pub audits: Vec<LeftOut>,
    /// What is not known, and why.
    pub unknown: Vec<String>,
}

/// Records by what they are worth to the held-out questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordValues {
    /// Records with a value.
    pub measured: u64,
    /// Those that help.
    pub help: u64,
    /// Those that harm.
    pub harm: u64,
    /// Those that help most.
    pub best: Vec<NamedRecord>,
}

/// Records that repeat those of one contribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Copies {
    /// Whose records: another contribution's, or its own; none for the datanet's held-out set.
    #[schema(value_type = Option<String>)]
    pub contribution: Option<ContributionId>,
    /// Who gave that one, if it is still known.
    #[schema(value_type = Option<String>)]
    pub contributor: Option<Address>,
    /// How many records.
    pub records: u64,
    /// Of these, exact copies.
    pub exact: u64,
    /// Near copies.
    pub near: u64,
    /// Paraphrases.
    pub paraphrased: u64,
}

/// A flaw and how many records have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flaws {
    /// Such as `too-short`.
    pub flaw: String,
    /// The same in words.
    pub words: String,
    /// How many.
    pub records: u64,
}

/// One record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NamedRecord {
    /// Its index in the contribution, from 0.
    pub record: u64,
    /// How it starts.
    pub excerpt: String,
    /// Why it does not fit the datanet's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
    /// The record that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<CopyOf>,
    /// What is wrong with how it is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<String>,
    /// Its part of the share of right votes on the held-out questions, in thousandths; negative: it misleads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// A record that another one repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CopyOf {
    /// Its contribution; none for the datanet's held-out set.
    #[schema(value_type = Option<String>)]
    pub contribution: Option<ContributionId>,
    /// Its index there, from 0.
    pub record: u64,
    /// `exact`, `near` or `paraphrase`.
    pub kind: String,
}

/// What a contribution did for the answers of the node that is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InAnswers {
    /// Receipts read, the newest of this node.
    pub read: u64,
    /// Those that credit it.
    pub credited: u64,
    /// Base units of their fees that are its contributor's.
    pub pay: u64,
    /// Those that it helped, by influence.
    pub helped: u64,
    /// Those that it harmed.
    pub harmed: u64,
    /// The sum of its effects on their loss, in parts per billion; negative: it harmed on the whole.
    pub influence: i64,
    /// The sum of its worth for them, in parts per billion of log-odds: what it does in the mean over random halves of the data, with its sign.
    #[serde(default)]
    pub worth: i64,
}

/// What a model lost when it was trained again without a contributor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeftOut {
    /// The model.
    #[schema(value_type = Option<String>)]
    pub model: Option<ModelId>,
    /// Its name.
    pub name: String,
    /// By how much the loss on the held-out records really rose.
    pub actual: f64,
    /// By how much it should have, as the release's table says.
    pub predicted: f64,
}
