//! What an account earned and why: read from the public statements of all serving nodes.

mod why;

use std::collections::{BTreeMap, BTreeSet};

use datanet_ledger::LedgerReader;
use datanet_ledger::component::nodes;
use datanet_ledger::component::settlement::{self, Epoch, Status, escrow};
use datanet_types::{Account, Address, Amount, Asset, ContributionId, DatanetId, ModelId, NodeKey, Ppm};
use tokio::time::Instant;

use super::Billing;
use super::payees::{self, Payees};
use super::sources::{self, IN_ALL, Source};
use super::statements::Purpose;
pub use crate::db::accruals::EarningRole;
use crate::db::accruals::{EarnedBy, Earning, EarningLine};
use crate::error::ServiceResult;

/// Epochs without money left that are read for one node at most, the latest. Only what was claimed stands there.
const MAX_CLOSED: usize = 1_000;
/// Epochs without money left that are read at most, over all nodes.
const MAX_CLOSED_IN_ALL: usize = 4_096;
/// Reasons shown at most: a statement may claim any number of them.
const MAX_LINES: usize = 20_000;

/// What an account earned, in all epochs with money left and the latest of the others.
#[derive(Debug, Clone, Default)]
pub struct Earnings {
    /// Base units earned in settled epochs, but for those that were void.
    pub earned: Amount,
    /// Base units claimed of it.
    pub claimed: Amount,
    /// Base units that a claim would pay now.
    pub claimable: Amount,
    /// Base units earned in epochs that can still be challenged: they can be claimed once those are final.
    pub pending: Amount,
    /// Block time from which some of that is final, in seconds since 1970.
    pub next_final: Option<u64>,
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
    /// Answers that rest on it; of what was netted, all of the model's that it moved.
    pub answers: u64,
    /// Sum of its weights in those answers, where each paid by them.
    pub weights: Option<Ppm>,
    /// What it is in all of them, where they were netted.
    pub netted: Option<Netted>,
    /// Base units.
    pub amount: Amount,
    /// The datanet or model that earned it for its owner, if it was none of the account's own doing.
    pub asset: Option<Asset>,
    /// All of it in words.
    pub why: String,
}

/// What a contribution is in an epoch's netted answers of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Netted {
    /// The model; none where a statement has those of several in one line.
    pub model: Option<ModelId>,
    /// Its share of the model's fees, and of all worth that was left; none of several models, and of what is no contribution's.
    pub share: Option<Ppm>,
    /// What was left of its worth, harm and debts taken from help, in base units times millionths.
    pub left: u64,
}

impl Billing {
    /// What `account` earned, and the datanets and models that it owns and of which there are no shares.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read. A statement that cannot be read is no error:
    /// [`Earnings::missing`] says why.
    pub async fn earnings(&self, account: &Address) -> ServiceResult<Earnings> {
        let deadline = Instant::now() + IN_ALL;
        let payees = payees::of_account(&self.chain.reader()?, account)?;
        let accounts: Vec<Account> = payees.keys().copied().collect();
        let (open, mut earnings) = (self.sources(&accounts, Purpose::Explain).await?, Earnings::default());
        let closed = self.closed(&open, &accounts).await?;
        // What can be claimed counts more than what was.
        let mut missing = self.add(&mut earnings, open, deadline, &payees).await?;
        missing.extend(self.add(&mut earnings, closed, deadline, &payees).await?);
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
        payees: &Payees,
    ) -> ServiceResult<BTreeMap<(NodeKey, u64), String>> {
        let accounts: Vec<Account> = payees.keys().copied().collect();
        let read = |epoch: Epoch| {
            let (statements, accounts) = (self.statements.clone(), accounts.clone());
            async move { Ok((statements.leaves(&epoch, &accounts).await?, statements.lines(&epoch, &accounts).await?)) }
        };
        let asked = sources::ask(sources, deadline, read).await;
        let reader = self.chain.reader()?;
        for (source, (leaves, lines)) in asked.good {
            for (_, amount, proof) in leaves {
                earnings.add(&reader, &source.epoch, proof.index, amount)?;
            }
            let room = MAX_LINES.saturating_sub(earnings.lines.len());
            earnings.lines.extend(views(&source.epoch, lines, payees).take(room));
        }
        Ok(asked.failed)
    }

    /// The latest epochs without money left, node by node in turns.
    async fn closed(&self, open: &[Source], accounts: &[Account]) -> ServiceResult<Vec<Source>> {
        let (reader, connected) = (self.chain.reader()?, self.blobs.connected());
        let open: BTreeSet<(NodeKey, u64)> = open.iter().map(|open| (open.epoch.node, open.epoch.epoch)).collect();
        let mut latest = Vec::new();
        for node in nodes::list(&reader, None, usize::MAX)? {
            latest.extend(settlement::get(&reader, &node.node)?.map(|settled| (node.node, settled.latest.epoch)));
        }
        let mut sources = Vec::new();
        for (turn, node, number) in
            newest_in_turns(&latest).filter(|(_, node, number)| !open.contains(&(*node, *number)))
        {
            let Some(epoch) = settlement::epoch(&reader, &node, number)? else { continue };
            if epoch.status() == Status::Void {
                continue;
            }
            let here = self.statements.is_here(&epoch, accounts, Purpose::Explain).await;
            let connected = connected.contains(&node);
            let doubtful = self.statements.is_doubtful(&node);
            sources.push(Source { epoch, left: 0, turn, here, connected, doubtful });
            if sources.len() >= MAX_CLOSED_IN_ALL {
                break;
            }
        }
        sources::sort(&mut sources);
        Ok(sources)
    }
}

/// Turn, node and number of the latest epochs of nodes, of which the latest numbers are given: one of each, then the one
/// before of each.
fn newest_in_turns(latest: &[(NodeKey, u64)]) -> impl Iterator<Item = (usize, NodeKey, u64)> {
    (0..MAX_CLOSED).flat_map(move |turn| {
        let number = move |latest: u64| latest.checked_sub(turn as u64).filter(|number| *number > 0);
        latest.iter().filter_map(move |(node, latest)| number(*latest).map(|number| (turn, *node, number)))
    })
}

impl Earnings {
    fn add(&mut self, reader: &LedgerReader, epoch: &Epoch, index: u64, amount: Amount) -> ServiceResult<()> {
        let place = match epoch.status() {
            // It has earned nobody anything.
            Status::Void => return Ok(()),
            Status::Open | Status::Audited => {
                self.next_final = Some(self.next_final.unwrap_or(u64::MAX).min(epoch.final_at));
                &mut self.pending
            }
            Status::Final if escrow::is_claimed(reader, &epoch.node, epoch.epoch, index)? => &mut self.claimed,
            Status::Final => &mut self.claimable,
        };
        *place = place.saturating_add(amount);
        self.earned = self.earned.saturating_add(amount);
        Ok(())
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

fn views(epoch: &Epoch, lines: Vec<EarningLine>, payees: &Payees) -> impl Iterator<Item = EarningView> {
    let own = lines.into_iter().filter_map(move |line| payees.get(&line.0.account).map(|asset| (line, *asset)));
    own.map(move |((key, earning), asset)| EarningView {
        node: epoch.node,
        epoch: epoch.epoch,
        role: key.role,
        datanet: key.datanet,
        contribution: key.contribution,
        answers: earning.answers,
        weights: (earning.weights > Ppm::ZERO).then_some(earning.weights),
        netted: netted(key.by, &earning),
        amount: earning.amount,
        asset,
        why: why::words(&key, &earning, asset.as_ref()),
    })
}

fn netted(by: EarnedBy, earning: &Earning) -> Option<Netted> {
    let EarnedBy::Netted(model) = by else { return None };
    Some(Netted { model, share: (earning.share > Ppm::ZERO).then_some(earning.share), left: earning.left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::accruals::EarningKey;

    #[test]
    fn a_line_is_shown_with_weights_or_as_netted() {
        let epoch = Epoch::default();
        let model = Some(ModelId([7; 32]));
        let account = Account::from(Address([5; 20]));
        let of = |by, earning| {
            let (role, datanet) = (EarningRole::Contributor, DatanetId::ZERO);
            (EarningKey { account, role, datanet, contribution: None, by }, earning)
        };
        let lines = vec![
            of(EarnedBy::Answers, Earning { answers: 2, weights: Ppm(3), ..Earning::default() }),
            of(EarnedBy::Netted(model), Earning { answers: 2, share: Ppm(4), left: 5, ..Earning::default() }),
        ];
        let payees = Payees::from([(account, None)]);
        let shown: Vec<_> = views(&epoch, lines, &payees).map(|view| (view.weights, view.netted)).collect();
        assert_eq!(shown, [(Some(Ppm(3)), None), (None, Some(Netted { model, share: Some(Ppm(4)), left: 5 }))]);
    }

    #[test]
    fn closed_epochs_are_read_newest_first_and_by_turns() {
        let (a, b) = (NodeKey([1; 32]), NodeKey([2; 32]));
        let turns: Vec<_> = newest_in_turns(&[(a, 3), (b, 1)]).collect();
        assert_eq!(turns, [(0, a, 3), (0, b, 1), (1, a, 2), (2, a, 1)]);
        assert_eq!(newest_in_turns(&[(a, 1_000_000)]).count(), MAX_CLOSED);
    }

    #[test]
    fn what_is_missing_is_said_once_a_node_with_the_latest_reason() {
        let (a, b) = (NodeKey([1; 32]), NodeKey([2; 32]));
        let missing = [((a, 1), "old"), ((a, 2), "new"), ((b, 7), "other")];
        let said = by_node(missing.map(|(key, reason)| (key, reason.to_owned())).into());
        let said: Vec<_> = said.iter().map(|one| (one.node, one.epochs, one.reason.as_str())).collect();
        assert_eq!(said, [(a, 2, "new"), (b, 1, "other")]);
    }
}
