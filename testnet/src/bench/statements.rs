//! What one claim fetches of an epoch's statement, by how many accounts it has: the index and a page, against all of it in one blob of JSON, as it was
//! before pages.

use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use datanet::billing::statement::{Index, Paged, Statement};
use datanet::db::accruals::{EarnedBy, Earning, EarningKey, EarningLine, EarningRole};
use datanet_ledger::component::settlement::Epoch;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeSplit};
use datanet_types::settled_receipt::{MAX_ANSWERS, SettledReceipt};
use datanet_types::sum_tree::{self, SumNode};
use datanet_types::{Account, ChannelId, ContributionId, DatanetId, Digest, NodeKey, Ppm, ReceiptId};
use serde::Serialize;

use super::{Measure, median, nobody};
use crate::ui::Ui;

const CHAIN: &str = "bench";
const NODE: NodeKey = NodeKey([1; 32]);
/// Reasons of each account: contributions that carried its answers.
const REASONS: u64 = 2;
/// Times that a proof is made of each.
const ROUNDS: usize = 5;
/// Much less than before is the aim; for a handful of accounts no more than that.
const GOAL: f64 = 1.0;
const PEER: &str = "one blob of JSON (version 3)";

/// What to measure.
#[derive(Debug, Clone)]
pub struct StatementsBench {
    /// Accounts that earn, of each epoch.
    pub accounts: Vec<u64>,
}

/// A statement as it was before pages.
#[derive(Serialize)]
struct Before<'a> {
    version: u32,
    chain_id: &'a str,
    node: NodeKey,
    epoch: u64,
    totals: EpochTotals,
    leaves: &'a [EpochLeaf],
    lines: &'a [EarningLine],
    receipts: &'a [SettledReceipt],
}

/// Measures.
///
/// # Errors
/// When a statement cannot be made, or its proof is wrong.
pub async fn run(bench: &StatementsBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    let mut measures = Vec::new();
    for &accounts in &bench.accounts {
        ensure!(accounts > 0, "an epoch in which nobody earns has nothing to claim");
        let step = ui.step(format!("an epoch of {accounts} accounts"));
        let of = tokio::task::spawn_blocking(move || one(accounts)).await??;
        step.done(format!("{:.0} bytes a claim", of.first().map_or(0.0, |measure| measure.ours)));
        measures.extend(of);
    }
    Ok(measures)
}

fn one(accounts: u64) -> Result<Vec<Measure>> {
    let statement = statement(accounts);
    let (paged, before, epoch) = (statement.paged()?, before(&statement)?, settled(&statement)?);
    let index = Index::parse(&paged.index, CHAIN, &epoch).map_err(|reason| anyhow!(reason))?;
    let who = statement.leaves.get(statement.leaves.len() / 2).context("nobody earns")?.account;
    let number = index.leaf_page(&who).context("whoever earned is on a page")?;
    let leaves = index.page::<EpochLeaf>(number).context("there is such a page")?;
    let lines = index.line_pages(&who).filter_map(|number| index.page::<EarningLine>(number));
    let lines: u64 = lines.map(|page| page.bytes).sum();
    let (own, all) = (paged.index.len() as u64, before.len() as f64);
    let size = |what: &str, bytes: u64| {
        let what = format!("{what}, {accounts} accounts");
        Measure::size(&what, "bytes", bytes as f64, all, PEER, GOAL)
    };
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        prove_paged(&paged, number, &who, &epoch)?;
        ours.push(began.elapsed().as_secs_f64() * 1_000.0);
        let began = Instant::now();
        prove_before(&before, &who)?;
        peer.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let proof = format!("from bytes to a proof, {accounts} accounts");
    Ok(vec![
        size("fetched for one claim", own + leaves.bytes),
        size("fetched to know why, too", own + leaves.bytes + lines),
        size("all of it, fetched by who keeps or audits it", index.total_bytes()),
        Measure::size(&proof, "ms", median(ours), median(peer), PEER, GOAL),
    ])
}

/// An epoch in which each account earned by two contributions, and as many answers were given as there are accounts, or may be.
fn statement(accounts: u64) -> Statement {
    let mut all: Vec<Account> = (0..accounts).map(|n| nobody(n).into()).collect();
    all.sort_unstable();
    let hash = |what: &str, n: u64| *blake3::hash(format!("{what}/{n}").as_bytes()).as_bytes();
    let (mut leaves, mut lines) = (Vec::new(), Vec::<EarningLine>::new());
    for (n, account) in (0u64..).zip(all) {
        let amount = 1_000 + n % 9_000;
        let mut own: Vec<EarningLine> = (0..REASONS)
            .map(|reason| {
                let contribution = Some(ContributionId(hash("contribution", n * REASONS + reason)));
                let (role, datanet) = (EarningRole::Contributor, DatanetId(hash("datanet", n % 20)));
                let earning = Earning { amount, answers: 3, weights: Ppm(300_000 + n), ..Earning::default() };
                (EarningKey { account, role, datanet, contribution, by: EarnedBy::Answers }, earning)
            })
            .collect();
        own.sort_by(|a, b| a.0.cmp(&b.0));
        lines.extend(own);
        leaves.push(EpochLeaf { account, amount: amount * REASONS });
    }
    let answers = accounts.min(MAX_ANSWERS);
    let receipt = |n: u64| SettledReceipt {
        channel: ChannelId([0; 32]),
        cumulative: (n + 1) * 20_000,
        fee: 20_000,
        receipt: ReceiptId(hash("receipt", n)),
        digest: Digest(hash("digest", n)),
    };
    let receipts = (0..answers).map(receipt).collect();
    let split = FeeSplit { contributors: leaves.iter().map(|leaf| leaf.amount).sum(), ..FeeSplit::default() };
    let totals = EpochTotals { answers, fees: answers * 20_000, split, unearned: 0 };
    let (chain_id, carries, debts) = (CHAIN.to_owned(), None, Vec::new());
    Statement { chain_id, node: NODE, epoch: 1, totals, leaves, lines, receipts, carries, debts }
}

fn settled(statement: &Statement) -> Result<Epoch> {
    let (root, receipts) = (statement.tree()?.digest, statement.receipts_tree()?.digest);
    let (totals, accounts) = (statement.totals, statement.accounts());
    Ok(Epoch { node: NODE, epoch: 1, root, totals, accounts, receipts, ..Epoch::default() })
}

fn before(statement: &Statement) -> Result<Vec<u8>> {
    let Statement { chain_id, node, epoch, totals, leaves, lines, receipts, .. } = statement;
    let (node, epoch, totals) = (*node, *epoch, *totals);
    Ok(serde_json::to_vec(&Before { version: 3, chain_id, node, epoch, totals, leaves, lines, receipts })?)
}

/// What a claim does: the index and a page are read, each against the roots, and the leaf is proven.
fn prove_paged(paged: &Paged, number: usize, who: &Account, epoch: &Epoch) -> Result<()> {
    let index = Index::parse(&paged.index, CHAIN, epoch).map_err(|reason| anyhow!(reason))?;
    let page = paged.pages.get(number).context("pages of leaves come first")?;
    let leaves: Vec<EpochLeaf> = index.read(number, page).map_err(|reason| anyhow!(reason))?;
    let (amount, proof) = index.prove(number, &leaves, who).context("it is on its page")?;
    let leaf = EpochLeaf { account: *who, amount };
    ensure!(proof.verify(leaf.node(CHAIN, &NODE, 1), &epoch.tree()), "a proof that is none");
    Ok(())
}

/// What it did before: everything is read, both roots are made from it, and the leaf is proven.
fn prove_before(bytes: &[u8], who: &Account) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Parsed {
        leaves: Vec<EpochLeaf>,
        #[serde(rename = "lines")]
        _lines: Vec<EarningLine>,
        receipts: Vec<SettledReceipt>,
    }
    let parsed: Parsed = serde_json::from_slice(bytes)?;
    let leaves: Vec<SumNode> = parsed.leaves.iter().map(|leaf| leaf.node(CHAIN, &NODE, 1)).collect();
    let receipts: Vec<SumNode> = parsed.receipts.iter().map(|receipt| receipt.node(CHAIN, &NODE, 1)).collect();
    sum_tree::root(&receipts)?;
    let root = sum_tree::root(&leaves)?;
    let at = parsed.leaves.binary_search_by(|leaf| leaf.account.cmp(who)).ok().context("it is among them")?;
    let proof = sum_tree::prove(&leaves, at)?.context("it is among them")?;
    ensure!(leaves.get(at).is_some_and(|leaf| proof.verify(*leaf, &root)), "a proof that is none");
    Ok(())
}

#[cfg(test)]
mod tests {
    use datanet_types::Amount;

    use super::*;

    #[test]
    fn a_claim_fetches_less_the_larger_the_epoch_is_against_all_of_it() {
        let all: Vec<Amount> = [10, 1_000, 10_000].map(|accounts| one(accounts).unwrap()[0].ratio as Amount).to_vec();
        assert!(all[0] >= 1 && all[1] > 5 && all[2] > 50, "{all:?}");
    }
}
