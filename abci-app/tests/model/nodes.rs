//! Who runs what, with what at stake, and how well they judge.

use std::collections::BTreeMap;

use datanet_ledger::component::accounts::Account;
use datanet_types::action::{RegisterNode, role};
use datanet_types::{Address, Amount, NodeKey};

use super::ledger::{Done, Model, ensure, escrow, user};

#[derive(Debug, Clone)]
pub struct Node {
    pub account: Address,
    pub roles: u32,
    pub stake: Amount,
    /// Whether it had the role and the stake to keep data when it registered, or lost stake, last.
    pub keeps: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reputation {
    pub bps: u32,
    pub judged: u64,
    pub missed: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Nodes {
    pub all: BTreeMap<NodeKey, Node>,
    pub reputations: BTreeMap<Address, Reputation>,
    /// Stake on its way home, by when it arrives and whose it is.
    pub leaving: BTreeMap<(u64, Address), Amount>,
    /// What of that will not come home.
    pub fined: BTreeMap<Address, Amount>,
    /// What everybody judged with at the end of each block.
    pub judged_with: BTreeMap<u64, BTreeMap<NodeKey, Amount>>,
}

pub fn staked(account: &Address) -> Account {
    escrow("stake", &[&account.0])
}

fn unbonding(account: &Address) -> Account {
    escrow("unbonding", &[&account.0])
}

impl Model {
    /// The node of this key and role that speaks through `who`.
    pub fn node_of(&self, key: &NodeKey, role: u32, who: Address) -> Result<&Node, &'static str> {
        self.node_with(key, role).and_then(|node| if node.account == who { Ok(node) } else { Err("another's node") })
    }

    pub fn node_with(&self, key: &NodeKey, role: u32) -> Result<&Node, &'static str> {
        let node = self.nodes.all.get(key).ok_or("no such node")?;
        if node.roles & role == role { Ok(node) } else { Err("not its role") }
    }

    /// Whether anybody judges.
    pub fn anybody_judges(&self) -> bool {
        self.nodes.all.values().any(|node| node.roles & role::VALIDATOR != 0)
    }

    pub fn judging_now(&self) -> BTreeMap<NodeKey, Amount> {
        let judges = self.nodes.all.iter().filter(|(_, node)| node.roles & role::VALIDATOR != 0 && node.stake > 0);
        judges.map(|(key, node)| (*key, node.stake)).collect()
    }

    pub fn register_node(&mut self, who: Address, action: &RegisterNode) -> Done {
        let rules = self.rules.now().clone();
        let former = self.nodes.all.get(&action.node).cloned();
        match &former {
            Some(former) => ensure(former.account == who, "another's node")?,
            None => ensure(self.nodes.all.values().all(|node| node.account != who), "it has a node")?,
        }
        let judges = action.roles & role::VALIDATOR != 0;
        ensure(!judges || action.stake >= rules.min_stake, "too little stake to judge")?;
        let keeps = action.roles & role::STORAGE != 0;
        ensure(!keeps || action.stake >= rules.min_storage_stake, "too little stake to keep data")?;
        ensure(action.stake >= self.locked(&action.node), "the stake answers for epochs")?;
        let stake = former.map_or(0, |former| former.stake);
        self.begin_anew(who, judges && stake == 0 && self.owned(unbonding(&who)) == 0);
        if action.stake < stake {
            let (back, home) = (stake - action.stake, self.now + rules.unbonding_seconds);
            self.release(staked(&who), unbonding(&who), back);
            *self.nodes.leaving.entry((home, who)).or_default() += back;
        } else {
            self.pay(user(&who), staked(&who), action.stake - stake)?;
        }
        self.nodes.all.insert(action.node, Node { account: who, roles: action.roles, stake: action.stake, keeps });
        Ok(())
    }

    /// Who was away with nothing at stake begins as a fresh account does, if it had become worse.
    fn begin_anew(&mut self, who: Address, away: bool) {
        let bps = self.rules.now().initial_reputation_bps;
        let start = Reputation { bps, judged: 0, missed: 0 };
        let reputation = self.nodes.reputations.entry(who).or_insert(start);
        if away && reputation.bps < bps {
            reputation.bps = bps;
        }
    }

    /// `r <- (1 - a) r + a x accuracy`, not below the floor; nothing said counts as 0.
    pub fn judged(&mut self, who: Address, accuracy: Option<u32>, height: u64) {
        let rules = self.rules.at(height);
        let start = Reputation { bps: rules.initial_reputation_bps, judged: 0, missed: 0 };
        let reputation = self.nodes.reputations.entry(who).or_insert(start);
        let alpha = rules.reputation_alpha_bps;
        let mixed = ((10_000 - alpha) * reputation.bps + alpha * accuracy.unwrap_or(0)) / 10_000;
        reputation.bps = mixed.min(10_000).max(rules.min_reputation_bps);
        match accuracy {
            Some(_) => reputation.judged += 1,
            None => reputation.missed += 1,
        }
    }

    pub fn release_stakes(&mut self) {
        let now = self.now;
        let home: Vec<_> = self.nodes.leaving.extract_if(.., |(home, _), _| *home <= now).collect();
        for ((_, who), amount) in home {
            let fined = self.nodes.fined.get(&who).copied().unwrap_or(0);
            let kept = fined.min(amount);
            self.nodes.fined.insert(who, fined - kept);
            self.release(unbonding(&who), Self::treasury(), kept);
            self.release(unbonding(&who), user(&who), amount - kept);
        }
        self.nodes.fined.retain(|_, fined| *fined > 0);
    }

    /// Takes so much of a node's stake, as far as there is some. Returns where it lies, and how much it is.
    pub fn fine(&mut self, key: &NodeKey, amount: Amount) -> (Account, Amount) {
        let least = self.rules.now().min_storage_stake;
        let node = self.nodes.all.get_mut(key).expect("it is there");
        let taken = amount.min(node.stake);
        node.stake -= taken;
        node.keeps = node.roles & role::STORAGE != 0 && node.stake >= least;
        (staked(&node.account), taken)
    }

    /// The same for the treasury, and of what it has taken back and is not home.
    pub fn fine_keeper(&mut self, key: &NodeKey, amount: Amount) -> Amount {
        let account = self.nodes.all[key].account;
        let (stake, taken) = self.fine(key, amount);
        self.release(stake, Self::treasury(), taken);
        let leaving = self.owned(unbonding(&account));
        let fined = self.nodes.fined.entry(account).or_default();
        let more = (amount - taken).min(leaving - *fined);
        *fined += more;
        self.nodes.fined.retain(|_, fined| *fined > 0);
        taken + more
    }

    pub fn remember_stakes(&mut self) {
        let judging = self.judging_now();
        self.nodes.judged_with.insert(self.height, judging);
        while self.nodes.judged_with.len() > 8 {
            self.nodes.judged_with.pop_first();
        }
    }
}
