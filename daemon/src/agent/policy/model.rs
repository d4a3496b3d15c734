//! A model that chooses: some turns, in which it may look, and then one of the choices or none. What it says goes through the guard; what it
//! does not say in time is a no.

use anyhow::Result;
use datanet_api::search::SearchParams;
use serde_json::{Value, json};

use super::super::desk::Desk;
use super::super::guard::{Call, Guard};
use super::super::node::Node;
use super::super::spec::{Calls, Spec};
use super::endpoint::Endpoint;
use super::{Decision, Observation, prompt};

/// Records that a search shows.
const HITS: usize = 5;

/// See the module.
#[derive(Debug)]
pub struct ModelPolicy {
    endpoint: Endpoint,
    rounds: u32,
    system: String,
    /// Values in the owner's words may be used.
    owners: String,
}

impl ModelPolicy {
    /// As a spec says.
    ///
    /// # Errors
    /// See [`Endpoint::of`].
    pub fn of(spec: &Spec) -> Result<Self> {
        let kind = spec.kind()?.name();
        Ok(Self {
            endpoint: Endpoint::of(&spec.policy, spec.budget.each.0)?,
            rounds: spec.policy.rounds(),
            system: prompt::system(&spec.name, kind, &spec.policy.instructions),
            owners: spec.policy.instructions.clone(),
        })
    }

    /// Chooses, or does not.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn decide(&self, desk: &mut Desk, seen: &Observation) -> Result<Decision> {
        let guard = Guard::new(seen, &self.owners);
        let (tools, schema) = (prompt::tools(seen), prompt::schema(seen));
        let mut messages = vec![
            json!({ "role": "system", "content": self.system }),
            json!({ "role": "user", "content": prompt::question(seen).to_string() }),
        ];
        let mut refusals = 0u32;
        for round in 0..self.rounds {
            if desk.stop.is_cancelled() {
                break;
            }
            let subject = format!(
                "think/{}/{round}",
                blake3::hash(Value::from(messages.clone()).to_string().as_bytes()).to_hex()
            );
            let said = match self.endpoint.ask(desk, &subject, &messages, &tools, &schema).await? {
                Ok(said) => said,
                Err(why) => return Ok(Decision::Pass { why }),
            };
            messages.push(said.turn);
            if said.wanted.is_empty() {
                messages.push(json!({ "role": "user", "content": "Decide by a call: take, pass or search." }));
            }
            for (id, wanted) in said.wanted {
                let told = match guard.check(&wanted) {
                    Ok(Call::Take { choice, why }) => {
                        return Ok(Decision::Take { choice, why: told_by(&why, refusals) });
                    }
                    Ok(Call::Pass { why }) => return Ok(Decision::Pass { why: told_by(&why, refusals) }),
                    Ok(Call::Search { query }) => search(&desk.node, query).await,
                    Err(refusal) => {
                        refusals = refusals.saturating_add(1);
                        json!({ "refused": refusal.to_string() })
                    }
                };
                messages.push(match self.endpoint.calls() {
                    Calls::Tools => json!({ "role": "tool", "tool_call_id": id, "content": told.to_string() }),
                    Calls::Json => json!({ "role": "user", "content": told.to_string() }),
                });
            }
        }
        Ok(Decision::Pass {
            why: format!("the model did not decide in {} turns; {refusals} of its calls were refused", self.rounds),
        })
    }
}

/// A model's reason, said to be one.
fn told_by(why: &str, refusals: u32) -> String {
    let refused = if refusals > 0 { format!("; {refusals} of its calls were refused") } else { String::new() };
    format!("the model says: {why}{refused}")
}

async fn search(node: &Node, query: String) -> Value {
    let params = SearchParams { q: query, limit: Some(HITS), ..SearchParams::default() };
    match node.client.search(&params).await {
        Ok(hits) => {
            let records = hits.hits.iter().map(|hit| ("a record that was found", hit.hit.text.as_str()));
            json!({ "notice": crate::quoted::NOTICE, "quoted": prompt::quoted(records) })
        }
        Err(error) => json!({ "failed": error.to_string() }),
    }
}
