//! What an account earned, why, and how it gets it: read from the public statements of all serving nodes.

use datanet_ledger::component::nodes;
use datanet_ledger::component::settlement::{self, Epoch};
use datanet_types::action::Claim;
use datanet_types::{Action, Address, Amount, ContributionId, DatanetId, NodeKey, TxHash};

use super::Billing;
use super::statement::{MAX_STATEMENT_BYTES, Statement};
pub use crate::db::accruals::EarningRole;
use crate::error::{Code, ServiceError, ServiceResult};

/// Epochs read for one node at most, the latest.
const MAX_EPOCHS: usize = 1_000;

/// What an account earned in all.
#[derive(Debug, Clone, Default, serde::Serialize, utoipa::ToSchema)]
pub struct Earnings {
    /// Base units earned in settled epochs.
    pub earned: Amount,
    /// Base units claimed of it.
    pub claimed: Amount,
    /// Base units that a claim would pay now.
    pub claimable: Amount,
    /// Why.
    pub lines: Vec<EarningView>,
    /// Statements that could not be read now, so that lines may be missing.
    pub missing: Vec<String>,
}

/// One reason for pay.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct EarningView {
    /// The serving node.
    #[schema(value_type = String)]
    pub node: NodeKey,
    /// Its epoch.
    pub epoch: u64,
    /// As what.
    pub role: EarningRole,
    /// The datanet asked.
    #[schema(value_type = String)]
    pub datanet: DatanetId,
    /// The contribution.
    #[schema(value_type = Option<String>)]
    pub contribution: Option<ContributionId>,
    /// Answers that rest on it.
    pub answers: u64,
    /// Sum of its weights in those answers, in parts per million.
    pub weight_ppm_sum: u64,
    /// Base units.
    pub amount: Amount,
    /// All of it in words.
    pub why: String,
}

/// A claim paid.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Claimed {
    /// The serving node.
    pub node: NodeKey,
    /// Base units paid.
    pub amount: Amount,
    /// The transaction.
    pub tx: TxHash,
}

impl Billing {
    /// What `account` earned.
    pub async fn earnings(&self, account: &Address) -> ServiceResult<Earnings> {
        let mut sum = Earnings::default();
        for (node, latest) in self.settled_nodes()? {
            let claimed = settlement::claimed(&self.chain.reader()?, &node, account)?;
            sum.claimed = sum.claimed.saturating_add(claimed);
            let epochs = settlement::epochs(&self.chain.reader()?, &node, first_epoch(&latest), MAX_EPOCHS)?;
            for epoch in epochs {
                let statement = match self.statement(&epoch).await {
                    Ok(statement) => statement,
                    Err(error) => {
                        sum.missing.push(format!("epoch {} of node {node}: {error}", epoch.epoch));
                        continue;
                    }
                };
                if epoch.epoch == latest.epoch {
                    let cumulative = statement.prove(account).map_or(0, |(cumulative, _)| cumulative);
                    sum.earned = sum.earned.saturating_add(cumulative);
                    sum.claimable = sum.claimable.saturating_add(cumulative.saturating_sub(claimed));
                }
                sum.lines.extend(lines_of(&statement, account));
            }
        }
        Ok(sum)
    }

    /// Pays `account` what every serving node owes it. The fee is paid by the account's own key if it is here, else by the
    /// node's.
    pub async fn claim(&self, account: &Address) -> ServiceResult<Vec<Claimed>> {
        let payer = match self.keyring.by_address(account) {
            Some(key) => key,
            None => self.identity.account_key()?,
        };
        let mut claims = Vec::new();
        for (node, latest) in self.settled_nodes()? {
            let Some((cumulative, proof)) = self.statement(&latest).await?.prove(account) else { continue };
            let claimed = settlement::claimed(&self.chain.reader()?, &node, account)?;
            let amount = cumulative.saturating_sub(claimed);
            if amount == 0 {
                continue;
            }
            let action = Claim { node, account: *account, cumulative, proof };
            let tx = self.chain.execute(&payer, Action::Claim(action)).await?.hash;
            claims.push(Claimed { node, amount, tx });
        }
        Ok(claims)
    }

    /// All nodes that have settled, with their latest epoch.
    fn settled_nodes(&self) -> ServiceResult<Vec<(NodeKey, Epoch)>> {
        let reader = self.chain.reader()?;
        let mut settled = Vec::new();
        for node in nodes::list(&reader, None, usize::MAX)? {
            if let Some(settlement) = settlement::get(&reader, &node.node)? {
                settled.push((node.node, settlement.latest));
            }
        }
        Ok(settled)
    }

    /// Reads an epoch's statement from here or from the node that wrote it.
    async fn statement(&self, epoch: &Epoch) -> ServiceResult<Statement> {
        self.blobs.bring(&epoch.statement, None, MAX_STATEMENT_BYTES, &[epoch.node]).await?;
        let bytes = self.blobs.read(&epoch.statement, MAX_STATEMENT_BYTES).await?;
        Statement::parse(&bytes, self.chain.id(), &epoch.node, &epoch.root)
            .map_err(|reason| ServiceError::new(Code::BadStatement, format!("statement {}: {reason}", epoch.statement)))
    }
}

/// The number behind which the last [`MAX_EPOCHS`] begin.
fn first_epoch(latest: &Epoch) -> Option<u64> {
    latest.epoch.checked_sub(MAX_EPOCHS as u64)
}

fn lines_of(statement: &Statement, account: &Address) -> Vec<EarningView> {
    let own = statement.lines.iter().filter(|(key, _)| key.account == *account);
    let view = own.map(|(key, earning)| EarningView {
        node: statement.node,
        epoch: statement.epoch,
        role: key.role,
        datanet: key.datanet,
        contribution: key.contribution,
        answers: earning.answers,
        weight_ppm_sum: earning.weight,
        amount: earning.amount,
        why: why(key.role, key.contribution.as_ref(), earning.answers, earning.weight),
    });
    view.collect()
}

fn why(role: EarningRole, contribution: Option<&ContributionId>, answers: u64, weight: u64) -> String {
    let short = contribution.map(|id| id.to_hex().chars().take(8).collect::<String>()).unwrap_or_default();
    let plural = if answers == 1 { "answer" } else { "answers" };
    let percent = weight.checked_div(answers).unwrap_or(0) / 10_000;
    match role {
        EarningRole::Contributor => {
            format!("contribution {short} carried {answers} {plural}, {percent} % of each on average")
        }
        EarningRole::Owner => format!("your model gave {answers} {plural}"),
        EarningRole::Lineage => format!("a model made from yours gave {answers} {plural}"),
        EarningRole::Validator => format!("you judged contribution {short}, which carried {answers} {plural}"),
        EarningRole::Treasury => format!("no taker for a share of {answers} {plural}"),
    }
}
