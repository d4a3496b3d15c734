//! Taking back what was not charged.

use datanet_types::action::CloseChannel;
use datanet_types::amount::display;
use datanet_types::closing::ClosingStatement;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::channels::{self, Channel, closing};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, breaker, params};
use crate::gas::{self, Gas};
use crate::state::StateWrite;

impl ActionHandler for CloseChannel {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        let of_it = self.statement.as_ref().is_none_or(|statement| statement.channel == self.channel);
        ensure(of_it, code::CLOSING_STATEMENT, || {
            format!("the statement is for another channel than {}; ask its node for one of this channel", self.channel)
        })
    }

    fn work(&self) -> Gas {
        if self.statement.is_some() { gas::SIGNATURE } else { 0 }
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut channel = channels::require_open(state, &self.channel)?;
        channels::require_payer(&channel, ctx)?;
        // What the payer was told when it opened the channel.
        let (block, params) = (ctx.block, params::at(state, channel.opened_height)?);
        if let Some(statement) = &self.statement {
            check_statement(&channel, statement, &block.chain_id)?;
            return Ok(vec![closing::close(state, block, &mut channel, &params)?]);
        }
        let over = channel.is_closing() && block.seconds() >= channel.closing_at;
        if over || block.seconds() >= channel.expires_at {
            ensure(breaker::settles(state, block, &params)?, code::TRIPPED, || {
                format!(
                    "channel {} has to wait: its node could not settle what it is owed; once settlement runs it has {} seconds, and with its \
                     statement it closes at once",
                    channel.id, params.close_seconds
                )
            })?;
            return Ok(vec![closing::close(state, block, &mut channel, &params)?]);
        }
        ensure(!channel.is_closing(), code::CHANNEL_ACTIVE, || {
            format!(
                "channel {} closes by itself at block time {} (seconds since 1970): until then its node may settle what it is owed; with a \
                 statement of its node it closes at once, and without from block time {} on",
                channel.id, channel.closing_at, channel.expires_at
            )
        })?;
        Ok(vec![closing::begin(state, block, &mut channel, &params)])
    }
}

/// What the node has signed must be so now: it may have settled more since.
fn check_statement(channel: &Channel, statement: &ClosingStatement, chain_id: &str) -> Result<(), ActionError> {
    let (id, node) = (channel.id, channel.node);
    ensure(statement.charged == channel.charged, code::CLOSING_STATEMENT, || {
        format!(
            "the statement says that {} are charged on channel {id}, {} are by now; ask its node for a new one",
            display(statement.charged),
            display(channel.charged)
        )
    })?;
    ensure(statement.verify(chain_id, &node).is_ok(), code::CLOSING_STATEMENT, || {
        format!("the statement for channel {id} is not signed by its node {node}; ask that node, or close without one")
    })
}
