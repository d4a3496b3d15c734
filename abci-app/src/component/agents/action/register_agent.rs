//! Making an agent.

use datanet_types::action::RegisterAgent;
use datanet_types::tx::VerifiedTx;
use datanet_types::{Address, AgentId};

use super::check_form;
use crate::code;
use crate::component::agents::{self, Agent, Release, lineage, state_key};
use crate::component::authority::{self, Allowance};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, deposit, params};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for RegisterAgent {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure((1..=64).contains(&self.name.len()), code::AGENT_INVALID, || {
            format!("an agent's name is 1 to 64 bytes long, not {}", self.name.len())
        })?;
        check_form(self.card, &self.suppliers, (self.budget, self.period_seconds))
    }

    /// Suppliers can be many.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        check_free(state, &self.id(&ctx.block.chain_id, &ctx.tx.signer))
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (owner, block) = (ctx.tx.signer, ctx.block);
        check_owner(state, &owner)?;
        let id = self.id(&block.chain_id, &owner);
        check_free(state, &id)?;
        let (suppliers, payees) = lineage::resolve(state, &id, &self.suppliers)?;
        let agent = Agent {
            id,
            account: id.account(),
            owner,
            name: self.name.clone(),
            registered_height: block.height,
            release: 0,
            retired_height: 0,
        };
        let release = Release { card: self.card, suppliers, payees, height: block.height };
        let purse = Allowance::new(self.budget, self.period_seconds, block.seconds());
        // None of this is ever taken out of state: receipts, shares and others' releases name it.
        let params = params::get(state)?;
        deposit::pay_for_good(state, &params, &owner, &agent)?;
        deposit::pay_for_good(state, &params, &owner, &release)?;
        deposit::pay_for_good(state, &params, &owner, &authority::governed_by(owner))?;
        deposit::pay_for_good(state, &params, &owner, &purse)?;
        authority::govern(state, &agent.account, owner);
        authority::set_purse(state, &agent.account, &purse);
        agents::put(state, &agent);
        state.put(state_key::release(&id, 0), &release);
        state.put(state_key::of(&owner, &id), &id);
        state.put(state_key::by_account(&agent.account), &id);
        accounts::transfer(state, owner, agent.account, self.funds)?;
        let event = Event::new("agent.registered").with("agent", id).with("account", agent.account);
        let event = event.with("owner", owner).with("name", &agent.name).with("card", self.card);
        Ok(vec![event.with("budget", self.budget).with("period", self.period_seconds).with("funds", self.funds)])
    }
}

/// Who is governed governs nobody: so that whoever speaks for an account is found in two look-ups.
fn check_owner<S: StateRead>(state: &S, owner: &Address) -> Result<(), ActionError> {
    match authority::governor(state, owner)? {
        None => Ok(()),
        Some(governor) => refuse(
            code::AGENT_OWNER,
            format!("{owner} is an agent's account itself; register the agent from {governor}, its owner"),
        ),
    }
}

/// Nobody else can have it, since the id is made of the owner.
fn check_free<S: StateRead>(state: &S, id: &AgentId) -> Result<(), ActionError> {
    match agents::get(state, id)? {
        None => Ok(()),
        Some(there) => refuse(
            code::AGENT_TAKEN,
            format!(
                "you registered an agent {:?} at height {}; give this one another name",
                there.name, there.registered_height
            ),
        ),
    }
}
