//! Judging real text with the real model: a measurement, and the proof that the limits are sensible.
//!
//! `DATANET_JUDGE_DATA=DIR cargo test -p datanet-inference judging_real_data -- --ignored --nocapture`, where DIR holds
//! one JSONL file (`text`, `label`) a contributor, and `holdout.jsonl`.

use std::collections::BTreeSet;
use std::path::Path;

use datanet_data::Embedding;
use datanet_data::corpus::{Limits, Record, read_records};
use datanet_data::judge::{DuplicateIndex, JudgeInput, Judgement, judge};
use datanet_inference::encoder::{EncoderConfig, EncoderHandle, EncoderService};
use datanet_inference::runtime::{Locations, Runtime};
use datanet_types::id::ContributionId;
use datanet_types::record::Format;
use datanet_types::schema::Schema;

type Batch = (Vec<(u64, Record)>, Vec<Embedding>);

/// A well-mixed function of 64 bits (the finaliser of SplitMix64).
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn read(path: &Path) -> Vec<Record> {
    let file = std::fs::File::open(path).unwrap();
    read_records(Format::Jsonl, file, &Schema::text_and_label(&[]), Limits::default())
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

async fn embedded(encoder: &EncoderHandle, records: Vec<Record>) -> Batch {
    let texts: Vec<String> = records.iter().map(|record| record.text().to_owned()).collect();
    let embeddings = encoder.embed_all(texts).await.unwrap();
    ((0..).zip(records).collect(), embeddings)
}

fn changed(record: &Record, text: &str, label: &str) -> Record {
    assert!(record.label().is_some());
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

#[tokio::test]
#[ignore = "a measurement on given data"]
async fn judging_real_data() {
    let Ok(folder) = std::env::var("DATANET_JUDGE_DATA") else { return };
    let places = Locations::from_env().unwrap();
    let runtime = Runtime::init(&places.dylib).unwrap();
    let encoder = EncoderService::spawn(&runtime, EncoderConfig::embedder(places.model)).unwrap();
    let holdout = embedded(&encoder, read(&Path::new(&folder).join("holdout.jsonl"))).await;
    let labels: Vec<String> = holdout.0.iter().filter_map(|(_, record)| record.label().map(str::to_owned)).collect();
    let labels: Vec<String> = labels.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_stem().is_some_and(|stem| stem != "holdout"));
    files.sort();
    let mut corpus = DuplicateIndex::new();
    let mut random_z = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let honest = embedded(&encoder, read(file)).await;
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let print = |kind: &str, judgement: &Judgement| {
            let z = judgement.report.labels.and_then(|labels| labels.z).unwrap_or_default();
            println!("{name:20} {kind:9} {:?} z {z:5.1} {}", judgement.scores.as_array(), judgement.report.summary);
            z
        };
        let judged = |batch: &Batch, corpus: &DuplicateIndex| {
            judge(&JudgeInput {
                contribution: ContributionId([0xee; 32]),
                schema: &Schema::text_and_label(&[]),
                records: &batch.0,
                embeddings: &batch.1,
                holdout: &holdout.0,
                holdout_embeddings: &holdout.1,
                corpus,
            })
        };
        let start = std::time::Instant::now();
        let judgement = judged(&honest, &corpus);
        let elapsed = start.elapsed();
        print("honest", &judgement);
        for draw in 0..20u64 {
            let label =
                |i: u64| &labels[(mix(mix(draw + 1) ^ (i + 1000 * number as u64)) % labels.len() as u64) as usize];
            let records = honest.0.iter().map(|(i, r)| (*i, changed(r, r.text(), label(*i)))).collect();
            let judgement = judged(&(records, honest.1.clone()), &corpus);
            random_z.push(judgement.report.labels.and_then(|labels| labels.z).unwrap_or_default());
            if draw == 0 {
                print("shuffled", &judgement);
            }
        }
        let id = ContributionId([u8::try_from(number).unwrap(); 32]);
        corpus.add(id, &honest.0, &honest.1);
        if std::env::var_os("DATANET_NO_EDITS").is_some() {
            continue;
        }
        let copies =
            honest.0.iter().map(|(_, r)| changed(r, &edited(r.text()), r.label().unwrap_or_default())).collect();
        print("edited", &judged(&embedded(&encoder, copies).await, &corpus));
        println!("{:20} judged in {elapsed:?}, {} accepted before", "", judgement.report.counts.corpus);
    }
    let n = random_z.len() as f64;
    let above = |limit: f64| random_z.iter().filter(|z| **z > limit).count() as f64 / n;
    let mean = random_z.iter().sum::<f64>() / n;
    println!(
        "random labels: mean z {mean:.2}, above 1.2: {:.3}, above 2: {:.3}, above 3: {:.3}",
        above(1.2),
        above(2.0),
        above(3.0)
    );
}
