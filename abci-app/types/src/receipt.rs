//! The proof that comes with an answer: which contributions carried it, with which weight, and who is paid what.

use prost::Message;

use crate::amount::{Amount, PPM};
use crate::codec::{CodecError, decode_canonical};
use crate::epoch::FeeSplit;
use crate::key::{BadSignature, Signature, SigningKey, sign_bytes};
use crate::{Address, ChannelId, ContributionId, DatanetId, Digest, ModelId, NodeKey, ReceiptId};

/// Longest answer record in bytes.
pub const MAX_ANSWER_RECORD_BYTES: usize = 1024 * 1024;

/// How the weights were found, and so what they prove.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Method {
    /// The retrieved passages that the answer rests on, by their retrieval weight.
    Retrieval = 0,
}

/// What was asked. `text` is a passage to classify or a question.
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
}

/// One quoted record.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Passage {
    /// Its contribution.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// Its position in the contribution, from 0.
    #[prost(uint64, tag = "2")]
    pub record: u64,
    /// Its weight among the passages, in parts per million.
    #[prost(uint64, tag = "3")]
    pub weight: u64,
    /// Its label, if records have one.
    #[prost(string, optional, tag = "4")]
    pub label: Option<String>,
    /// Its text.
    #[prost(string, tag = "5")]
    pub text: String,
}

/// What was answered.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct AskOutput {
    /// The winning label, for a classification.
    #[prost(string, optional, tag = "1")]
    pub label: Option<String>,
    /// The answer in words: the best passage for a question, the label for a classification.
    #[prost(string, tag = "2")]
    pub answer: String,
    /// The passages it rests on, best first.
    #[prost(message, repeated, tag = "3")]
    pub passages: Vec<Passage>,
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
    /// Weight in parts per million.
    #[prost(uint64, tag = "3")]
    pub weight: u64,
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
    /// The model that embedded question and passages.
    #[prost(message, required, tag = "3")]
    pub model: ModelId,
    /// The serving node.
    #[prost(message, required, tag = "4")]
    pub node: NodeKey,
    /// The ledger height whose final contributions were searched.
    #[prost(uint64, tag = "5")]
    pub height: u64,
    /// Merkle root over those contributions' ids, in ledger order.
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
    /// The voucher's cumulative amount after this answer.
    #[prost(uint64, tag = "14")]
    pub cumulative: Amount,
    /// The serving node's count of answers, from 1.
    #[prost(uint64, tag = "15")]
    pub sequence: u64,
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
    #[error("the receipt's weights must be ordered by contribution and sum to one million")]
    Weights,
    /// The split does not sum to the fee.
    #[error("the receipt's split does not sum to its fee")]
    Split,
    /// Another chain.
    #[error("the receipt is of another chain")]
    Chain,
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
    /// What the serving node signs.
    pub fn sign_bytes(&self) -> [u8; 32] {
        sign_bytes("datanet/receipt/v1", &[self.chain_id.as_bytes(), &self.encode_to_vec()])
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

    /// Decodes and checks everything that needs neither ledger nor blobs: signature, hashes, weights, split.
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
    let sum: u128 = credits.iter().map(|credit| u128::from(credit.weight)).sum();
    let ordered = credits.windows(2).all(|pair| matches!(pair, [a, b] if a.contribution < b.contribution));
    if ordered && sum == u128::from(PPM) { Ok(()) } else { Err(ReceiptError::Weights) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> (AnswerRecord, SigningKey) {
        let key = SigningKey::from_bytes(&[5; 32]);
        let receipt = Receipt {
            chain_id: "c".into(),
            node: key.node_key(),
            fee: 10,
            split: crate::epoch::FeeShares::STANDARD.split(10),
            credits: vec![
                Credit { contribution: ContributionId([1; 32]), weight: 400_000, ..Credit::default() },
                Credit { contribution: ContributionId([2; 32]), weight: 600_000, ..Credit::default() },
            ],
            ..Receipt::default()
        };
        let input = AskInput { text: "q".into(), classify: true, neighbours: 10 };
        (AnswerRecord::sign(receipt, input, AskOutput::default(), &key), key)
    }

    #[test]
    fn an_honest_record_verifies() {
        let (record, _) = record();
        assert_eq!(AnswerRecord::verify(&record.to_bytes(), "c").unwrap(), record);
    }

    #[test]
    fn a_tampered_record_is_caught() {
        let (honest, key) = record();
        let mut changed = honest.clone();
        changed.output.answer = "other".into();
        assert_eq!(AnswerRecord::verify(&changed.to_bytes(), "c"), Err(ReceiptError::Hash("output")));
        let mut changed = honest.clone();
        changed.receipt.credits[0].weight = 399_999;
        assert_eq!(AnswerRecord::verify(&changed.to_bytes(), "c"), Err(ReceiptError::Signature));
        let resigned = AnswerRecord::sign(changed.receipt, changed.input, changed.output, &key);
        assert_eq!(AnswerRecord::verify(&resigned.to_bytes(), "c"), Err(ReceiptError::Weights));
        assert_eq!(AnswerRecord::verify(&honest.to_bytes(), "d"), Err(ReceiptError::Chain));
    }
}
