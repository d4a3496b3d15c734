//! What moved, read from the chain's blocks: each transaction's fee by its bytes and the gas that it took, and what its events say. Nothing here is
//! believed of a node's word on balances; those are what it is held against.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use datanet_ledger::component::Params;
use datanet_types::{Action, SignedTx};
use serde_json::{Value, json};

use crate::scene::comet;

/// What an account was made poorer or richer by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// Fees of transactions.
    Fees,
    /// Deposits of channels, and what came back of them.
    Channels,
    /// What judging a contribution costs.
    Reviews,
    /// Bonds, and what came back of them.
    Bonds,
    /// Claimed pay for answers.
    Earned,
    /// Withdrawn income of shares.
    Income,
    /// Shares bought, and money put into pools.
    Shares,
    /// What records on the ledger lock: a datanet's, a holder's.
    Deposits,
    /// Transfers.
    Transfers,
}

/// Who was made poorer or richer by what.
#[derive(Debug, Default)]
pub(super) struct Books {
    lines: BTreeMap<(String, What), i128>,
    /// What holding shares of an asset locks, as the issue of the first said.
    holding: BTreeMap<String, i128>,
    /// Pay and income that was claimed, whoever's it is.
    pub(super) claimed: u128,
    /// What datanets and models earned, by the node that paid and by asset.
    pub(super) assets: BTreeMap<(String, String), u64>,
    /// Transactions read.
    pub(super) transactions: usize,
}

impl Books {
    /// Reads the blocks of these heights from the CometBFT of the node in `home`.
    pub(super) async fn read(
        home: &Path,
        chain: &str,
        params: &Params,
        heights: std::ops::RangeInclusive<u64>,
    ) -> Result<Self> {
        let mut books = Self::default();
        for height in heights {
            let at = json!({ "height": height.to_string() });
            let block = comet::call(home, "block", at.clone()).await?;
            let txs = block["block"]["data"]["txs"].as_array().cloned().unwrap_or_default();
            if txs.is_empty() {
                continue;
            }
            let results = comet::call(home, "block_results", at).await?;
            let results = results["txs_results"].as_array().cloned().unwrap_or_default();
            for (tx, result) in txs.iter().zip(&results) {
                let bytes = BASE64.decode(tx.as_str().unwrap_or_default())?;
                // A block begins with its proposer's proof, which is no transaction.
                if let Ok(tx) = SignedTx::verify(&bytes, chain) {
                    let gas = text(result, "gas_used").parse::<u64>().context("no gas_used")?;
                    let fee = params.fee_of(gas, tx.size).saturating_add(tx.body.tip);
                    books.transaction(params, &tx.signer.to_string(), &tx.action, fee, result)?;
                }
            }
        }
        Ok(books)
    }

    fn transaction(&mut self, params: &Params, signer: &str, action: &Action, fee: u64, result: &Value) -> Result<()> {
        self.transactions += 1;
        self.post(signer, What::Fees, -i128::from(fee));
        if result["code"].as_u64().unwrap_or_default() != 0 {
            return Ok(());
        }
        match action {
            Action::Transfer(transfer) => {
                self.post(signer, What::Transfers, -i128::from(transfer.amount));
                self.post(&transfer.to.to_string(), What::Transfers, transfer.amount.into());
            }
            Action::Contribute(given) => {
                self.post(signer, What::Bonds, -i128::from(given.bond));
                self.post(signer, What::Reviews, -i128::from(params.review_fee_of(given.size)));
            }
            _ => {}
        }
        for event in result["events"].as_array().into_iter().flatten() {
            self.event(&Event::of(event))?;
        }
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        match event.kind {
            "channel.opened" => self.out(event, "payer", What::Channels, "deposit"),
            "channel.topped_up" => self.out(event, "payer", What::Channels, "amount"),
            "channel.closed" => self.comes(event, "payer", What::Channels, "returned"),
            "datanet.created" => self.out(event, "creator", What::Deposits, "deposit"),
            "epoch.claimed" => {
                self.claimed += event.number("amount")?.unsigned_abs();
                self.comes(event, "account", What::Earned, "amount")
            }
            "income.claimed" => {
                let amount = event.number("amount")?;
                self.claimed += amount.unsigned_abs();
                let of = (event.text("node")?.to_owned(), event.text("asset")?.to_owned());
                *self.assets.entry(of).or_default() += u64::try_from(amount)?;
                self.comes(event, "account", What::Income, "amount")
            }
            "income.withdrawn" => self.comes(event, "account", What::Income, "amount"),
            "agent.registered" => {
                self.out(event, "owner", What::Transfers, "funds")?;
                self.comes(event, "account", What::Transfers, "funds")
            }
            "shares.issued" => {
                self.holding.insert(event.text("asset")?.to_owned(), event.number("deposit")?);
                self.out(event, "issuer", What::Deposits, "deposit")
            }
            "pool.created" => self.out(event, "creator", What::Shares, "amount"),
            "shares.bought" => {
                let holding = self.holding.get(event.text("asset")?).copied().unwrap_or_default();
                self.post(event.text("account")?, What::Deposits, -holding);
                self.out(event, "account", What::Shares, "amount")
            }
            _ => Ok(()),
        }
    }

    fn out(&mut self, event: &Event<'_>, who: &str, what: What, amount: &str) -> Result<()> {
        self.post(event.text(who)?, what, -event.number(amount)?);
        Ok(())
    }

    fn comes(&mut self, event: &Event<'_>, who: &str, what: What, amount: &str) -> Result<()> {
        self.post(event.text(who)?, what, event.number(amount)?);
        Ok(())
    }

    /// Adds a line.
    pub(super) fn post(&mut self, account: &str, what: What, amount: i128) {
        *self.lines.entry((account.to_owned(), what)).or_default() += amount;
    }

    /// By what an account was made poorer or richer.
    pub(super) fn of(&self, account: &str) -> BTreeMap<What, i128> {
        let own = self.lines.iter().filter(|((of, _), _)| of == account);
        own.map(|((_, what), amount)| (*what, *amount)).collect()
    }
}

/// An event with its attributes.
struct Event<'a> {
    kind: &'a str,
    attributes: BTreeMap<&'a str, &'a str>,
}

impl<'a> Event<'a> {
    fn of(event: &'a Value) -> Self {
        let attributes = event["attributes"].as_array().into_iter().flatten();
        let attribute = |one: &'a Value| Some((one["key"].as_str()?, one["value"].as_str()?));
        Self {
            kind: event["type"].as_str().unwrap_or_default(),
            attributes: attributes.filter_map(attribute).collect(),
        }
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        let found = self.attributes.get(name).copied();
        found.map(|text| text.trim_matches('"')).with_context(|| format!("{} has no {name}", self.kind))
    }

    fn number(&self, name: &str) -> Result<i128> {
        self.text(name)?.parse().with_context(|| format!("{name} of {} is no number", self.kind))
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_posted_to_whom_they_name() {
        let event = json!({ "type": "channel.opened", "attributes": [
            { "key": "payer", "value": "dn1a", "index": true }, { "key": "deposit", "value": "70", "index": true },
        ]});
        let mut books = Books::default();
        books.event(&Event::of(&event)).unwrap();
        books.post("dn1a", What::Fees, -3);
        assert_eq!(books.of("dn1a"), BTreeMap::from([(What::Fees, -3), (What::Channels, -70)]));
        assert!(books.event(&Event::of(&json!({ "type": "channel.opened", "attributes": [] }))).is_err());
    }
}
