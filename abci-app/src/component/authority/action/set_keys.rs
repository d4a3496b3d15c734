//! Naming an account's owners.

use datanet_types::action::SetKeys;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::authority::{self, Keys, check_owners, version};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::gas::{self, Gas};
use crate::state::StateWrite;

/// Longest delay of a recovery, and longest period of a budget: ten years.
pub(super) const MAX_SECONDS: u64 = 10 * 365 * 24 * 3_600;

impl ActionHandler for SetKeys {
    fn check_stateless(&self, tx: &VerifiedTx) -> Result<(), ActionError> {
        check_owners(&self.owners, self.threshold)?;
        let Some(recovery) = &self.recovery else { return Ok(()) };
        ensure(recovery.guardian != tx.signer, code::KEYS_INVALID, || {
            "the guardian is another account: this one's owners are who may be lost".to_owned()
        })?;
        ensure((1..=MAX_SECONDS).contains(&recovery.seconds), code::KEYS_INVALID, || {
            format!("a recovery takes 1 to {MAX_SECONDS} seconds, not {}", recovery.seconds)
        })
    }

    fn work(&self) -> Gas {
        gas::POINT.saturating_mul(self.owners.len() as u64)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let account = ctx.tx.signer;
        let former = authority::keys(state, &account, ctx.block.seconds())?;
        if let Some(governor) = former.as_ref().and_then(|keys| keys.governor) {
            return refuse(
                code::KEYS_INVALID,
                format!(
                    "{account} is an agent's account, which has no owners of its own: set those of {governor}, its owner"
                ),
            );
        }
        let keys = Keys {
            version: version(former.as_ref()).saturating_add(1),
            owners: self.owners.clone(),
            threshold: self.threshold,
            recovery: self.recovery,
            pending: None,
            governor: None,
        };
        authority::put(state, &account, &keys);
        let event = Event::new("keys.set").with("account", account).with("version", keys.version);
        Ok(vec![event.with("owners", keys.owners.len()).with("threshold", keys.threshold)])
    }
}
