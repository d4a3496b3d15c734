//! Announcing a datanet's next held-out set.

use datanet_types::BlobHash;
use datanet_types::action::RotateHoldout;
use datanet_types::tx::VerifiedTx;

use super::check_holdout_size;
use crate::code;
use crate::component::datanets::{self, HeldOut};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, deposit, params};
use crate::state::StateWrite;

impl ActionHandler for RotateHoldout {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.holdout != BlobHash::ZERO && self.holdout_size > 0, code::DATANET_INVALID, || {
            "holdout and holdout_size must name a blob: add the held-out set to a node first".to_owned()
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let params = params::get(state)?;
        let mut datanet = datanets::require(state, &self.datanet)?;
        ensure(datanet.creator == ctx.tx.signer, code::DATANET_FOREIGN, || {
            let (name, creator) = (&datanet.name, datanet.creator);
            format!("datanet {name} was opened by {creator}; only that account rotates its held-out set")
        })?;
        check_holdout_size(self.holdout_size, &params)?;
        let last = datanets::expect_held_out(state, &datanet, datanet.rotations)?;
        ensure(last.blob != self.holdout, code::DATANET_INVALID, || {
            "that is the datanet's last held-out set already; rotate to another".to_owned()
        })?;
        let from = ctx.block.seconds().saturating_add(params.holdout_delay_seconds);
        let next = HeldOut { blob: self.holdout, size: self.holdout_size, from };
        // Contributions and models name it by its number, so that it stays.
        deposit::pay_for_good(state, &params, &ctx.tx.signer, &next)?;
        let number = datanets::announce(state, &mut datanet, ctx.block.seconds(), &next)?;
        datanets::put(state, &datanet);
        let event = Event::new("datanet.holdout_announced").with("datanet", datanet.id).with("number", number);
        Ok(vec![event.with("holdout", next.blob).with("from", from)])
    }
}
