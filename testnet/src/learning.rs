//! The demo's training without a network: what would be learnt from any of its contributors' records.

use std::path::Path;

use anyhow::Result;
use datanet_data::corpus::Record as Parsed;
use datanet_data::judge::{DuplicateIndex, JudgeInput, judge};
use datanet_data::{Embedding, Scripts};
use datanet_inference::encoder::{EncoderConfig, EncoderHandle, EncoderService};
use datanet_inference::runtime::{Runtime, SessionConfig};
use datanet_setup::Toolbox;
use datanet_training::data::{Dataset as TrainingData, Example, Source, Task};
use datanet_training::evaluate::Evaluation;
use datanet_training::job::Job;
use datanet_training::run::{self, Control, Event, Setup};
use datanet_types::id::ContributionId;
use datanet_types::schema::Schema;
use serde_json::{Value, json};

use crate::data::{Contributor, Dataset, Record};

/// How the demo's models are trained: adapters in the two upper layers, so that the four below run once a record;
/// everything else as by default. Adapters on more maps answer more of the questions rightly, and their attribution is
/// less faithful.
pub(crate) fn job(data: &Dataset) -> Value {
    // A model refuses what is longer than it was made for. Tokens of prose have over two characters.
    let texts = data.contributors.iter().flat_map(|c| &c.records).chain(&data.holdout).chain(&data.questions);
    let longest = texts.map(|record| record.text.chars().count()).max().unwrap_or_default();
    json!({
        "task": "classify",
        "max_tokens": (longest / 2).clamp(32, 256),
        "lora": { "rank": 4, "alpha": 8.0, "targets": ["query", "value"], "layers": [4, 5] },
    })
}

/// Trains on the records of the contributors that `learns_from` picks, and asks the held-out set.
///
/// # Errors
/// When the data cannot be learnt from, or the training fails.
pub(crate) async fn train(
    tools: &Toolbox,
    data: &Dataset,
    learns_from: impl Fn(&Contributor) -> bool,
    seed: u64,
) -> Result<Evaluation> {
    let training = training_data(data, learns_from)?;
    let mut plan = job(data);
    plan["base"] = json!("minilm-l6");
    plan["recipe"] = json!({ "seed": seed });
    let (model, library) = (tools.model_dir.clone(), tools.onnxruntime.clone());
    tokio::task::spawn_blocking(move || run(&model, &library, &training, &plan)).await?
}

/// The combined score of every contributor, in basis points, as a node's judge gives it: in order, each beside those before it
/// that reach `threshold`.
///
/// # Errors
/// When the model cannot be loaded or a record is none.
pub(crate) async fn scores(tools: &Toolbox, data: &Dataset, threshold: u32) -> Result<Vec<u32>> {
    let runtime = Runtime::init(&tools.onnxruntime)?;
    let encoder = EncoderService::spawn(&runtime, EncoderConfig::embedder(tools.model_dir.clone()))?;
    let schema = Schema::text_and_label(&[]);
    let (holdout, holdout_embeddings) = embedded(&encoder, &data.holdout, &schema).await?;
    let held_out = DuplicateIndex::of_held_out(&holdout, &holdout_embeddings, Scripts::default());
    let (mut corpus, mut scores) = (DuplicateIndex::new(), Vec::new());
    for (number, contributor) in (0u8..).zip(&data.contributors) {
        let (records, embeddings) = embedded(&encoder, &contributor.records, &schema).await?;
        let contribution = ContributionId([number; 32]);
        let score = judge(&JudgeInput {
            contribution,
            schema: &schema,
            records: &records,
            embeddings: &embeddings,
            holdout: &holdout,
            holdout_embeddings: &holdout_embeddings,
            holdout_index: &held_out,
            corpus: &corpus,
        });
        let score = score.scores.combined();
        if score >= threshold {
            corpus.add(contribution, &records, &embeddings);
        }
        scores.push(score);
    }
    Ok(scores)
}

async fn embedded(
    encoder: &EncoderHandle,
    records: &[Record],
    schema: &Schema,
) -> Result<(Vec<(u64, Parsed)>, Vec<Embedding>)> {
    let embeddings = encoder.embed_all(records.iter().map(|record| record.text.clone()).collect()).await?;
    let parsed =
        (0..).zip(records).map(|(at, record)| Ok((at, Parsed::from_json(&json!(record).to_string(), schema)?)));
    Ok((parsed.collect::<Result<_>>()?, embeddings))
}

fn run(model: &Path, library: &Path, data: &TrainingData, plan: &Value) -> Result<Evaluation> {
    let runtime = Runtime::init(library)?;
    let job = Job::from_json(&plan.to_string())?;
    let folder = tempfile::tempdir()?;
    let session = SessionConfig::default();
    let setup =
        Setup { job: &job, data, snapshot: "", memory: None, base: model, runtime, session, folder: folder.path() };
    Ok(run::train(&setup, &mut |_: Event| Control::Continue)?.evaluation)
}

/// The contributors' records to learn from, and what models are measured on.
fn training_data(data: &Dataset, learns_from: impl Fn(&Contributor) -> bool) -> Result<TrainingData> {
    let example = |record: &Record, source: usize| {
        let label = record.label.as_ref().and_then(|label| data.labels.iter().position(|known| known == label));
        Example { text: record.text.clone(), label, pair: None, source }
    };
    let contributors: Vec<&Contributor> = data.contributors.iter().filter(|one| learns_from(one)).collect();
    let records = |(source, contributor): (usize, &&Contributor)| {
        contributor.records.iter().map(|record| example(record, source)).collect::<Vec<_>>()
    };
    let training = TrainingData {
        task: Task::Classify,
        labels: data.labels.clone(),
        train: contributors.iter().enumerate().flat_map(records).collect(),
        held_out: data.holdout.iter().map(|record| example(record, 0)).collect(),
        sources: contributors.iter().map(|contributor| Source { name: contributor.name.clone() }).collect(),
        parts: Vec::new(),
    };
    training.check()?;
    Ok(training)
}
