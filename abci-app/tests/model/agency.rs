//! What people try with agents, in their own name and in an agent's, and with ratings.

use datanet_types::action::{RateSeller, RegisterAgent, RegisterNode, RetireAgent, Supplier, UpdateAgent, role};
use datanet_types::amount::DNT;
use datanet_types::{Action, Address, AgentId, BlobHash};

use super::agents::Agent;
use super::attempts::Attempt;
use super::world::{PEOPLE, Step, World};
use crate::support::{CHAIN, address, key};

/// The node of the agent of person `n`, of whom one has one.
fn node_seed(n: u8) -> u8 {
    120 + n
}

impl World {
    fn suppliers(&self, step: &Step) -> Vec<Supplier> {
        let all: Vec<_> = self.assets().into_iter().map(|(asset, _)| asset).collect();
        let count = usize::from(step.who / 16 % 4).min(all.len());
        let first = usize::from(step.pick) % all.len().max(1);
        let floor = |at: usize| 1 + (step.amount >> (4 * at)) % 3_000;
        let named = (0..count).map(|at| (all[(first + at) % all.len()], floor(at)));
        let mut named: Vec<_> = named.map(|(asset, floor_bps)| Supplier { asset: Some(asset), floor_bps }).collect();
        match step.wrong(5) {
            Some(1) => named.extend(named.clone()),
            Some(2) => named.push(Supplier { asset: None, floor_bps: 1 }),
            Some(3) => named.iter_mut().for_each(|one| one.floor_bps = 9_000),
            _ => {}
        }
        named
    }

    pub fn new_agent(&self, step: &Step) -> Attempt {
        let name = ["owl", "wren"][usize::from(step.pick) % 2].to_owned();
        let agent = RegisterAgent {
            name: if step.wrong(5) == Some(0) { String::new() } else { name },
            card: BlobHash([1 + (step.amount % 5) as u8; 32]),
            suppliers: self.suppliers(step),
            budget: if step.wrong(5) == Some(4) { 0 } else { step.part(5 * DNT) },
            period_seconds: 1 + u64::from(step.pick % 90),
            funds: step.part(40 * DNT),
        };
        Some((step.person(), Action::RegisterAgent(agent)))
    }

    /// Mostly its owner's, and one that is not retired.
    fn some_agent(&self, step: &Step, wrong: bool) -> Option<(Address, AgentId, Agent)> {
        let all: Vec<_> = self.model.agents.all.iter().filter(|(_, agent)| wrong || agent.retired == 0).collect();
        let (id, agent) = *step.of(&all)?;
        let who = if wrong && step.pick.is_multiple_of(2) { step.person() } else { agent.owner };
        Some((who, *id, agent.clone()))
    }

    pub fn change_agent(&self, step: &Step) -> Attempt {
        let (who, id, agent) = self.some_agent(step, step.wrong(3) == Some(0))?;
        let (last, purse) = (agent.releases.last()?, self.model.agents.purses[&agent.account]);
        let same: Vec<_> =
            last.supplies.iter().map(|(asset, floor, _)| Supplier { asset: Some(*asset), floor_bps: *floor }).collect();
        let anew = step.amount.is_multiple_of(2);
        let update = UpdateAgent {
            agent: if step.wrong(3) == Some(1) { AgentId([9; 32]) } else { id },
            card: if anew { BlobHash([1 + (step.amount % 5) as u8; 32]) } else { last.card },
            suppliers: if anew { self.suppliers(step) } else { same },
            budget: if step.amount.is_multiple_of(3) { step.part(5 * DNT) } else { purse.budget.max(1) },
            period_seconds: purse.period_seconds.max(1),
            end_keys: step.amount.is_multiple_of(7),
        };
        Some((who, Action::UpdateAgent(update)))
    }

    pub fn end_agent(&self, step: &Step) -> Attempt {
        let (who, agent, _) = self.some_agent(step, step.wrong(1).is_some())?;
        Some((who, Action::RetireAgent(RetireAgent { agent })))
    }

    /// Now and then somebody acts as an agent of his; its node is one of its own.
    pub fn as_agent(&self, step: &Step, (who, action): (Address, Action)) -> (Address, Action) {
        let own = self.model.agents.all.values().find(|agent| agent.owner == who && agent.name == "owl");
        // What is made for a person, such as a proof or a hash with his address in it, is his alone.
        let anybodys = matches!(
            action,
            Action::Transfer(_)
                | Action::RegisterNode(_)
                | Action::RegisterModel(_)
                | Action::OpenChannel(_)
                | Action::Delegate(_)
                | Action::SetKeys(_)
                | Action::GrantKey(_)
                | Action::RevokeKey(_)
                | Action::RegisterAgent(_)
                | Action::BuyShares(_)
                | Action::PayIncome(_)
                | Action::RateSeller(_)
        );
        let (Some(agent), 160.., true) = (own, step.who, anybodys) else { return (who, action) };
        let action = match action {
            Action::RegisterNode(register) => {
                let n = (1..=PEOPLE).find(|n| address(*n) == who).expect("somebody's");
                let node = key(node_seed(n));
                let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &agent.account, &node.node_key()));
                let roles = role::SERVING | register.roles;
                Action::RegisterNode(RegisterNode { node: node.node_key(), proof, roles, ..register })
            }
            action => action,
        };
        (agent.account, action)
    }

    /// Mostly who has paid, of what can be rated.
    pub fn rate_some(&self, step: &Step) -> Attempt {
        let rights = self.model.ratings.rights.iter();
        let all: Vec<_> =
            rights.flat_map(|(place, rights)| rights.payers.keys().map(|payer| (*place, *payer))).collect();
        let ((node, epoch), payer) = *step.of(&all)?;
        let who = if step.wrong(3) == Some(0) { step.person() } else { payer };
        let epoch = if step.wrong(3) == Some(1) { epoch + 1 } else { epoch };
        let score_bps = if step.wrong(3) == Some(2) { 10_001 } else { step.amount % 10_001 };
        Some((who, Action::RateSeller(RateSeller { node, epoch, score_bps })))
    }
}
