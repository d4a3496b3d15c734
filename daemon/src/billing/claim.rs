//! Claiming: an account is paid from the open epochs of every node what it earned there, and none can keep the others from
//! paying, nor a bad epoch the good ones of its own node.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use datanet_ledger::component::Params;
use datanet_ledger::component::settlement::{Epoch, MAX_ITEMS, escrow};
use datanet_types::action::{Claim, ClaimIncome, ClaimItem};
use datanet_types::amount::display;
use datanet_types::{Account, Action, Address, Amount, Asset, NodeKey, TxHash};
use futures::{StreamExt, stream};
use prost::Message as _;
use tokio::time::{Instant, timeout};

use super::Billing;
use super::payees::{self, Payees};
use super::sources::{self, IN_ALL, Source};
use super::statements::{Purpose, SIDE_BY_SIDE};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;

/// Bytes of a claim's transaction beside its items, and of an item beside itself.
const CLAIM_BYTES: u64 = 300;
const ITEM_BYTES: usize = 4;
/// Gas of a claim, and of each item of it beside: a proof, and a place that is written.
const CLAIM_GAS: u64 = 200_000;
const ITEM_GAS: u64 = 320_000;
/// How long a claim's block is waited for.
const BLOCK: Duration = Duration::from_secs(30);

/// What came of a claim. Nodes that owe the account nothing are not named.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// Who paid.
    pub claims: Vec<Claimed>,
    /// Base units paid in all.
    pub total: Amount,
    /// Nodes that may owe something and did not pay all of it now, each with the reason.
    pub failed: Vec<NotClaimed>,
}

/// What a node paid in one transaction.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The serving node.
    pub node: NodeKey,
    /// Epochs of it.
    pub epochs: u64,
    /// Base units paid.
    pub amount: Amount,
    /// The transaction.
    pub tx: TxHash,
}

/// What a node did not pay.
#[derive(Debug, Clone)]
pub struct NotClaimed {
    /// The serving node.
    pub node: NodeKey,
    /// Epochs of it.
    pub epochs: u64,
    /// Why not the latest of them, and what to do.
    pub reason: String,
}

/// Why epochs did not pay, by node and number.
type Failed = BTreeMap<(NodeKey, u64), String>;

/// An account in whose name something is due, the asset that it stands for, if it does, and the leaf.
type Due = (Account, Option<Asset>, ClaimItem);

impl Billing {
    /// Pays `account` what every serving node owes it, and the datanets and models that it owns and of which there are no shares, in as few
    /// transactions as that takes. Their fees are paid by the account's own key if it is here, else by the node's.
    ///
    /// # Errors
    /// When neither the account nor the node has a key here ([`Code::UnknownKey`]), or the ledger has no block yet or
    /// cannot be read. A node that does not pay is no error: [`Claims::failed`] says why.
    pub async fn claim(&self, account: &Address) -> ServiceResult<Claims> {
        let payer = match self.keyring.by_address(account)? {
            Some(key) => key,
            None => self.identity.account_key()?,
        };
        let payees = payees::of_account(&self.chain.reader()?, account)?;
        self.claim_all(payees, &payer, &account.0).await
    }

    /// Pays what every serving node owes to an asset: to its owner, or to the holders of its shares. `payer` pays the fees.
    ///
    /// # Errors
    /// As [`Billing::claim`].
    pub async fn claim_for(&self, asset: &Asset, payer: &AccountKey) -> ServiceResult<Claims> {
        self.claim_all(payees::of_asset(asset), payer, asset.id()).await
    }

    async fn claim_all(&self, payees: Payees, payer: &AccountKey, lane: &[u8]) -> ServiceResult<Claims> {
        let _one_at_a_time = self.claiming.hold(lane).await;
        let deadline = Instant::now() + IN_ALL;
        let accounts: Vec<Account> = payees.keys().copied().collect();
        let sources = self.sources(&accounts, Purpose::Claim).await?;
        let (here, elsewhere) = sources.into_iter().partition(|source| source.here);
        let (mut claims, mut failed, mut due) = (Claims::default(), Failed::new(), Vec::new());
        // What is here is paid before anybody is waited for.
        for sources in [here, elsewhere] {
            due.extend(self.due(sources, deadline, &payees, &mut failed).await?);
            due = self.pay(due, payer, &mut claims, &mut failed).await?;
        }
        let params = self.chain.params()?;
        for items in by_payee(due.iter()).into_values() {
            let (owed, fee) = (display(sum(&items)), display(fee_of(&params, &items)));
            let reason =
                format!("all that is left is {owed}, and claiming costs a fee of {fee}; claim once it is more");
            failed.extend(items.iter().map(|item| ((item.node, item.epoch), reason.clone())));
        }
        claims.failed = by_node(failed);
        Ok(claims)
    }

    /// What of `sources` is there to be claimed.
    async fn due(
        &self,
        sources: Vec<Source>,
        deadline: Instant,
        payees: &Payees,
        failed: &mut Failed,
    ) -> ServiceResult<Vec<Due>> {
        let (statements, accounts) = (self.statements.clone(), payees.keys().copied().collect::<Vec<_>>());
        let prove = move |epoch: Epoch| {
            let (statements, accounts) = (statements.clone(), accounts.clone());
            async move { statements.leaves(&epoch, &accounts).await }
        };
        let asked = sources::ask(sources, deadline, prove).await;
        failed.extend(asked.failed);
        let reader = self.chain.reader()?;
        let mut due = Vec::new();
        for (source, leaves) in asked.good {
            let (node, epoch) = (source.epoch.node, source.epoch.epoch);
            let mut done: BTreeSet<Account> = payees.keys().copied().collect();
            for (account, amount, proof) in leaves {
                if !escrow::is_claimed(&reader, &node, epoch, proof.index)? {
                    done.remove(&account);
                    let asset = payees.get(&account).copied().flatten();
                    due.push((account, asset, ClaimItem { node, epoch, amount, proof }));
                }
            }
            done.iter().for_each(|account| self.statements.set_done(account, &source.epoch));
        }
        Ok(due)
    }

    /// Claims what is worth its fee; gives what is not.
    async fn pay(
        &self,
        due: Vec<Due>,
        payer: &AccountKey,
        claims: &mut Claims,
        failed: &mut Failed,
    ) -> ServiceResult<Vec<Due>> {
        let params = self.chain.params()?;
        let assets: BTreeMap<Account, Option<Asset>> =
            due.iter().map(|(account, asset, _)| (*account, *asset)).collect();
        let (mut worth, mut left) = (Vec::new(), Vec::new());
        for (account, items) in by_payee(due.iter()) {
            let asset = assets.get(&account).copied().flatten();
            let (good, small) = batches(items, |items| fee_of(&params, items));
            worth.extend(good.into_iter().map(|items| (account, asset, items)));
            left.extend(small.into_iter().map(|item| (account, asset, item)));
        }
        let send = |(account, asset, items): (Account, Option<Asset>, Vec<ClaimItem>)| {
            let (billing, payer) = (self.clone(), payer.clone());
            async move {
                let sent = billing.send_claim(&payer, action(account, asset, items.clone())).await;
                (items, sent)
            }
        };
        let mut sent = std::pin::pin!(stream::iter(worth).map(send).buffer_unordered(SIDE_BY_SIDE));
        while let Some((items, result)) = sent.next().await {
            match result {
                Ok(tx) => claims.add(&items, tx),
                Err(error) => {
                    let items = items.iter().map(|item| ((item.node, item.epoch), error.detail.clone()));
                    failed.extend(items);
                }
            }
        }
        Ok(left)
    }

    async fn send_claim(&self, payer: &AccountKey, claim: Action) -> ServiceResult<TxHash> {
        let sent = timeout(BLOCK, self.chain.execute(payer, claim)).await;
        let late = |_| {
            let detail = format!("its transaction was in no block within {} s; look again later", BLOCK.as_secs());
            ServiceError::new(Code::TransactionExpired, detail)
        };
        Ok(sent.map_err(late)??.hash)
    }
}

/// What claims items in the name of an account.
fn action(account: Account, asset: Option<Asset>, items: Vec<ClaimItem>) -> Action {
    match account {
        Account::User(account) => Action::Claim(Claim { account, items }),
        Account::Module(_) => Action::ClaimIncome(ClaimIncome { asset, items }),
    }
}

fn by_payee<'a>(due: impl Iterator<Item = &'a Due>) -> BTreeMap<Account, Vec<ClaimItem>> {
    let mut all: BTreeMap<Account, Vec<ClaimItem>> = BTreeMap::new();
    for (account, _, item) in due {
        all.entry(*account).or_default().push(item.clone());
    }
    all
}

impl Claims {
    fn add(&mut self, items: &[ClaimItem], tx: TxHash) {
        self.total = self.total.saturating_add(sum(items));
        for items in items.chunk_by(|a, b| a.node == b.node) {
            let Some(ClaimItem { node, .. }) = items.first() else { continue };
            self.claims.push(Claimed { node: *node, epochs: items.len() as u64, amount: sum(items), tx });
        }
    }
}

fn sum(items: &[ClaimItem]) -> Amount {
    items.iter().map(|item| item.amount).fold(0, Amount::saturating_add)
}

/// The fee of a transaction that claims these, and a little more.
fn fee_of(params: &Params, items: &[ClaimItem]) -> Amount {
    let bytes: usize = items.iter().map(|item| item.encoded_len().saturating_add(ITEM_BYTES)).sum();
    let gas = CLAIM_GAS.saturating_add(ITEM_GAS.saturating_mul(items.len() as u64));
    params.fee_of(gas, CLAIM_BYTES.saturating_add(bytes as u64))
}

/// What is claimed in one transaction each, most money first, and what would cost more in fees than it brings. An item
/// takes along what is worth less than a fee: it is the sum that counts.
fn batches(mut due: Vec<ClaimItem>, fee: impl Fn(&[ClaimItem]) -> Amount) -> (Vec<Vec<ClaimItem>>, Vec<ClaimItem>) {
    due.sort_by_key(|item| (Reverse(item.amount), item.node, item.epoch));
    let (mut worth, mut left) = (Vec::new(), Vec::new());
    for items in due.chunks(MAX_ITEMS) {
        if sum(items) > fee(items) {
            let mut items = items.to_vec();
            items.sort_by_key(|item| (item.node, item.epoch));
            worth.push(items);
        } else {
            left.extend_from_slice(items);
        }
    }
    (worth, left)
}

/// One entry a node: how many epochs did not pay, and why the latest of them did not.
fn by_node(failed: Failed) -> Vec<NotClaimed> {
    let mut nodes: BTreeMap<NodeKey, NotClaimed> = BTreeMap::new();
    for ((node, _), reason) in failed {
        let entry = nodes.entry(node).or_insert_with(|| NotClaimed { node, epochs: 0, reason: String::new() });
        entry.epochs = entry.epochs.saturating_add(1);
        entry.reason = reason;
    }
    nodes.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::sum_tree::SumProof;

    fn item(node: u8, epoch: u64, amount: Amount) -> ClaimItem {
        ClaimItem { node: NodeKey([node; 32]), epoch, amount, ..ClaimItem::default() }
    }

    #[test]
    fn all_that_is_due_goes_into_as_few_transactions_as_it_takes_and_small_sums_ride_along() {
        let due: Vec<ClaimItem> = (0..150).map(|n| item(n % 3, u64::from(n), 300)).collect();
        let (worth, left) = batches(due, |_| 1_000);
        assert_eq!((worth.iter().map(Vec::len).collect::<Vec<_>>(), left.len()), (vec![64, 64, 22], 0));
        let ordered = |a: &ClaimItem, b: &ClaimItem| (a.node, a.epoch) < (b.node, b.epoch);
        assert!(worth.iter().all(|items| items.is_sorted_by(ordered)));
    }

    #[test]
    fn what_sums_to_no_more_than_its_fee_is_left() {
        let (worth, left) = batches(vec![item(1, 1, 400), item(1, 2, 600)], |_| 1_000);
        assert_eq!((worth.len(), left.len()), (0, 2));
        let mut due: Vec<ClaimItem> = (0..64).map(|n| item(1, n, 100)).collect();
        due.extend([item(2, 1, 50), item(2, 2, 50)]);
        let (worth, left) = batches(due, |_| 1_000);
        assert_eq!((worth.len(), left), (1, vec![item(2, 1, 50), item(2, 2, 50)]));
    }

    #[test]
    fn what_brings_less_than_its_own_bytes_cost_is_left() {
        let params = Params::default();
        let long = |n: u8, amount| ClaimItem {
            proof: SumProof {
                siblings: vec![datanet_types::sum_tree::SumNode { sum: 1, ..Default::default() }; 16],
                total: 9,
                index: 1,
            },
            ..item(n, 1, amount)
        };
        let many: Vec<ClaimItem> = (0..64).map(|n| long(n, 100)).collect();
        let fee = fee_of(&params, &many);
        assert!(fee > 20 * params.min_fee, "{fee}");
        assert!(fee >= params.fee_of(0, Claim { items: many.clone(), ..Claim::default() }.encoded_len() as u64));
        let (worth, left) = batches(many, |items| fee_of(&params, items));
        assert_eq!((worth.len(), left.len()), (0, 64));
        assert_eq!(batches(vec![long(1, 3_000)], |items| fee_of(&params, items)).0.len(), 1);
    }

    #[test]
    fn a_transaction_is_told_by_node() {
        let mut claims = Claims::default();
        claims.add(&[item(1, 1, 5), item(1, 2, 6), item(2, 9, 7)], TxHash::ZERO);
        let told: Vec<_> = claims.claims.iter().map(|claim| (claim.node.0[0], claim.epochs, claim.amount)).collect();
        assert_eq!((told, claims.total), (vec![(1, 2, 11), (2, 1, 7)], 18));
    }
}
