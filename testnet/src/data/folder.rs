//! Somebody else's data, from files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::dice::Dice;
use super::{Contributor, Dataset, Kind, Record};

/// Most questions held aside.
const MAX_QUESTIONS: usize = 200;
/// Longest question in characters: the default model reads that much whole.
const MAX_QUESTION: usize = 512;

/// Loads `folder`; see [`Dataset::from_folder`].
pub(super) fn load(folder: &Path, seed: u64) -> Result<Dataset> {
    let mut contributors = Vec::new();
    for path in sorted(folder)?.into_iter().filter(|p| p.is_dir()) {
        let mut records = Vec::new();
        for file in sorted(&path)?.into_iter().filter(|p| p.is_file()) {
            records.extend(read(&file)?);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ensure!(!records.is_empty(), "{} holds no records: put a .jsonl, .csv or .txt file into it", path.display());
        contributors.push(Contributor { name, records, kind: Kind::Given });
    }
    ensure!(
        !contributors.is_empty(),
        "{} holds no contributors: make one folder a contributor, with .jsonl, .csv or .txt files in it",
        folder.display()
    );
    let mut holdout = read(&folder.join("holdout.jsonl"))
        .context("the held-out set holdout.jsonl, with {\"text\":…,\"label\":…} a line, judges the contributions")?;
    ensure!(holdout.len() >= 8, "holdout.jsonl has {} records: give at least 8, better some hundred", holdout.len());
    if let Some(at) = holdout.iter().position(|r| r.label.is_none()) {
        bail!("holdout.jsonl, line {}: a held-out record needs a label", at + 1);
    }
    Dice::new(seed, "questions of a folder").shuffle(&mut holdout);
    // Those that a model reads whole come last, where the questions are taken from.
    holdout.sort_by_key(|record| record.text.chars().count() <= MAX_QUESTION);
    let readable = holdout.iter().filter(|record| record.text.chars().count() <= MAX_QUESTION).count();
    let questions = holdout.split_off(holdout.len() - (holdout.len() / 4).min(MAX_QUESTIONS).min(readable));
    ensure!(
        !questions.is_empty(),
        "no record of holdout.jsonl has {MAX_QUESTION} characters or fewer: a question must be short"
    );
    let labels = contributors.iter().flat_map(|c| &c.records).chain(&holdout).chain(&questions);
    let labels: BTreeSet<String> = labels.filter_map(|r| r.label.clone()).collect();
    Ok(Dataset { contributors, holdout, questions, labels: labels.into_iter().collect() })
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot open the folder {}", folder.display()))?;
    let mut paths = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    Ok(paths)
}

/// The records of one file, by its ending; other files are passed over.
fn read(path: &Path) -> Result<Vec<Record>> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let text =
        || std::fs::read_to_string(path).with_context(|| format!("cannot read {} as UTF-8 text", path.display()));
    match ending.as_str() {
        "jsonl" | "ndjson" => text()?
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(i, line)| {
                serde_json::from_str(line).with_context(|| {
                    format!("{}, line {}: not a record like {{\"text\":…,\"label\":…}}", path.display(), i + 1)
                })
            })
            .collect(),
        "csv" => csv::Reader::from_reader(text()?.as_bytes())
            .deserialize()
            .enumerate()
            .map(|(i, row)| {
                row.with_context(|| format!("{}, row {}: the columns are text,label", path.display(), i + 1))
            })
            .collect(),
        "txt" | "text" => Ok(text()?
            .split("\n\n")
            .map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|p| !p.is_empty())
            .map(|text| Record { text, label: None })
            .collect()),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn holdout(n: usize) -> String {
        (0..n)
            .map(|i| format!("{{\"text\":\"passage {i}\",\"label\":\"{}\"}}\n", if i % 3 == 0 { "a" } else { "b" }))
            .collect()
    }

    #[test]
    fn folders_become_contributors_and_a_quarter_of_the_held_out_set_becomes_questions() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "holdout.jsonl", &holdout(40));
        write(root.path(), "ann/x.jsonl", "{\"text\":\"one\",\"label\":\"a\"}\n\n{\"text\":\"two\",\"label\":\"c\"}\n");
        write(root.path(), "bob/y.csv", "text,label\n\"three, four\",b\n");
        write(root.path(), "eve/z.txt", "five\nsix\n\nseven\n");
        let data = load(root.path(), 1).unwrap();
        let sizes: Vec<(&str, usize)> = data.contributors.iter().map(|c| (c.name.as_str(), c.records.len())).collect();
        assert_eq!(sizes, [("ann", 2), ("bob", 1), ("eve", 2)]);
        assert_eq!((data.holdout.len(), data.questions.len()), (30, 10));
        assert_eq!(data.labels, ["a", "b", "c"]);
    }

    #[test]
    fn a_broken_line_is_named() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "holdout.jsonl", &holdout(40));
        write(root.path(), "ann/x.jsonl", "{\"text\":\"one\"}\n{\"label\":3}\n");
        let error = format!("{:#}", load(root.path(), 1).unwrap_err());
        assert!(error.contains("x.jsonl, line 2"), "{error}");
    }

    #[test]
    fn a_folder_without_a_held_out_set_is_refused() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "ann/x.jsonl", "{\"text\":\"one\"}\n");
        assert!(format!("{:#}", load(root.path(), 1).unwrap_err()).contains("holdout.jsonl"));
    }
}
