//! A service: sells what it makes of answers that it buys: passages of a datanet, what a model says to them, and its owner's template around it.
//!
//! ```text
//!   a caller ──▶ node: quote, hold ──▶ call ──▶ search? ──▶ model? ──▶ template ──▶ node: checks the suppliers, signs, captures
//!                                               each bought under the call's order, once, by the agent's account
//! ```
//! One call at a time. What an order has bought is in the journal, so that a call which is given again, or asked again by its caller, buys nothing
//! twice. A call whose suppliers would take more than it brings, or than there is, is refused before anything is bought.

mod bought;
mod compose;
mod skill;

use std::time::{Duration, Instant};

use anyhow::Result;
use datanet_api::services::{CallView, Called, NextCall};
use datanet_types::amount::display;
use datanet_types::{Amount, Digest, ReceiptId};
use serde_json::{Value, json};

use super::super::desk::{Became, Desk};
use super::super::journal::{Deed, Observed, Outcome, Sell, Step, Supply};
use super::super::purse::Plan;
use super::super::spec::ServiceSpec;
use crate::sales::WORK;
use bought::Bought;
use compose::{MAX_QUESTION, Parts, fill, messages};
use skill::{Part, Skill};

/// Seconds that it waits for a call before it asks again.
const WAIT: u64 = 20;
/// What callers are told whom its budget does not reach for.
const SPENT: &str = "its budget does not reach for what it would buy; ask again when the period is over";
/// How long it waits before it asks again a node that does not answer.
const AGAIN: Duration = Duration::from_secs(1);

/// Sells until it is asked to stop.
///
/// # Errors
/// When the agent, a supplier or the price are not what they must be, the node does not let it sell, or the journal fails.
pub async fn run(desk: &mut Desk, spec: &ServiceSpec) -> Result<()> {
    let skill = Skill::find(&desk.node, spec).await?;
    let mut bought = Bought::default();
    bought.bring_up_to_date(desk)?;
    let (price, description) = (spec.price.0, spec.description.clone());
    let (stop, path) = (desk.stop.clone(), format!("/v1/agents/{}/calls", spec.agent));
    let mut next = NextCall { price, description, anew: true, wait_seconds: WAIT };
    desk.told.say(&format!("sells for {}, of which its suppliers take {}", spec.price, display(skill.cost())));
    loop {
        let called = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            called = desk.node.client.post::<Called>(&path, &next) => called,
        };
        match called {
            Ok(Called { call }) => {
                next.anew = false;
                if let Some(call) = call {
                    let until = Instant::now() + WORK;
                    Counter { desk, spec, skill: &skill, bought: &mut bought, until }.sell(&call).await?;
                }
            }
            Err(error) if error.is_transient() || error.status().is_some_and(|status| status >= 500) => {
                // It may have given a call that did not arrive.
                next.anew = true;
                desk.told.say(&format!("{error}; asked again in a moment"));
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// One part of the skill, bought or not.
enum Got {
    /// What the journal says of it.
    Supplied(Value),
    /// Why it cannot be had.
    Not(String),
    /// The agent was asked to stop: the caller may ask again.
    Stopped,
}

/// What is made for one call.
#[derive(Default)]
struct Made {
    parts: Parts,
    suppliers: Vec<ReceiptId>,
    cost: Amount,
}

impl Made {
    fn add(&mut self, detail: &Value, cost: Amount) {
        self.suppliers.extend(detail["receipt"].as_str().and_then(|id| id.parse::<ReceiptId>().ok()));
        self.cost = self.cost.saturating_add(cost);
    }
}

/// Where a caller is served.
struct Counter<'a> {
    desk: &'a mut Desk,
    spec: &'a ServiceSpec,
    skill: &'a Skill,
    bought: &'a mut Bought,
    /// From when on nothing more is bought for the call: its caller may have left.
    until: Instant,
}

impl Counter<'_> {
    async fn sell(&mut self, call: &CallView) -> Result<()> {
        let mut made = Made::default();
        let said = match self.refusal(call) {
            Some(why) => Err(why),
            None => match self.make(call, &mut made).await? {
                Got::Stopped => return Ok(()),
                Got::Not(why) => Err(why),
                Got::Supplied(_) => Ok(fill(self.spec.template(), &made.parts)),
            },
        };
        let why = said.as_ref().err().cloned().unwrap_or_else(|| "it was asked, and is paid for it".to_owned());
        let Made { suppliers, cost, .. } = made;
        let suppliers = if said.is_ok() { suppliers } else { Vec::new() };
        let sell = Sell { agent: self.spec.agent, order: call.order, price: call.price, cost, said, suppliers };
        let plan = Plan {
            subject: format!("sale/{}", call.order),
            observed: observed(call),
            deed: Deed::Sell(sell),
            why,
            reserved: 0,
        };
        self.desk.carry_out(plan).await.map(drop)
    }

    /// Why nothing is bought for a call.
    fn refusal(&self, call: &CallView) -> Option<String> {
        if let Some(loss) = self.skill.loss(call.price) {
            return Some(loss);
        }
        // Nobody pays for an answer to the half of a question; nor does the agent for passages that a model then has no place for.
        let (reads, long) = (self.skill.writes(), call.text.chars().count());
        if reads && long > MAX_QUESTION {
            return Some(format!(
                "the question has {long} characters, and its model reads {MAX_QUESTION}; ask in fewer"
            ));
        }
        let unbought = |part: &&Part| self.bought.get(&call.order, part.step).is_none();
        let cost = self.skill.parts().filter(unbought).map(|part| part.price).fold(0, Amount::saturating_add);
        let dearest = self.skill.parts().filter(unbought).map(|part| part.price).max().unwrap_or(0);
        let spent = cost > self.desk.purse.remaining() || dearest > self.desk.purse.left();
        spent.then(|| SPENT.to_owned())
    }

    /// Buys the parts one after the other; what they gave is in `made`.
    async fn make(&mut self, call: &CallView, made: &mut Made) -> Result<Got> {
        made.parts.question.clone_from(&call.text);
        if let Some(search) = &self.skill.search {
            let body = json!({ "datanet": search.of, "question": call.text, "neighbours": self.spec.passages() });
            let detail = match self.part(call, search, body).await? {
                Got::Supplied(detail) => detail,
                other => return Ok(other),
            };
            let found = detail["passages"].as_array().into_iter().flatten();
            made.parts.passages = found.filter_map(Value::as_str).map(str::to_owned).collect();
            detail["answer"].as_str().unwrap_or_default().clone_into(&mut made.parts.answer);
            made.add(&detail, self.bought.cost(&call.order, search.step));
            if made.parts.passages.is_empty() {
                return Ok(Got::Not("nothing was found".to_owned()));
            }
        }
        if let Some(model) = &self.skill.model {
            let body = match model.step {
                Step::Write => json!({
                    "model": model.of, "max_tokens": self.spec.max_tokens(), "temperature": 0,
                    "messages": messages(&self.spec.instructions, &made.parts),
                }),
                Step::Label | Step::Search => json!({ "model": model.of, "input": call.text }),
            };
            let detail = match self.part(call, model, body).await? {
                Got::Supplied(detail) => detail,
                other => return Ok(other),
            };
            let label = detail["label"].as_str().unwrap_or_default();
            label.clone_into(&mut made.parts.label);
            detail["answer"].as_str().unwrap_or(label).clone_into(&mut made.parts.answer);
            made.add(&detail, self.bought.cost(&call.order, model.step));
        }
        Ok(Got::Supplied(Value::Null))
    }

    /// Buys one part, or takes what was bought under the order before.
    async fn part(&mut self, call: &CallView, part: &Part, body: Value) -> Result<Got> {
        if let Some(detail) = self.bought.get(&call.order, part.step) {
            return Ok(Got::Supplied(detail.clone()));
        }
        if Instant::now() >= self.until {
            return Ok(Got::Not("its suppliers took too long; ask again in a moment".to_owned()));
        }
        let plan = Plan {
            subject: subject(&call.order, part.step),
            observed: observed(call),
            deed: Deed::Supply(Supply { order: call.order, step: part.step, of: part.of.clone(), body }),
            why: format!("a caller pays {} for what is made of it", display(call.price)),
            reserved: part.price,
        };
        let became = self.desk.carry_out(plan).await?;
        self.bought.bring_up_to_date(self.desk)?;
        Ok(match became {
            Became::Ended(ended) if ended.outcome == Outcome::Done => Got::Supplied(ended.detail),
            // Why is in the journal, for the owner: it tells of his account, channel and limits.
            Became::Ended(_) => Got::Not(format!("the supplier that it has for its {} gave none", part.step.name())),
            Became::UnderWay => Got::Stopped,
            Became::Not(_) if self.desk.stop.is_cancelled() => Got::Stopped,
            Became::Not(_) => Got::Not(SPENT.to_owned()),
        })
    }
}

fn subject(order: &Digest, step: Step) -> String {
    format!("sale/{order}/{}", step.name())
}

fn observed(call: &CallView) -> Observed {
    Observed::of(format!("a call under order {}", &call.order.to_string()[..16]), call.text.as_bytes())
}

#[cfg(test)]
mod tests;
