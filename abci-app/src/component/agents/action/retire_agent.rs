//! Ending an agent.

use datanet_types::action::RetireAgent;
use datanet_types::tx::VerifiedTx;

use crate::component::agents::{self, state_key};
use crate::component::authority::{self, Allowance};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts};
use crate::state::StateWrite;

impl ActionHandler for RetireAgent {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut agent = agents::require_own(state, &self.agent, ctx)?;
        agent.retired_height = ctx.block.height;
        agents::put(state, &agent);
        state.delete(state_key::of(&agent.owner, &agent.id));
        authority::end_grants(state, &agent.account)?;
        // Sub-keys that are granted later could not even pay a fee.
        authority::set_purse(state, &agent.account, &Allowance::default());
        let money = accounts::balance(state, agent.account)?;
        accounts::transfer(state, agent.account, agent.owner, money)?;
        let event = Event::new("agent.retired").with("agent", agent.id).with("owner", agent.owner);
        Ok(vec![event.with("returned", money)])
    }
}
