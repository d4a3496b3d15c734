//! Taking back what was not charged.

use datanet_types::action::CloseChannel;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::channels::{self, deposit_account};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts};
use crate::state::StateWrite;

impl ActionHandler for CloseChannel {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut channel = channels::require_open(state, &self.channel)?;
        ensure(channel.payer == ctx.tx.signer, code::CHANNEL_FOREIGN, || {
            format!("channel {} belongs to {}; only its payer closes it", channel.id, channel.payer)
        })?;
        ensure(ctx.block.height >= channel.expiry, code::CHANNEL_ACTIVE, || {
            format!("channel {} can be closed from height {}, this is {}", channel.id, channel.expiry, ctx.block.height)
        })?;
        accounts::release(state, &deposit_account(&channel.id), &channel.payer, channel.left())?;
        channel.closed_height = ctx.block.height;
        channels::put(state, &channel);
        let event = Event::new("channel.closed").with("channel", channel.id).with("payer", channel.payer);
        Ok(vec![event.with("node", channel.node).with("charged", channel.charged).with("returned", channel.left())])
    }
}
