//! Adding to a deposit, or to the time that it is there for.

use datanet_types::action::TopUpChannel;
use datanet_types::amount::display;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::channels::{self, Channel, closing, deposit_account};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, params};
use crate::state::StateWrite;

impl ActionHandler for TopUpChannel {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.amount > 0 || self.expires_at > 0, code::CHANNEL_INVALID, || {
            "neither amount nor expires_at is given; add at least 1 base unit, or name a later expiry".to_owned()
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut channel = channels::require_open(state, &self.channel)?;
        channels::require_payer(&channel, ctx)?;
        ensure(!channel.is_closing(), code::CHANNEL_CLOSING, || {
            format!("channel {} is being closed, which can't be undone; open a new one", channel.id)
        })?;
        ensure(self.amount > 0 || self.expires_at > channel.expires_at, code::CHANNEL_INVALID, || {
            format!(
                "this changes nothing: channel {} lasts until block time {} already",
                channel.id, channel.expires_at
            )
        })?;
        if self.expires_at > 0 {
            extend(state, &mut channel, self.expires_at, ctx)?;
        }
        let Some(deposit) = channel.deposit.checked_add(self.amount) else {
            return refuse(
                code::CHANNEL_INVALID,
                format!("a deposit of {} can't grow so much", display(channel.deposit)),
            );
        };
        accounts::transfer(state, channel.payer, deposit_account(&channel.id), self.amount)?;
        channel.deposit = deposit;
        channels::put(state, &channel);
        let event = Event::new("channel.topped_up").with("channel", channel.id).with("payer", channel.payer);
        let event = event.with("node", channel.node).with("amount", self.amount);
        Ok(vec![event.with("deposit", channel.deposit).with("expires_at", channel.expires_at)])
    }
}

fn extend<S: StateWrite>(
    state: &mut S,
    channel: &mut Channel,
    expires_at: u64,
    ctx: &TxContext<'_>,
) -> Result<(), ActionError> {
    ensure(expires_at >= channel.expires_at, code::CHANNEL_INVALID, || {
        format!(
            "channel {} expires at block time {}, which can't be made earlier than that",
            channel.id, channel.expires_at
        )
    })?;
    let params = params::get(state)?;
    channels::check_latest(expires_at, ctx.block, &params)?;
    closing::set_expiry(state, channel, expires_at, &params);
    Ok(())
}
