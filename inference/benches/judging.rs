//! Judging real text with the real model, as it is, with labels drawn at random, and slightly edited: whether the limits
//! are sensible.
//!
//! `DATANET_JUDGE_DATA=/path/of/folder cargo bench --profile dev -p datanet-inference --bench judging`: the folder holds one
//! JSONL file (`text`, `label`) a contributor, and `holdout.jsonl`.

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use datanet_data::Embedding;
use datanet_data::corpus::{Limits, Record, read_records};
use datanet_data::judge::{DuplicateIndex, JudgeInput, Judgement, judge};
use datanet_inference::encoder::{EncoderConfig, EncoderHandle, EncoderService};
use datanet_inference::runtime::{Locations, Runtime};
use datanet_types::id::ContributionId;
use datanet_types::record::Format;
use datanet_types::schema::Schema;

/// Draws of labels for each contributor.
const DRAWS: u64 = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Some(folder) = std::env::var_os("DATANET_JUDGE_DATA").map(PathBuf::from) else {
        return println!(
            "DATANET_JUDGE_DATA names no folder; give one with a JSONL file a contributor and holdout.jsonl"
        );
    };
    let places = Locations::from_env().unwrap();
    if let Err(missing) = places.check() {
        return println!("{missing}");
    }
    let runtime = Runtime::init(&places.dylib).unwrap();
    let encoder = EncoderService::spawn(&runtime, EncoderConfig::embedder(places.model)).unwrap();
    let holdout = Batch::embedded(&encoder, read(&folder.join("holdout.jsonl"))).await;
    let labels: BTreeSet<&str> = holdout.records.iter().filter_map(|(_, record)| record.label()).collect();
    let labels: Vec<&str> = labels.into_iter().collect();
    let mut corpus = DuplicateIndex::new();
    let mut random_z = Vec::new();
    for (number, file) in (0u8..).zip(contributors(&folder)) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let honest = Batch::embedded(&encoder, read(&file)).await;
        let start = Instant::now();
        let judgement = honest.judged(&holdout, &corpus);
        let millis = start.elapsed().as_secs_f64() * 1e3;
        print(&name, "honest", &judgement);
        for draw in 0..DRAWS {
            let judgement = honest.relabelled(&labels, draw, number).judged(&holdout, &corpus);
            random_z.push(z(&judgement));
            if draw == 0 {
                print(&name, "shuffled", &judgement);
            }
        }
        corpus.add(ContributionId([number; 32]), &honest.records, &honest.embeddings);
        let copies = honest.records.iter().map(|(_, record)| changed(record, &edited(record.text()), None)).collect();
        print(&name, "edited", &Batch::embedded(&encoder, copies).await.judged(&holdout, &corpus));
        println!("{:20} judged in {millis:.0} ms, {} accepted before", "", judgement.report.counts.corpus);
    }
    let share = |limit: f64| random_z.iter().filter(|z| **z > limit).count() as f64 / random_z.len().max(1) as f64;
    println!(
        "random labels: mean z {:.2}, above 1.2: {:.3}, above 2: {:.3}, above 3: {:.3}",
        random_z.iter().sum::<f64>() / random_z.len().max(1) as f64,
        share(1.2),
        share(2.0),
        share(3.0)
    );
}

/// Every file but the held-out one, in the order of their names.
fn contributors(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_stem().is_some_and(|stem| stem != "holdout"));
    files.sort();
    files
}

fn read(path: &Path) -> Vec<Record> {
    let file = std::fs::File::open(path).unwrap();
    read_records(Format::Jsonl, file, &Schema::text_and_label(&[]), Limits::default())
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Records with their vectors.
struct Batch {
    records: Vec<(u64, Record)>,
    embeddings: Vec<Embedding>,
}

impl Batch {
    async fn embedded(encoder: &EncoderHandle, records: Vec<Record>) -> Self {
        let texts = records.iter().map(|record| record.text().to_owned()).collect();
        Self { embeddings: encoder.embed_all(texts).await.unwrap(), records: (0..).zip(records).collect() }
    }

    /// The same texts under labels drawn at random.
    fn relabelled(&self, labels: &[&str], draw: u64, contributor: u8) -> Self {
        let label =
            |i: u64| labels[(mix(mix(draw + 1) ^ (i + 1_000 * u64::from(contributor))) % labels.len() as u64) as usize];
        let records = self.records.iter().map(|(i, record)| (*i, changed(record, record.text(), Some(label(*i)))));
        Self { records: records.collect(), embeddings: self.embeddings.clone() }
    }

    fn judged(&self, holdout: &Self, corpus: &DuplicateIndex) -> Judgement {
        judge(&JudgeInput {
            contribution: ContributionId([0xee; 32]),
            schema: &Schema::text_and_label(&[]),
            records: &self.records,
            embeddings: &self.embeddings,
            holdout: &holdout.records,
            holdout_embeddings: &holdout.embeddings,
            holdout_index: &DuplicateIndex::of_held_out(
                &holdout.records,
                &holdout.embeddings,
                corpus.scripts().clone(),
            ),
            corpus,
        })
    }
}

/// The record with another text, and another label where one is given.
fn changed(record: &Record, text: &str, label: Option<&str>) -> Record {
    let label = label.or(record.label()).unwrap();
    let json = serde_json::json!({ "text": text, "label": label }).to_string();
    Record::from_json(&json, &Schema::text_and_label(&[])).unwrap()
}

/// Two words swapped and one added, as an editor in a hurry would.
fn edited(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    let at = 1 + words.len() / 2;
    if at + 1 < words.len() {
        words.swap(at, at + 1);
    }
    words.push("indeed");
    words.join(" ")
}

fn print(name: &str, kind: &str, judgement: &Judgement) {
    let (z, scores, summary) = (z(judgement), judgement.scores.as_array(), &judgement.report.summary);
    println!("{name:20} {kind:9} {scores:?} z {z:5.1} {summary}");
}

/// Standard deviations that the labels are better than random ones.
fn z(judgement: &Judgement) -> f64 {
    judgement.report.labels.and_then(|labels| labels.z).unwrap_or_default()
}

/// A well-mixed function of 64 bits (the finaliser of SplitMix64).
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
