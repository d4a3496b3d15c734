//! What a model was measured to do, and how far its attribution is to be trusted: the same words for a job's summary, a
//! model's page and an answer's explanation.

use datanet_training::attribution::title;
use serde_json::Value;

use super::output::{table, text};
use crate::ppm;

/// Numbers that are counts, or that nothing is to be read from.
const WHOLE: [&str; 2] = ["held_out", "records"];

/// Measures that a base is compared in, and whether more is better.
const COMPARED: [(&str, &str, bool); 4] = [
    ("accuracy", "base_accuracy", true),
    ("recall_at_1", "base_recall_at_1", true),
    ("recall_at_10", "base_recall_at_10", true),
    ("perplexity", "base_perplexity", false),
];

/// Names and values, in the order in which they are shown.
pub(super) struct Measures(Vec<(String, f64)>);

impl Measures {
    /// A job's: one object, with the number of seconds and the gate among them.
    pub(super) fn of_job(evaluation: &Value) -> Self {
        let entries = evaluation.as_object().into_iter().flatten();
        Self(entries.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect())
    }

    /// A manifest's or a ledger record's: a list, in parts per million.
    pub(super) fn of_manifest(evaluation: &Value) -> Self {
        let entries = evaluation.as_array().into_iter().flatten();
        Self(
            entries
                .map(|metric| (text(&metric["name"]), metric["value"].as_f64().unwrap_or_default() / ppm::WHOLE))
                .collect(),
        )
    }

    /// A few of them on one line.
    pub(super) fn brief(&self) -> String {
        self.0.iter().take(3).map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>().join(", ")
    }

    /// Prints all, with what their names mean where those don't say it.
    pub(super) fn print(&self) {
        for (name, value) in &self.0 {
            let number = match name.as_str() {
                whole if WHOLE.contains(&whole) => format!("{value:.0}"),
                "seconds" => format!("{value:.1}"),
                _ => format!("{value:.3}"),
            };
            say!("  {name:18} {number:>8}{}", meaning(name).map(|words| format!("   {words}")).unwrap_or_default());
        }
        if let Some(warning) = self.warning() {
            say!("warning: {warning}");
        }
    }

    /// Says so where the model does worse than the base that it was made from.
    fn warning(&self) -> Option<String> {
        let get = |wanted: &str| self.0.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        COMPARED.iter().find_map(|(name, base, more)| {
            let (own, bases) = (get(name)?, get(base)?);
            let worse = if *more { own < bases } else { own > bases };
            worse.then(|| format!("the model is worse than its base: {name} {own:.3}, the base's is {bases:.3}"))
        })
    }
}

fn meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "majority" => "always the most frequent label",
        "base_accuracy" => "the base's vote: the labels of the records nearest to it",
        "base_loss" | "base_perplexity" | "base_recall_at_1" | "base_recall_at_10" => "the base's",
        "served_accuracy" => "in 8 bits, as nodes serve it",
        "served_cosine" => "between the vectors in 8 bits and in floats",
        "served_loss" | "served_perplexity" | "served_macro_f1" | "served_recall_at_1" | "served_recall_at_10" => {
            "in 8 bits"
        }
        "held_out" => "records it was asked",
        _ => return None,
    })
}

/// Prints by which method a release values, why, and how far that is to be trusted; `one` is what the numbers count as
/// one. Nothing where it values by none.
pub(super) fn print_attribution(said: &Value, one: f64) {
    let Some(method) = said["method"].as_str() else { return };
    say!("attribution by {}: {}", title(method), text(&said["why"]));
    say!("audit {}", gate(said, one));
    if let Some(missed) = first_order(said, one) {
        say!("{missed}");
    }
    let figure = |compared: &Value, name: &str, behind: &str| match (count(said, behind), compared[name].as_f64()) {
        (0, _) | (_, None) => "-".to_owned(),
        (_, Some(value)) => format!("{:.3}{}", value / one, within(compared, name, one)),
    };
    if said["compared"].as_array().is_some_and(|all| all.len() > 1) {
        table(
            &said["compared"],
            &[
                ("method", &|compared| title(&text(&compared["method"])).to_owned()),
                ("LDS", &|compared| figure(compared, "lds", "subsets")),
                ("leave-one-out rank", &|compared| figure(compared, "leave_one_out", "contributors")),
                ("pay", &|compared| figure(compared, "pay", "contributors")),
                ("passed", &|compared| if compared["passed"] == true { "yes" } else { "no" }.to_owned()),
                ("used", &|compared| if compared["method"] == method { "yes" } else { "-" }.to_owned()),
            ],
        );
    }
}

/// The gate of a release in one sentence; `one` is what its numbers count as one.
pub(super) fn gate(gate: &Value, one: f64) -> String {
    let (subsets, left_out) = (count(gate, "subsets"), count(gate, "contributors"));
    if subsets == 0 && left_out == 0 {
        return "not audited by retraining".to_owned();
    }
    let scores = |names: &[&str]| {
        let known = names
            .iter()
            .filter_map(|name| Some(format!("{name} {:.3}{}", gate[*name].as_f64()? / one, within(gate, name, one))));
        match known.collect::<Vec<_>>() {
            known if known.is_empty() => "no score".to_owned(),
            known => known.join(", "),
        }
    };
    let mut parts = Vec::new();
    if subsets > 0 {
        parts.push(format!("{} over {}", scores(&["lds"]).replace("lds", "LDS"), many(subsets, "retraining")));
    }
    if left_out > 0 {
        parts.push(format!(
            "{} over {} left out",
            scores(&["leave_one_out", "pay"]).replace("leave_one_out", "leave-one-out rank"),
            many(left_out, "contributor")
        ));
    }
    let verdict = if gate["passed"] == true { "passed" } else { "not passed" };
    let said = format!("{}: {verdict}", parts.join("; "));
    match gate["reason"].as_str() {
        Some(reason) if gate["passed"] != true => format!("{said}, {reason}"),
        _ => said,
    }
}

/// What a release says of its first-order error, which no retraining is needed for.
fn first_order(said: &Value, one: f64) -> Option<String> {
    let error = said["first_order_error"].as_f64()? / one;
    Some(format!(
        "first-order error along the run {error:.3} (0: leaving records out changes gradients just as was followed)"
    ))
}

/// Between which a figure lies in 95 of 100 cases.
fn within(figures: &Value, name: &str, one: f64) -> String {
    let interval = &figures[format!("{name}_interval")];
    match (interval["low"].as_f64(), interval["high"].as_f64()) {
        (Some(low), Some(high)) => format!(" ({:.3} to {:.3})", low / one, high / one),
        _ => String::new(),
    }
}

fn many(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn count(gate: &Value, name: &str) -> usize {
    gate[name].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_that_is_worse_than_its_base_is_warned_of() {
        let warned = |evaluation: Value| Measures::of_job(&evaluation).warning();
        let worse = warned(json!({ "accuracy": 0.8, "base_accuracy": 0.9, "seconds": 3 })).unwrap();
        assert!(worse.contains("accuracy 0.800, the base's is 0.900"), "{worse}");
        assert!(warned(json!({ "perplexity": 9.0, "base_perplexity": 7.0 })).is_some());
        for fine in [json!({ "accuracy": 0.9, "base_accuracy": 0.9 }), json!({ "accuracy": 0.1 }), Value::Null] {
            assert_eq!(warned(fine), None);
        }
    }

    #[test]
    fn a_gate_says_what_is_wanting() {
        let few = json!({
            "lds": 0.9, "leave_one_out": null, "pay": null, "subsets": 3, "contributors": 2, "passed": false,
            "verdict": "unjudged", "reason": "too few retrainings to judge",
        });
        assert!(gate(&few, 1.0).ends_with("left out: not passed, too few retrainings to judge"), "{}", gate(&few, 1.0));
        let good = json!({ "lds": 0.7, "subsets": 8, "contributors": 0, "passed": true });
        assert_eq!(gate(&good, 1.0), "LDS 0.700 over 8 retrainings: passed");
        let sure = json!({
            "lds": 700_000, "lds_interval": { "low": 610_000, "high": 780_000 }, "subsets": 8, "contributors": 0, "passed": true,
        });
        assert_eq!(gate(&sure, 1e6), "LDS 0.700 (0.610 to 0.780) over 8 retrainings: passed");
        let one = json!({ "lds": 0.7, "leave_one_out": null, "subsets": 8, "contributors": 1, "passed": true });
        assert!(gate(&one, 1.0).ends_with("; no score over 1 contributor left out: passed"), "{}", gate(&one, 1.0));
        assert_eq!(gate(&Value::Null, 1.0), "not audited by retraining");
        let missed = first_order(&json!({ "first_order_error": 250_000 }), 1e6).unwrap();
        assert!(missed.starts_with("first-order error along the run 0.250"), "{missed}");
        assert_eq!(first_order(&json!({}), 1.0), None);
    }
}
