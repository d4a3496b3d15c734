//! A release's gate for people: its figures, and what they say.

use datanet_api::models::GateView;
use datanet_training::attribution::{Gate, GateVerdict, Thresholds, why};
use datanet_types::SignedPpm;
use datanet_types::release::Attribution;

use crate::ppm;

/// What the figures of a manifest say.
pub fn judged(figures: Attribution) -> GateView {
    let known = |count: u32, figure: SignedPpm| (count > 0).then(|| ppm::real_measure(figure) as f32);
    let gate = Gate {
        lds: known(figures.subsets, figures.lds),
        leave_one_out: known(figures.contributors, figures.leave_one_out),
        pay: known(figures.contributors, figures.pay),
        subsets: figures.subsets as usize,
        contributors: figures.contributors as usize,
        passed: figures.passed,
        ..Gate::default()
    };
    let finding = gate.finding(&Thresholds::PUBLISHED);
    let verdict = match finding.verdict {
        GateVerdict::Passed => "passed",
        GateVerdict::Failed => "failed",
        GateVerdict::Unjudged => "unjudged",
    };
    let compared: Vec<&str> = figures.compared.iter().map(|one| one.method.as_str()).collect();
    let why = why(&figures.method, &compared, finding.verdict);
    GateView { verdict: verdict.to_owned(), reason: finding.reason, why, figures }
}

#[cfg(test)]
mod tests {
    use datanet_types::release::Compared;

    use super::*;

    #[test]
    fn a_manifests_figures_are_put_into_words() {
        let figures = Attribution { lds: SignedPpm(1_000_000), subsets: 2, contributors: 2, ..Attribution::default() };
        let json = serde_json::to_value(judged(figures)).unwrap();
        assert_eq!((&json["verdict"], &json["lds"]), (&"unjudged".into(), &1_000_000.into()));
        assert!(json["reason"].as_str().unwrap().ends_with("there were 2 and 2"), "{json}");
        let (replay, other) = ("forward-replay".to_owned(), "gauss-newton".to_owned());
        let of = |method: &String| Compared { method: method.clone(), ..Compared::default() };
        let replaced = Attribution {
            method: other.clone(),
            compared: vec![of(&replay), of(&other)],
            subsets: 8,
            ..Attribution::default()
        };
        let json = serde_json::to_value(judged(replaced)).unwrap();
        assert_eq!(json["compared"][0]["method"], "forward-replay");
        assert!(json["why"].as_str().unwrap().starts_with("forward replay did not pass"), "{json}");
        let none = judged(Attribution::default());
        assert!(none.reason.starts_with("not audited"), "{none:?}");
    }
}
