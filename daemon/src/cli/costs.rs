//! What something costs, said in one line before it is paid. Nothing is said to programs, which read the same from
//! `GET /v1/status`, a datanet or a model.

use std::io::IsTerminal;

use anyhow::Result;
use datanet_ledger::component::datanets::{Datanet, deposit_of};
use datanet_ledger::component::shares::{self, Shares, Stream};
use datanet_ledger::component::{Params, deposit};
use datanet_types::amount::{BPS, display};
use serde_json::Value;

use super::client::Client;
use super::output::{Output, money, text};

/// What the chain takes, in base units.
pub(super) struct Fees {
    /// For a transaction.
    pub transaction: u64,
    review: u64,
    review_per_mib: u64,
    penalty_bps: u64,
}

impl Fees {
    /// Of the node's chain.
    pub(super) async fn of(client: &Client) -> Result<Self> {
        Ok(Self::said(&client.get("/v1/status").await?))
    }

    /// As a node's status has them.
    pub(super) fn said(status: &Value) -> Self {
        let fee = |name: &str| status["fees"][name].as_u64().unwrap_or_default();
        Self {
            transaction: fee("transaction"),
            review: fee("review"),
            review_per_mib: fee("review_per_mib"),
            penalty_bps: fee("bond_penalty_bps"),
        }
    }

    /// What somebody must have who gives so many bytes: the fees, and what is locked.
    pub(super) fn needed(&self, bond: u64, bytes: u64) -> u64 {
        self.review_of(bytes).saturating_add(self.transaction).saturating_add(bond)
    }

    fn review_of(&self, bytes: u64) -> u64 {
        let (review_fee, review_fee_per_mib) = (self.review, self.review_per_mib);
        Params { review_fee, review_fee_per_mib, ..Params::default() }.review_fee_of(bytes)
    }

    /// `bytes` are none where nobody knows how many will come.
    pub(super) fn contribution(&self, bond: u64, bytes: Option<u64>) -> String {
        let review = self.review_of(bytes.unwrap_or_default());
        let sum = display(review.saturating_add(self.transaction));
        let more = match bytes {
            Some(_) => String::new(),
            None => format!(", {} more for each MiB after the first", display(self.review_per_mib)),
        };
        let parts =
            format!("{} to its judges{more}, {} for the transaction", display(review), display(self.transaction));
        let locked = match bond {
            0 => "no bond".to_owned(),
            bond => {
                let lost = format!("{} % of it are lost if it is refused", self.penalty_bps.saturating_mul(100) / BPS);
                format!("locks {} as bond until the verdict; {lost}", display(bond))
            }
        };
        format!("costs {sum} ({parts}); {locked}")
    }
}

/// A contribution's.
pub(super) async fn of_contribution(client: &Client, bond: u64, bytes: Option<u64>, output: Output) -> Result<()> {
    if !output.json {
        note!("{}", Fees::of(client).await?.contribution(bond, bytes));
    }
    Ok(())
}

/// A datanet's.
pub(super) async fn of_datanet(client: &Client, new: &Value, output: Output) -> Result<()> {
    if !output.json {
        let status = client.get("/v1/status").await?;
        let (fee, locked) = (display(Fees::said(&status).transaction), display(deposit(&status, new)?));
        note!(
            "costs {fee} for the transaction, and locks about {locked}, which come back when it is closed: as long as nothing of it was ever final"
        );
    }
    Ok(())
}

/// What the chain locks for a datanet; some bytes of its record are known to the chain alone.
fn deposit(status: &Value, new: &Value) -> Result<u64> {
    let fee = |name: &str| status["fees"][name].as_u64().unwrap_or_default();
    let (datanet_deposit, state_byte_deposit) = (fee("datanet_deposit"), fee("state_byte"));
    let text = |name: &str| new[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| new[name].as_u64().unwrap_or_default();
    let few = |name: &str| u32::try_from(number(name)).unwrap_or_default();
    let record = Datanet {
        name: text("name"),
        description: text("description"),
        schema: serde_json::from_value(new["schema"].clone())?,
        licence: text("licence"),
        price: number("price"),
        token_price: number("token_price"),
        step_price: number("step_price"),
        accept_threshold: few("accept_threshold"),
        committee_size: few("committee_size"),
        storage_quorum: few("storage_quorum"),
        min_bond: number("min_bond"),
        holdout_size: text("holdout").len() as u64,
        created_height: status["height"].as_u64().unwrap_or_default(),
        ..Datanet::default()
    };
    let params = Params { datanet_deposit, state_byte_deposit, ..Params::default() };
    Ok(deposit_of(&params, &record))
}

/// What a transaction about shares takes.
pub(super) async fn of_holding(client: &Client) -> Result<String> {
    let status = client.get("/v1/status").await?;
    let state_byte_deposit = status["fees"]["state_byte"].as_u64().unwrap_or_default();
    let locked = display(shares::deposit_of(&Params { state_byte_deposit, ..Params::default() }));
    let fee = display(Fees::said(&status).transaction);
    Ok(format!(
        "it costs {fee}, and locks {locked} for an account that holds nothing of it yet, until it holds nothing again"
    ))
}

/// What issuing shares takes, as a sentence.
pub(super) async fn of_shares(client: &Client) -> Result<String> {
    let status = client.get("/v1/status").await?;
    let fee = |name: &str| status["fees"][name].as_u64().unwrap_or_default();
    let params = Params { state_byte_deposit: fee("state_byte"), ..Params::default() };
    let most = u64::MAX;
    let stream = Stream { left: most, since: most, until: most };
    let record = Shares { supply: most, issued_height: most, stream, income: most, ..Shares::default() };
    let (kept, locked) = (display(deposit::of_record(&params, &record)), display(shares::deposit_of(&params)));
    let fee = display(Fees::said(&status).transaction);
    Ok(format!(
        "It costs {fee} for the transaction and up to {kept} for the record, and locks {locked} until its last share is given away"
    ))
}

/// A channel's.
pub(super) async fn of_channel(client: &Client, deposit: u64, output: Output) -> Result<()> {
    if !output.json {
        let fee = display(Fees::of(client).await?.transaction);
        note!("costs {fee} for the transaction, and locks {}; what is not spent comes back", display(deposit));
    }
    Ok(())
}

/// A job's: computing is the node's own.
pub(super) async fn of_training(client: &Client, output: Output) -> Result<()> {
    if !output.json {
        let fee = display(Fees::of(client).await?.transaction);
        note!("costs {fee} when the model is put on the ledger; this node does the work");
    }
    Ok(())
}

/// Answers', before the first is charged: where somebody sits who can still press Ctrl-C. `priced` has a price.
pub(super) fn of_answers(priced: &Value, count: usize, payer: Option<&str>, output: Output) {
    if output.json || !std::io::stderr().is_terminal() {
        return;
    }
    match priced["price"].as_u64() {
        Some(0) => note!("answers are free here"),
        Some(price) => {
            let each = money(&price.into());
            let sum = match count {
                1 => format!("an answer costs {each}"),
                _ => format!("{count} answers cost {each} each, {}", display(price.saturating_mul(count as u64))),
            };
            note!("{sum}, paid by {}", payer.unwrap_or("whom api.payer names"));
        }
        None => {}
    }
}

/// What sending money takes, as a question.
pub(super) fn of_transfer(fees: &Fees, amount: u64, from: &str, to: &str, address: &str) -> String {
    let whom = if to == address { address.to_owned() } else { format!("{} ({address})", text(&to.into())) };
    format!("{} are to go from {from} to {whom}, for a fee of {}.", display(amount), display(fees.transaction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_and_what_is_locked_are_told_apart() {
        let fees = Fees { transaction: 1_000, review: 100_000, review_per_mib: 10_000, penalty_bps: 5_000 };
        let said = fees.contribution(2_000_000, Some(1 << 20));
        assert!(said.starts_with("costs 0.101 DNT (0.1 DNT to its judges, 0.001 DNT for the transaction)"), "{said}");
        assert!(
            said.ends_with("locks 2 DNT as bond until the verdict; 50 % of it are lost if it is refused"),
            "{said}"
        );
        assert!(fees.contribution(0, None).ends_with("; no bond"));
        assert!(fees.contribution(0, None).contains("0.01 DNT more for each MiB after the first"));
        assert!(fees.contribution(0, Some(3 << 20)).starts_with("costs 0.121 DNT (0.12 DNT to its judges,"));
        let sent = of_transfer(&fees, 1_500_000, "node", "alice", "dn1a");
        assert_eq!(sent, "1.5 DNT are to go from node to alice (dn1a), for a fee of 0.001 DNT.");
    }
}
