//! Epochs of serving nodes made again, doubted, and shown to be false.

use datanet_ledger::component::settlement::{self, Epoch};
use datanet_types::action::{AuditEpoch, ChallengeEpoch, Finding, ProveForgery};
use datanet_types::receipt::{AnswerRecord, ReceiptHead};
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::{Action, NodeKey, ReceiptId, SigningKey, TxHash};
use rand::seq::IndexedRandom;

use crate::answers::Answers;
use crate::billing::Billing;
use crate::billing::repeat::Repeated;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};

/// Answers of an epoch that are computed again. Each costs what answering cost, and a node that falsifies one in ten is found out
/// by each auditor in a third of its epochs.
const SAMPLE: usize = 4;

/// Audits in a node's name; clones share nothing but what they are made of.
#[derive(Clone)]
pub struct Audits {
    /// The ledger.
    pub chain: Chain,
    /// Statements and what follows from receipts.
    pub billing: Billing,
    /// Answers to compute again.
    pub answers: Answers,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What an auditor says.
    pub finding: Finding,
    /// Why, in words.
    pub reason: String,
    /// Receipts that the epoch was made again from.
    pub receipts: u64,
    /// Of them, answers that were computed again.
    pub recomputed: u64,
}

/// A forgery that is on the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The epoch, which is void now.
    pub node: NodeKey,
    /// Its number.
    pub epoch: u64,
    /// What was settled for the same money.
    pub settled: ReceiptId,
    /// The transaction.
    pub tx: TxHash,
}

impl Audits {
    /// An epoch on the ledger.
    ///
    /// # Errors
    /// When there is none ([`Code::UnknownEpoch`]), or the ledger has no block yet or cannot be read.
    pub fn epoch(&self, node: &NodeKey, number: u64) -> ServiceResult<Epoch> {
        settlement::epoch(&self.chain.reader()?, node, number)?.ok_or_else(|| {
            ServiceError::new(Code::UnknownEpoch, format!("node {node} has settled no epoch {number} on this ledger"))
        })
    }

    /// Makes an epoch again from its receipts, and computes some of its answers again.
    ///
    /// # Errors
    /// When the ledger or the blob store here fails, which says nothing of the epoch.
    pub async fn check(&self, epoch: &Epoch) -> ServiceResult<Checked> {
        let receipts = match self.billing.repeat(epoch).await? {
            Repeated::Same(receipts) => receipts,
            Repeated::Other(reason) => {
                return Ok(Checked { finding: Finding::False, reason, receipts: 0, recomputed: 0 });
            }
            Repeated::Unavailable(reason) => {
                return Ok(Checked { finding: Finding::Unavailable, reason, receipts: 0, recomputed: 0 });
            }
        };
        // Drawn anew by everybody who looks: the node cannot know which.
        let sample: Vec<SettledReceipt> = receipts.choose_multiple(&mut rand::rng(), SAMPLE).copied().collect();
        let (receipts, mut recomputed) = (receipts.len() as u64, 0);
        for settled in sample {
            match self.recompute(&settled).await {
                Ok(None) => recomputed += 1,
                Ok(Some(reason)) => return Ok(Checked { finding: Finding::False, reason, receipts, recomputed }),
                // A model that is not here, or data that was taken back, says nothing of the answer.
                Err(error) => tracing::debug!(receipt = %settled.receipt, %error, "an answer was not computed again"),
            }
        }
        let reason = "the leaves follow from the receipts to the last unit".to_owned();
        Ok(Checked { finding: Finding::Correct, reason, receipts, recomputed })
    }

    /// Why an answer is not what it should be; none if it is.
    async fn recompute(&self, settled: &SettledReceipt) -> ServiceResult<Option<String>> {
        let bytes = self.answers.answer_record_bytes(&settled.receipt).await?;
        let found = self.answers.verify_record(&bytes).await?;
        match found.verdict.as_str() {
            "mismatch" => Ok(Some(format!("receipt {}: {}", settled.receipt, found.details))),
            "unverifiable" => Err(ServiceError::new(Code::Revoked, found.details)),
            _ => Ok(None),
        }
    }

    /// Doubts an epoch in the name of `key`.
    ///
    /// # Errors
    /// When the ledger refuses it: there is no such epoch, it is final, void or challenged already, or the account has less than the
    /// deposit.
    pub async fn challenge(&self, key: &SigningKey, epoch: &Epoch) -> ServiceResult<TxHash> {
        let action = ChallengeEpoch { node: epoch.node, epoch: epoch.epoch };
        Ok(self.chain.execute(key, Action::ChallengeEpoch(action)).await?.hash)
    }

    /// Says in the name of `key`, which has a seat, what was found.
    ///
    /// # Errors
    /// When the ledger refuses it, for example because it is too late.
    pub async fn say(&self, key: &SigningKey, epoch: &Epoch, finding: Finding) -> ServiceResult<TxHash> {
        let action = AuditEpoch { node: epoch.node, epoch: epoch.epoch, finding: finding as i32 };
        Ok(self.chain.execute(key, Action::AuditEpoch(action)).await?.hash)
    }

    /// Shows that the node settled something else for the money that the receipt in `bytes` took.
    ///
    /// # Errors
    /// When the bytes are no good receipt ([`Code::BadReceipt`]), no epoch that can still be challenged contradicts it
    /// ([`Code::NoForgery`]), a statement cannot be had ([`Code::BlobUnavailable`]), or the ledger refuses it.
    pub async fn prove(&self, key: &SigningKey, bytes: &[u8]) -> ServiceResult<Proven> {
        let record = AnswerRecord::verify(bytes, self.chain.id())
            .map_err(|error| ServiceError::new(Code::BadReceipt, format!("it is no good receipt: {error}")))?;
        let (node, given) = (record.receipt.node, ReceiptHead::of(&record.receipt));
        for epoch in self.where_it_belongs(&node, &given)? {
            let Some((settled, proof)) = self.billing.contradiction(&epoch, &given).await? else { continue };
            let (number, signature) = (epoch.epoch, record.signature);
            let action = ProveForgery { node, epoch: number, given, signature, settled, proof };
            let tx = self.chain.execute(key, Action::ProveForgery(action)).await?.hash;
            return Ok(Proven { node, epoch: number, settled: settled.receipt, tx });
        }
        let detail = "no epoch of its node that can still be challenged holds another receipt for its money: it is not settled yet, final, or settled \
                      as it was given";
        Err(ServiceError::new(Code::NoForgery, detail))
    }

    /// The epochs that took some of a receipt's money and are not final.
    fn where_it_belongs(&self, node: &NodeKey, given: &ReceiptHead) -> ServiceResult<Vec<Epoch>> {
        let reader = self.chain.reader()?;
        let mut found = Vec::new();
        for epoch in settlement::open(&reader, usize::MAX)?.into_iter().filter(|epoch| epoch.node == *node) {
            let paid = settlement::payments(&reader, node, epoch.epoch)?;
            let overlaps = |paid: &settlement::Payment| {
                let start = paid.cumulative.saturating_sub(paid.amount);
                Some(paid.channel) == given.channel && start < given.cumulative && given.start() < paid.cumulative
            };
            if paid.iter().any(overlaps) {
                found.push(epoch);
            }
        }
        Ok(found)
    }
}
