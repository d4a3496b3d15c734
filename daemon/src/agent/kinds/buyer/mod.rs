//! A buyer: answers a stream of questions at the best value under its budget.
//!
//! What an answer of a seller is worth is what a right one is worth to the owner, times how likely it is to be right, as far as lines with a
//! known label have shown. Who has been tried little is given the benefit of the doubt; where no truth is known, all are alike, and the cheapest
//! answers. A seller that refuses is passed over for the question, and the next best is asked. What was paid and is settled lets it say on the
//! ledger how good they were.

mod answers;
mod grades;
mod offers;
mod questions;
mod ratings;
mod value;

use anyhow::{Context, Result};
use datanet_types::amount::display;

use super::super::desk::{Became, Desk};
use super::super::journal::{Ask, Deed, Observed, Outcome};
use super::super::policy::{Choice, Decision, Observation, Policy, Quote};
use super::super::purse::Plan;
use super::super::spec::BuyerSpec;
use answers::Answers;
use offers::{Offer, offers};
use questions::{Question, Questions};
use ratings::Ratings;

/// Answers all questions, and rates sellers by what is settled of what it paid before.
///
/// # Errors
/// When the questions cannot be read, the answers not be written, or the journal fails.
pub async fn run(desk: &mut Desk, policy: &Policy, spec: &BuyerSpec) -> Result<()> {
    let offers = offers(&desk.node, spec).await?;
    let mut answers = Answers::open(&spec.answers)?;
    answers.bring_up_to_date(desk)?;
    let mut ratings = Ratings::new(spec.rate);
    ratings.look(desk).await?;
    let mut questions = Questions::open(&spec.questions).await?;
    while let Some(question) = questions.next(&desk.stop, &desk.told).await? {
        if desk.purse.memory().is_decided(&question.subject) {
            continue;
        }
        if !buy(desk, policy, spec, &offers, &question).await? {
            break;
        }
        answers.bring_up_to_date(desk)?;
        ratings.look(desk).await?;
    }
    Ok(())
}

/// Buys one answer, or passes on it; false where nothing more can be bought now.
async fn buy(
    desk: &mut Desk,
    policy: &Policy,
    spec: &BuyerSpec,
    offers: &[Offer],
    question: &Question,
) -> Result<bool> {
    let mut open: Vec<&Offer> = offers.iter().filter(|offer| offer.takes(question)).collect();
    let observed = Observed::of(format!("question {}", question.shown()), question.text.as_bytes());
    loop {
        if desk.stop.is_cancelled() {
            return Ok(false);
        }
        let seen = seen(desk, spec, &open, question);
        let cheapest = seen.choices.iter().map(|choice| choice.cost).min();
        if cheapest.is_some_and(|cost| cost > seen.left) {
            let (cost, left) = (display(cheapest.unwrap_or_default()), display(seen.left));
            desk.told.say(&format!("the budget is spent: an answer costs {cost}, and {left} is left for a decision now; run it again when the period is over, and it goes on here"));
            return Ok(false);
        }
        let (place, why) = match policy.decide(desk, &seen).await? {
            Decision::Take { choice, why } => (choice, why),
            Decision::Pass { why } => {
                desk.pass(&question.subject, observed, &why)?;
                return Ok(true);
            }
        };
        let offer = *open.get(place).context("a policy has taken what was not offered")?;
        let plan = Plan {
            subject: question.subject.clone(),
            observed: observed.clone(),
            deed: Deed::Ask(ask(desk, offer, question)),
            why,
            reserved: offer.price,
        };
        match desk.carry_out(plan).await? {
            Became::Ended(ended) if ended.outcome == Outcome::Refused => {
                open.remove(place);
            }
            Became::Ended(_) => return Ok(true),
            Became::UnderWay | Became::Not(_) => return Ok(false),
        }
    }
}

fn ask(desk: &Desk, offer: &Offer, question: &Question) -> Ask {
    Ask {
        seller: offer.name.clone(),
        of: offer.of.clone(),
        model: offer.model,
        text: question.text.clone(),
        classify: question.classify,
        truth: question.label.clone(),
        payment: offer.payment(desk.purse.memory()),
        node: offer.node,
    }
}

/// What can be chosen for a question.
fn seen(desk: &Desk, spec: &BuyerSpec, open: &[&Offer], question: &Question) -> Observation {
    let memory = desk.purse.memory();
    let tried: u64 = open.iter().map(|offer| value::graded(&memory.seller(&offer.name))).sum();
    let worth = question.worth.map_or(spec.worth.0, |worth| worth.0);
    let choices = open.iter().map(|offer| {
        let tally = memory.seller(&offer.name);
        Choice {
            name: offer.name.clone(),
            what: format!(
                "{}; right {} of {} times that the truth was known",
                offer.what,
                tally.right,
                value::graded(&tally)
            ),
            cost: offer.price,
            value: value::expected(&tally, tried, worth),
        }
    });
    let what =
        if question.classify { "which seller labels this passage" } else { "which seller answers this question" };
    Observation {
        what: what.to_owned(),
        choices: choices.collect(),
        quotes: vec![Quote { what: "what is asked".to_owned(), text: question.text.clone() }],
        left: desk.purse.left(),
    }
}
