//! A guardian naming an account's next owners.

use datanet_types::action::RecoverKeys;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::authority::{self, Pending, check_owners};
use crate::component::error::refuse;
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::gas::{self, Gas};
use crate::state::StateWrite;

impl ActionHandler for RecoverKeys {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        check_owners(&self.owners, self.threshold)
    }

    fn work(&self) -> Gas {
        gas::POINT.saturating_mul(self.owners.len() as u64)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (now, account) = (ctx.block.seconds(), self.account);
        let keys = authority::keys(state, &account, now)?;
        let recovery = keys.as_ref().and_then(|keys| keys.recovery);
        let (Some(mut keys), Some(recovery)) = (keys, recovery.filter(|one| one.guardian == ctx.tx.signer)) else {
            return refuse(
                code::KEYS_GUARDIAN,
                format!(
                    "account {} is not the guardian of account {account}; only that one recovers it",
                    ctx.tx.signer
                ),
            );
        };
        let due = now.saturating_add(recovery.seconds);
        keys.pending = Some(Pending { owners: self.owners.clone(), threshold: self.threshold, due });
        authority::put(state, &account, &keys);
        let event = Event::new("keys.recovery_begun").with("account", account).with("guardian", recovery.guardian);
        Ok(vec![event.with("due", due)])
    }
}
