//! Where measurements live: each interface of a node against the bare library underneath it, in the same run.

mod adapters;
mod answers;
mod attribution;
mod attribution_attacks;
mod attribution_foretold;
mod attribution_language;
mod attribution_pay;
mod attribution_peers;
mod attribution_text;
mod contribute;
mod decoder;
mod embed;
mod encoder;
mod follow;
mod generate;
mod language;
mod learning;
mod ledger;
mod qlora;
mod quant;
mod serve;
mod solo;
mod state;
mod statements;
mod train;
mod tuned;

use comfy_table::{Cell, CellAlignment, Table, presets};
use datanet_types::Address;
use serde::Serialize;

pub use adapters::{AdaptersBench, run as adapters};
pub use answers::{AnswersBench, run as answers};
pub use attribution::{AttributionBench, AttributionTask, run as attribution};
pub use attribution_language::LanguageBench;
pub use contribute::{ContributeBench, run as contribute};
pub use embed::{EmbedBench, run as embed};
pub use follow::{FollowBench, run as follow};
pub use generate::{GenerateBench, run as generate};
pub use learning::{LearningBench, run as learning};
pub use ledger::{Cost, LedgerBench, costs, print_costs, run as ledger};
pub use quant::{QuantBench, run as quant};
pub use serve::{ServeBench, run as serve};
pub use state::{StateBench, run as state};
pub use statements::{StatementsBench, run as statements};
pub use train::{TrainBench, run as train};
pub use tuned::Tuned;

/// An account whose key nobody has.
fn nobody(n: u64) -> Address {
    let mut address = [0; 20];
    address.copy_from_slice(&blake3::hash(&n.to_le_bytes()).as_bytes()[..20]);
    Address(address)
}

/// One measurement: ours beside the peer's.
#[derive(Debug, Clone, Serialize)]
pub struct Measure {
    /// What was measured.
    pub measure: String,
    /// The unit of `ours` and `peer`.
    pub unit: String,
    /// What the node reached.
    pub ours: f64,
    /// What the peer reached.
    pub peer: f64,
    /// Who the peer is.
    pub peer_name: String,
    /// How we compare; larger is better, whatever the unit.
    pub ratio: f64,
    /// The ratio to reach.
    pub goal: f64,
}

impl Measure {
    /// A rate, of which more is better.
    fn rate(measure: &str, unit: &str, ours: f64, peer: f64, peer_name: &str, goal: f64) -> Self {
        Self::of(measure, unit, ours, peer, peer_name, ours / peer, goal)
    }

    /// A size, of which less is better.
    fn size(measure: &str, unit: &str, ours: f64, peer: f64, peer_name: &str, goal: f64) -> Self {
        Self::of(measure, unit, ours, peer, peer_name, peer / ours, goal)
    }

    fn of(measure: &str, unit: &str, ours: f64, peer: f64, peer_name: &str, ratio: f64, goal: f64) -> Self {
        let (measure, unit, peer_name) = (measure.to_owned(), unit.to_owned(), peer_name.to_owned());
        Self { measure, unit, ours, peer, peer_name, ratio, goal }
    }
}

/// Prints measures: a table, or with `json` one object a line.
pub fn print(measures: &[Measure], json: bool) {
    if json {
        for measure in measures {
            crate::ui::print(serde_json::json!(measure));
        }
        return;
    }
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_BORDERS_ONLY)
        .set_header(["measure", "unit", "ours", "peer", "ratio", "goal", "peer is"]);
    for m in measures {
        let number = |value: f64| Cell::new(format!("{value:.2}")).set_alignment(CellAlignment::Right);
        let mark = if m.ratio >= m.goal { "✓" } else { "✗" };
        table.add_row(vec![
            Cell::new(format!("{mark} {}", m.measure)),
            Cell::new(&m.unit),
            number(m.ours),
            number(m.peer),
            number(m.ratio),
            number(m.goal),
            Cell::new(&m.peer_name),
        ]);
    }
    crate::ui::print(&table);
}

/// The middle of several runs, which one disturbed run does not move; of an even number, the mean of the middle two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    (middle(values.len() / 2) + middle(values.len().saturating_sub(1) / 2)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_better_when_larger_whatever_the_unit() {
        assert!(Measure::rate("texts", "1/s", 90.0, 100.0, "bare", 0.9).ratio < 1.0);
        assert!(Measure::size("memory", "MiB", 90.0, 100.0, "before", 0.9).ratio > 1.0);
    }

    #[test]
    fn one_disturbed_run_does_not_move_the_median() {
        assert!((median(vec![1.0, 900.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![1.0, 2.0]) - 1.5).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }
}
