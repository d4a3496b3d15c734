//! The tables of a job file.

use std::fmt::Display;
use std::str::FromStr;

use datanet_types::ContributionId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::JobError;
use crate::attribution::clip;
use crate::attribution::halves::MAX_HALVES;

/// What a model is trained for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// One of several labels for a text.
    Classify,
    /// A vector for a text, near those of texts that mean the same.
    Embed,
    /// The next token.
    Generate,
}

/// How the frozen base is held while adapters are trained on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantise {
    /// 32-bit floats.
    #[default]
    None,
    /// Symmetric 4-bit blocks.
    Int4,
    /// 4-bit blocks over the normal distribution's quantiles.
    Nf4,
}

/// The adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lora {
    /// Rank of each.
    pub rank: usize,
    /// Scale times rank.
    pub alpha: f32,
    /// Module names, as in PEFT: a module is meant if its path is the name or ends with `.name`; `*` is any part.
    /// Empty stands for the base's usual ones: query and value.
    pub targets: Vec<String>,
    /// Layers, counted from 0; none stands for all.
    pub layers: Option<Vec<usize>>,
}

impl Default for Lora {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, targets: Vec::new(), layers: None }
    }
}

impl Lora {
    /// The factor of an adapter's output.
    pub fn scale(&self) -> f32 {
        self.alpha / self.rank as f32
    }

    pub(super) fn check(&self) -> Result<(), JobError> {
        within("lora.rank", self.rank, 1, 512)?;
        real("lora.alpha", self.alpha, 1e-3, 1e4)?;
        within("lora.targets", self.targets.len(), 0, 64)?;
        if let Some(bad) = self.targets.iter().find(|target| target.trim().is_empty() || target.len() > 256) {
            return Err(value("lora.targets", format!("{bad:?}"), "names of at most 256 bytes"));
        }
        let layers = self.layers.as_deref().unwrap_or(&[0]);
        within("lora.layers", layers.len(), 1, 1024)
    }
}

/// Which contributions a job leaves out beside those that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaveOut {
    /// Those that stood in debt over several releases, as the node that takes the job finds them.
    #[default]
    InDebt,
    /// None.
    None,
}

impl LeaveOut {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Releases in a row by which a contribution must owe before it is left out, where a job names no number.
pub const DEBT_RELEASES: usize = 3;
/// Most contributions that a job leaves out.
const MAX_LEFT_OUT: usize = 10_000;

/// Which records are learnt from. The node reads these keys; training itself gets the records ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// Names or ids of the datanets.
    pub datanets: Vec<String>,
    /// Ledger height of the snapshot; none stands for the newest.
    pub height: Option<u64>,
    /// Share of the records kept out of training to be asked afterwards, where the data brings no such records.
    pub held_out: f32,
    /// Most records that are used.
    pub max_records: usize,
    /// Licences that are accepted; empty stands for all.
    pub licences: Vec<String>,
    /// Field of the text; none stands for the datanet's own.
    pub text: Option<String>,
    /// Field of the label.
    pub label: Option<String>,
    /// Field of the text that means the same, for sentence embeddings.
    pub pair: Option<String>,
    /// Whether the node adds contributions in debt to `without` as it takes the job.
    #[serde(skip_serializing_if = "LeaveOut::is_default")]
    pub leave_out: LeaveOut,
    /// How many releases in a row "in debt" means, 2 to 20.
    #[serde(skip_serializing_if = "is_usual")]
    pub debt_releases: usize,
    /// Contributions that are not learnt from. A job that was taken has all of them here, so that whoever repeats its run leaves out the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<ContributionId>,
}

fn is_usual(releases: &usize) -> bool {
    *releases == DEBT_RELEASES
}

impl Default for Data {
    fn default() -> Self {
        Self {
            datanets: Vec::new(),
            height: None,
            held_out: 0.1,
            max_records: 100_000,
            licences: Vec::new(),
            text: None,
            label: None,
            pair: None,
            leave_out: LeaveOut::default(),
            debt_releases: DEBT_RELEASES,
            without: Vec::new(),
        }
    }
}

impl Data {
    pub(super) fn check(&self) -> Result<(), JobError> {
        real("data.held_out", self.held_out, 0.0, 0.9)?;
        within("data.max_records", self.max_records, 1, 10_000_000)?;
        within("data.datanets", self.datanets.len(), 0, 64)?;
        within("data.debt_releases", self.debt_releases, 2, 20)?;
        within("data.without", self.without.len(), 0, MAX_LEFT_OUT)
    }
}

/// How the influence of records is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Not at all.
    #[default]
    None,
    /// Forward replay while training.
    Influence,
    /// Damped Gauss-Newton influence at the final adapter.
    GaussNewton,
}

/// Which rows stand for the curvature of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CurvatureRows {
    /// All classes for few of them, eight sign combinations for a vocabulary.
    #[default]
    Auto,
    /// One row a class.
    All,
    /// The true label's row only: free.
    TrueLabel,
    /// This many random sign combinations of all classes.
    Signs(usize),
    /// None: only the direct effect.
    None,
}

impl Display for CurvatureRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::All => f.write_str("all"),
            Self::TrueLabel => f.write_str("true-label"),
            Self::Signs(count) => write!(f, "signs-{count}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for CurvatureRows {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let bad = || format!("curvature {word:?} is none of auto, all, true-label, signs-1 to signs-64, none");
        match word {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::All),
            "true-label" => Ok(Self::TrueLabel),
            "none" => Ok(Self::None),
            _ => {
                let count = word.strip_prefix("signs-").and_then(|count| count.parse().ok()).ok_or_else(bad)?;
                if (1..=64).contains(&count) { Ok(Self::Signs(count)) } else { Err(bad()) }
            }
        }
    }
}

impl Serialize for CurvatureRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CurvatureRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Halves that are trained on where a job names no number: one pair pays as near to retraining as three, on digits and on language, and
/// an answer is asked of each. A share varies by 4 % of itself over draws of one pair, and by 3 % of two.
pub const HALVES: usize = 2;

/// Whose records helped, and how that is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attribution {
    /// The method.
    pub method: Method,
    /// Its curvature rows.
    pub curvature: CurvatureRows,
    /// With influence, gradients of single records are shortened to this multiple of their batch's median length, so
    /// that nobody buys influence with an outlier; 0 leaves them alone.
    pub clip: f32,
    /// Retrainings without a random tenth of the records, for the release's gate; 0 publishes no gate.
    pub audit_subsets: usize,
    /// Contributors that are left out for real, for the gate.
    pub audit_contributors: usize,
    /// Extra trainings, each on a random half of the records, whose mean says what answers pay; an even number, because
    /// each half is followed by what it leaves out. More make pay a little less noisy.
    pub halves: usize,
}

impl Default for Attribution {
    fn default() -> Self {
        Self {
            method: Method::None,
            curvature: CurvatureRows::Auto,
            clip: clip::ORDINARY,
            audit_subsets: 0,
            audit_contributors: 0,
            halves: HALVES,
        }
    }
}

impl Attribution {
    /// The multiple of their batch's median to which gradients of single records are shortened; none leaves them alone,
    /// as does any method that does not look at them while training.
    pub fn bound(&self) -> Option<f32> {
        (self.method == Method::Influence && self.clip > 0.0).then_some(self.clip)
    }

    pub(super) fn check(&self) -> Result<(), JobError> {
        real("attribution.clip", self.clip, 0.0, 1e6)?;
        within("attribution.audit_subsets", self.audit_subsets, 0, 1000)?;
        within("attribution.audit_contributors", self.audit_contributors, 0, 1000)?;
        within("attribution.halves", self.halves, 2, MAX_HALVES)?;
        if !self.halves.is_multiple_of(2) {
            return Err(value("attribution.halves", self.halves, "even: each half is followed by what it leaves out"));
        }
        Ok(())
    }
}

/// When the held-out records are asked, and when training ends early.
#[derive(Default, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluation {
    /// Steps between two evaluations; 0 asks at the end only.
    pub every: usize,
    /// Evaluations without a better loss after which training stops and the best adapter is kept; 0 never stops.
    pub early_stop: usize,
    /// Steps between two checkpoints; 0 makes about ten in a run.
    pub checkpoint: usize,
}

impl Evaluation {
    pub(super) fn check(&self) -> Result<(), JobError> {
        within("evaluation.every", self.every, 0, 1_000_000)?;
        within("evaluation.early_stop", self.early_stop, 0, 1000)?;
        within("evaluation.checkpoint", self.checkpoint, 0, 1_000_000)?;
        if self.early_stop > 0 && self.every == 0 {
            return Err(JobError::Conflict("evaluation.early_stop needs evaluation.every above 0".to_owned()));
        }
        Ok(())
    }
}

/// The size of a decoder that is trained from nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scratch {
    /// Tokens that the new tokenizer knows.
    pub vocabulary: usize,
    /// Width.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Heads of keys and values; divides `heads`.
    pub kv_heads: usize,
    /// Width of the feed-forward part.
    pub intermediate: usize,
    /// Longest text that the model can be asked with.
    pub max_positions: usize,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { vocabulary: 1024, hidden: 128, layers: 2, heads: 4, kv_heads: 4, intermediate: 352, max_positions: 512 }
    }
}

impl Scratch {
    /// Numbers that are trained.
    pub fn parameters(&self) -> u64 {
        let [vocabulary, hidden, layers, intermediate] =
            [self.vocabulary, self.hidden, self.layers, self.intermediate].map(|size| size as u64);
        let shared = hidden * self.kv_heads as u64 / self.heads.max(1) as u64;
        let layer = 2 * hidden * hidden + 2 * hidden * shared + 3 * hidden * intermediate + 2 * hidden;
        vocabulary * hidden + layers * layer + hidden
    }

    pub(super) fn check(&self) -> Result<(), JobError> {
        within("scratch.vocabulary", self.vocabulary, 300, 65_536)?;
        within("scratch.hidden", self.hidden, 8, 4096)?;
        within("scratch.layers", self.layers, 1, 64)?;
        within("scratch.heads", self.heads, 1, 64)?;
        within("scratch.kv_heads", self.kv_heads, 1, self.heads)?;
        within("scratch.intermediate", self.intermediate, 8, 16_384)?;
        within("scratch.max_positions", self.max_positions, 8, 32_768)?;
        let head = self.hidden / self.heads;
        if head * self.heads != self.hidden || head % 2 == 1 {
            return Err(value("scratch.hidden", self.hidden, "an even multiple of scratch.heads"));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(value("scratch.kv_heads", self.kv_heads, "a divisor of scratch.heads"));
        }
        Ok(())
    }
}

pub(super) fn within(key: &str, number: usize, least: usize, most: usize) -> Result<(), JobError> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(value(key, number, &format!("from {least} to {most}")))
}

pub(super) fn real(key: &str, number: f32, least: f32, most: f32) -> Result<(), JobError> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(value(key, number, &format!("from {least} to {most}")))
}

fn value(key: &str, found: impl Display, range: &str) -> JobError {
    JobError::Value { key: key.to_owned(), value: found.to_string(), range: range.to_owned() }
}
