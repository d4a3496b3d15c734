//! A payer outside the node, who signs channels and vouchers with a key of its own.

use datanet_types::action::OpenChannel;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, ChannelId, NodeKey, SignedTx, SigningKey};
use serde_json::{Value, json};

use crate::kit::{self, Api, CHAIN};

/// See the module.
pub struct Payer {
    /// Its key, which the node never sees.
    pub key: SigningKey,
}

impl Payer {
    /// One with a million base units.
    pub async fn new(api: &Api) -> Self {
        let key = SigningKey::from_bytes(&kit::random());
        api.post("/v1/transfers", json!({ "from": "node", "to": key.address(), "amount": 1_000_000 })).await;
        Self { key }
    }

    /// Opens a channel for so many seconds.
    pub async fn open(&self, api: &Api, node: NodeKey, deposit: u64, seconds: u64) -> ChannelId {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let action = Action::OpenChannel(OpenChannel { node, deposit, expires_at: now + seconds, voucher_key: None });
        let tx = api.execute(&self.key, action).await;
        SignedTx::verify(&tx.to_bytes(), CHAIN).unwrap().channel_id()
    }

    /// A voucher as it goes into a request.
    pub fn voucher(&self, channel: ChannelId, cumulative: u64) -> Value {
        serde_json::to_value(SignedVoucher::sign(CHAIN, channel, cumulative, &self.key)).unwrap()
    }
}
