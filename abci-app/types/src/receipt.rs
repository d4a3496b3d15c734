//! The proof that comes with an answer: which contributions carried it, with which weight, and who is paid what.

mod head;
pub mod sale;
mod training;

use std::collections::BTreeMap;

use prost::Message;

use crate::amount::Amount;
use crate::codec::{CodecError, decode_canonical};
use crate::epoch::FeeSplit;
use crate::key::{BadSignature, Signature, SigningKey};
use crate::ppm::Ppm;
use crate::rate::Usage;
use crate::release::Release;
use crate::{Address, ChannelId, ContributionId, DatanetId, Digest, ModelId, NodeKey, ReceiptId};

pub use head::ReceiptHead;
pub use sale::{Sale, Supplied};
pub use training::{training_credits, training_weights};

/// Longest answer record in bytes.
pub const MAX_ANSWER_RECORD_BYTES: usize = 1024 * 1024;
/// Most contributions whose influence an answer names.
pub const MAX_INFLUENCES: usize = 4_096;
/// The largest worth of a contribution for an answer, in parts per billion: ten units of log-odds. No answer is worth more to an epoch.
pub const MAX_WORTH: i64 = 10_000_000_000;
/// Most contributions that an answer leaves out because they could not be had.
pub const MAX_MISSING: usize = 256;

/// How the weights were found, and so what they prove.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Method {
    /// The retrieved passages that the answer rests on, by their retrieval weight.
    Retrieval = 0,
    /// What the model was trained on, by how much each contribution moved this answer: [`AskOutput::influence`].
    Influence = 1,
    /// What the generated text repeats word for word: [`AskOutput::spans`]. It proves a match, not influence.
    Span = 2,
    /// Nobody's weight: an agent made it from answers that it bought, whose receipts say whose data carried them: [`Receipt::sale`].
    Composed = 3,
    /// What a release was trained on, by records: [`AskOutput::release`] is what was bought. It proves what was read, not what it did.
    Training = 4,
}

/// How a completion was drawn. All of it in whole numbers, so that another node draws the same.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Sampling {
    /// Most tokens generated.
    #[prost(uint32, tag = "1")]
    pub max_tokens: u32,
    /// Temperature; 0 takes the likeliest token.
    #[prost(message, required, tag = "2")]
    pub temperature: Ppm,
    /// Share of the probability that is drawn from.
    #[prost(message, required, tag = "3")]
    pub top_p: Ppm,
    /// Seed of the draws.
    #[prost(uint64, tag = "4")]
    pub seed: u64,
    /// Texts at which generation ends.
    #[prost(string, repeated, tag = "5")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// The JSON Schema that the answer was held to.
    #[prost(string, optional, tag = "6")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<String>,
}

/// What was asked. `text` is a passage to classify, a question, or a prompt as the model read it.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct AskInput {
    /// The question or passage.
    #[prost(string, tag = "1")]
    pub text: String,
    /// `true`: give the passage a label. `false`: answer the question with passages.
    #[prost(bool, tag = "2")]
    pub classify: bool,
    /// Passages to rest on.
    #[prost(uint32, tag = "3")]
    pub neighbours: u32,
    /// How a completion is drawn; absent for everything else.
    #[prost(message, optional, tag = "4")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// Of a chat, the bytes of `text` that people wrote, in which nothing is a special token: where each part begins and
    /// ends, in turn.
    #[prost(uint32, repeated, tag = "5")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plain: Vec<u32>,
    /// Whether the text begins and ends as the model reads it, as the model's chat template has written it: its tokenizer
    /// adds nothing.
    #[prost(bool, tag = "6")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub framed: bool,
}

/// One quoted record, without its words.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Passage {
    /// Its contribution.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// Its position in the contribution, from 0.
    #[prost(uint64, tag = "2")]
    pub record: u64,
    /// Its weight among the passages.
    #[prost(message, required, tag = "3")]
    pub weight: Ppm,
    /// Its label, if records have one.
    #[prost(string, optional, tag = "4")]
    pub label: Option<String>,
    /// BLAKE3 of its text as it is quoted: receipts outlive what they rest on, and a text that was taken back must not live on
    /// in them.
    #[prost(message, required, tag = "5")]
    pub text_hash: Digest,
}

impl Passage {
    /// The hash of a text as it is quoted.
    pub fn hash_of(quote: &str) -> Digest {
        Digest(*blake3::hash(quote.as_bytes()).as_bytes())
    }
}

/// A label and how likely the model holds it.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct LabelScore {
    /// The label.
    #[prost(string, tag = "1")]
    pub label: String,
    /// Its probability.
    #[prost(message, required, tag = "2")]
    pub probability: Ppm,
}

/// How much a contribution moved an answer.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Influence {
    /// The contribution.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// By how much the answer's loss would rise without it, in parts per billion: positive helped, negative harmed.
    #[prost(sint64, tag = "2")]
    pub value: i64,
    /// What pays, in parts per billion, with its sign: by how much the answer's log-odds rise by the contribution, in the mean over random
    /// halves of the data, and so no function of the value by all of it. At most [`MAX_WORTH`] either way. Above zero it is the
    /// share that is to be expected; what is paid follows from the sums of an epoch ([`crate::netting`]).
    #[prost(sint64, tag = "4")]
    pub worth: i64,
}

/// A stretch of generated text that a contribution holds word for word.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SpanMatch {
    /// Where it begins in the answer, in bytes.
    #[prost(uint32, tag = "1")]
    pub start: u32,
    /// Where it ends in the answer, in bytes.
    #[prost(uint32, tag = "2")]
    pub end: u32,
    /// The contribution that held it first.
    #[prost(message, required, tag = "3")]
    pub contribution: ContributionId,
    /// The record in the contribution, from 0.
    #[prost(uint64, tag = "4")]
    pub record: u64,
    /// Its weight among the matches; they sum to the whole.
    #[prost(message, required, tag = "5")]
    pub weight: Ppm,
}

/// How a completion came to its end.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Completion {
    /// Tokens of the prompt.
    #[prost(uint32, tag = "1")]
    pub prompt_tokens: u32,
    /// Tokens generated.
    #[prost(uint32, tag = "2")]
    pub completion_tokens: u32,
    /// Why it ended: `stop` or `length`.
    #[prost(string, tag = "3")]
    pub finish_reason: String,
    /// The tokens as they were drawn, the one that ended the answer included: with the seed in [`Sampling`] another node follows them one by
    /// one.
    #[prost(uint32, repeated, tag = "4")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<u32>,
}

/// What was answered.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct AskOutput {
    /// The winning label, for a classification.
    #[prost(string, optional, tag = "1")]
    pub label: Option<String>,
    /// The answer in words: the label for a classification, the generated text; empty for a question that was answered with
    /// passages, the best of which is its answer.
    #[prost(string, tag = "2")]
    pub answer: String,
    /// The passages it rests on, best first.
    #[prost(message, repeated, tag = "3")]
    pub passages: Vec<Passage>,
    /// A model's classification: every label, in the model's order.
    #[prost(message, repeated, tag = "4")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<LabelScore>,
    /// Method influence: what each contribution behind the model did to this answer, harm included, ordered by
    /// contribution; of more than [`MAX_INFLUENCES`] the strongest. Revoked ones are left out.
    #[prost(message, repeated, tag = "5")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub influence: Vec<Influence>,
    /// Method span: the matches, in the order of the answer.
    #[prost(message, repeated, tag = "6")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<SpanMatch>,
    /// A completion's end; absent for everything else.
    #[prost(message, optional, tag = "7")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<Completion>,
    /// Method training: the manifest of what was trained; absent for everything else.
    #[prost(message, optional, tag = "8")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
}

/// One contribution's part in an answer.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Credit {
    /// The contribution.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// Who gave it and is paid.
    #[prost(message, required, tag = "2")]
    pub contributor: Address,
    /// Its weight.
    #[prost(message, required, tag = "3")]
    pub weight: Ppm,
}

/// The claims a serving node signs for one answer.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// The chain.
    #[prost(string, tag = "1")]
    pub chain_id: String,
    /// The datanet asked.
    #[prost(message, required, tag = "2")]
    pub datanet: DatanetId,
    /// The model that embedded question and passages, or the released model that answered.
    #[prost(message, required, tag = "3")]
    pub model: ModelId,
    /// The serving node.
    #[prost(message, required, tag = "4")]
    pub node: NodeKey,
    /// The ledger height whose final contributions were searched; the height at which a released model was registered.
    #[prost(uint64, tag = "5")]
    pub height: u64,
    /// Merkle root over those contributions' ids, in ledger order; for a released model
    /// [`crate::release::DataSnapshot::digest_of`] what it was trained on.
    #[prost(message, required, tag = "6")]
    pub snapshot: Digest,
    /// How the weights were found.
    #[prost(enumeration = "Method", tag = "7")]
    pub method: i32,
    /// BLAKE3 of the encoded [`AskInput`].
    #[prost(message, required, tag = "8")]
    pub input: Digest,
    /// BLAKE3 of the encoded [`AskOutput`].
    #[prost(message, required, tag = "9")]
    pub output: Digest,
    /// Weights that sum to exactly one million, ordered by contribution; empty if nothing was found.
    #[prost(message, repeated, tag = "10")]
    pub credits: Vec<Credit>,
    /// Base units charged.
    #[prost(uint64, tag = "11")]
    pub fee: Amount,
    /// Where the fee goes.
    #[prost(message, required, tag = "12")]
    pub split: FeeSplit,
    /// The channel that paid; absent if the answer was free.
    #[prost(message, optional, tag = "13")]
    pub channel: Option<ChannelId>,
    /// What answers have taken of the channel, this one included: as much as its voucher says, or less.
    #[prost(uint64, tag = "14")]
    pub cumulative: Amount,
    /// The serving node's number of the answer, from 1; answers that failed leave gaps.
    #[prost(uint64, tag = "15")]
    pub sequence: u64,
    /// Method retrieval: contributions that were final at that height and that the node could not have, ordered by id. The
    /// snapshot is without them, and so is the answer.
    #[prost(message, repeated, tag = "16")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<ContributionId>,
    /// The version of the chain's parameters whose shares divide the fee: the one that held when the answer was given.
    #[prost(uint64, tag = "17")]
    #[serde(default)]
    pub params: u64,
    /// Of text that was paid for: the tokens written, and the prices that give the fee.
    #[prost(message, optional, tag = "18")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Method composed: the agent that sold it, and what it is made of.
    #[prost(message, optional, tag = "30")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale: Option<Sale>,
    /// The sale that it was bought for, where its payer said so: [`Sale::order`].
    #[prost(message, optional, tag = "31")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Digest>,
}

/// A receipt with the question and the answer it speaks of, as stored in the blob store: its hash is the receipt's id,
/// so whoever knows the id can fetch it from any holder, verify it and recompute it.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct AnswerRecord {
    /// What the node claims.
    #[prost(message, required, tag = "1")]
    pub receipt: Receipt,
    /// The node key's signature over [`Receipt::sign_bytes`].
    #[prost(message, required, tag = "2")]
    pub signature: Signature,
    /// What was asked.
    #[prost(message, required, tag = "3")]
    pub input: AskInput,
    /// What was answered.
    #[prost(message, required, tag = "4")]
    pub output: AskOutput,
}

/// Why an answer record does not hold together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not canonical, or too long.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Not signed by the node it names.
    #[error("the receipt is not signed by the node it names")]
    Signature,
    /// Input or output are not the ones hashed.
    #[error("the receipt's {0} hash is not that of the {0} beside it")]
    Hash(&'static str),
    /// Weights do not sum to one million, or are unordered or repeated.
    #[error("the receipt's weights must be at most {MAX_INFLUENCES}, ordered by contribution, and sum to one million")]
    Weights,
    /// Weights are not those that the output gives by the receipt's method.
    #[error("the receipt's weights do not follow from the {0} beside it")]
    Basis(&'static str),
    /// A method that is not known here.
    #[error("method {0} is not known here; update this node")]
    Method(i32),
    /// The split does not sum to the fee.
    #[error("the receipt's split does not sum to its fee")]
    Split,
    /// Another chain.
    #[error("the receipt is of another chain")]
    Chain,
    /// What was left out is unordered, repeated, too much, or not this method's to leave out.
    #[error(
        "a receipt of an answer by retrieval leaves out at most {MAX_MISSING} contributions, ordered by id; any other none"
    )]
    Missing,
    /// Not what a receipt of a training may be.
    #[error("the receipt of a training {0}")]
    Training(&'static str),
    /// The tokens of a completion are not as many as it says.
    #[error("the receipt's answer has other tokens than it counts")]
    Tokens,
    /// The fee is not that of the tokens beside it.
    #[error("the receipt's fee is not that of the tokens that were written, at the prices that it names")]
    Usage,
    /// Not what a receipt of an agent's answer may be.
    #[error("the receipt of an agent's answer {0}")]
    Sale(&'static str),
}

impl From<BadSignature> for ReceiptError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

/// BLAKE3 of a message's canonical bytes.
pub fn message_digest(message: &impl Message) -> Digest {
    Digest(*blake3::hash(&message.encode_to_vec()).as_bytes())
}

impl Receipt {
    /// What the serving node signs: see [`ReceiptHead`].
    pub fn sign_bytes(&self) -> [u8; 32] {
        ReceiptHead::of(self).sign_bytes(&self.chain_id)
    }
}

impl AnswerRecord {
    /// Signs `receipt` after filling in the hashes of `input` and `output`.
    pub fn sign(mut receipt: Receipt, input: AskInput, output: AskOutput, key: &SigningKey) -> Self {
        receipt.input = message_digest(&input);
        receipt.output = message_digest(&output);
        let signature = key.sign(&receipt.sign_bytes());
        Self { receipt, signature, input, output }
    }

    /// The bytes stored as a blob.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// The receipt's id: the hash of those bytes.
    pub fn id(&self) -> ReceiptId {
        ReceiptId(*blake3::hash(&self.to_bytes()).as_bytes())
    }

    /// Decodes and checks everything that needs neither ledger nor blobs.
    ///
    /// # Errors
    /// When the bytes are not a canonical record of at most [`MAX_ANSWER_RECORD_BYTES`] and of this chain, or its
    /// signature, hashes, weights, split, usage or list of what was left out do not hold; [`ReceiptError::Method`] when this
    /// version does not know its method.
    pub fn verify(bytes: &[u8], chain_id: &str) -> Result<Self, ReceiptError> {
        let record: Self = decode_canonical(bytes, MAX_ANSWER_RECORD_BYTES)?;
        let receipt = &record.receipt;
        if receipt.chain_id != chain_id {
            return Err(ReceiptError::Chain);
        }
        receipt.node.verify(&receipt.sign_bytes(), &record.signature)?;
        if message_digest(&record.input) != receipt.input {
            return Err(ReceiptError::Hash("input"));
        }
        if message_digest(&record.output) != receipt.output {
            return Err(ReceiptError::Hash("output"));
        }
        check_weights(&receipt.credits)?;
        check_missing(receipt)?;
        sale::check(receipt)?;
        training::check(&record)?;
        check_basis(receipt, &record.output)?;
        check_tokens(&record)?;
        check_usage(&record)?;
        let split: u128 = receipt.split.parts().iter().map(|part| u128::from(*part)).sum();
        if split != u128::from(receipt.fee) {
            return Err(ReceiptError::Split);
        }
        Ok(record)
    }
}

fn check_weights(credits: &[Credit]) -> Result<(), ReceiptError> {
    if credits.is_empty() {
        return Ok(());
    }
    let sum: u128 = credits.iter().map(|credit| u128::from(credit.weight.0)).sum();
    let ordered = credits.windows(2).all(|pair| matches!(pair, [a, b] if a.contribution < b.contribution));
    let few = credits.len() <= MAX_INFLUENCES;
    if few && ordered && sum == u128::from(Ppm::ONE.0) { Ok(()) } else { Err(ReceiptError::Weights) }
}

/// A completion has its tokens, and perhaps the one that ended it.
fn check_tokens(record: &AnswerRecord) -> Result<(), ReceiptError> {
    let is_drawn = record.input.sampling.is_some();
    let as_many = |completion: &Completion| {
        let (tokens, counted) = (completion.tokens.len(), completion.completion_tokens as usize);
        tokens == counted || tokens.checked_sub(1) == Some(counted)
    };
    let good = record.output.completion.as_ref().map_or(!is_drawn, |completion| is_drawn && as_many(completion));
    if good { Ok(()) } else { Err(ReceiptError::Tokens) }
}

/// What is said to have been used is what was written, or may have been trained, and the fee follows from it.
fn check_usage(record: &AnswerRecord) -> Result<(), ReceiptError> {
    let Some(usage) = &record.receipt.usage else { return Ok(()) };
    let written = record.output.completion.as_ref().map(|completion| completion.completion_tokens);
    let counted = match record.output.release {
        // How many steps its run has the job says, which is read by whoever can train: `datanet_training::steps`.
        Some(_) => usage.tokens == 0 && usage.rate.thousand == 0,
        None => written == Some(usage.tokens) && usage.steps == 0 && usage.rate.step == 0,
    };
    let good = counted && usage.fee() == record.receipt.fee;
    if good { Ok(()) } else { Err(ReceiptError::Usage) }
}

fn check_missing(receipt: &Receipt) -> Result<(), ReceiptError> {
    let missing = &receipt.missing;
    let ordered = missing.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    let may = missing.is_empty() || receipt.method == Method::Retrieval as i32;
    if ordered && may && missing.len() <= MAX_MISSING { Ok(()) } else { Err(ReceiptError::Missing) }
}

/// The weights that follow from influences: worth above zero shares the whole in proportion, by largest remainder;
/// ordered by contribution. Empty if nothing is worth anything. They say what is to be expected: see [`crate::netting`].
pub fn influence_weights(influence: &[Influence]) -> Vec<(ContributionId, Ppm)> {
    let above = |influence: &Influence| u64::try_from(influence.worth).unwrap_or(0);
    weights_of(influence.iter().map(|influence| (influence.contribution, above(influence))))
}

/// The weights that follow from matches: each contribution has the sum of its matches' weights.
pub fn span_weights(spans: &[SpanMatch]) -> Vec<(ContributionId, Ppm)> {
    weights_of(spans.iter().map(|span| (span.contribution, span.weight.0)))
}

fn weights_of(parts: impl Iterator<Item = (ContributionId, u64)>) -> Vec<(ContributionId, Ppm)> {
    let mut sums: BTreeMap<ContributionId, u64> = BTreeMap::new();
    for (contribution, part) in parts {
        let sum = sums.entry(contribution).or_default();
        *sum = sum.saturating_add(part);
    }
    let parts: Vec<u64> = sums.values().copied().collect();
    let weights = sums.into_keys().zip(Ppm::split(&parts));
    weights.filter(|(_, weight)| *weight > Ppm::ZERO).collect()
}

/// Whether the credits are those that the output gives. What a retrieval answer rests on is recomputed instead.
fn check_basis(receipt: &Receipt, output: &AskOutput) -> Result<(), ReceiptError> {
    let (weights, basis) = match Method::try_from(receipt.method) {
        Ok(Method::Training) => (output.release.as_ref().map(training_weights).unwrap_or_default(), "records"),
        Err(_) => return Err(ReceiptError::Method(receipt.method)),
        Ok(Method::Retrieval) => {
            let plain = output.influence.is_empty() && output.spans.is_empty() && output.scores.is_empty();
            return if plain { Ok(()) } else { Err(ReceiptError::Basis("passages")) };
        }
        Ok(Method::Composed) => {
            let said = AskOutput { answer: output.answer.clone(), ..AskOutput::default() };
            return if said == *output { Ok(()) } else { Err(ReceiptError::Basis("words")) };
        }
        Ok(Method::Influence) => {
            let ordered =
                output.influence.windows(2).all(|pair| matches!(pair, [a, b] if a.contribution < b.contribution));
            let bounded = output.influence.iter().all(|one| (-MAX_WORTH..=MAX_WORTH).contains(&one.worth));
            if !ordered || !bounded || output.influence.len() > MAX_INFLUENCES {
                return Err(ReceiptError::Basis("influences"));
            }
            (influence_weights(&output.influence), "influences")
        }
        Ok(Method::Span) => {
            let inside = |span: &SpanMatch| {
                let (start, end) = (span.start as usize, span.end as usize);
                start < end && output.answer.get(start..end).is_some()
            };
            if !output.spans.iter().all(inside) {
                return Err(ReceiptError::Basis("matches"));
            }
            (span_weights(&output.spans), "matches")
        }
    };
    let credits = receipt.credits.iter().map(|credit| (credit.contribution, credit.weight));
    if credits.eq(weights) { Ok(()) } else { Err(ReceiptError::Basis(basis)) }
}

#[cfg(test)]
mod tests;
