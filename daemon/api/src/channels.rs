//! Channels: deposits from which answers are paid by vouchers.

use datanet_types::closing::ClosingStatement;
use datanet_types::{Address, Amount, ChannelId, NodeKey, PublicKey, TxHash};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A channel to open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChannel {
    /// Name of the paying account on this node.
    pub account: String,
    /// Key of the serving node; this node if not given.
    #[schema(value_type = Option<String>)]
    pub node: Option<NodeKey>,
    /// Base units to lock.
    pub deposit: Amount,
    /// The key that signs its vouchers, for whom they are another's to sign, such as an agent's; the account's own if not given. The deposit
    /// is the most that can be promised with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub voucher_key: Option<PublicKey>,
    /// Seconds until the payer may take back what is left; ten times the least if not given.
    pub seconds: Option<u64>,
}

/// A channel opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenedChannel {
    /// Its id: what vouchers name.
    #[schema(value_type = String)]
    pub channel: ChannelId,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
}

/// Which channels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChannelParams {
    /// The paying account: its name on this node or its address. All that pay this node if not given.
    pub account: Option<String>,
}

/// A channel as it is on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRecord {
    /// Its id.
    pub id: ChannelId,
    /// Who pays.
    pub payer: Address,
    /// The key that signs its vouchers.
    pub voucher_key: PublicKey,
    /// The serving node.
    pub node: NodeKey,
    /// Base units locked so far.
    pub deposit: Amount,
    /// Base units settled so far.
    pub charged: Amount,
    /// Block time from which the payer may close it, in seconds since 1970.
    pub expires_at: u64,
    /// Block time at which it closes by itself if nobody has closed it before.
    pub ends_at: u64,
    /// Height at which it was opened.
    pub opened_height: u64,
    /// Height at which it was closed; 0 while it is open.
    pub closed_height: u64,
    /// Block time at which it closes by itself, in seconds since 1970, once its payer has asked for that before the expiry; 0 before.
    pub closing_at: u64,
}

/// A channel and what has been promised on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelView {
    /// What the ledger says of it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub channel: ChannelRecord,
    /// Base units promised to this node so far, settled or not.
    pub promised: Amount,
}

/// Channels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Channels {
    /// By id.
    pub channels: Vec<ChannelView>,
}

/// What is added to a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopUp {
    /// Base units more.
    #[serde(default)]
    pub amount: Amount,
    /// Seconds from now that it is to last, if it does not last that long already; its expiry stays if not given.
    pub seconds: Option<u64>,
}

/// A channel topped up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToppedUp {
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
    /// Base units locked so far.
    pub deposit: Amount,
    /// Block time from which the payer may close it, in seconds since 1970.
    pub expires_at: u64,
}

/// How a channel is closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// The serving node's word that nothing is owed any more, as `POST /v1/channels/{id}/statement` there gives it: with it the channel
    /// closes at once.
    #[schema(value_type = Option<Object>)]
    pub statement: Option<ClosingStatement>,
}

/// A channel closed, or about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedChannel {
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
    /// Block time at which the channel closes by itself and the rest comes back, in seconds since 1970; none if that is done.
    pub closes_at: Option<u64>,
}

/// A voucher to be signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVoucher {
    /// All base units promised with it: what was promised before, and the price of the next answer; of a text that is paid by its tokens, as
    /// much as it may cost.
    pub cumulative: Amount,
}
