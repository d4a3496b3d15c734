//! Data: somebody gives it, somebody else tries to own it, and a drawn committee judges both.

use anyhow::{Context as _, Result, ensure};
use datanet_types::action::Contribute;
use datanet_types::amount::{DNT, display};
use datanet_types::{Action, ContributionId, SigningKey};
use serde_json::Value;

use super::Tour;
use crate::api::State;
use crate::scene::ledger::{done, random};
use crate::scene::passages::{passages, upload};
use crate::scene::{BOND, account, contribute, open_datanet, register_base, settled};

/// Seats of each committee.
const SEATS: u64 = 3;
/// Nodes that must keep what is accepted.
const KEEPERS: usize = 2;
/// The account that gives, on the second node.
pub(super) const GIVER: &str = "giver";
/// Its node.
pub(super) const HOME: usize = 1;

impl Tour {
    /// A datanet is opened and somebody gives records to it, for a bond.
    pub(super) async fn contribute(&mut self) -> Result<String> {
        let passages = passages();
        self.datanet = open_datanet(&self.client(0)?, "tour", &passages, SEATS as usize, KEEPERS).await?;
        register_base(&self.client(0)?).await?;
        let client = self.client(HOME)?;
        account(&client, GIVER).await?;
        self.contribution = contribute(&client, &self.datanet, GIVER, upload(&passages.given)).await?;
        Ok(format!("{} records are given, with {} at stake", passages.given.len(), display(BOND)))
    }

    /// A stranger copies the transaction and signs it himself. What it says of the records holds for their giver alone.
    pub(super) async fn front_run(&mut self) -> Result<String> {
        let client = self.client(0)?;
        let thief = SigningKey::from_bytes(&random()?);
        let address = thief.address();
        client.transfer("node", &address.to_string(), 10 * DNT).await?;
        let given: Value = client.get(&format!("/v1/contributions/{}", self.contribution)).await?;
        let number = |field: &str| given[field].as_u64().with_context(|| format!("no {field}"));
        let copy = Contribute {
            datanet: self.datanet.parse()?,
            blob: serde_json::from_value(given["blob"].clone())?,
            size: number("size")?,
            format: 0,
            records: number("records")?,
            record_root: serde_json::from_value(given["record_root"].clone())?,
            bond: number("bond")?,
            origin: self.client(HOME)?.status().await?.node_key.parse()?,
            attempt: 0,
        };
        let chain = self.network.chain_id();
        let id: ContributionId = copy.id(chain, &address, 0);
        done(&client, chain, &thief, Action::Contribute(copy)).await?;
        self.copy = id.to_string();
        let left = client.balance(&address.to_string()).await?;
        Ok(format!("the thief signs a copy, and has {} less while it waits", display((10 * DNT).saturating_sub(left))))
    }

    /// Nobody keeps the copy: its root is none of the thief's records, so that no node says it has what was promised.
    async fn in_vain(&self) -> Result<()> {
        let copy = self.client(0)?.contribution(&self.copy).await?;
        let kept = copy.attestations.as_u64();
        ensure!(copy.state == State::Storing && kept == Some(0), "the copy is {}: {copy:?}", copy.state.as_str());
        Ok(())
    }

    /// What was given is accepted by the seats of a committee and kept.
    pub(super) async fn judged(&mut self) -> Result<String> {
        let client = self.client(HOME)?;
        let judged = settled(&client, &self.contribution).await?;
        ensure!(judged.state == State::Final, "it is {}: {:?}", judged.state.as_str(), judged.reason);
        let shown: Value = client.get(&format!("/v1/contributions/{}", self.contribution)).await?;
        let committee = shown["committee"].as_array().context("no committee")?;
        let seats: u64 = committee.iter().filter_map(|member| member["seats"].as_u64()).sum();
        ensure!(seats == SEATS, "{seats} seats judged it: {shown}");
        self.in_vain().await?;
        let (judges, worth) = (committee.len(), &shown["combined"]);
        Ok(format!("{seats} seats of {judges} judges found it worth {worth} of 10000; the copy is kept by nobody"))
    }
}
