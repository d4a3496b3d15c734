//! Epochs of serving nodes made again, doubted, and shown to be false.

use std::time::Duration;

use datanet_ledger::component::audits::Audit;
use datanet_ledger::component::settlement::{self, Epoch};
use datanet_types::action::{ChallengeEpoch, CommitFinding, Finding, ProveForgery, RevealFinding};
use datanet_types::receipt::{AnswerRecord, Method, ReceiptHead};
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::{Action, NodeKey, ReceiptId, TxHash};

use crate::answers::Answers;
use crate::billing::Billing;
use crate::billing::repeat::Repeated;
use crate::chain::Chain;
use crate::db::findings::StoredFinding;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;

/// Answers of an epoch that are computed again by whoever looks at it of himself. Each costs what answering cost, and a node that falsifies one in
/// ten is found out by each of them in a third of its epochs.
const LOOKED_AT: usize = 4;
/// Answers that every auditor of a challenged epoch computes again, beside those that the challenger points at.
const AUDITED: u64 = 12;
/// How long computing one again may take: a model may have to be fetched.
const PATIENCE: Duration = Duration::from_secs(120);

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
    /// Places among the receipts of what is wrong.
    pub suspects: Vec<u64>,
}

/// What came of computing an answer again.
enum Answer {
    /// It is what it was.
    AsItWas,
    /// It is something else.
    Other(String),
    /// What it rests on cannot be had.
    NotToBeHad(String),
    /// Nothing can be said of it here.
    CannotTell(String),
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

    /// Makes an epoch again from its receipts, and computes some of its answers again: those that `audit` says, or some that nobody can foresee.
    ///
    /// # Errors
    /// When the ledger or the blob store here fails, which says nothing of the epoch.
    pub async fn check(&self, epoch: &Epoch, audit: Option<&Audit>) -> ServiceResult<Checked> {
        let without = |finding, reason| Checked { finding, reason, receipts: 0, recomputed: 0, suspects: Vec::new() };
        let receipts = match self.billing.repeat(epoch).await? {
            Repeated::Same(receipts) => receipts,
            Repeated::Other(reason) => return Ok(without(Finding::False, reason)),
            Repeated::Unavailable(reason) => return Ok(without(Finding::Unavailable, reason)),
            Repeated::Missing(reason) => return Ok(without(Finding::Missing, reason)),
        };
        let count = receipts.len() as u64;
        let sample = match audit {
            Some(audit) => audit.sample(count, AUDITED),
            None => rand::seq::index::sample(&mut rand::rng(), receipts.len(), LOOKED_AT.min(receipts.len()))
                .into_iter()
                .map(|at| at as u64)
                .collect(),
        };
        let mut recomputed = 0;
        for at in sample {
            let Some(settled) = usize::try_from(at).ok().and_then(|at| receipts.get(at)) else { continue };
            let (finding, reason) = match self.recompute(settled, audit.is_some()).await {
                Answer::AsItWas => {
                    recomputed += 1;
                    continue;
                }
                Answer::CannotTell(why) => {
                    tracing::debug!(receipt = %settled.receipt, why, "an answer was not computed again");
                    continue;
                }
                Answer::Other(reason) => (Finding::False, reason),
                Answer::NotToBeHad(reason) => (Finding::Unavailable, reason),
            };
            let reason = format!("receipt {}: {reason}", settled.receipt);
            return Ok(Checked { finding, reason, receipts: count, recomputed, suspects: vec![at] });
        }
        let reason = "the leaves follow from the receipts to the last unit".to_owned();
        Ok(Checked { finding: Finding::Correct, reason, receipts: count, recomputed, suspects: Vec::new() })
    }

    /// Computes an answer again. Whoever only looks loads no stranger's model for that (`may_load`).
    async fn recompute(&self, settled: &SettledReceipt, may_load: bool) -> Answer {
        let found = async {
            let bytes = self.answers.answer_record_bytes(&settled.receipt).await?;
            let record = AnswerRecord::verify(&bytes, self.chain.id())
                .map_err(|error| ServiceError::new(Code::BadReceipt, error.to_string()))?;
            let receipt = &record.receipt;
            let by_model = matches!(receipt.method(), Method::Influence | Method::Span);
            if !may_load && by_model && !self.answers.models.is_in_memory(&receipt.model) {
                let detail = format!("model {} is not in memory here", receipt.model);
                return Err(ServiceError::new(Code::NotDeployed, detail));
            }
            self.answers.verify_record(&bytes).await
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Err(_) => Answer::CannotTell(format!("it took more than {} s", PATIENCE.as_secs())),
            // A release that its node does not give to anybody is no better than a receipt that it does not give.
            Ok(Err(error)) if matches!(error.code, Code::BlobUnavailable | Code::NoRelease) => {
                Answer::NotToBeHad(error.detail)
            }
            Ok(Err(error)) => Answer::CannotTell(error.detail),
            Ok(Ok(found)) => match found.verdict.as_str() {
                "mismatch" => Answer::Other(found.details),
                "unverifiable" => Answer::CannotTell(found.details),
                _ => Answer::AsItWas,
            },
        }
    }

    /// Lets what could not be had be asked for at once.
    pub fn forget_failures(&self, epoch: &Epoch) {
        self.billing.forget_failures(epoch);
    }

    /// Doubts an epoch in the name of `key`, and points at these of its receipts.
    ///
    /// # Errors
    /// When the ledger refuses it: there is no such epoch, it is final, void or challenged already, or the account has less than the
    /// deposit.
    pub async fn challenge(&self, key: &AccountKey, epoch: &Epoch, suspects: Vec<u64>) -> ServiceResult<TxHash> {
        let action = ChallengeEpoch { node: epoch.node, epoch: epoch.epoch, suspects };
        Ok(self.chain.execute(key, Action::ChallengeEpoch(action)).await?.hash)
    }

    /// Commits in the name of `key`, which has a seat, to what was found; that must be durable before.
    ///
    /// # Errors
    /// When the ledger refuses it, for example because it is too late.
    pub async fn commit(&self, key: &AccountKey, audit: &Audit, found: &StoredFinding) -> ServiceResult<TxHash> {
        let (node, epoch) = (audit.node, audit.epoch);
        let commitment = audit.commitment(self.chain.id(), &key.address(), found.finding, &found.salt);
        Ok(self.chain.execute(key, Action::CommitFinding(CommitFinding { node, epoch, commitment })).await?.hash)
    }

    /// Shows what `key` committed to.
    ///
    /// # Errors
    /// As [`Audits::commit`].
    pub async fn reveal(&self, key: &AccountKey, audit: &Audit, found: &StoredFinding) -> ServiceResult<TxHash> {
        let (node, epoch, finding, salt) = (audit.node, audit.epoch, found.finding as i32, found.salt);
        Ok(self.chain.execute(key, Action::RevealFinding(RevealFinding { node, epoch, finding, salt })).await?.hash)
    }

    /// Shows that the node settled something else for the money that the receipt in `bytes` took.
    ///
    /// # Errors
    /// When the bytes are no good receipt ([`Code::BadReceipt`]), no epoch that can still be challenged contradicts it
    /// ([`Code::NoForgery`]), a statement cannot be had ([`Code::BlobUnavailable`]), or the ledger refuses it.
    pub async fn prove(&self, key: &AccountKey, bytes: &[u8]) -> ServiceResult<Proven> {
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
                let theirs = paid.start() < given.cumulative && given.start() < paid.cumulative;
                Some(paid.channel) == given.channel && theirs
            };
            if paid.iter().any(overlaps) {
                found.push(epoch);
            }
        }
        Ok(found)
    }
}
