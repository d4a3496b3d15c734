//! Channels: opened, topped up, charged, closed, forgotten.

use std::collections::BTreeMap;

use datanet_ledger::component::accounts::Account;
use datanet_types::action::{CloseChannel, OpenChannel, TopUpChannel, role};
use datanet_types::tx::VerifiedTx;
use datanet_types::{Address, Amount, ChannelId, NodeKey, PublicKey};

use super::audits::Audit;
use super::epochs::Epoch;
use super::ledger::{Done, Model, ensure, escrow, user};

/// Seconds until a closed channel is looked at again that paid for an epoch which can still be challenged.
const AGAIN: u64 = 3_600;

#[derive(Debug, Clone)]
pub struct Channel {
    pub payer: Address,
    pub voucher_key: PublicKey,
    pub node: NodeKey,
    pub deposit: Amount,
    pub charged: Amount,
    pub expires_at: u64,
    pub ends_at: u64,
    /// When it closes, once its payer asked.
    pub closing_at: Option<u64>,
    pub opened_height: u64,
    pub closed_height: u64,
    pub last_epoch: u64,
    /// When it is looked at to be forgotten, once it is closed.
    pub forget_at: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Serving {
    pub channels: BTreeMap<ChannelId, Channel>,
    /// A node's last epoch.
    pub last: BTreeMap<NodeKey, u64>,
    /// Whose debts its next epoch begins with.
    pub carried: BTreeMap<NodeKey, u64>,
    pub epochs: BTreeMap<(NodeKey, u64), Epoch>,
    pub audits: BTreeMap<(NodeKey, u64), Audit>,
}

pub fn deposit(id: &ChannelId) -> Account {
    escrow("channel", &[&id.0])
}

impl Model {
    pub fn open_channel(&mut self, tx: &VerifiedTx, action: &OpenChannel) -> Done {
        self.node_with(&action.node, role::SERVING)?;
        let rules = self.rules.now().clone();
        ensure(action.expires_at >= self.now + rules.channel_min_seconds, "too short")?;
        ensure(action.expires_at <= self.now + rules.channel_max_seconds, "too long")?;
        let id = tx.channel_id();
        self.pay(user(&tx.signer), deposit(&id), action.deposit)?;
        let channel = Channel {
            payer: tx.signer,
            voucher_key: action.voucher_key.unwrap_or(tx.keys[0]),
            node: action.node,
            deposit: action.deposit,
            charged: 0,
            expires_at: action.expires_at,
            ends_at: action.expires_at + rules.channel_min_seconds,
            closing_at: None,
            opened_height: self.height,
            closed_height: 0,
            last_epoch: 0,
            forget_at: 0,
        };
        self.serving.channels.insert(id, channel);
        Ok(())
    }

    /// A channel that is open, and its payer's.
    fn open_channel_of(&self, id: &ChannelId, who: Address) -> Result<Channel, &'static str> {
        let channel = self.serving.channels.get(id).ok_or("no such channel")?;
        ensure(channel.closed_height == 0, "it is closed")?;
        ensure(channel.payer == who, "another's channel")?;
        Ok(channel.clone())
    }

    pub fn top_up(&mut self, who: Address, action: &TopUpChannel) -> Done {
        let mut channel = self.open_channel_of(&action.channel, who)?;
        let rules = self.rules.now().clone();
        ensure(channel.closing_at.is_none(), "it is being closed")?;
        ensure(action.amount > 0 || action.expires_at > channel.expires_at, "nothing changes")?;
        if action.expires_at > 0 {
            ensure(action.expires_at >= channel.expires_at, "it only gets later")?;
            ensure(action.expires_at <= self.now + rules.channel_max_seconds, "too long")?;
            channel.expires_at = action.expires_at;
            channel.ends_at = action.expires_at + rules.channel_min_seconds;
        }
        self.pay(user(&who), deposit(&action.channel), action.amount)?;
        channel.deposit += action.amount;
        self.serving.channels.insert(action.channel, channel);
        Ok(())
    }

    pub fn close_channel(&mut self, who: Address, action: &CloseChannel) -> Done {
        let id = action.channel;
        let mut channel = self.open_channel_of(&id, who)?;
        let rules = self.rules.at(channel.opened_height);
        if let Some(statement) = &action.statement {
            ensure(statement.charged == channel.charged, "something else is charged")?;
            ensure(statement.verify(&self.chain, &channel.node).is_ok(), "not its node's word")?;
            self.close(&id, rules.forget_seconds);
        } else if self.now >= channel.closing_at.unwrap_or(channel.expires_at).min(channel.expires_at) {
            self.close(&id, rules.forget_seconds);
        } else {
            ensure(channel.closing_at.is_none(), "it is being closed")?;
            channel.closing_at = Some(channel.ends_at.min(self.now + rules.close_seconds));
            self.serving.channels.insert(id, channel);
        }
        Ok(())
    }

    /// What is left goes back.
    fn close(&mut self, id: &ChannelId, forget_seconds: u64) {
        let channel = self.serving.channels.get_mut(id).expect("it is open");
        (channel.closed_height, channel.forget_at) = (self.height, self.now + forget_seconds);
        let (payer, left) = (channel.payer, channel.deposit - channel.charged);
        self.release(deposit(id), user(&payer), left);
    }

    pub fn close_channels(&mut self) {
        let now = self.now;
        let due = |channel: &Channel| {
            channel.closed_height == 0 && (channel.ends_at <= now || channel.closing_at.is_some_and(|at| at <= now))
        };
        let due: Vec<ChannelId> =
            self.serving.channels.iter().filter(|(_, channel)| due(channel)).map(|(id, _)| *id).collect();
        let forget = self.rules.now().forget_seconds;
        due.iter().for_each(|id| self.close(id, forget));
    }

    /// Not as long as an epoch that it paid for may be challenged.
    pub fn forget_channels(&mut self) {
        let (now, epochs) = (self.now, &self.serving.epochs);
        let doubtful = |channel: &Channel| {
            let open = |((node, number), epoch): (&(NodeKey, u64), &Epoch)| {
                *node == channel.node && *number <= channel.last_epoch && epoch.is_unpaid()
            };
            epochs.iter().any(open)
        };
        self.serving.channels.retain(|_, channel| {
            if channel.closed_height == 0 || channel.forget_at > now {
                return true;
            }
            channel.forget_at = now + AGAIN;
            doubtful(channel)
        });
    }
}
