//! The public account book of a serving node: for each epoch what everybody earned and why, as a blob that the
//! settlement on the ledger names by hash.

use datanet_ledger::component::settlement::Epoch;
use datanet_types::epoch::{EpochLeaf, EpochTotals};
use datanet_types::receipt::ReceiptHead;
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::sum_tree::{self, SumNode, SumOverflow, SumProof};
use datanet_types::{Account, Amount, NodeKey};

use crate::db::accruals::EarningLine;
use crate::db::settling::Settling;
use crate::error::{Code, ServiceError, ServiceResult};

/// Longest statement read, in bytes: about 300,000 lines.
pub const MAX_STATEMENT_BYTES: u64 = 64 * 1024 * 1024;

const VERSION: u32 = 3;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Statement {
    /// Format, now 3.
    pub version: u32,
    /// The chain.
    pub chain_id: String,
    /// The serving node.
    pub node: NodeKey,
    /// Number of the epoch, from 1.
    pub epoch: u64,
    /// The epoch's sums.
    pub totals: EpochTotals,
    /// What accounts earned in this epoch, ordered by account: the leaves of the root on the ledger.
    pub leaves: Vec<EpochLeaf>,
    /// Why: what each account earned in this epoch, by role, datanet and contribution.
    pub lines: Vec<EarningLine>,
    /// The receipts of its answers, ordered by channel and amount: the leaves of the other root on the ledger. Each can be fetched by its
    /// id, and `leaves` follow from them.
    pub receipts: Vec<SettledReceipt>,
}

impl Statement {
    /// The statement of a settlement.
    pub fn of(chain_id: &str, node: NodeKey, settling: &Settling) -> Self {
        let leaves = settling.leaves().into_iter().map(|(account, amount)| EpochLeaf { account, amount });
        Self {
            version: VERSION,
            chain_id: chain_id.to_owned(),
            node,
            epoch: settling.epoch,
            totals: settling.totals(),
            leaves: leaves.collect(),
            lines: settling.lines(),
            receipts: settling.receipts(),
        }
    }

    /// The bytes stored as a blob.
    ///
    /// # Errors
    /// When it cannot be written as JSON ([`Code::Statement`]).
    pub fn to_bytes(&self) -> ServiceResult<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| ServiceError::caused(Code::Statement, error))
    }

    /// Reads a statement and checks that it is the one meant: chain, node, epoch, and the tree that the ledger holds.
    ///
    /// # Errors
    /// When the bytes are no statement of a known version, or it is another chain's, node's or epoch's, its leaves are out
    /// of order, or they do not give the root and the sum on the ledger: which of it, in words.
    pub fn parse(bytes: &[u8], chain_id: &str, epoch: &Epoch) -> Result<Self, String> {
        let statement: Self = serde_json::from_slice(bytes).map_err(|error| format!("not a statement: {error}"))?;
        if statement.version != VERSION {
            return Err(format!("statement version {} is not {VERSION}", statement.version));
        }
        if statement.chain_id != chain_id || (statement.node, statement.epoch) != (epoch.node, epoch.epoch) {
            return Err("the statement is of another chain, node or epoch".into());
        }
        if !statement.leaves.is_sorted_by(|a, b| a.account < b.account) {
            return Err("the statement's leaves are not ordered".into());
        }
        let (tree, own) = (epoch.tree(), statement.tree().map_err(|error| error.to_string())?);
        if own.sum != tree.sum {
            return Err(format!(
                "the statement promises {} where {} were settled, so nothing can be claimed",
                own.sum, tree.sum
            ));
        }
        if own != tree || statement.accounts() != epoch.accounts {
            return Err("the statement does not give the root on the ledger".into());
        }
        if !statement.receipts.is_sorted_by(|a, b| a.order() < b.order()) {
            return Err("the statement's receipts are not ordered".into());
        }
        let answers = statement.receipts.len() as u64;
        if answers != epoch.totals.answers || statement.receipts_tree().ok() != Some(epoch.receipts_tree()) {
            return Err("the statement's receipts do not give the root on the ledger".into());
        }
        Ok(statement)
    }

    /// The tree over its receipts, with the sum of their fees.
    ///
    /// # Errors
    /// When they sum to more than there can be.
    pub fn receipts_tree(&self) -> Result<SumNode, SumOverflow> {
        sum_tree::root(&self.receipt_nodes())
    }

    /// The receipt that takes some of the same money as `given` and is another, with its proof.
    pub fn contradiction(&self, given: &ReceiptHead) -> Option<(SettledReceipt, SumProof)> {
        let index = self.receipts.iter().position(|settled| settled.head().contradicts(given))?;
        let proof = sum_tree::prove(&self.receipt_nodes(), index).ok()??;
        Some((*self.receipts.get(index)?, proof))
    }

    fn receipt_nodes(&self) -> Vec<SumNode> {
        self.receipts.iter().map(|receipt| receipt.node(&self.chain_id, &self.node, self.epoch)).collect()
    }

    fn nodes(&self) -> Vec<SumNode> {
        self.leaves.iter().map(|leaf| leaf.node(&self.chain_id, &self.node, self.epoch)).collect()
    }

    /// The root of the tree over the leaves, with their sum.
    ///
    /// # Errors
    /// When they sum to more than there can be.
    pub fn tree(&self) -> Result<SumNode, SumOverflow> {
        sum_tree::root(&self.nodes())
    }

    /// Leaves in it.
    pub fn accounts(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// An account's place among the leaves, and what it earned.
    pub fn leaf(&self, account: &Account) -> Option<(u64, Amount)> {
        let index = self.leaves.binary_search_by(|leaf| leaf.account.cmp(account)).ok()?;
        Some((index as u64, self.leaves.get(index)?.amount))
    }

    /// What an account earned, with its proof.
    pub fn prove(&self, account: &Account) -> Option<(Amount, SumProof)> {
        let (index, amount) = self.leaf(account)?;
        let index = usize::try_from(index).ok()?;
        Some((amount, sum_tree::prove(&self.nodes(), index).ok()??))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::epoch::FeeSplit;
    use datanet_types::{Address, ChannelId, Digest};

    const NODE: NodeKey = NodeKey([1; 32]);

    fn statement() -> Statement {
        let leaves = (1..6u8).map(|n| EpochLeaf { account: Address([n; 20]).into(), amount: u64::from(n) }).collect();
        let receipt = |n: u8| SettledReceipt {
            channel: ChannelId([n / 3; 32]),
            cumulative: u64::from(n) * 5,
            fee: 5,
            digest: Digest([n; 32]),
            ..SettledReceipt::default()
        };
        let receipts = (1..6u8).map(receipt).collect();
        Statement { leaves, receipts, ..Statement::of("c", NODE, &Settling { epoch: 1, shares: vec![] }) }
    }

    /// What the ledger says of it.
    fn settled(statement: &Statement) -> Epoch {
        let (tree, accounts) = (statement.tree().unwrap(), statement.accounts());
        let split = FeeSplit { contributors: tree.sum, ..FeeSplit::default() };
        let (answers, receipts) = (statement.receipts.len() as u64, statement.receipts_tree().unwrap());
        let totals = EpochTotals { answers, fees: receipts.sum, split, ..EpochTotals::default() };
        let (root, receipts) = (tree.digest, receipts.digest);
        Epoch { node: NODE, epoch: 1, root, totals, accounts, receipts, ..Epoch::default() }
    }

    #[test]
    fn every_account_can_prove_its_leaf() {
        let statement = statement();
        let tree = statement.tree().unwrap();
        for leaf in &statement.leaves {
            let (amount, proof) = statement.prove(&leaf.account).unwrap();
            assert_eq!(amount, leaf.amount);
            assert!(proof.verify(leaf.node("c", &NODE, 1), &tree));
        }
        assert!(statement.prove(&Address([9; 20]).into()).is_none());
    }

    #[test]
    fn a_receipt_for_the_same_money_is_found_with_its_proof() {
        let statement = statement();
        let settled = statement.receipts[2];
        assert_eq!(statement.contradiction(&settled.head()), None);
        let given = ReceiptHead { digest: Digest([9; 32]), ..settled.head() };
        let (found, proof) = statement.contradiction(&given).unwrap();
        assert_eq!(found, settled);
        assert!(proof.verify(settled.node("c", &NODE, 1), &statement.receipts_tree().unwrap()));
        let elsewhere = ReceiptHead { channel: Some(ChannelId([9; 32])), ..given };
        assert_eq!(statement.contradiction(&elsewhere), None);
    }

    #[test]
    fn a_statement_that_is_not_the_settled_one_is_refused() {
        let (bytes, epoch) = (statement().to_bytes().unwrap(), settled(&statement()));
        assert!(Statement::parse(&bytes, "c", &epoch).is_ok());
        let refused = |bytes: &[u8], chain: &str, epoch: &Epoch, why: &str| {
            let reason = Statement::parse(bytes, chain, epoch).unwrap_err();
            assert!(reason.contains(why), "{reason}");
        };
        refused(&bytes, "c", &Epoch { root: Digest([1; 32]), ..epoch.clone() }, "root");
        refused(&bytes, "c", &Epoch { accounts: 4, ..epoch.clone() }, "root");
        refused(&bytes, "d", &epoch, "another chain");
        refused(&bytes, "c", &Epoch { epoch: 2, ..epoch.clone() }, "or epoch");
        refused(b"garbage", "c", &epoch, "not a statement");
        let other = EpochTotals { answers: 4, ..epoch.totals };
        refused(&bytes, "c", &Epoch { totals: other, ..epoch.clone() }, "receipts do not give the root");
        let change = |change: &dyn Fn(&mut Statement)| {
            let mut statement = statement();
            change(&mut statement);
            statement.to_bytes().unwrap()
        };
        refused(&change(&|other| other.receipts[1].fee += 1), "c", &epoch, "receipts do not give the root");
        refused(&change(&|other| other.receipts.swap(0, 1)), "c", &epoch, "receipts are not ordered");
        refused(&change(&|other| other.receipts[1] = other.receipts[0]), "c", &epoch, "receipts are not ordered");
        let mut greedy = statement();
        greedy.leaves[2].amount += 1;
        refused(&greedy.to_bytes().unwrap(), "c", &epoch, "promises 16 where 15 were settled");
        greedy.leaves[2].amount = u64::MAX;
        refused(&greedy.to_bytes().unwrap(), "c", &epoch, "64 bits");
        greedy.leaves.swap(0, 1);
        refused(&greedy.to_bytes().unwrap(), "c", &epoch, "not ordered");
    }
}
