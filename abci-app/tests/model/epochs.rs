//! Epochs: settled, open, final and claimed, or void.

use std::collections::BTreeSet;

use datanet_ledger::component::accounts::Account;
use datanet_types::action::{AttestStatement, Claim, ClaimItem, SettleEpoch, role};
use datanet_types::epoch::{EpochLeaf, EpochTotals};
use datanet_types::sum_tree::SumNode;
use datanet_types::{Address, Amount, Digest, NodeKey};

use super::judging::share;
use super::ledger::{Done, Model, Refusal, ensure, escrow, user};
use super::serving::deposit;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Open,
    Audited,
    Final,
    Void,
}

#[derive(Debug, Clone)]
pub struct Epoch {
    pub root: Digest,
    pub receipts: Digest,
    pub totals: EpochTotals,
    pub accounts: u64,
    pub height: u64,
    pub status: Status,
    pub final_at: u64,
    pub lapses_at: u64,
    pub challenges: u32,
    /// Who paid how much.
    pub paid: Vec<(Address, Amount)>,
    /// What is left to claim once it is final.
    pub left: Amount,
    /// Places of the leaves that were paid.
    pub claimed: BTreeSet<u64>,
    /// Words that it takes that its statement is kept, until when, and whose there are.
    pub quorum: u32,
    pub attest_by: u64,
    pub keepers: Vec<(NodeKey, Address)>,
    /// The epoch whose debts it begins with; 0 is none.
    pub carries: u64,
}

impl Epoch {
    /// Whether it can still be challenged, or is.
    pub fn is_unpaid(&self) -> bool {
        matches!(self.status, Status::Open | Status::Audited)
    }

    /// Whether as many keep its statement as it takes.
    pub fn is_kept(&self) -> bool {
        self.keepers.len() as u32 >= self.quorum
    }

    /// What is to be claimed: all but the node's and the treasury's parts, and what nobody earned.
    pub fn claimable(&self) -> Amount {
        claimable(&self.totals)
    }
}

pub fn held(node: &NodeKey, number: u64) -> Account {
    escrow("settlement", &[&node.0, &number.to_le_bytes()])
}

/// What those who keep its statement are paid.
pub fn keepers_fees(node: &NodeKey, number: u64) -> Account {
    escrow("statement", &[&node.0, &number.to_le_bytes()])
}

fn claimable(totals: &EpochTotals) -> Amount {
    totals.fees - totals.split.node - totals.split.treasury - totals.unearned
}

/// Whether the parts sum to the fees, and each is its share of them but for a unit an answer.
fn is_fair(totals: &EpochTotals, shares: [u32; 7]) -> bool {
    let split = totals.split;
    let earned = [split.owner, split.contributors, split.validators, split.treasury, split.lineage, split.storage];
    let parts: Vec<Amount> = std::iter::once(split.node).chain(earned).collect();
    let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    let near = |(part, bps): (&Amount, u32)| part.abs_diff(share(totals.fees, bps)) <= totals.answers;
    sum == u128::from(totals.fees)
        && parts.iter().zip(shares).all(near)
        && totals.unearned <= totals.fees - split.node - split.treasury
}

impl Model {
    /// What an epoch's node answers with for it.
    pub fn bond_of(&self, epoch: &Epoch) -> Amount {
        share(epoch.totals.fees, self.rules.at(epoch.height).serving_bond_bps)
    }

    /// What of a node's stake answers for its epochs.
    pub fn locked(&self, node: &NodeKey) -> Amount {
        let epochs = self.serving.epochs.iter().filter(|((of, _), epoch)| of == node && epoch.is_unpaid());
        epochs.map(|(_, epoch)| self.bond_of(epoch)).sum()
    }

    pub fn settle(&mut self, who: Address, action: &SettleEpoch) -> Done {
        let stake = self.node_of(&action.node, role::SERVING, who)?.stake;
        let number = self.serving.last.get(&action.node).copied().unwrap_or(0) + 1;
        ensure(action.epoch == number, "not the next epoch")?;
        let carries = self.carried(&action.node);
        ensure(action.carries.is_none_or(|said| said == carries), "another epoch's debts")?;
        let (version, until) = self.rules.version(action.params).ok_or("no such version")?;
        let (accrued, rules) = (version.params.clone(), self.rules.now().clone());
        ensure(action.totals.answers * accrued.min_price <= action.totals.fees, "too cheap")?;
        ensure(is_fair(&action.totals, accrued.fee_shares.as_array()), "not what the shares give")?;
        let bond = self.locked(&action.node) + share(action.totals.fees, rules.serving_bond_bps);
        ensure(rules.challenge_seconds == 0 || bond <= stake, "the stake does not cover it")?;
        let mut paid = Vec::new();
        for voucher in &action.vouchers {
            let channel = self.serving.channels.get_mut(&voucher.channel).ok_or("no such channel")?;
            ensure(channel.closed_height == 0, "a closed channel")?;
            ensure(until.is_none_or(|until| channel.opened_height < until), "opened under later rules")?;
            ensure(channel.node == action.node, "another node's channel")?;
            ensure(voucher.cumulative <= channel.deposit, "more than the deposit")?;
            ensure(voucher.verify(&self.chain, &channel.voucher_key).is_ok(), "not the payer's word")?;
            ensure(voucher.cumulative > channel.charged, "charged before")?;
            let more = voucher.cumulative - channel.charged;
            (channel.charged, channel.last_epoch) = (voucher.cumulative, number);
            paid.push((channel.payer, more));
            self.release(deposit(&voucher.channel), held(&action.node, number), more);
        }
        ensure(paid.iter().map(|(_, amount)| amount).sum::<Amount>() == action.totals.fees, "another sum")?;
        let others = self.nodes.all.values().filter(|node| node.keeps && node.account != who).count();
        let quorum = rules.statement_quorum.min(others as u32);
        let final_at = self.now + rules.challenge_seconds;
        let fees = u64::from(quorum) * rules.statement_fee;
        self.pay(user(&who), keepers_fees(&action.node, number), fees)?;
        let epoch = Epoch {
            root: action.root,
            receipts: action.receipts,
            totals: action.totals,
            accounts: action.accounts,
            height: self.height,
            status: Status::Open,
            final_at,
            lapses_at: 0,
            challenges: 0,
            paid,
            left: 0,
            claimed: BTreeSet::new(),
            quorum,
            attest_by: if quorum > 0 { final_at + rules.statement_seconds } else { 0 },
            keepers: Vec::new(),
            carries,
        };
        self.traded(who, &epoch.paid);
        self.serving.last.insert(action.node, number);
        self.serving.carried.insert(action.node, number);
        self.serving.epochs.insert((action.node, number), epoch);
        Ok(())
    }

    pub fn attest_statement(&mut self, who: Address, action: &AttestStatement) -> Done {
        let stake = self.node_of(&action.node, role::STORAGE, who)?.stake;
        ensure(stake >= self.rules.now().min_storage_stake, "too little stake to keep anything")?;
        let serving = self.nodes.all.get(&action.serving).map(|node| node.account);
        let epoch = self.serving.epochs.get_mut(&(action.serving, action.epoch)).ok_or("no such epoch")?;
        ensure(epoch.is_unpaid(), "it is over")?;
        ensure(!epoch.is_kept(), "enough keep it")?;
        ensure(epoch.status == Status::Audited || self.now <= epoch.attest_by, "too late")?;
        ensure(serving != Some(who), "one's own")?;
        ensure(epoch.keepers.iter().all(|(node, _)| *node != action.node), "attested before")?;
        epoch.keepers.push((action.node, who));
        Ok(())
    }

    /// Pays what is due and kept; what too few keep in time is void.
    pub fn finalise_epochs(&mut self) {
        let now = self.now;
        let late = |epoch: &Epoch| {
            epoch.status == Status::Open && !epoch.is_kept() && epoch.attest_by.max(epoch.final_at) <= now
        };
        let late: Vec<_> = self.serving.epochs.iter().filter(|(_, epoch)| late(epoch)).map(|(key, _)| *key).collect();
        late.iter().for_each(|(node, number)| self.void(node, *number));
        let due = |epoch: &Epoch| epoch.status == Status::Open && epoch.is_kept() && epoch.final_at <= now;
        let due = self.serving.epochs.iter().filter(|(_, epoch)| due(epoch));
        let mut due: Vec<_> = due.map(|((node, number), epoch)| (epoch.final_at, *node, *number)).collect();
        due.sort_unstable();
        for (_, node, number) in due {
            let epoch = self.serving.epochs.get_mut(&(node, number)).expect("it is due");
            (epoch.status, epoch.left) = (Status::Final, epoch.claimable());
            epoch.lapses_at = epoch.final_at + self.rules.at(epoch.height).forget_seconds;
            let (totals, height, paid) = (epoch.totals, epoch.height, epoch.paid.clone());
            let forget = self.rules.at(height).forget_seconds;
            let (keepers, fee) = (epoch.keepers.clone(), self.rules.at(epoch.height).statement_fee);
            for (_, account) in keepers {
                self.release(keepers_fees(&node, number), user(&account), fee);
            }
            let operator = self.nodes.all[&node].account;
            self.pay_operator(held(&node, number), &operator, totals.split.node, height);
            self.open_ratings((node, number), operator, &paid, forget);
            self.release(held(&node, number), Self::treasury(), totals.split.treasury + totals.unearned);
        }
    }

    /// Whoever paid has it back.
    pub fn void(&mut self, node: &NodeKey, number: u64) {
        let epoch = self.serving.epochs.get_mut(&(*node, number)).expect("it is challenged");
        (epoch.status, epoch.final_at) = (Status::Void, self.now);
        epoch.lapses_at = self.now + self.rules.at(epoch.height).forget_seconds;
        let back = u64::from(epoch.quorum) * self.rules.at(epoch.height).statement_fee;
        let (paid, operator) = (epoch.paid.clone(), self.nodes.all[node].account);
        self.release(keepers_fees(node, number), user(&operator), back);
        for (payer, amount) in paid {
            self.release(held(node, number), user(&payer), amount);
        }
        if self.carried(node) == number {
            let mut carried = number;
            while let Some(void) = self.serving.epochs.get(&(*node, carried)).filter(|one| one.status == Status::Void) {
                carried = void.carries;
            }
            self.serving.carried.insert(*node, carried);
        }
    }

    /// Whose debts a node's next epoch begins with; 0 is nobody's.
    pub fn carried(&self, node: &NodeKey) -> u64 {
        self.serving.carried.get(node).copied().unwrap_or(0)
    }

    pub fn claim(&mut self, action: &Claim) -> Done {
        self.claim_leaves((user(&action.account), user(&action.account)), &action.items).map(drop)
    }

    /// Pays leaves of one account to another; how much each is, and at which height its epoch was settled.
    pub fn claim_leaves(
        &mut self,
        (of, to): (Account, Account),
        items: &[ClaimItem],
    ) -> Result<Vec<(Amount, u64)>, Refusal> {
        let mut paid = Vec::new();
        for item in items {
            let key = (item.node, item.epoch);
            let last = self.serving.last.get(&item.node).copied().unwrap_or(0);
            let Some(epoch) = self.serving.epochs.get_mut(&key) else {
                // Of what is forgotten everything was paid.
                ensure((1..=last).contains(&item.epoch), "no such epoch")?;
                continue;
            };
            ensure(epoch.status == Status::Final, "not final")?;
            let leaf = EpochLeaf { account: of, amount: item.amount };
            let leaf = leaf.node(&self.chain, &item.node, item.epoch);
            let root = SumNode { digest: epoch.root, sum: epoch.claimable() };
            ensure(item.proof.total == epoch.accounts && item.proof.verify(leaf, &root), "no proof")?;
            if epoch.left == 0 || !epoch.claimed.insert(item.proof.index) {
                continue;
            }
            epoch.left = epoch.left.checked_sub(item.amount).ok_or("more than is left")?;
            let (over, height) = (epoch.left == 0 && epoch.lapses_at <= self.now, epoch.height);
            self.release(held(&item.node, item.epoch), to, item.amount);
            if over {
                self.serving.epochs.remove(&key);
            }
            paid.push((item.amount, height));
        }
        ensure(!paid.is_empty(), "paid before")?;
        Ok(paid)
    }

    /// What is over goes with its audit, unless somebody has something to claim of it.
    pub fn forget_epochs(&mut self) {
        let now = self.now;
        let lapsed = |epoch: &Epoch| !epoch.is_unpaid() && epoch.lapses_at <= now;
        let audits = &mut self.serving.audits;
        self.serving.epochs.iter().filter(|(_, epoch)| lapsed(epoch)).for_each(|(key, _)| drop(audits.remove(key)));
        self.serving.epochs.retain(|_, epoch| !lapsed(epoch) || epoch.left > 0);
        // The last of it may have been claimed in this very block.
        let epochs = &self.serving.epochs;
        self.serving.audits.retain(|key, _| epochs.contains_key(key));
    }
}
