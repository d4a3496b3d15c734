//! Pay: a node settles what it answered, a stranger settles what is false, and what was earned is claimed.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use datanet_ledger::component::Params;
use datanet_types::action::{OpenChannel, RegisterNode, SettleEpoch, role};
use datanet_types::amount::{DNT, display};
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, BlobHash, ChannelId, Digest, SigningKey};
use serde_json::Value;

use super::Tour;
use super::data::{GIVER, HOME};
use crate::scene::ledger::{done, random};
use crate::scene::passages::passages;
use crate::scene::{PRICE, account, search, until};

/// Seconds in which an epoch can be challenged: validators look at the middle of them.
pub(super) const CHALLENGE_SECONDS: u64 = 20;
/// The node that answers.
const SERVING: usize = 0;
/// Who asks, on the same node.
const ASKER: &str = "asker";
/// What the stranger stakes as a serving node, and what it says was earned.
const STRANGERS_STAKE: u64 = 30 * DNT;
const FALSE_FEES: u64 = 8 * DNT;
/// Seconds that its channel lasts.
const CHANNEL_SECONDS: u64 = 3_600;

impl Tour {
    /// Answers are asked for and paid by vouchers, and settled in two epochs.
    pub(super) async fn settle(&mut self) -> Result<String> {
        let client = self.client(SERVING)?;
        account(&client, ASKER).await?;
        client.open_channel(ASKER, None, 20 * PRICE).await?;
        let asked = passages().asked;
        search(&client, &self.datanet, "bees").await?;
        for questions in asked.chunks(3).take(2) {
            for question in questions {
                client.ask(&self.datanet, &question.text, ASKER).await?;
            }
            client.settle().await?.context("there was nothing to settle")?;
        }
        let epochs = client.own_epochs().await?;
        ensure!(epochs.len() == 2, "{} epochs were settled", epochs.len());
        Ok(format!("{} answers are settled in 2 epochs, each with an escrow of its own", asked.len().min(6)))
    }

    /// A serving node that runs nowhere settles answers that nobody gave. Validators can't have its receipts, challenge it, and a drawn
    /// committee finds the same: its payer has the money back, and its stake pays.
    pub(super) async fn false_settlement(&mut self) -> Result<String> {
        let client = self.client(HOME)?;
        let (stranger, serving) = (SigningKey::from_bytes(&random()?), SigningKey::from_bytes(&random()?));
        let (account, key) = (stranger.address().to_string(), serving.node_key());
        client.transfer("node", &account, 60 * DNT).await?;
        let chain = self.network.chain_id();
        let proof = serving.sign(&RegisterNode::sign_bytes(chain, &stranger.address(), &key));
        let (roles, stake, name) = (role::SERVING, STRANGERS_STAKE, "stranger".to_owned());
        let register = Action::RegisterNode(RegisterNode { node: key, proof, roles, stake, name });
        done(&client, chain, &stranger, register).await?;
        let expires_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + CHANNEL_SECONDS;
        let open = OpenChannel { node: key, deposit: 10 * DNT, expires_at, voucher_key: None };
        let channel = ChannelId(done(&client, chain, &stranger, Action::OpenChannel(open)).await?.1);
        let split = FeeShares::STANDARD.split(FALSE_FEES);
        let leaf = EpochLeaf { account: stranger.address().into(), amount: split.claimable() };
        let settle = SettleEpoch {
            node: key,
            epoch: 1,
            root: leaf.node(chain, &key, 1).digest,
            totals: EpochTotals { answers: 1, fees: FALSE_FEES, split, unearned: 0 },
            vouchers: vec![SignedVoucher::sign(chain, channel, FALSE_FEES, &stranger)],
            statement: BlobHash(random()?),
            accounts: 1,
            receipts: Digest(random()?),
            params: 0,
            carries: None,
            taken: Vec::new(),
        };
        done(&client, chain, &stranger, Action::SettleEpoch(settle)).await?;
        let before = client.balance(&account).await?;
        let path = format!("/v1/epochs/{key}-1");
        let epoch = until("the epoch is void", async || {
            let epoch: Value = client.get(&path).await?;
            ensure!(epoch["status"] != "final", "it was paid: {epoch}");
            Ok((epoch["status"] == "void").then_some(epoch))
        })
        .await?;
        ensure!(epoch["audit"]["phase"] == "missing", "{epoch}");
        // Payer and node are one here: what it put up for its statement's being kept comes back too.
        let words = epoch["quorum"].as_u64().context("no quorum")? * Params::default().statement_fee;
        ensure!(client.balance(&account).await? == before + FALSE_FEES + words, "the payer has not got it back");
        let left: Value = client.get(&format!("/v1/accounts/{account}")).await?;
        let lost = STRANGERS_STAKE - left["stake"].as_u64().context("no stake")?;
        ensure!(lost > 0, "it lost nothing: {left}");
        Ok(format!("what was false is void, and cost its node {}; the payer has its money back", display(lost)))
    }

    /// What the giver earned in both epochs is claimed in one transaction, once nobody can challenge them any more.
    pub(super) async fn claim(&mut self) -> Result<String> {
        let client = self.client(HOME)?;
        let address = client.key(GIVER).await?.address;
        let earned = until("both epochs are final", async || {
            let earnings: Value = client.get(&format!("/v1/accounts/{address}/earnings")).await?;
            let pending = earnings["pending"].as_u64().unwrap_or(0);
            Ok(earnings["claimable"].as_u64().filter(|amount| *amount > 0 && pending == 0))
        })
        .await?;
        let paid: Value = client.post(&format!("/v1/accounts/{address}/claim"), &serde_json::json!({})).await?;
        ensure!(paid["total"] == earned && paid["claims"][0]["epochs"] == 2, "{paid}");
        Ok(format!("{} out of 2 epochs in one transaction", display(earned)))
    }
}
