//! Letting a component run again.

use datanet_types::action::ResetComponent;
use datanet_types::tx::VerifiedTx;

use super::{reset, spares};
use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Component, Event, TxContext, treasury};
use crate::state::StateWrite;

impl ActionHandler for ResetComponent {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        let named = Component::of_name(&self.component).filter(|component| !spares(*component));
        ensure(named.is_some(), code::NOT_TRIPPED, || {
            let all = Component::ALL.iter().filter(|component| !spares(**component));
            let names: Vec<&str> = all.map(|component| component.name()).collect();
            format!("{:?} is no component that can stand still; those are {}", self.component, names.join(", "))
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        treasury::require_authority(state, &ctx.tx.signer)?;
        let component = Component::of_name(&self.component);
        match component.map(|component| reset(state, ctx.block, component)).transpose()?.flatten() {
            Some(event) => Ok(vec![event]),
            None => refuse(code::NOT_TRIPPED, format!("{} runs; there is nothing to reset", self.component)),
        }
    }
}
