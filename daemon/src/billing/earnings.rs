//! What an account earned and why: read from the public statements of all serving nodes.

use std::collections::BTreeMap;

use datanet_ledger::component::settlement;
use datanet_types::{Address, Amount, ContributionId, DatanetId, NodeKey, Ppm};
use tokio::time::Instant;

use super::Billing;
use super::sources::{self, IN_ALL, Source};
use super::statement::Statement;
pub use crate::db::accruals::EarningRole;
use crate::error::ServiceResult;

/// Epochs read for one node at most, the latest.
const MAX_EPOCHS: usize = 1_000;
/// Epochs before the latest ones that are read at most, over all nodes: they only say why.
const MAX_OLDER: usize = 4_096;
/// Reasons shown at most: a statement may claim any number of them.
const MAX_LINES: usize = 20_000;

/// What an account earned in all.
#[derive(Debug, Clone, Default)]
pub struct Earnings {
    /// Base units earned in settled epochs.
    pub earned: Amount,
    /// Base units claimed of it.
    pub claimed: Amount,
    /// Base units that a claim would pay now.
    pub claimable: Amount,
    /// Why.
    pub lines: Vec<EarningView>,
    /// Nodes whose statements could not be read now, so that sums are too small or lines are missing.
    pub missing: Vec<Missing>,
}

/// What is missing of a node.
#[derive(Debug, Clone)]
pub struct Missing {
    /// The serving node.
    pub node: NodeKey,
    /// Epochs that could not be read.
    pub epochs: u64,
    /// Why the latest of them could not.
    pub reason: String,
}

/// One reason for pay.
#[derive(Debug, Clone)]
pub struct EarningView {
    /// The serving node.
    pub node: NodeKey,
    /// Its epoch.
    pub epoch: u64,
    /// As what.
    pub role: EarningRole,
    /// The datanet asked.
    pub datanet: DatanetId,
    /// The contribution.
    pub contribution: Option<ContributionId>,
    /// Answers that rest on it.
    pub answers: u64,
    /// Sum of its weights in those answers.
    pub weight_ppm_sum: Ppm,
    /// Base units.
    pub amount: Amount,
    /// All of it in words.
    pub why: String,
}

impl Billing {
    /// What `account` earned.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read. A statement that cannot be read is no error:
    /// [`Earnings::missing`] says why.
    pub async fn earnings(&self, account: &Address) -> ServiceResult<Earnings> {
        let deadline = Instant::now() + IN_ALL;
        let (sources, mut earnings) = (self.sources().await?, Earnings::default());
        let reader = self.chain.reader()?;
        for source in &sources {
            let claimed = settlement::claimed(&reader, &source.epoch.node, account)?;
            earnings.claimed = earnings.claimed.saturating_add(claimed);
        }
        // All sums stand in the latest statements; those before them only say why.
        let mut missing = self.add(&mut earnings, sources.clone(), deadline, account, true).await?;
        let older = self.older(&sources, &missing).await?;
        missing.extend(self.add(&mut earnings, older, deadline, account, false).await?);
        earnings.lines.sort_by_key(|line| (line.node, line.epoch));
        earnings.missing = by_node(missing);
        Ok(earnings)
    }

    /// Reads statements into `earnings`; those that could not be read, with the reason.
    async fn add(
        &self,
        earnings: &mut Earnings,
        sources: Vec<Source>,
        deadline: Instant,
        account: &Address,
        latest: bool,
    ) -> ServiceResult<BTreeMap<(NodeKey, u64), String>> {
        let (statements, of) = (self.statements.clone(), *account);
        let read = move |epoch| {
            let statements = statements.clone();
            async move {
                let statement = statements.read(&epoch).await?;
                let cumulative = if latest { statement.cumulative(&of) } else { 0 };
                // A large one takes a moment.
                let lines = tokio::task::spawn_blocking(move || lines_of(&statement, &of)).await;
                Ok((cumulative, lines.unwrap_or_default()))
            }
        };
        let asked = sources::ask(sources, deadline, read).await;
        let reader = self.chain.reader()?;
        for (source, (cumulative, lines)) in asked.good {
            let claimed = settlement::claimed(&reader, &source.epoch.node, account)?;
            let left = cumulative.saturating_sub(claimed).min(source.pool);
            earnings.earned = earnings.earned.saturating_add(cumulative);
            earnings.claimable = earnings.claimable.saturating_add(left);
            let room = MAX_LINES.saturating_sub(earnings.lines.len());
            earnings.lines.extend(lines.into_iter().take(room));
        }
        Ok(asked.failed)
    }

    /// The epochs before the latest ones, newest first. Of a node that did not give its latest statement, what is here.
    async fn older(
        &self,
        sources: &[Source],
        missing: &BTreeMap<(NodeKey, u64), String>,
    ) -> ServiceResult<Vec<Source>> {
        let mut older: Vec<Source> = Vec::new();
        for source in sources {
            let (latest, room) = (&source.epoch, MAX_OLDER.saturating_sub(older.len()).min(MAX_EPOCHS));
            let silent = missing.contains_key(&(latest.node, latest.epoch));
            let first = latest.epoch.saturating_sub(1).checked_sub(room as u64);
            let epochs = settlement::epochs(&self.chain.reader()?, &latest.node, first, room)?;
            for epoch in epochs.into_iter().filter(|epoch| epoch.epoch < latest.epoch).rev() {
                let here = self.statements.is_here(&epoch).await;
                if here || !silent {
                    older.push(Source { epoch, here, ..source.clone() });
                }
            }
        }
        // What is here costs nobody's time.
        older.sort_by_key(|source| !source.here);
        Ok(older)
    }
}

/// One entry a node: how much is missing, and why the latest of it is.
fn by_node(missing: BTreeMap<(NodeKey, u64), String>) -> Vec<Missing> {
    let mut nodes: BTreeMap<NodeKey, Missing> = BTreeMap::new();
    for ((node, _), reason) in missing {
        let entry = nodes.entry(node).or_insert_with(|| Missing { node, epochs: 0, reason: String::new() });
        entry.epochs = entry.epochs.saturating_add(1);
        entry.reason = reason;
    }
    nodes.into_values().collect()
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

fn why(role: EarningRole, contribution: Option<&ContributionId>, answers: u64, weight: Ppm) -> String {
    let short = contribution.map(|id| id.to_hex().chars().take(8).collect::<String>()).unwrap_or_default();
    let plural = if answers == 1 { "answer" } else { "answers" };
    let percent = weight.0.checked_div(answers).unwrap_or(0) / 10_000;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_once_a_node_with_the_latest_reason() {
        let (a, b) = (NodeKey([1; 32]), NodeKey([2; 32]));
        let missing = [((a, 1), "old"), ((a, 2), "new"), ((b, 7), "other")];
        let said = by_node(missing.map(|(key, reason)| (key, reason.to_owned())).into());
        let said: Vec<_> = said.iter().map(|one| (one.node, one.epochs, one.reason.as_str())).collect();
        assert_eq!(said, [(a, 2, "new"), (b, 1, "other")]);
    }
}
