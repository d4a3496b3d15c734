//! Accounts in others' hands: who speaks for them, what their sub-keys may spend together, and whom they owe part of what they earn. Floors are worked out
//! anew along the whole chain each time.

use std::collections::BTreeMap;

use datanet_ledger::component::accounts::Account;
use datanet_ledger::component::{agents, authority};
use datanet_types::action::{RegisterAgent, RetireAgent, Supplier, UpdateAgent};
use datanet_types::split::split;
use datanet_types::{Address, AgentId, Amount, Asset, BlobHash};

use super::ledger::{Done, Model, Refusal, ensure, user};
use super::market::income;

/// Most who have part in what an agent earns.
const MOST_PAYEES: usize = 32;

#[derive(Debug, Clone)]
pub struct Release {
    pub card: BlobHash,
    /// Asset, floor, and the release that an agent had.
    pub supplies: Vec<(Asset, u32, usize)>,
    pub height: u64,
}

#[derive(Debug, Clone)]
pub struct Agent {
    pub owner: Address,
    pub account: Address,
    pub name: String,
    pub height: u64,
    pub releases: Vec<Release>,
    pub retired: u64,
}

/// What all sub-keys may spend together, from when on, and what they have spent in which period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purse {
    pub budget: Amount,
    pub period_seconds: u64,
    pub since: u64,
    pub spent: (u64, Amount),
}

#[derive(Debug, Clone, Default)]
pub struct Agents {
    pub all: BTreeMap<AgentId, Agent>,
    pub purses: BTreeMap<Address, Purse>,
    /// Who speaks for an agent's account, and how often its sub-keys were ended.
    pub hands: BTreeMap<Address, (Address, u64)>,
}

/// So many parts in a million of the whole.
type Parts = BTreeMap<Asset, u32>;

impl Model {
    /// What releases say, in the words of the ledger.
    pub fn release_record(&self, id: &AgentId, number: usize) -> agents::Release {
        let release = &self.agents.all[id].releases[number];
        let supply = |(asset, floor_bps, release): &(Asset, u32, usize)| agents::Supply {
            asset: Some(*asset),
            floor_bps: *floor_bps,
            release: *release as u32,
        };
        let payee = |(asset, ppm)| agents::Payee { asset: Some(asset), ppm };
        agents::Release {
            card: release.card,
            suppliers: release.supplies.iter().map(supply).collect(),
            payees: self.parts(id, &release.supplies).into_iter().map(payee).collect(),
            height: release.height,
        }
    }

    fn parts(&self, id: &AgentId, supplies: &[(Asset, u32, usize)]) -> Parts {
        let mut parts = Parts::new();
        for (asset, floor, release) in supplies {
            let mut own = floor * 100;
            if let Asset::Agent(other) = asset {
                for (of, ppm) in self.parts(other, &self.agents.all[other].releases[*release].supplies) {
                    let part = (u64::from(ppm) * u64::from(*floor) / 10_000) as u32;
                    own -= part;
                    *parts.entry(of).or_default() += part;
                }
            }
            *parts.entry(*asset).or_default() += own;
        }
        parts.remove(&Asset::Agent(*id));
        parts.retain(|_, part| *part > 0);
        parts
    }

    fn supplies(&self, id: &AgentId, named: &[Supplier]) -> Result<Vec<(Asset, u32, usize)>, Refusal> {
        let one = |supplier: &Supplier| {
            let asset = supplier.asset.ok_or("no asset")?;
            let release = match &asset {
                Asset::Agent(other) => {
                    let there = self.agents.all.get(other).ok_or("no such supplier")?;
                    ensure(other != id, "its own supplier")?;
                    ensure(there.retired == 0, "a retired supplier")?;
                    there.releases.len() - 1
                }
                _ => self.owner_of(&asset).map(|_| 0)?,
            };
            Ok((asset, supplier.floor_bps, release))
        };
        let supplies: Vec<_> = named.iter().map(one).collect::<Result<_, Refusal>>()?;
        ensure(self.parts(id, &supplies).len() <= MOST_PAYEES, "too many have part in it")?;
        Ok(supplies)
    }

    pub fn register_agent(&mut self, who: Address, action: &RegisterAgent) -> Done {
        ensure(!self.agents.hands.contains_key(&who), "an agent owns none")?;
        let id = AgentId::derive(&self.chain, &who, &action.name);
        ensure(!self.agents.all.contains_key(&id), "registered before")?;
        let supplies = self.supplies(&id, &action.suppliers)?;
        let (account, name, height) = (id.account(), action.name.clone(), self.height);
        let releases = vec![Release { card: action.card, supplies, height }];
        let agent = Agent { owner: who, account, name: name.clone(), height, releases, retired: 0 };
        self.agents.all.insert(id, agent);
        let (budget, period_seconds, since) = (action.budget, action.period_seconds, self.now);
        self.agents.purses.insert(account, Purse { budget, period_seconds, since, spent: (0, 0) });
        self.agents.hands.insert(account, (who, 0));
        let record =
            agents::Agent { id, account, owner: who, name, registered_height: height, release: 0, retired_height: 0 };
        let hands = authority::Keys { governor: Some(who), ..authority::Keys::default() };
        let purse = authority::Allowance { budget, period_seconds, since, spent: 0, period: 0 };
        let prices = [
            self.price_of(&record),
            self.price_of(&self.release_record(&id, 0)),
            self.price_of(&hands),
            self.price_of(&purse),
        ];
        prices.into_iter().try_for_each(|price| self.pay(user(&who), Self::treasury(), price))?;
        self.pay(user(&who), user(&account), action.funds)
    }

    fn own_agent(&self, who: Address, id: &AgentId) -> Result<Agent, Refusal> {
        let agent = self.agents.all.get(id).ok_or("no such agent")?;
        ensure(agent.owner == who, "another's agent")?;
        ensure(agent.retired == 0, "it was retired")?;
        Ok(agent.clone())
    }

    pub fn update_agent(&mut self, who: Address, action: &UpdateAgent) -> Done {
        let agent = self.own_agent(who, &action.agent)?;
        let (budget, period_seconds, since) = (action.budget, action.period_seconds, self.now);
        let purse = self.agents.purses.get_mut(&agent.account).expect("it has one");
        let budgeted = (purse.budget, purse.period_seconds) != (budget, period_seconds);
        if budgeted {
            *purse = Purse { budget, period_seconds, since, spent: (0, 0) };
        }
        if action.end_keys {
            self.agents.hands.get_mut(&agent.account).expect("somebody's").1 += 1;
        }
        let changed = budgeted || action.end_keys;
        let last = agent.releases.last().expect("it has one");
        let named: Vec<_> = last.supplies.iter().map(|(asset, floor_bps, _)| (Some(*asset), *floor_bps)).collect();
        let names: Vec<_> = action.suppliers.iter().map(|one| (one.asset, one.floor_bps)).collect();
        if changed && last.card == action.card && named == names {
            return Ok(());
        }
        let supplies = self.supplies(&action.agent, &action.suppliers)?;
        let released = last.card != action.card || last.supplies != supplies;
        if released {
            let release = Release { card: action.card, supplies, height: self.height };
            self.agents.all.get_mut(&action.agent).expect("it is there").releases.push(release);
            let price = self.price_of(&self.release_record(&action.agent, agent.releases.len()));
            self.pay(user(&who), Self::treasury(), price)?;
        }
        ensure(released || changed, "nothing changes")
    }

    pub fn retire_agent(&mut self, who: Address, action: &RetireAgent) -> Done {
        let agent = self.own_agent(who, &action.agent)?;
        self.agents.all.get_mut(&action.agent).expect("it is there").retired = self.height;
        self.agents.hands.get_mut(&agent.account).expect("somebody's").1 += 1;
        self.agents.purses.insert(agent.account, Purse::default());
        let money = self.owned(user(&agent.account));
        self.pay(user(&agent.account), user(&who), money)
    }

    /// Into the income of an asset's shares, or to its owner; `false` where it has neither.
    fn credit(&mut self, asset: &Asset, from: Account, amount: Amount) -> bool {
        if amount == 0 {
            return true;
        }
        if self.market.shares.contains_key(asset) {
            self.release(from, income(asset), amount);
            self.receive(asset, amount).expect("it has shares");
            return true;
        }
        let Ok(owner) = self.owner_of(asset) else { return false };
        self.release(from, user(&owner), amount);
        true
    }

    /// Divides what lies in an agent's income, earned by what was settled at these heights.
    pub fn pass_on(&mut self, id: &AgentId, earned: &[(Amount, u64)]) {
        let from = income(&Asset::Agent(*id));
        let mut own = 0;
        for (amount, height) in earned {
            let releases = &self.agents.all[id].releases;
            let held = releases.iter().rev().find(|release| release.height < *height).unwrap_or(&releases[0]);
            let parts = self.parts(id, &held.supplies);
            let rest = 1_000_000 - parts.values().map(|part| u64::from(*part)).sum::<u64>();
            let weights: Vec<u64> = parts.values().map(|part| u64::from(*part)).chain([rest]).collect();
            let mut left = *amount;
            for (asset, part) in parts.keys().zip(split(*amount, &weights)) {
                if self.credit(asset, from, part) {
                    left -= part;
                }
            }
            own += left;
        }
        assert!(self.credit(&Asset::Agent(*id), from, own), "an agent owns itself");
    }

    /// Pays an account its part of an epoch that is final.
    pub fn pay_operator(&mut self, from: Account, to: &Address, amount: Amount, height: u64) {
        let agent = self.agents.all.iter().find(|(_, agent)| agent.account == *to).map(|(id, _)| *id);
        match agent {
            None => self.release(from, user(to), amount),
            Some(id) => {
                self.release(from, income(&Asset::Agent(id)), amount);
                self.pass_on(&id, &[(amount, height)]);
            }
        }
    }
}
