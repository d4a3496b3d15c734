//! Whether the demo ended as a user may expect, in words.

use super::report::Report;
use crate::data::{BadKind, Dataset, Kind};

/// Everything that is not as it should be; empty when all is well.
pub(super) fn problems(report: &Report, data: &Dataset) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, contributor) in report.contributions.iter().zip(&data.contributors) {
        let name = &contributor.name;
        match (&contributor.kind, line.status.as_str()) {
            (Kind::Honest, "refused") => {
                problems.push(format!("the honest contribution of {name} was refused: {}", line.reason))
            }
            (Kind::Bad(kind), "final") => {
                problems.push(format!("the contribution of {name} was accepted, though {}", describe(kind)))
            }
            _ => {}
        }
    }
    if !report.app_hashes_equal {
        problems.push("the nodes ended with different states".to_owned());
    }
    let answers = &report.answers;
    if answers.asked > 0 && answers.correct <= answers.majority_correct {
        problems.push(format!(
            "{} of {} answers are right, which is no better than always saying the most frequent label ({})",
            answers.correct, answers.asked, answers.majority_correct
        ));
    }
    let majority = answers.majority_correct as f64 / answers.asked.max(1) as f64;
    if let Some(training) = report.training.as_ref().filter(|training| training.accuracy <= majority) {
        problems.push(format!(
            "the fine-tuned model has {:.1} % right, no better than always saying the most frequent label",
            training.accuracy * 100.0
        ));
    }
    if report.receipts.mismatched > 0 {
        problems.push(format!("{} receipts were found wrong by another node", report.receipts.mismatched));
    }
    if report.forgery_caught == Some(false) {
        problems.push("a forged receipt was not caught".to_owned());
    }
    if report.supply.before != report.supply.after {
        problems
            .push(format!("the supply changed from {} to {} base units", report.supply.before, report.supply.after));
    }
    let paid = report.contributions.iter().filter(|c| c.credited > 0 || c.influence > 0.0);
    let unpaid: Vec<&str> = paid
        .filter(|c| !report.payouts.iter().any(|p| p.contributor == c.contributor && p.amount > 0))
        .map(|c| c.contributor.as_str())
        .collect();
    if !unpaid.is_empty() {
        problems.push(format!("answers drew on data of {}, who got nothing", unpaid.join(", ")));
    }
    problems
}

fn describe(kind: &BadKind) -> String {
    match kind {
        BadKind::ShuffledLabels => "its labels are drawn at random".to_owned(),
        BadKind::SwappedLabels => "the labels of two parts are exchanged".to_owned(),
        BadKind::LightEdits { of } => format!("it is the data of {of} with a few words changed"),
        BadKind::Boilerplate => "it is a dozen boilerplate phrases again and again".to_owned(),
    }
}
