//! The card beside an exported model: what it is, whose, what it learnt from, how it was measured, and how it is loaded.
//!
//! Names, labels and licences are strangers' texts, so none of them can end the place where it stands.

use std::fmt::Write as _;

use datanet_api::models::ExportFormat;
use datanet_inference::graph::build::Pooling;
use datanet_inference::graph::quantise::Precision;
use datanet_types::release::{Origin, Release, Task};
use serde_json::{Value, json};

use super::Manner;
use crate::chain::RegisteredModel;
use crate::models::gate::judged;
use crate::ppm;

/// The card as Markdown, with the head that Hugging Face reads.
pub(super) fn written(model: &RegisteredModel, release: &Release, format: ExportFormat, manner: &Manner) -> String {
    let mut card = head(release, format);
    let line = |card: &mut String, what: &str, said: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(card, "| {what} | {said} |");
    };
    let _ =
        writeln!(card, "# {}\n\nA model of a datanet, exported as {format}.\n\n| | |\n|---|---|", cell(&release.name));
    line(&mut card, "id", format!("`{}`", model.record.id));
    line(&mut card, "owner", format!("`{}`", model.record.owner));
    line(&mut card, "licence", cell(&release.licence));
    line(&mut card, "task", task(release.task()).to_owned());
    line(&mut card, "base", base(release));
    if !release.labels.is_empty() {
        line(&mut card, "labels", release.labels.iter().map(|label| cell(label)).collect::<Vec<_>>().join(", "));
    }
    if manner.precision == Precision::Int8 {
        line(&mut card, "numbers", numbers(format).to_owned());
    }
    if model.tainted {
        let what = "yes: something that it was trained on was taken back since. Think before you use it";
        line(&mut card, "tainted", what.to_owned());
    }
    data(&mut card, release);
    measures(&mut card, release);
    let _ = writeln!(card, "\n## Loading it\n\n{}", loading(release, format, manner));
    card
}

fn head(release: &Release, format: ExportFormat) -> String {
    let library = match format {
        ExportFormat::Peft => "peft",
        ExportFormat::Transformers => "transformers",
        ExportFormat::Onnx | ExportFormat::OnnxAdapter => "onnx",
    };
    let pipeline = match release.task() {
        Task::Classify => "text-classification",
        Task::Embed => "feature-extraction",
        Task::Generate => "text-generation",
    };
    let listed = !release.licence.contains(' ') && !release.licence.starts_with("LicenseRef-");
    let licence = if listed { release.licence.to_lowercase() } else { "other".to_owned() };
    let mut fields = vec![("license", json!(licence))];
    if !listed {
        fields.push(("license_name", json!(release.licence)));
    }
    fields.extend([("library_name", json!(library)), ("pipeline_tag", json!(pipeline)), ("tags", json!(["datanet"]))]);
    // What JSON calls a text, YAML does too.
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("---\n{fields}---\n\n")
}

fn task(task: Task) -> &'static str {
    match task {
        Task::Classify => "gives a text one of the labels",
        Task::Embed => "turns a text into a vector",
        Task::Generate => "continues a text",
    }
}

/// What the job calls the base.
fn base_name(release: &Release) -> String {
    let job: Value = serde_json::from_str(&release.job).unwrap_or_default();
    job["base"].as_str().unwrap_or_default().to_owned()
}

fn base(release: &Release) -> String {
    match (&release.base, release.origin()) {
        (Some(id), _) => format!("{} (`{id}`)", cell(&base_name(release))),
        (None, Origin::Imported) => "none: it was put up as it is".to_owned(),
        (None, _) => "none: it was trained from nothing".to_owned(),
    }
}

fn numbers(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Onnx | ExportFormat::OnnxAdapter => {
            "the base's products are of 8-bit integers, as nodes serve it"
        }
        ExportFormat::Peft | ExportFormat::Transformers => {
            "floats here; nodes serve its base in 8 bits, so their answers differ a little"
        }
    }
}

fn data(card: &mut String, release: &Release) {
    let _ = writeln!(card, "\n## What it learnt from\n");
    if release.snapshots.is_empty() {
        let _ = writeln!(card, "Nothing is known of it.");
        return;
    }
    let _ = writeln!(card, "| datanet | entries of its history | digest |\n|---|---|---|");
    for snapshot in &release.snapshots {
        let _ = writeln!(card, "| `{}` | {} | `{}` |", snapshot.datanet, snapshot.count, snapshot.digest);
    }
    let parts = || release.sources.iter().flat_map(|source| &source.contributions);
    let records = parts().map(|part| part.records).fold(0, u64::saturating_add);
    let (contributions, contributors) = (parts().count(), release.sources.len());
    let _ = writeln!(card, "\n{records} records of {contributions} contributions by {contributors} contributors.");
}

fn measures(card: &mut String, release: &Release) {
    if release.evaluation.is_empty() && release.attribution.is_none() {
        return;
    }
    let _ = writeln!(card, "\n## Evaluation\n\nOn records that it did not learn from, as its owner says.\n");
    let _ = writeln!(card, "| measure | value |\n|---|---|");
    for metric in &release.evaluation {
        let _ = writeln!(card, "| {} | {:.4} |", cell(&metric.name), ppm::real_measure(metric.value));
    }
    if let Some(figures) = &release.attribution {
        let gate = judged(figures.clone());
        let (method, reason) = (cell(&gate.figures.method), cell(&gate.reason));
        let _ = writeln!(card, "\nAttribution by {method}: {} by real retraining ({reason}).", gate.verdict);
    }
}

fn loading(release: &Release, format: ExportFormat, manner: &Manner) -> String {
    let lower = if manner.lowercase { ".lower()" } else { "" };
    let tokens = include_str!("loading/tokens.py").replace("TEXT", &format!("text{lower}"));
    let code = match (format, release.task()) {
        (ExportFormat::Peft, Task::Generate) => include_str!("loading/peft_generate.py"),
        (ExportFormat::Peft, _) => include_str!("loading/peft.py"),
        (ExportFormat::Transformers, _) => include_str!("loading/transformers.py"),
        (ExportFormat::Onnx, _) => include_str!("loading/onnx.py"),
        (ExportFormat::OnnxAdapter, _) => include_str!("loading/onnx_adapter.py"),
    };
    let output = match (release.task(), &manner.output) {
        (Task::Classify | Task::Generate, _) => "logits",
        (Task::Embed, output) => output,
    };
    let code = code.replace("# TOKENS\n", &tokens).replace("POOLED", pooled(manner.pooling)).replace("OUTPUT", output);
    let after = match (format, release.task()) {
        (ExportFormat::Onnx, Task::Classify | Task::Embed) => {
            "\nA node takes this folder back: put it into its models folder, then `datanet model import FOLDER --name NAME`.\n"
        }
        (ExportFormat::Peft, Task::Classify) => {
            "\nThe head lies beside the factors as `classifier.weight` and `classifier.bias`, and reads the pooled vector; PEFT does not fill it into a class of Hugging Face's, whose heads read others.\n"
        }
        _ => "",
    };
    let base = match format {
        ExportFormat::Peft => {
            format!("`BASE` is the folder of the base, {}, which is not part of this export.\n\n", base(release))
        }
        _ => String::new(),
    };
    format!("{base}```python\n{code}```\n{after}")
}

/// How the vectors of a text's tokens become one.
fn pooled(pooling: Pooling) -> &'static str {
    match pooling {
        Pooling::Mean => "states.mean(0)",
        Pooling::Cls => "states[0]",
        Pooling::Max => "states.max(0).values",
        Pooling::MeanSqrtLen => "states.sum(0) / len(states) ** 0.5",
        Pooling::LastToken => "states[-1]",
    }
}

/// A text in a cell of a table: what would end the cell, or be read as a tag or a link, is written out.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for c in text.chars() {
        match c {
            c if c.is_control() => cell.push(' '),
            '&' => cell.push_str("&amp;"),
            '<' => cell.push_str("&lt;"),
            '|' | '`' | '[' | ']' | '*' | '_' | '\\' | '#' | '!' => cell.extend(['\\', c]),
            c => cell.push(c),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use datanet_ledger::component::models::Model;

    use super::*;

    #[test]
    fn a_strangers_name_ends_neither_the_head_nor_a_cell() {
        let release = Release {
            name: "a|b\n---\n<script>".to_owned(),
            licence: "LicenseRef-x: y".to_owned(),
            labels: vec!["[x](http://evil.example)".to_owned()],
            origin: Origin::Scratch as i32,
            ..Release::default()
        };
        let model = RegisteredModel { record: Model::default(), tainted: true, taint: Vec::new() };
        let card = written(&model, &release, ExportFormat::Transformers, &Manner::default());
        assert!(card.starts_with("---\nlicense: \"other\"\nlicense_name: \"LicenseRef-x: y\"\n"), "{card}");
        assert_eq!(card.lines().filter(|line| *line == "---").count(), 2, "{card}");
        assert!(card.contains("# a\\|b --- &lt;script>") && card.contains("\\[x\\](http"), "{card}");
        assert!(card.contains("| tainted | yes"), "{card}");
    }

    #[test]
    fn each_form_says_how_it_is_loaded() {
        let model = RegisteredModel { record: Model::default(), tainted: false, taint: Vec::new() };
        for task in [Task::Classify, Task::Embed, Task::Generate] {
            let release = Release { name: "owls".to_owned(), task: task as i32, ..Release::default() };
            for (format, says) in [
                (ExportFormat::Peft, "PeftModel.from_pretrained"),
                (ExportFormat::Onnx, "InferenceSession"),
                (ExportFormat::OnnxAdapter, "AdapterFormat"),
                (ExportFormat::Transformers, "AutoModelForCausalLM"),
            ] {
                let card = written(&model, &release, format, &Manner::default());
                assert!(card.contains(says) && !card.contains("POOLED") && !card.contains("OUTPUT"), "{card}");
            }
        }
    }
}
