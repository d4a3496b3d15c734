//! What a service is made of, what that takes, and what of a price is left for it.

use anyhow::{Context, Result, ensure};
use datanet_api::agents::AgentView;
use datanet_api::quotes::Quoted;
use datanet_api::treasury::ParamsView;
use datanet_types::Amount;
use datanet_types::amount::{display, mul_div};
use datanet_types::epoch::FeeShares;
use serde_json::{Value, json};

use crate::agent::journal::Step;
use crate::agent::node::Node;
use crate::agent::spec::ServiceSpec;

const WHOLE_PPM: u64 = 1_000_000;

/// A part that is bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// What is done with it.
    pub(super) step: Step,
    /// The datanet's or model's id.
    pub(super) of: String,
    /// Base units of one answer.
    pub(super) price: Amount,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skill {
    /// Where passages come from.
    pub(super) search: Option<Part>,
    /// Who reads them.
    pub(super) model: Option<Part>,
    shares: FeeShares,
    /// What of its income is the agent's own, in parts of a million: the rest are the floors of its release.
    own_ppm: u64,
}

impl Skill {
    /// What a spec names, as the node and the ledger know it.
    ///
    /// # Errors
    /// When something is not there, the account is not the agent's, or the price leaves a loss: what to change.
    pub(super) async fn find(node: &Node, spec: &ServiceSpec) -> Result<Self> {
        let agent: AgentView =
            node.client.get(&format!("/v1/agents/{}", spec.agent)).await.context("[service] agent")?;
        let (id, account) = (agent.id, agent.account);
        ensure!(agent.retired_height == 0, "agent {id} was retired; register another");
        ensure!(
            account == node.address,
            "the token acts for account {}, and agent {id}'s is {account}; let a key of the node run it (`datanet keys add NAME --account {account}`, \
             `datanet agent grant {id} NAME --may open_channel`), and make the token for that key's name",
            node.address
        );
        let params: ParamsView = node.client.get("/v1/params").await?;
        let shares = params.params.get("fee_shares").cloned().unwrap_or(Value::Null);
        let shares =
            serde_json::from_value(shares).context("the chain's fee_shares do not read; update this program")?;
        let search = match &spec.datanet {
            Some(name) => {
                let record = node.client.datanet(name).await.context("[service] datanet")?.record;
                Some(Part { step: Step::Search, of: record.id.to_string(), price: record.price })
            }
            None => None,
        };
        let model = match &spec.model {
            Some(name) => Some(model(node, name, spec.max_tokens()).await.context("[service] model")?),
            None => None,
        };
        let floors = agent.payees.iter().map(|payee| u64::from(payee.ppm)).fold(0, u64::saturating_add);
        let skill = Self { search, model, shares, own_ppm: WHOLE_PPM.saturating_sub(floors) };
        match skill.loss(spec.price.0) {
            Some(loss) => anyhow::bail!("[service] price = {}: {loss}", spec.price),
            None => Ok(skill),
        }
    }

    /// Of these parts, by the standard shares, with no floors.
    #[cfg(test)]
    pub(super) fn of(search: Option<Part>, model: Option<Part>) -> Self {
        Self { search, model, shares: FeeShares::STANDARD, own_ppm: WHOLE_PPM }
    }

    /// All that is bought, in order.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.search.iter().chain(&self.model)
    }

    /// Whether a model reads the question, and writes.
    pub(super) fn writes(&self) -> bool {
        self.model.as_ref().is_some_and(|model| model.step == Step::Write)
    }

    /// What its suppliers take for an answer.
    pub(super) fn cost(&self) -> Amount {
        self.parts().map(|part| part.price).fold(0, Amount::saturating_add)
    }

    /// Why an answer at this price would be sold at a loss: of a price the node, the treasury and the floors have their parts first.
    pub(super) fn loss(&self, price: Amount) -> Option<String> {
        let income = self.shares.split(price).claimable();
        let own = mul_div(income, self.own_ppm, WHOLE_PPM).unwrap_or(0);
        let cost = self.cost();
        (cost > own).then(|| {
            let floors = display(income.saturating_sub(own));
            format!(
                "its suppliers take {}, and of {} it keeps {}: {} go to node and treasury, {floors} to its floors; it is not sold at a loss",
                display(cost),
                display(price),
                display(own),
                display(price.saturating_sub(income))
            )
        })
    }
}

/// A deployed model: whether it writes or labels, and its price, in the node's word; of a text of up to so many tokens, the most.
async fn model(node: &Node, name: &str, max_tokens: u32) -> Result<Part> {
    let quoted: Quoted = node.client.post("/v1/quotes", &json!({ "model": name })).await?;
    let step = if quoted.quote.kind == "complete" { Step::Write } else { Step::Label };
    let price = quoted.quote.rate.map_or(quoted.quote.price, |rate| rate.fee(max_tokens));
    Ok(Part { step, of: quoted.quote.subject.to_string(), price })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn skill(search: Amount, model: Amount, own_ppm: u64) -> Skill {
        let part = |step, price| Some(Part { step, of: "x".into(), price });
        Skill { own_ppm, ..Skill::of(part(Step::Search, search), part(Step::Write, model)) }
    }

    #[test]
    fn what_suppliers_floors_node_and_treasury_leave_nothing_of_is_not_sold() {
        // Of 10,000 the node has 1,500 and the treasury 500; a floor of a quarter has 2,000 of the rest.
        let skill = skill(4_000, 2_000, 750_000);
        assert_eq!(skill.loss(10_000), None);
        let loss = skill.loss(9_990).unwrap();
        assert!(loss.contains("suppliers take 0.006 DNT") && loss.contains("at a loss"), "{loss}");
        assert!(skill.loss(0).is_some());
    }

    proptest! {
        /// The ledger's own arithmetic: what is sold brings the agent what its suppliers took, to the unit that rounding moves.
        #[test]
        fn what_is_sold_is_no_loss(search in 0u64..1 << 40, model in 0u64..1 << 40, price in 0u64..1 << 42, own in 0u64..=1_000_000) {
            let skill = skill(search, model, own);
            if skill.loss(price).is_none() {
                let income = FeeShares::STANDARD.split(price).claimable();
                let parts = datanet_types::split::split(income, &[own, 1_000_000 - own]);
                prop_assert!(parts[0] + 1 > skill.cost(), "{} of {price}, and {} for suppliers", parts[0], skill.cost());
            }
        }
    }
}
