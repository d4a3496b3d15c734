//! A release's gate for people: its figures, and what they say.

use datanet_training::attribution::{Gate, GateVerdict, Thresholds};
use datanet_types::release::Attribution;

/// How faithful a release's attribution was found by real retraining. The manifest has the figures alone, so that what they
/// say is worked out where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct GateView {
    /// The manifest's figures.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub figures: Attribution,
    /// `passed`, `failed` or `unjudged`.
    #[schema(value_type = String)]
    pub verdict: GateVerdict,
    /// Why.
    pub reason: String,
}

impl From<Attribution> for GateView {
    fn from(figures: Attribution) -> Self {
        let real = |ppm: i64| (ppm as f64 / 1e6) as f32;
        let known = |count: u32, ppm: i64| (count > 0).then(|| real(ppm));
        let gate = Gate {
            lds: known(figures.subsets, figures.lds),
            leave_one_out: known(figures.contributors, figures.leave_one_out),
            pay: known(figures.contributors, figures.pay),
            subsets: figures.subsets as usize,
            contributors: figures.contributors as usize,
            passed: figures.passed,
        };
        let finding = gate.finding(&Thresholds::PUBLISHED);
        Self { figures, verdict: finding.verdict, reason: finding.reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifests_figures_are_put_into_words() {
        let figures = Attribution { lds: 1_000_000, subsets: 2, contributors: 2, ..Attribution::default() };
        let json = serde_json::to_value(GateView::from(figures)).unwrap();
        assert_eq!((&json["verdict"], &json["lds"]), (&"unjudged".into(), &1_000_000.into()));
        assert!(json["reason"].as_str().unwrap().ends_with("there were 2 and 2"), "{json}");
        let none = GateView::from(Attribution::default());
        assert!(none.reason.starts_with("not audited"), "{none:?}");
    }
}
