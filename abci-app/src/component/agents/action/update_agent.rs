//! Saying anew what an agent is and may spend.

use datanet_types::action::UpdateAgent;
use datanet_types::tx::VerifiedTx;

use super::check_form;
use crate::code;
use crate::component::agents::{self, Agent, Release, lineage, state_key};
use crate::component::authority::{self, Allowance};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Event, TxContext, deposit, params};
use crate::state::StateWrite;

impl ActionHandler for UpdateAgent {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        check_form(self.card, &self.suppliers, (self.budget, self.period_seconds))
    }

    /// Suppliers can be many.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        agents::require_own(state, &self.agent, ctx).map(drop)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut agent = agents::require_own(state, &self.agent, ctx)?;
        let budgeted = set_budget(state, self, &agent, ctx)?;
        if self.end_keys {
            authority::end_grants(state, &agent.account)?;
        }
        let released = release(state, self, &mut agent, (ctx, budgeted || self.end_keys))?;
        ensure(released || budgeted || self.end_keys, code::AGENT_INVALID, || {
            format!("this changes nothing: agent {} is so already", agent.id)
        })?;
        let event = Event::new("agent.updated").with("agent", agent.id).with("release", agent.release);
        Ok(vec![
            event.with("budget", self.budget).with("period", self.period_seconds).with("keys_ended", self.end_keys),
        ])
    }
}

/// Makes the next release, if it says something else than the last; or names suppliers that have had another since, and nothing else is `changed`. So
/// whoever changes a budget or ends keys makes none by the way, and no supplier that is gone keeps him from it.
fn release<S: StateWrite>(
    state: &mut S,
    action: &UpdateAgent,
    agent: &mut Agent,
    (ctx, changed): (&TxContext<'_>, bool),
) -> Result<bool, ActionError> {
    let last = agents::expect_release(state, &agent.id, agent.release)?;
    let named = last.suppliers.iter().map(|one| (one.asset, one.floor_bps));
    let same = last.card == action.card && named.eq(action.suppliers.iter().map(|one| (one.asset, one.floor_bps)));
    if same && changed {
        return Ok(false);
    }
    let (suppliers, payees) = lineage::resolve(state, &agent.id, &action.suppliers)?;
    if last.card == action.card && last.suppliers == suppliers {
        return Ok(false);
    }
    let Some(number) = agent.release.checked_add(1) else {
        return refuse(code::AGENT_INVALID, "it had as many releases as can be counted; register another agent");
    };
    let release = Release { card: action.card, suppliers, payees, height: ctx.block.height };
    deposit::pay_for_good(state, &params::get(state)?, &agent.owner, &release)?;
    state.put(state_key::release(&agent.id, number), &release);
    agent.release = number;
    agents::put(state, agent);
    Ok(true)
}

/// Another budget begins with this block, and with nothing spent.
fn set_budget<S: StateWrite>(
    state: &mut S,
    action: &UpdateAgent,
    agent: &Agent,
    ctx: &TxContext<'_>,
) -> Result<bool, ActionError> {
    let purse = authority::purse(state, &agent.account)?.unwrap_or_default();
    if (purse.budget, purse.period_seconds) == (action.budget, action.period_seconds) {
        return Ok(false);
    }
    let purse = Allowance::new(action.budget, action.period_seconds, ctx.block.seconds());
    authority::set_purse(state, &agent.account, &purse);
    Ok(true)
}
