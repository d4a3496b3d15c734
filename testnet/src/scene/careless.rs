//! A judge that looks at nothing: whatever it is drawn for has full marks. Its operator has turned the node's own judging off and signs by hand,
//! as anybody can who has the key.

use anyhow::{Context as _, Result};
use datanet::keyring::Keyring;
use datanet_config::Home;
use datanet_types::action::{CommitScores, RevealScores};
use datanet_types::scores::Commitment;
use datanet_types::{Action, BlobHash, Digest, Scores, SigningKey};
use serde_json::Value;

use super::ledger::{Sent, random, send};
use super::until;
use crate::api::{Client, Contribution};
use crate::network::Network;

/// What it says of everything.
const MARKS: Scores = Scores { validity: 9_900, quality: 9_900, uniqueness: 9_900, usefulness: 9_900 };

/// See the module.
#[derive(Debug)]
pub struct Careless {
    chain: String,
    key: SigningKey,
    salt: Digest,
    report: BlobHash,
}

impl Careless {
    /// The operator of node `index`.
    ///
    /// # Errors
    /// When its key cannot be read.
    pub fn of(network: &Network, index: usize) -> Result<Self> {
        let home = Home::new(network.nodes().get(index).context("no such node")?.home());
        let keyring = Keyring::open(&home.keys()).map_err(|error| anyhow::anyhow!("{error}"))?;
        let key = keyring.get("node").map_err(|error| anyhow::anyhow!("{error}"))?.secret().clone();
        let report = BlobHash(*blake3::hash(b"looks fine").as_bytes());
        Ok(Self { chain: network.chain_id().to_owned(), key, salt: Digest(random()?), report })
    }

    /// Stays with a contribution until its verdict, and gives it full marks where this judge was drawn.
    ///
    /// # Errors
    /// When the node does not answer, or there is no verdict.
    pub async fn attend(&self, client: &Client, id: &str) -> Result<Contribution> {
        until(&format!("{id} is judged"), async || {
            let view: Value = client.get(&format!("/v1/contributions/{id}")).await?;
            let seen: Contribution = serde_json::from_value(view.clone())?;
            if seen.state.is_settled() {
                return Ok(Some(seen));
            }
            let own = self.key.address().to_string();
            let mine = view["committee"].as_array().into_iter().flatten().find(|one| one["validator"] == *own);
            match mine {
                Some(mine) if mine["committed"] == false => drop(self.commit(client, &view).await?),
                Some(mine) if mine["revealed"] == false => drop(self.reveal(client, &view).await?),
                _ => {}
            }
            Ok(None)
        })
        .await
    }

    async fn commit(&self, client: &Client, view: &Value) -> Result<Sent> {
        let contribution = id(view, "id")?;
        let commitment = Commitment {
            chain_id: &self.chain,
            datanet: &id(view, "datanet")?,
            contribution: &contribution,
            blob: &id(view, "blob")?,
            validator: &self.key.address(),
            scores: Some(&MARKS),
            report: &self.report,
            salt: &self.salt,
        };
        let action = CommitScores { contribution, commitment: commitment.digest() };
        send(client, &self.chain, &self.key, self.key.address(), Action::CommitScores(action)).await
    }

    async fn reveal(&self, client: &Client, view: &Value) -> Result<Sent> {
        let (report, salt) = (self.report, self.salt);
        let action = RevealScores { contribution: id(view, "id")?, scores: Some(MARKS), report, salt };
        send(client, &self.chain, &self.key, self.key.address(), Action::RevealScores(action)).await
    }
}

fn id<T: serde::de::DeserializeOwned>(view: &Value, field: &str) -> Result<T> {
    serde_json::from_value(view[field].clone()).with_context(|| format!("no {field} in {view}"))
}
