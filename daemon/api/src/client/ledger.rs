//! The node, accounts and money.

use std::time::Duration;

use datanet_types::closing::ClosingStatement;
use datanet_types::{Address, Amount, ChannelId, TxHash};
use reqwest::Method;

use super::{Client, ClientError, ClientResult};
use crate::accounts::{AccountView, Claims, Earnings, Supply};
use crate::channels::{ChannelParams, Channels, ClosedChannel, Closing, NewChannel, OpenedChannel, TopUp, ToppedUp};
use crate::epochs::SettledEpoch;
use crate::keys::{
    AccountKeys, BegunRecovery, GrantedKey, KeyInfo, Keys, NewKey, NewRecovery, NewSubKey, RevokedKey, RotatedKey,
    Rotation,
};
use crate::status::{NodeStatus, Peers};
use crate::transactions::{NewTransfer, Sent, Submitted, TxView};

impl Client {
    /// Whether the node says that it is ready; false also where it cannot be reached.
    pub async fn is_ready(&self) -> bool {
        let request = self.request(Method::GET, "/health/ready").timeout(Duration::from_secs(5));
        self.send(request).await.is_ok()
    }

    /// The node at a glance.
    ///
    /// # Errors
    /// See [`ClientError`]; so for all calls here.
    pub async fn status(&self) -> ClientResult<NodeStatus> {
        self.get("/v1/status").await
    }

    /// The peers connected now.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn peers(&self) -> ClientResult<Peers> {
        self.get("/v1/peers").await
    }

    /// The accounts whose keys are on this node.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn keys(&self) -> ClientResult<Vec<KeyInfo>> {
        Ok(self.get::<Keys>("/v1/keys").await?.keys)
    }

    /// Makes a new account key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_key(&self, name: &str) -> ClientResult<KeyInfo> {
        self.post("/v1/keys", &NewKey { name: name.to_owned(), account: None }).await
    }

    /// Makes a key that signs for another's account, once that one's owners have granted it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_key_for(&self, name: &str, account: Address) -> ClientResult<KeyInfo> {
        self.post("/v1/keys", &NewKey { name: name.to_owned(), account: Some(account) }).await
    }

    /// Who speaks for an account.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn account_keys(&self, address: &Address) -> ClientResult<AccountKeys> {
        self.get(&format!("/v1/accounts/{address}/keys")).await
    }

    /// Lets another key speak for the account of the key called `owner`, within limits.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn grant_key(&self, owner: &str, grant: &NewSubKey) -> ClientResult<GrantedKey> {
        self.post(&format!("/v1/keys/{owner}/grants"), grant).await
    }

    /// Ends a sub-key of the account of the key called `owner`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn revoke_key(&self, owner: &str, key: &str) -> ClientResult<Sent> {
        self.post(&format!("/v1/keys/{owner}/revoke"), &RevokedKey { key: key.to_owned() }).await
    }

    /// Replaces the key called `name`, which owns its account, by a fresh one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rotate_key(&self, name: &str, how: &Rotation) -> ClientResult<RotatedKey> {
        self.post(&format!("/v1/keys/{name}/rotate"), how).await
    }

    /// As its guardian, names the next owners of an account.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn recover_account(&self, account: &Address, recovery: &NewRecovery) -> ClientResult<BegunRecovery> {
        self.post(&format!("/v1/accounts/{account}/recovery"), recovery).await
    }

    /// As an owner, ends the recovery that the guardian of its account has begun.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cancel_recovery(&self, owner: &str) -> ClientResult<Sent> {
        self.delete(&format!("/v1/keys/{owner}/recovery")).await
    }

    /// What an account owns.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn account(&self, address: &Address) -> ClientResult<AccountView> {
        self.get(&format!("/v1/accounts/{address}")).await
    }

    /// What an account earned, and why.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn earnings(&self, address: &Address) -> ClientResult<Earnings> {
        self.get(&format!("/v1/accounts/{address}/earnings")).await
    }

    /// Pays an account what every serving node owes it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn claim(&self, address: &Address) -> ClientResult<Claims> {
        self.post_nothing(&format!("/v1/accounts/{address}/claim")).await
    }

    /// All money there is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn supply(&self) -> ClientResult<Supply> {
        self.get("/v1/supply").await
    }

    /// Sends base units from a key of this node; returns once that is in a block.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn transfer(&self, from: &str, to: &Address, amount: Amount) -> ClientResult<Sent> {
        self.post("/v1/transfers", &NewTransfer { from: from.to_owned(), to: to.to_string(), amount }).await
    }

    /// Sends a signed transaction, as bytes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn submit(&self, tx: Vec<u8>) -> ClientResult<Submitted> {
        let path = "/v1/tx";
        let request = self.request(Method::POST, path).header("content-type", "application/octet-stream").body(tx);
        self.call(request, path).await
    }

    /// What became of a transaction; `None` as long as it is in no block.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn transaction(&self, hash: &TxHash) -> ClientResult<Option<TxView>> {
        match self.get(&format!("/v1/tx/{hash}")).await {
            Ok(view) => Ok(Some(view)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Channels of a payer, or those that pay this node.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn channels(&self, params: &ChannelParams) -> ClientResult<Channels> {
        self.get_with("/v1/channels", params).await
    }

    /// Locks a deposit from which a serving node is paid.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn open_channel(&self, new: &NewChannel) -> ClientResult<OpenedChannel> {
        self.post("/v1/channels", new).await
    }

    /// Adds to a channel's deposit, or to the time that it lasts.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn top_up_channel(&self, channel: &ChannelId, more: &TopUp) -> ClientResult<ToppedUp> {
        self.post(&format!("/v1/channels/{channel}/top-up"), more).await
    }

    /// Takes back what is left in a channel: at once, or once its node had time to settle.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn close_channel(&self, channel: &ChannelId, closing: &Closing) -> ClientResult<ClosedChannel> {
        self.post(&format!("/v1/channels/{channel}/close"), closing).await
    }

    /// The node's word that nothing is owed on a channel that its payer is closing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn closing_statement(&self, channel: &ChannelId) -> ClientResult<ClosingStatement> {
        self.post_nothing(&format!("/v1/channels/{channel}/statement")).await
    }

    /// Settles what this node has answered; `None` where there is nothing to settle.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn settle(&self) -> ClientResult<Option<SettledEpoch>> {
        match self.post_nothing("/v1/epochs/settle").await {
            Ok(settled) => Ok(Some(settled)),
            Err(error) if nothing_to_settle(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn nothing_to_settle(error: &ClientError) -> bool {
    error.status() == Some(409)
}
