//! Locking a deposit for a serving node.

use datanet_types::PublicKey;
use datanet_types::action::{OpenChannel, role};
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::channels::{self, Channel, closing, deposit_account};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, nodes, params};
use crate::gas::{self, Gas};
use crate::state::StateWrite;

impl ActionHandler for OpenChannel {
    fn check_stateless(&self, tx: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.deposit > 0, code::CHANNEL_INVALID, || "the deposit is 0; lock at least 1 base unit".to_owned())?;
        voucher_key(self, tx).map(drop)
    }

    fn work(&self) -> Gas {
        gas::POINT
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let voucher_key = voucher_key(self, ctx.tx)?;
        nodes::require_role(state, &self.node, role::SERVING)?;
        let params = params::get(state)?;
        let earliest = ctx.block.seconds().saturating_add(params.channel_min_seconds);
        ensure(self.expires_at >= earliest, code::CHANNEL_INVALID, || {
            format!(
                "expires_at is block time {} (seconds since 1970), the earliest now is {earliest}: the node needs time to settle",
                self.expires_at
            )
        })?;
        channels::check_latest(self.expires_at, ctx.block, &params)?;
        let mut channel = Channel {
            id: ctx.tx.channel_id(),
            payer: ctx.tx.signer,
            voucher_key,
            node: self.node,
            deposit: self.deposit,
            charged: 0,
            expires_at: 0,
            opened_height: ctx.block.height,
            closed_height: 0,
            closing_at: 0,
            last_epoch: 0,
            ends_at: 0,
        };
        accounts::transfer(state, channel.payer, deposit_account(&channel.id), channel.deposit)?;
        closing::set_expiry(state, &mut channel, self.expires_at, &params);
        channels::put(state, &channel);
        let event = Event::new("channel.opened").with("channel", channel.id).with("payer", channel.payer);
        Ok(vec![
            event.with("node", channel.node).with("deposit", channel.deposit).with("expires_at", channel.expires_at),
        ])
    }
}

/// The key that will sign the channel's vouchers.
fn voucher_key(action: &OpenChannel, tx: &VerifiedTx) -> Result<PublicKey, ActionError> {
    let key = match (action.voucher_key, tx.keys.as_slice()) {
        (Some(key), _) => key,
        (None, [key]) => *key,
        (None, _) => {
            let keys = tx.keys.len();
            return refuse(
                code::CHANNEL_INVALID,
                format!("{keys} keys sign this; name the one that signs the channel's vouchers (voucher_key)"),
            );
        }
    };
    ensure(key.is_sound(), code::CHANNEL_INVALID, || {
        format!("{key} is no ed25519 public key; nobody could sign vouchers with it")
    })?;
    Ok(key)
}
