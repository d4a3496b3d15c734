//! What contributions owe now: by this node's own statement, and by those of others that lie here.

use std::collections::{BTreeMap, BTreeSet};

use datanet_ledger::LedgerReader;
use datanet_ledger::component::nodes;
use datanet_ledger::component::settlement::{self, Carried, Status};
use datanet_types::netting::Debt;
use datanet_types::{ContributionId, ModelId, NodeKey};

use super::Billing;
use super::settle::without_debts;
use crate::error::ServiceResult;

/// Other nodes whose statements are looked at.
const MAX_NODES: usize = 64;
/// Epochs of a node that are looked at for one that is final, from its newest back: those that can be challenged are few.
const MAX_OPEN: u64 = 64;

impl Billing {
    /// The statement whose debts this node's next epoch begins with, and those debts, ordered by model and contribution. A model that was not asked since
    /// keeps its own in every statement, so that they are those of the last epoch of each release that answered here.
    ///
    /// # Errors
    /// When the statement can't be had ([`Statement`](crate::error::Code::Statement)), or the ledger has no block yet or cannot be read.
    pub async fn own_debts(&self) -> ServiceResult<(Option<Carried>, Vec<Debt>)> {
        let node = self.identity.node_key();
        let carries = settlement::get(&self.chain.reader()?, &node)?.and_then(|settled| settled.carried());
        let debts = self.statements.debts(&node, carries.as_ref()).await;
        let debts = debts.map_err(|unread| without_debts(unread, carries.as_ref()))?;
        Ok((carries, debts))
    }

    /// At how many other nodes each contribution owes by one of `models`: by their newest final epoch, where its statement lies here. Who settles alone
    /// chooses what he asks himself, so that this is worth knowing and decides nothing.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub async fn debts_elsewhere(&self, models: &BTreeSet<ModelId>) -> ServiceResult<BTreeMap<ContributionId, u64>> {
        let own = self.identity.node_key();
        let mut found = BTreeMap::new();
        let statements = final_statements(&self.chain.reader()?, &own)?;
        for (node, of) in statements {
            let Some(debts) = self.statements.debts_here(&node, &of).await else { continue };
            let owing: BTreeSet<ContributionId> =
                debts.iter().filter(|debt| models.contains(&debt.model)).map(|debt| debt.contribution).collect();
            for contribution in owing {
                let nodes: &mut u64 = found.entry(contribution).or_default();
                *nodes = nodes.saturating_add(1);
            }
        }
        Ok(found)
    }
}

/// The newest epoch of each other node that is final.
fn final_statements(reader: &LedgerReader, own: &NodeKey) -> ServiceResult<Vec<(NodeKey, Carried)>> {
    let mut all = Vec::new();
    for node in nodes::list(reader, None, usize::MAX)?.into_iter().map(|node| node.node).filter(|node| node != own) {
        let latest = settlement::get(reader, &node)?.map_or(0, |settled| settled.latest.epoch);
        for number in (latest.saturating_sub(MAX_OPEN)..=latest).rev() {
            let epoch = settlement::epoch(reader, &node, number)?.filter(|epoch| epoch.status() == Status::Final);
            if let Some(epoch) = epoch {
                all.push((node, Carried { epoch: epoch.epoch, statement: epoch.statement }));
                break;
            }
        }
        if all.len() >= MAX_NODES {
            break;
        }
    }
    Ok(all)
}
