//! What an answer would have been without each contribution that it credits: the check on `retrieval` receipts.

use datanet_types::{ContributionId, Ppm};

use super::RetrievalError;
use super::answer::{Answer, Neighbour, Question, compose, neighbours_wanted, retrieve, votes_for};
use super::scope::Scope;
use super::view::View;

/// The answer without one contribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ablation {
    /// The contribution that was left out.
    pub contribution: ContributionId,
    /// Its credit in the full answer.
    pub weight: Ppm,
    /// What its absence costs: for a label, what the full answer's label loses of the votes; for
    /// a question, what the quoted passages lose of their summed scores. Never negative. Others step in for what is
    /// left out, so this is mostly less than `weight`; an audit pays the lower of the two.
    pub effect: Ppm,
    /// The label without it.
    pub label: Option<String>,
    /// Whether the answer in words is another without it.
    pub answer_changed: bool,
}

pub(super) fn ablate(view: &View, question: &Question) -> Result<Vec<Ablation>, RetrievalError> {
    let full = Run::without(view, question, None)?;
    let credited = full.answer.credits.iter();
    credited
        .map(|(contribution, weight)| {
            let run = Run::without(view, question, Some(*contribution))?;
            Ok(Ablation {
                contribution: *contribution,
                weight: *weight,
                effect: effect(&full, &run),
                answer_changed: words(&run.answer) != words(&full.answer),
                label: run.answer.output.label,
            })
        })
        .collect()
}

/// The answer in words: the best passage's, where it has none of its own.
fn words(answer: &Answer) -> &str {
    match answer.output.answer.as_str() {
        "" => answer.quotes.first().map_or("", String::as_str),
        own => own,
    }
}

/// One retrieval and its answer.
struct Run {
    answer: Answer,
    /// Sum of the scores of the neighbours taken, in units; none counts below zero.
    scores: u64,
}

impl Run {
    fn without(view: &View, question: &Question, left_out: Option<ContributionId>) -> Result<Self, RetrievalError> {
        let scope = Scope::exactly(view, &question.snapshot.contributions, left_out)?;
        let taken = neighbours_wanted(&question.input);
        let near = retrieve(view, &scope, question, taken + 1)?;
        let score = |one: &Neighbour| one.score.max(0).unsigned_abs();
        Ok(Self { answer: compose(&question.input, &near), scores: near.iter().take(taken).map(score).sum() })
    }
}

fn effect(full: &Run, run: &Run) -> Ppm {
    match &full.answer.output.label {
        Some(label) => full.answer.support.saturating_sub(votes_for(&run.answer.output.passages, label)),
        None => Ppm::ratio(full.scores.saturating_sub(run.scores), full.scores),
    }
}
