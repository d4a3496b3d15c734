//! The end of a channel that pays this node: what is owed on it is settled, and then it says so.

use datanet_ledger::component::channels::Channel;
use datanet_types::action::CloseChannel;
use datanet_types::amount::display;
use datanet_types::closing::ClosingStatement;
use datanet_types::{Action, ChannelId};

use super::Billing;
use crate::chain::Committed;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;

impl Billing {
    /// This node's word that nothing is owed on a channel any more, by which its payer has the rest at once. What is owed is settled
    /// before. Only for a channel that its payer is closing: nobody else can end its use, and no answer is sold on it any more.
    ///
    /// # Errors
    /// When there is no such channel ([`Code::NoChannel`]), it pays another node ([`Code::ForeignChannel`]), its payer has not asked for it
    /// to be closed ([`Code::ChannelOpen`]) or it is closed ([`Code::ChannelExpired`]); when an answer on it takes long
    /// ([`Code::AnswerUnderWay`]); when what is owed can't be settled now
    /// ([`Code::Unsettled`]), and as [`Billing::settle`].
    pub async fn closing_statement(&self, id: &ChannelId) -> ServiceResult<ClosingStatement> {
        let channel = self.own_channel(id)?;
        if !channel.is_open() {
            let height = channel.closed_height;
            return Err(ServiceError::new(
                Code::ChannelExpired,
                format!("channel {id} was closed at height {height}; nothing is left in it"),
            ));
        }
        if !channel.is_closing() {
            return Err(ServiceError::new(
                Code::ChannelOpen,
                format!(
                    "the payer of channel {id} has not asked for it to be closed; `datanet channel close {id}` on the payer's node does"
                ),
            ));
        }
        // What is under way on it is served and paid first; what could still be charged after this word would be lost.
        let _end = self.reservations.closing(*id).await?;
        self.settled_statement(id).await
    }

    /// Closes a channel of one of this node's accounts: at once where it pays this very node and what is owed can be settled, or has expired;
    /// else its node has its time to settle. No answer is charged on it meanwhile. A training that it pays for would take hours, and is ended by this.
    ///
    /// # Errors
    /// As [`crate::chain::Chain::execute`].
    pub async fn close(&self, channel: &Channel, key: &AccountKey) -> ServiceResult<Committed> {
        let end = match self.db.trains_on(&channel.id)? {
            true => None,
            false => Some(self.reservations.closing(channel.id).await?),
        };
        let mut statement = None;
        if end.is_some() && channel.node == self.identity.node_key() {
            match self.settled_statement(&channel.id).await {
                Ok(signed) => statement = Some(signed),
                Err(error) => {
                    tracing::warn!(%error, channel = %channel.id, "what is owed on a channel can't be settled now; it closes later");
                }
            }
        }
        self.chain.execute(key, Action::CloseChannel(CloseChannel { channel: channel.id, statement })).await
    }

    /// Call with the channel reserved for its end.
    async fn settled_statement(&self, id: &ChannelId) -> ServiceResult<ClosingStatement> {
        loop {
            let (promised, charged) = (self.last_amount(id)?, self.own_channel(id)?.charged);
            if promised == charged {
                return Ok(ClosingStatement::sign(self.chain.id(), *id, charged, self.identity.secret()));
            }
            // One epoch takes so many channels only.
            if self.settle().await?.is_none() {
                let open = display(promised.saturating_sub(charged));
                let detail =
                    format!("{open} are owed on channel {id}, and there is nothing to settle; its time will close it");
                return Err(ServiceError::new(Code::Unsettled, detail));
            }
        }
    }
}
